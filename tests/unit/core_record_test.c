/* A record's bytes: the same in every store, and any damage is seen. */
#include "agent/core/record.h"

#include "agent/core/crc32c.h"
#include "tests/unit/core_check.h"

enum { CRC_SIZE = 4 };

static struct record sample(void)
{
	struct record record = {
	    .state = RECORD_STORED,
	    .flags = RECORD_BODY_PARTIAL | RECORD_HEAD_REQUEST,
	    .policy_id = 0xdeadbeef,
	    .created_ms = 0x0102030405060708,
	    .deadline_ms = 0x1112131415161718,
	    .expires_ms = 0x2122232425262728,
	    .settled_ms = 0x3132333435363738,
	    .forget_ms = 0x4142434445464748,
	    .key = spoe_span_of("k-17"),
	    .response = spoe_span(NULL, 0x01020304),
	};

	for (unsigned i = 0; i < RECORD_FINGERPRINT_SIZE; i++)
		record.fingerprint[i] = (uint8_t)i;
	for (unsigned i = 0; i < RECORD_OWNER_SIZE; i++)
		record.owner[i] = (uint8_t)(0xa0 + i);
	return record;
}

static void check_equal(const struct record *a, const struct record *b)
{
	assert_int_equal(a->state, b->state);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->policy_id, b->policy_id);
	assert_int_equal(a->created_ms, b->created_ms);
	assert_int_equal(a->deadline_ms, b->deadline_ms);
	assert_int_equal(a->expires_ms, b->expires_ms);
	assert_int_equal(a->settled_ms, b->settled_ms);
	assert_int_equal(a->forget_ms, b->forget_ms);
	assert_memory_equal(a->fingerprint, b->fingerprint,
	                    RECORD_FINGERPRINT_SIZE);
	assert_memory_equal(a->owner, b->owner, RECORD_OWNER_SIZE);
	assert_true(spoe_span_equal(a->key, b->key));
}

/* Written by hand with another program: version 1 of the head. */
static const uint8_t golden_head[] = {
    0x01, 0x02, 0x03, 0x04, 0xde, 0xad, 0xbe, 0xef, 0x01, 0x02, 0x03, 0x04,
    0x05, 0x06, 0x07, 0x08, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
    0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x31, 0x32, 0x33, 0x34,
    0x35, 0x36, 0x37, 0x38, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48,
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b,
    0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
    0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f, 0xa0, 0xa1, 0xa2, 0xa3,
    0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf,
    0x01, 0x02, 0x03, 0x04, 0x6b, 0x2d, 0x31, 0x37, 0xe3, 0x84, 0xc4, 0xca,
};

static void test_golden_head(void **state)
{
	const struct record record = sample();
	uint8_t bytes[RECORD_HEAD_MAX];
	struct spoe_writer w = spoe_writer(bytes, sizeof(bytes));
	struct record back;
	size_t response_size = 0;

	(void)state;
	assert_true(record_encode_head(&w, &record));
	assert_int_equal(w.size, sizeof(golden_head));
	assert_memory_equal(bytes, golden_head, sizeof(golden_head));
	assert_int_equal(
	    record_decode_head(spoe_span(bytes, w.size), &back, &response_size),
	    REASON_NONE);
	check_equal(&record, &back);
	assert_int_equal(back.response.size, 0);
	assert_int_equal(response_size, 0x01020304);
}

static void test_every_state(void **state)
{
	uint8_t bytes[RECORD_HEAD_MAX];

	(void)state;
	for (unsigned s = RECORD_LOCKED; s <= RECORD_SEALED; s++) {
		struct spoe_writer w = spoe_writer(bytes, sizeof(bytes));
		struct record record = sample(), back;
		size_t size;

		record.state = (enum record_state)s;
		assert_true(record_encode_head(&w, &record));
		assert_int_equal(
		    record_decode_head(spoe_span(bytes, w.size), &back, &size),
		    REASON_NONE);
		check_equal(&record, &back);
	}
}

/* Keys of every length; the longest head is RECORD_HEAD_MAX. */
static void test_every_key_size(void **state)
{
	uint8_t bytes[RECORD_HEAD_MAX];
	char key[255];

	(void)state;
	memset(key, 'k', sizeof(key));
	for (size_t size = 0; size <= sizeof(key); size++) {
		struct spoe_writer w = spoe_writer(bytes, sizeof(bytes));
		struct record record = sample(), back;
		size_t response_size;

		record.key = spoe_span(key, size);
		assert_true(record_encode_head(&w, &record));
		assert_int_equal(w.size, RECORD_HEAD_MAX - sizeof(key) + size);
		assert_int_equal(record_decode_head(spoe_span(bytes, w.size),
		                                    &back, &response_size),
		                 REASON_NONE);
		check_equal(&record, &back);
	}
}

/* Whatever room there is: the whole head or nothing. */
static void test_head_without_room(void **state)
{
	const struct record record = sample();
	uint8_t bytes[RECORD_HEAD_MAX];

	(void)state;
	for (size_t room = 0; room < sizeof(golden_head); room++) {
		struct spoe_writer w = spoe_writer(bytes, 2 + room);

		w.size = 2;
		assert_false(record_encode_head(&w, &record));
		assert_int_equal(w.size, 2);
	}
}

/* Untouched when it is refused. */
static void check_head_refused(struct spoe_span bytes, enum reason expected)
{
	struct record record = {.policy_id = 7};
	size_t size = 7;

	assert_int_equal(record_decode_head(bytes, &record, &size), expected);
	assert_int_equal(record.policy_id, 7);
	assert_int_equal(size, 7);
}

static void test_head_every_bit(void **state)
{
	uint8_t bytes[sizeof(golden_head)];

	(void)state;
	memcpy(bytes, golden_head, sizeof(bytes));
	for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		check_head_refused(spoe_span(bytes, sizeof(bytes)),
		                   bytes[0] > RECORD_VERSION
		                       ? REASON_RECORD_VERSION
		                       : REASON_RECORD_CORRUPT);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void test_head_every_cut(void **state)
{
	uint8_t bytes[sizeof(golden_head) + 1] = {0};

	(void)state;
	for (size_t size = 0; size < sizeof(golden_head); size++)
		check_head_refused(spoe_span(golden_head, size),
		                   REASON_RECORD_CORRUPT);
	check_head_refused(spoe_span(NULL, 0), REASON_RECORD_CORRUPT);
	memcpy(bytes, golden_head, sizeof(golden_head));
	check_head_refused(spoe_span(bytes, sizeof(bytes)),
	                   REASON_RECORD_CORRUPT);
}

/* Another version's record is never taken for damage: nobody clears it. */
static void test_other_versions(void **state)
{
	uint8_t bytes[3] = {0, 0xff, 0xff};

	(void)state;
	for (unsigned version = 2; version < 256; version++) {
		bytes[0] = (uint8_t)version;
		check_head_refused(spoe_span(bytes, sizeof(bytes)),
		                   REASON_RECORD_VERSION);
	}
}

/* Signed with the right CRC, but nothing we wrote. */
static const struct {
	const char *name;
	size_t at;
	uint8_t with;
	bool cut; /* the key's last byte is missing */
} forged[] = {
    {"version 0", 0, 0, false},
    {"state none", 1, RECORD_NONE, false},
    {"no such state", 1, 5, false},
    {"no such flag", 2, 4, false},
    {"the key is shorter than it says", 3, 5, false},
    {"the key is longer than it says", 3, 3, false},
    {"the key is cut", 3, 4, true},
};

static void test_forged_heads(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(forged); i++) {
		uint8_t bytes[sizeof(golden_head)];
		struct spoe_span content =
		    spoe_span(bytes, sizeof(bytes) - CRC_SIZE - forged[i].cut);
		struct spoe_writer w = spoe_writer(bytes, sizeof(bytes));
		struct record record;
		size_t size;

		memcpy(bytes, golden_head, sizeof(bytes));
		bytes[forged[i].at] = forged[i].with;
		w.size = content.size;
		assert_true(spoe_writer_u32(&w, crc32c(content)));
		check_row(forged[i].name,
		          record_decode_head(spoe_span(bytes, w.size), &record,
		                             &size) == REASON_RECORD_CORRUPT);
	}
}

/* "a: bc" and a body with a NUL, written with another program. */
static const uint8_t golden_response[] = {
    0x00, 0xc9, 0x07, 0x01, 0x61, 0x02, 0x62, 0x63, 0x00,
    0x00, 0x78, 0x00, 0x79, 0x9d, 0x5b, 0xff, 0x1d,
};

static void test_golden_response(void **state)
{
	const struct record_response response = {
	    .status = 201,
	    .headers = spoe_span("\1a\2bc\0\0", 7),
	    .body = spoe_span("x\0y", 3),
	};
	uint8_t bytes[64];
	struct spoe_writer w = spoe_writer(bytes, sizeof(bytes));
	struct record_response back;

	(void)state;
	assert_true(record_encode_response(&w, &response));
	assert_int_equal(w.size, sizeof(golden_response));
	assert_memory_equal(bytes, golden_response, sizeof(golden_response));
	assert_int_equal(
	    record_decode_response(spoe_span(bytes, w.size), &back),
	    REASON_NONE);
	assert_int_equal(back.status, 201);
	assert_true(spoe_span_equal(back.headers, response.headers));
	assert_true(spoe_span_equal(back.body, response.body));
}

static const struct {
	const char *name;
	size_t headers;
	size_t body;
} sizes[] = {
    {"nothing", 0, 0},        {"headers only", 50, 0},
    {"body only", 0, 50},     {"a varint of one byte", 239, 1},
    {"of two bytes", 240, 1}, {"of three bytes", 2288, 70000},
};

/* It needs what record_response_capacity() says and not a byte less. */
static void test_response_sizes(void **state)
{
	static uint8_t in[80000], bytes[80000];

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 31);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		const struct record_response response = {
		    .status = 599,
		    .headers = spoe_span(in, sizes[i].headers),
		    .body = spoe_span(in + 100, sizes[i].body),
		};
		size_t capacity =
		    record_response_capacity(response.headers, response.body);
		struct spoe_writer w = spoe_writer(bytes, capacity);
		struct record_response back;

		assert_in_range(capacity, 1, sizeof(bytes));
		check_row(sizes[i].name, record_encode_response(&w, &response));
		check_row(sizes[i].name, w.size == capacity);
		check_row(sizes[i].name,
		          record_decode_response(spoe_span(bytes, w.size),
		                                 &back) == REASON_NONE);
		check_row(sizes[i].name,
		          back.status == 599 &&
		              spoe_span_equal(back.headers, response.headers) &&
		              spoe_span_equal(back.body, response.body));

		w = spoe_writer(bytes, capacity - 1);
		check_row(sizes[i].name,
		          !record_encode_response(&w, &response));
		check_row(sizes[i].name, w.size == 0);
	}
}

static void check_response_refused(struct spoe_span bytes)
{
	struct record_response response = {.status = 7};

	assert_int_equal(record_decode_response(bytes, &response),
	                 REASON_RECORD_CORRUPT);
	assert_int_equal(response.status, 7);
}

static void test_response_every_bit(void **state)
{
	uint8_t bytes[sizeof(golden_response)];

	(void)state;
	memcpy(bytes, golden_response, sizeof(bytes));
	for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		check_response_refused(spoe_span(bytes, sizeof(bytes)));
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void test_response_every_cut(void **state)
{
	(void)state;
	check_response_refused(spoe_span(NULL, 0));
	for (size_t size = 0; size < sizeof(golden_response); size++)
		check_response_refused(spoe_span(golden_response, size));
}

/* Signed with the right CRC, but no response. */
static const struct spoe_span forged_responses[] = {
    {(const uint8_t *)"", 0},
    {(const uint8_t *)"\0", 1},
    {(const uint8_t *)"\0\xc9", 2},
    {(const uint8_t *)"\0\xc9\7abc", 6},
    {(const uint8_t *)"\0\xc9\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12},
};

static void test_forged_responses(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(forged_responses); i++) {
		uint8_t bytes[32];
		struct spoe_writer w = spoe_writer(bytes, sizeof(bytes));

		assert_true(spoe_writer_bytes(&w, forged_responses[i]));
		assert_true(spoe_writer_u32(&w, crc32c(forged_responses[i])));
		check_response_refused(spoe_span(bytes, w.size));
	}
}

static const struct {
	const char *name;
	enum record_state state;
	uint64_t now_ms; /* the record expires at 1000 */
	bool his;
	bool owned;
} owners[] = {
    {"his lock", RECORD_LOCKED, 999, true, true},
    {"his lock, long before", RECORD_LOCKED, 0, true, true},
    {"his lock, expired", RECORD_LOCKED, 1000, true, false},
    {"his lock, long expired", RECORD_LOCKED, UINT64_MAX, true, false},
    {"another's lock", RECORD_LOCKED, 999, false, false},
    {"his pending", RECORD_PENDING, 999, true, true},
    {"his pending, expired", RECORD_PENDING, 1000, true, false},
    {"another's pending", RECORD_PENDING, 999, false, false},
    {"his, but stored", RECORD_STORED, 999, true, false},
    {"his, but sealed", RECORD_SEALED, 999, true, false},
    {"nothing there", RECORD_NONE, 999, true, false},
};

static void test_owned(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(owners); i++) {
		struct record record = sample();
		uint8_t owner[RECORD_OWNER_SIZE];

		record.state = owners[i].state;
		record.expires_ms = 1000;
		memcpy(owner, record.owner, sizeof(owner));
		owner[RECORD_OWNER_SIZE - 1] ^= !owners[i].his;
		check_row(owners[i].name,
		          record_owned(&record, owner, owners[i].now_ms) ==
		              owners[i].owned);
	}
}

static void test_alive(void **state)
{
	const struct record record = {.expires_ms = 1000};

	(void)state;
	assert_true(record_alive(&record, 0));
	assert_true(record_alive(&record, 999));
	assert_false(record_alive(&record, 1000));
	assert_false(record_alive(&record, 1001));
}

static const struct {
	const char *name;
	enum record_state state;
	uint64_t now_ms;
	bool forgotten;
} forgets[] = {
    {"stored, in time", RECORD_STORED, 999, false},
    {"stored, forgotten", RECORD_STORED, 1000, true},
    {"stored, to the end", RECORD_STORED, 1999, true},
    {"sealed, in time", RECORD_SEALED, 999, false},
    {"sealed, forgotten", RECORD_SEALED, 1000, true},
    {"pending, forgotten", RECORD_PENDING, 1000, true},
    {"a lock is never", RECORD_LOCKED, 1000, false},
};

static void test_forgotten(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(forgets); i++) {
		struct record record = {
		    .state = forgets[i].state,
		    .forget_ms = 1000,
		    .expires_ms = 2000,
		    .response = spoe_span("r", 1),
		};
		const uint64_t now_ms = forgets[i].now_ms;

		check_row(forgets[i].name, record_forgotten(&record, now_ms) ==
		                               forgets[i].forgotten);
		check_row(forgets[i].name, record_due_ms(&record) == 1000);
		check_row(forgets[i].name,
		          record_drop_response(&record, now_ms) ==
		              forgets[i].forgotten);
		if (!forgets[i].forgotten) {
			assert_int_equal(record.state, forgets[i].state);
			assert_int_equal(record.response.size, 1);
			continue;
		}
		assert_int_equal(record.state, RECORD_SEALED);
		assert_int_equal(record.response.size, 0);
		assert_int_equal(record_due_ms(&record), 2000);
		assert_false(record_drop_response(&record, now_ms));
	}
}

/* Where nothing is kept beyond the response, it is replayed to the end. */
static void test_not_forgotten_before_it_expires(void **state)
{
	struct record record = {
	    .state = RECORD_STORED,
	    .forget_ms = 1000,
	    .expires_ms = 1000,
	    .response = spoe_span("r", 1),
	};

	(void)state;
	assert_int_equal(record_due_ms(&record), 1000);
	assert_false(record_forgotten(&record, 5000));
	assert_false(record_drop_response(&record, 5000));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_golden_head),
	    cmocka_unit_test(test_every_state),
	    cmocka_unit_test(test_every_key_size),
	    cmocka_unit_test(test_head_without_room),
	    cmocka_unit_test(test_head_every_bit),
	    cmocka_unit_test(test_head_every_cut),
	    cmocka_unit_test(test_other_versions),
	    cmocka_unit_test(test_forged_heads),
	    cmocka_unit_test(test_golden_response),
	    cmocka_unit_test(test_response_sizes),
	    cmocka_unit_test(test_response_every_bit),
	    cmocka_unit_test(test_response_every_cut),
	    cmocka_unit_test(test_forged_responses),
	    cmocka_unit_test(test_owned),
	    cmocka_unit_test(test_alive),
	    cmocka_unit_test(test_forgotten),
	    cmocka_unit_test(test_not_forgotten_before_it_expires),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
