/* The two hashes: their bytes, and what must and must not make them differ. */
#include "agent/core/digest.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "tests/unit/core_check.h"

#define SPAN(text)                                                        \
	{                                                                 \
		.data = (const uint8_t *)(text), .size = sizeof(text) - 1 \
	}

static const struct policy everything = {.fingerprint = POLICY_PARTS_ALL};

static int setup(void **state)
{
	*state = digest_new();
	return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	digest_free(*state);
	digest_free(NULL);
	return 0;
}

static void check_hex(const uint8_t hash[32], const char *expected)
{
	char hex[65];

	for (size_t i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	assert_string_equal(hex, expected);
}

static struct digest_request sample(void)
{
	return (struct digest_request){
	    .method = spoe_span_of("POST"),
	    .path = spoe_span_of("/payments"),
	    .query = spoe_span_of("a=1"),
	    .body = spoe_span_of("{\"amount\":1}"),
	    .body_size = 12,
	};
}

/* Records on disk are found by these bytes: computed with another program. */
static void test_golden(void **state)
{
	struct digest *digest = *state;
	const struct spoe_span scopes[] = {spoe_span_of("shop.example"),
	                                   spoe_span_of("alice")};
	struct digest_request request = sample();
	uint8_t hash[32];

	assert_true(digest_record_key(digest, scopes, 2,
	                              spoe_span_of("8e03978e"), hash));
	check_hex(hash, "6c162f317f4931826aecb80b1a8e6080"
	                "b39e00b6f723818a7048610f7de47e65");

	assert_true(digest_fingerprint(digest, &request, &everything, hash));
	check_hex(hash, "df8087776c4b89b469966e27b88bc581"
	                "1991a59ba967f8fa69c2516d8b53f3a5");

	request.body_size = 20000;
	assert_true(digest_fingerprint(digest, &request, &everything, hash));
	check_hex(hash, "550b56e09a3cca552e0680d4d964e8f1"
	                "a7d28af1a70eb29ace2f30bfdda87469");

	request.has_digest = true;
	request.digest = spoe_span_of("sha-256=:x:");
	assert_true(digest_fingerprint(digest, &request, &everything, hash));
	check_hex(hash, "e50bb6018ce11a9b7eb2626ac0bf7615"
	                "531623950885c01e2dd922170b2fce16");
}

/* All these are keys of different records. */
static const struct {
	struct spoe_span scopes[DIGEST_SCOPES_MAX];
	size_t n_scopes;
	struct spoe_span key;
} keys[] = {
    {{{0}}, 0, SPAN("k")},
    {{{0}}, 0, SPAN("kk")},
    {{{0}}, 0, SPAN("K")},
    {{{0}}, 1, SPAN("k")},
    {{{0}, {0}}, 2, SPAN("k")},
    {{SPAN("k")}, 1, SPAN("k")},
    {{SPAN("a")}, 1, SPAN("k")},
    {{SPAN("a"), {0}}, 2, SPAN("k")},
    {{{0}, SPAN("a")}, 2, SPAN("k")},
    {{SPAN("a"), SPAN("b")}, 2, SPAN("k")},
    {{SPAN("b"), SPAN("a")}, 2, SPAN("k")},
    {{SPAN("ab")}, 1, SPAN("k")},
    {{SPAN("a")}, 1, SPAN("bk")},
    {{SPAN("a\0b")}, 1, SPAN("k")},
    {{SPAN("a"), SPAN("b"), SPAN("c")}, 3, SPAN("k")},
    {{SPAN("a"), SPAN("bc")}, 2, SPAN("k")},
    {{SPAN("ab"), SPAN("c")}, 2, SPAN("k")},
    {{SPAN("a"), {0}, {0}, {0}, {0}, {0}, {0}, {0}}, 8, SPAN("k")},
};

static void test_keys_apart(void **state)
{
	struct digest *digest = *state;
	uint8_t hashes[COUNT(keys)][RECORD_KEY_SIZE];

	for (size_t i = 0; i < COUNT(keys); i++) {
		assert_true(digest_record_key(digest, keys[i].scopes,
		                              keys[i].n_scopes, keys[i].key,
		                              hashes[i]));
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(hashes[i], hashes[j],
			                        RECORD_KEY_SIZE);
	}
}

/* All these are different requests. */
static const struct digest_request requests[] = {
    {.method = SPAN("POST"),
     .path = SPAN("/a"),
     .body = SPAN("x"),
     .body_size = 1},
    {.method = SPAN("PATCH"),
     .path = SPAN("/a"),
     .body = SPAN("x"),
     .body_size = 1},
    {.method = SPAN("POST"),
     .path = SPAN("/A"),
     .body = SPAN("x"),
     .body_size = 1},
    {.method = SPAN("POST/"),
     .path = SPAN("a"),
     .body = SPAN("x"),
     .body_size = 1},
    {.method = SPAN("POST"),
     .path = SPAN("/a"),
     .query = SPAN("q"),
     .body = SPAN("x"),
     .body_size = 1},
    {.method = SPAN("POST"), .path = SPAN("/a"), .query = SPAN("x")},
    {.method = SPAN("POST"), .path = SPAN("/a")},
    {.method = SPAN("POST"), .path = SPAN("/a"), .body_size = 1},
    {.method = SPAN("POST"), .path = SPAN("/a"), .body_size = 2},
    {.method = SPAN("POST"),
     .path = SPAN("/a"),
     .body = SPAN("y"),
     .body_size = 1},
    {.method = SPAN("POST"),
     .path = SPAN("/a"),
     .body = SPAN("x"),
     .body_size = 2},
    {.method = SPAN("POST"),
     .path = SPAN("/a"),
     .body = SPAN("x"),
     .body_size = 3},
    {.method = SPAN("POST"),
     .path = SPAN("/a"),
     .body = SPAN("x\0"),
     .body_size = 2},
    {.method = SPAN("POST"), .path = SPAN("/a"), .has_digest = true},
    {.method = SPAN("POST"),
     .path = SPAN("/a"),
     .has_digest = true,
     .digest = SPAN("x")},
};

static void test_requests_apart(void **state)
{
	struct digest *digest = *state;
	uint8_t hashes[COUNT(requests)][RECORD_FINGERPRINT_SIZE];

	for (size_t i = 0; i < COUNT(requests); i++) {
		assert_true(digest_fingerprint(digest, &requests[i],
		                               &everything, hashes[i]));
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(hashes[i], hashes[j],
			                        RECORD_FINGERPRINT_SIZE);
	}
}

/* A record key is never a fingerprint, whatever is in the fields. */
static void test_kinds_apart(void **state)
{
	struct digest *digest = *state;
	const struct digest_request empty = {.body_size = 0};
	uint8_t key[32], fingerprint[32];

	assert_true(
	    digest_record_key(digest, NULL, 0, spoe_span(NULL, 0), key));
	assert_true(
	    digest_fingerprint(digest, &empty, &everything, fingerprint));
	assert_memory_not_equal(key, fingerprint, 32);
}

/* A digest stands for the body: what HAProxy had of it no longer counts. */
static void test_digest_replaces_body(void **state)
{
	struct digest *digest = *state;
	struct digest_request request = sample();
	uint8_t with_body[32], without[32], partial[32];

	request.has_digest = true;
	request.digest = spoe_span_of("d");
	assert_true(
	    digest_fingerprint(digest, &request, &everything, with_body));
	request.body_size = 99999;
	assert_true(digest_fingerprint(digest, &request, &everything, partial));
	request.body = spoe_span(NULL, 0);
	request.body_size = 0;
	assert_true(digest_fingerprint(digest, &request, &everything, without));
	assert_memory_equal(with_body, without, 32);
	assert_memory_equal(with_body, partial, 32);
}

static const struct {
	const char *name;
	uint64_t body_size;
	bool has_digest;
	bool partial;
} bodies[] = {
    {"whole", 12, false, false},
    {"partial", 13, false, true},
    {"partial by far", UINT64_MAX, false, true},
    {"size not known", 0, false, false},
    {"partial with a digest", 13, true, false},
};

static void test_partial(void **state)
{
	const struct policy without_body = {
	    .fingerprint = POLICY_PARTS_ALL & ~(unsigned)POLICY_PART_BODY};

	(void)state;
	for (size_t i = 0; i < COUNT(bodies); i++) {
		struct digest_request request = sample();

		request.body_size = bodies[i].body_size;
		request.has_digest = bodies[i].has_digest;
		check_row(bodies[i].name,
		          digest_body_partial(&request, &everything) ==
		              bodies[i].partial);
		check_row(bodies[i].name,
		          !digest_body_partial(&request, &without_body));
	}
}

static const struct {
	const char *name;
	unsigned part;
	bool digest;
	bool counts;
} parts[] = {
    {"method", POLICY_PART_METHOD, false, true},
    {"path", POLICY_PART_PATH, false, true},
    {"query", POLICY_PART_QUERY, false, true},
    {"body", POLICY_PART_BODY, false, true},
    {"digest", POLICY_PART_DIGEST, true, true},
    {"digest, there is none", POLICY_PART_DIGEST, false, false},
};

/* What the policy does not compare makes no difference, what it does, does. */
static void test_parts(void **state)
{
	struct digest *digest = *state;

	for (size_t i = 0; i < COUNT(parts); i++) {
		const struct policy one = {.fingerprint = parts[i].part};
		const struct policy others = {.fingerprint = POLICY_PARTS_ALL &
		                                             ~parts[i].part};
		struct digest_request a = sample(), b = sample();
		uint8_t of_a[32], of_b[32];

		a.has_digest = b.has_digest = parts[i].digest;
		a.digest = spoe_span_of("1");
		b.digest = spoe_span_of("2");
		if (parts[i].part == POLICY_PART_METHOD)
			b.method = spoe_span_of("PUT");
		else if (parts[i].part == POLICY_PART_PATH)
			b.path = spoe_span_of("/refunds");
		else if (parts[i].part == POLICY_PART_QUERY)
			b.query = spoe_span_of("a=2");
		else if (parts[i].part == POLICY_PART_BODY)
			b.body = spoe_span_of("{\"amount\":2}");
		assert_true(digest_fingerprint(digest, &a, &one, of_a));
		assert_true(digest_fingerprint(digest, &b, &one, of_b));
		check_row(parts[i].name,
		          (memcmp(of_a, of_b, 32) != 0) == parts[i].counts);
		assert_true(digest_fingerprint(digest, &a, &others, of_a));
		assert_true(digest_fingerprint(digest, &b, &others, of_b));
		check_row(parts[i].name, memcmp(of_a, of_b, 32) == 0);
	}
}

/* Where a body is cut does not matter, as long as enough of it is there. */
static void test_partial_is_steady(void **state)
{
	struct digest *digest = *state;
	static uint8_t body[1000];
	struct digest_request request = sample();
	uint8_t first[32], again[32];

	memset(body, 'x', sizeof(body));
	body[500] = 'y';
	request.body_size = 5000;
	request.partial_max = 501;
	request.body = spoe_span(body, 900);
	assert_true(digest_fingerprint(digest, &request, &everything, first));
	request.body = spoe_span(body, 1000);
	assert_true(digest_fingerprint(digest, &request, &everything, again));
	assert_memory_equal(first, again, 32);
	body[500] = 'z';
	assert_true(digest_fingerprint(digest, &request, &everything, again));
	assert_memory_not_equal(first, again, 32);
	body[500] = 'y';
	request.body_size = 5001;
	assert_true(digest_fingerprint(digest, &request, &everything, again));
	assert_memory_not_equal(first, again, 32);
	/* A whole body counts to its end. */
	request.body_size = 1000;
	assert_true(digest_fingerprint(digest, &request, &everything, first));
	body[999] = 'z';
	assert_true(digest_fingerprint(digest, &request, &everything, again));
	assert_memory_not_equal(first, again, 32);
}

/* One context serves any number of hashes, long bodies among them. */
static void test_reuse(void **state)
{
	struct digest *digest = *state;
	static uint8_t big[1 << 20];
	struct digest_request request = sample();
	uint8_t first[32], other[32], again[32];

	assert_true(digest_fingerprint(digest, &request, &everything, first));
	request.body = spoe_span(big, sizeof(big));
	request.body_size = sizeof(big);
	assert_true(digest_fingerprint(digest, &request, &everything, other));
	request = sample();
	assert_true(digest_fingerprint(digest, &request, &everything, again));
	assert_memory_equal(first, again, 32);
	assert_memory_not_equal(first, other, 32);
}

static void add_field(struct spoe_writer *w, char tag, struct spoe_span bytes)
{
	assert_true(spoe_writer_u8(w, (uint8_t)tag));
	assert_true(spoe_writer_u64(w, bytes.size));
	assert_true(spoe_writer_bytes(w, bytes));
}

/* Fields are hashed as they stand one after the other, whatever their sizes:
 * how they are handed to OpenSSL shows nowhere. */
static void test_every_size(void **state)
{
	static const uint8_t bytes[1200];
	static uint8_t room[sizeof(bytes) + 64];

	for (size_t size = 0; size <= sizeof(bytes); size++) {
		const struct spoe_span scopes[] = {spoe_span(bytes, size),
		                                   spoe_span_of("alice")};
		const struct spoe_span key = spoe_span_of("8e03978e");
		struct spoe_writer w = spoe_writer(room, sizeof(room));
		uint8_t hash[32], expected[32];

		add_field(&w, 's', scopes[0]);
		add_field(&w, 's', scopes[1]);
		add_field(&w, 'k', key);
		assert_int_equal(EVP_Digest(w.data, w.size, expected, NULL,
		                            EVP_sha256(), NULL),
		                 1);
		assert_true(digest_record_key(*state, scopes, 2, key, hash));
		assert_memory_equal(hash, expected, sizeof(hash));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_golden),
	    cmocka_unit_test(test_keys_apart),
	    cmocka_unit_test(test_requests_apart),
	    cmocka_unit_test(test_kinds_apart),
	    cmocka_unit_test(test_digest_replaces_body),
	    cmocka_unit_test(test_partial),
	    cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_partial_is_steady),
	    cmocka_unit_test(test_reuse),
	    cmocka_unit_test(test_every_size),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
