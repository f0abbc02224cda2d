/* The n-th allocation fails, for every n: a digest is there whole or not at
 * all, a hash is whole or refused, and a completion that has no memory to keep
 * its response with seals the lock. Linked with --wrap for malloc and calloc;
 * OpenSSL is told to ask here too. */
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "agent/core/digest.h"
#include "tests/unit/core_story.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

/* Allocations left until one fails; negative: none does. */
static const struct policy everything = {.fingerprint = POLICY_PARTS_ALL};

static long left = -1;
static bool failed;
static size_t asked; /* how often */

static bool fails(void)
{
	asked++;
	if (left < 0 || left-- > 0)
		return false;
	failed = true;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

static void *openssl_malloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return fails() ? NULL : __real_malloc(size);
}

static void *openssl_realloc(void *memory, size_t size, const char *file,
                             int line)
{
	(void)file;
	(void)line;
	return fails() ? NULL : __real_realloc(memory, size);
}

static void openssl_free(void *memory, const char *file, int line)
{
	(void)file;
	(void)line;
	free(memory);
}

static void arm(long n)
{
	left = n;
	failed = false;
	asked = 0;
}

/* What OpenSSL sets up once, and never again when it failed, is done. */
static int warm_up(void **state)
{
	struct digest *d = digest_new();
	struct keyring *k = keyring_new();
	uint8_t random[1];
	const bool done = d != NULL && k != NULL && RAND_bytes(random, 1) == 1;

	(void)state;
	digest_free(d);
	keyring_free(k);
	return done ? 0 : -1;
}

static void test_digest_new(void **state)
{
	long n = 0;

	(void)state;
	do {
		struct digest *d;

		assert_in_range(n, 0, 1000);
		arm(n++);
		d = digest_new();
		left = -1;
		/* OpenSSL copes with some failures by itself. */
		assert_true(failed || d != NULL);
		digest_free(d);
	} while (failed);
	/* The digest itself, and OpenSSL's context in two parts. */
	assert_in_range(n, 4, 1000);
}

/* Hashes with the n-th allocation failing; what comes out is right. */
static bool hash_with(struct digest *d, const struct digest_request *request,
                      long n, uint8_t expected[2][32])
{
	const struct spoe_span scope = spoe_span_of("alice");
	uint8_t hashes[2][32];
	bool done;

	arm(n);
	done = digest_record_key(d, &scope, 1, spoe_span_of("k"), hashes[0]) &&
	       digest_fingerprint(d, request, &everything, hashes[1]);
	left = -1;
	assert_true(done || failed);
	if (done)
		assert_memory_equal(hashes, expected, sizeof(hashes));
	return done;
}

static void test_hashing(void **state)
{
	static uint8_t body[4096];
	const struct digest_request request = {
	    .method = spoe_span_of("POST"),
	    .body = spoe_span(body, sizeof(body)),
	};
	const struct spoe_span scope = spoe_span_of("alice");
	struct digest *d = digest_new();
	uint8_t expected[2][32];

	(void)state;
	assert_non_null(d);
	assert_true(
	    digest_record_key(d, &scope, 1, spoe_span_of("k"), expected[0]));
	assert_true(digest_fingerprint(d, &request, &everything, expected[1]));
	for (long n = 0; n < 10; n++) {
		hash_with(d, &request, n, expected);
		/* A failure leaves nothing behind. */
		assert_true(hash_with(d, &request, -1, expected));
		/* OpenSSL 3.0 makes its context anew for each hash. */
		assert_in_range(asked, 0, 2);
	}
	digest_free(d);
}

static void complete(struct story *s, long n)
{
	arm(n);
	step(s,
	     (struct exchange_event){
		 .type = EXCHANGE_COMPLETE,
		 .policy = &s->policy,
		 .timeout_ms = TIMEOUT,
		 .ticket = &s->ticket,
		 .response = &s->response,
		 .keyring = s->keyring,
	     },
	     0);
	left = -1;
}

static void settled(struct story *s)
{
	const struct record_answer answer = {.result = RECORD_SETTLED};

	step(s,
	     (struct exchange_event){
		 .type = EXCHANGE_ANSWER,
		 .answer = &answer,
	     },
	     5);
	assert_true(s->todo.reply && s->todo.finished);
}

/* It was executed: without memory it is sealed, with it it is stored. */
static void test_complete(void **state)
{
	struct story *s = *state;

	complete(s, 0);
	assert_true(failed);
	assert_true(s->todo.submit);
	assert_int_equal(s->x.op.record.state, RECORD_SEALED);
	assert_int_equal(s->x.op.record.expires_ms, T + RESPONSE_TTL);
	assert_int_equal(s->x.op.record.response.size, 0);
	settled(s);
	assert_int_equal(s->x.reply.outcome, IDEM_OUTCOME_SEALED);
	assert_int_equal(s->x.reply.reason, REASON_NO_MEMORY);

	exchange_fini(&s->x);
	exchange_init(&s->x);
	complete(s, 1);
	assert_false(failed);
	assert_int_equal(s->x.op.record.state, RECORD_STORED);
	settled(s);
	assert_int_equal(s->x.reply.outcome, IDEM_OUTCOME_STORED);
}

/* With keys: stored only as what is encrypted, and sealed wherever memory
 * fails, OpenSSL's too. */
static void test_complete_encrypted(void **state)
{
	struct story *s = *state;
	const uint8_t key[KEYRING_KEY_SIZE] = "k";
	struct keyring *keyring = keyring_new();
	const struct record *record = &s->x.op.record;
	long n = 0;

	assert_non_null(keyring);
	assert_int_equal(keyring_add(keyring, spoe_span_of("a"), key),
	                 KEYRING_ADDED);
	s->keyring = keyring;
	do {
		assert_in_range(n, 0, 100);
		exchange_fini(&s->x);
		exchange_init(&s->x);
		complete(s, n++);
		assert_true(s->todo.submit);
		if (record->state == RECORD_STORED) {
			assert_true(keyring_encrypted(record->response, NULL));
			continue;
		}
		assert_true(failed);
		assert_int_equal(record->state, RECORD_SEALED);
		assert_int_equal(record->response.size, 0);
		assert_true(s->x.reply.reason == REASON_NO_MEMORY ||
		            s->x.reply.reason == REASON_ENCRYPTION_FAILED);
	} while (failed);
	assert_int_equal(record->state, RECORD_STORED);
	/* What is encoded, what is encrypted, and OpenSSL's context. */
	assert_in_range(n, 4, 100);
	keyring_free(keyring);
}

/* Sealing and releasing ask for none. */
static void test_complete_without_response(void **state)
{
	struct story *s = *state;

	s->response.status = 500;
	complete(s, 0);
	assert_int_equal(asked, 0);
	settled(s);
	assert_int_equal(s->x.reply.outcome, IDEM_OUTCOME_RELEASED);

	exchange_init(&s->x);
	s->response.status = 200;
	s->response.body_size = 4;
	complete(s, 0);
	assert_int_equal(asked, 0);
	settled(s);
	assert_int_equal(s->x.reply.outcome, IDEM_OUTCOME_SEALED);
}

static void test_check(void **state)
{
	struct story *s = *state;
	const struct record_answer answer = {.health = REASON_STORE_FAILED};
	const struct exchange_event answered = {
	    .type = EXCHANGE_ANSWER,
	    .answer = &answer,
	};

	arm(0);
	step(s,
	     (struct exchange_event){
		 .type = EXCHANGE_CHECK,
		 .policy = &s->policy,
		 .timeout_ms = TIMEOUT,
		 .request = &s->request,
		 .owner = s->owner,
	     },
	     0);
	step(s, answered, 5);
	step(s, answered, 9);
	assert_true(s->todo.finished);
	assert_int_equal(asked, 0);
	left = -1;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_digest_new),
	    cmocka_unit_test(test_hashing),
	    STORY(test_complete),
	    STORY(test_complete_encrypted),
	    STORY(test_complete_without_response),
	    STORY(test_check),
	};

	/* Before OpenSSL asks for its first byte. */
	if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc,
	                             openssl_free) != 1)
		return 1;
	return cmocka_run_group_tests(tests, warm_up, NULL);
}
