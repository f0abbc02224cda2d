/* A value's bytes: room behind a lock is never taken for a response, and any
 * other byte too many or too few is seen. How much room there is. */
#include "agent/store/lmdb_value.h"
#include "tests/unit/store_rig.h"

enum { VALUE_MAX = 4096, PAGE = 4096, ROOM = 300, LOCK = 180 };

static struct record sample(enum record_state state, struct spoe_span response)
{
	struct record record = rig_claim_op(1, 11, RIG_NOW).record;

	record.state = state;
	record.response = response;
	return record;
}

/* Writes the record with `room` bytes behind it; returns how many in all. */
static size_t write_value(uint8_t *bytes, const struct record *record,
                          size_t room)
{
	struct lmdb_value value;
	uint8_t key[RECORD_KEY_SIZE];

	rig_key(key, 1);
	memset(bytes, 0xee, VALUE_MAX);
	lmdb_value_init(&value, key, record);
	assert_true(value.size + room < VALUE_MAX);
	lmdb_value_write(&value, bytes, value.size + room);
	assert_int_equal(bytes[value.size + room], 0xee);
	return value.size + room;
}

static enum reason read_value(const uint8_t *bytes, size_t size,
                              struct record *ret_record)
{
	/* Of its own, so that a sanitizer sees who reads beyond it. */
	uint8_t *copy = malloc(size + 1);
	struct spoe_span key;
	enum reason health;

	assert_non_null(copy);
	memcpy(copy, bytes, size);
	health = lmdb_value_read(spoe_span(copy, size), &key, ret_record);
	ret_record->key = ret_record->response = spoe_span(NULL, 0);
	free(copy);
	return health;
}

static void a_value_is_read_as_it_was_written(void **state)
{
	static const enum record_state states[] = {
	    RECORD_LOCKED, RECORD_STORED, RECORD_PENDING, RECORD_SEALED};
	struct spoe_span response = rig_response(200, 1);
	uint8_t bytes[VALUE_MAX], expected[RECORD_KEY_SIZE];

	(void)state;
	rig_key(expected, 1);
	for (size_t i = 0; i < 4; i++) {
		const bool has_one =
		    states[i] == RECORD_STORED || states[i] == RECORD_PENDING;
		const struct record record =
		    sample(states[i], has_one ? response : RIG_NO_RESPONSE);
		struct record read;
		struct spoe_span key;
		const size_t size = write_value(bytes, &record, 0);

		assert_int_equal(
		    lmdb_value_read(spoe_span(bytes, size), &key, &read),
		    REASON_NONE);
		assert_memory_equal(key.data, expected, RECORD_KEY_SIZE);
		assert_int_equal(read.state, states[i]);
		assert_true(spoe_span_equal(read.key, record.key));
		assert_true(spoe_span_equal(read.response, record.response));
	}
	rig_response_free(response);
}

static void room_is_no_response(void **state)
{
	const struct record lock = sample(RECORD_LOCKED, RIG_NO_RESPONSE);
	uint8_t bytes[VALUE_MAX];
	struct record read;
	struct spoe_span key;
	size_t size = write_value(bytes, &lock, ROOM);

	(void)state;
	assert_int_equal(lmdb_value_read(spoe_span(bytes, size), &key, &read),
	                 REASON_NONE);
	assert_int_equal(read.response.size, 0);
	/* And nothing of what the memory held before. */
	for (size_t i = size - ROOM; i < size; i++)
		assert_int_equal(bytes[i], 0);
	for (; size > 0; size--)
		assert_int_equal(read_value(bytes, size - 1, &read),
		                 size > write_value(bytes, &lock, 0)
		                     ? REASON_NONE
		                     : REASON_RECORD_CORRUPT);
}

static void only_a_lock_has_room(void **state)
{
	static const enum record_state states[] = {
	    RECORD_LOCKED, RECORD_STORED, RECORD_PENDING, RECORD_SEALED};
	struct spoe_span response = rig_response(200, 1);
	uint8_t bytes[VALUE_MAX];
	struct record record, read;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		size_t size;

		record = sample(states[i], response);
		size = write_value(bytes, &record, 0);
		bytes[size] = 0;
		assert_int_equal(read_value(bytes, size, &read), REASON_NONE);
		assert_int_equal(read_value(bytes, size + 1, &read),
		                 REASON_RECORD_CORRUPT);
		for (; size > 0; size--)
			assert_int_equal(read_value(bytes, size - 1, &read),
			                 REASON_RECORD_CORRUPT);
	}
	record = sample(RECORD_SEALED, RIG_NO_RESPONSE);
	write_value(bytes, &record, 0);
	assert_int_equal(
	    read_value(bytes, write_value(bytes, &record, 1), &read),
	    REASON_RECORD_CORRUPT);
	rig_response_free(response);
}

static size_t room_after(struct lmdb_room *room, size_t size, size_t page)
{
	for (int i = 0; i < 1000; i++)
		lmdb_room_learn(room, size, page);
	return lmdb_room_for(room, LOCK, page);
}

/* LMDB: a page has a head of 16, a value one of 8, its number of 8, and its
 * place of 2; it has an even size, and is not more than half of a page. */
static void room_is_a_share_of_a_page(void **state)
{
	static const size_t pages[] = {4096, 16384, 65536};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const size_t usable = pages[i] - 16;

		for (size_t size = LOCK + 1; size < usable; size += 7) {
			struct lmdb_room room = {.mean = 0};
			const size_t got = room_after(&room, size, pages[i]);
			const size_t node = (18 + got + 1) & ~(size_t)1;
			const size_t values = usable / node;

			if (got == LOCK)
				continue;
			/* But for rounding. */
			assert_true(got + 4 > size + size / 16);
			assert_true(values >= 2);
			/* One more would not find the page. */
			assert_true(usable - values * node < 2 * values);
			assert_true(values * (size + 18) >= usable * 2 / 3);
		}
	}
}

static void room_is_given_where_it_pays(void **state)
{
	static const size_t pays[] = {190, 300, 420, 681, 930, 1250, 1830};
	static const size_t does_not[] = {1320,  1950, 2030, 5000,
	                                  20000, 0,    LOCK};

	(void)state;
	for (size_t i = 0; i < sizeof(pays) / sizeof(pays[0]); i++) {
		struct lmdb_room room = {.mean = 0};

		assert_true(room_after(&room, pays[i], PAGE) > pays[i]);
		/* A lock that needs more than others in the end. */
		assert_int_equal(lmdb_room_for(&room, 2030, PAGE), 2030);
	}
	for (size_t i = 0; i < sizeof(does_not) / sizeof(does_not[0]); i++) {
		struct lmdb_room room = {.mean = 0};

		assert_true(room_after(&room, does_not[i], PAGE) < LOCK + 20);
	}
}

static void room_follows_what_is_settled(void **state)
{
	struct lmdb_room room = {.mean = 0};

	(void)state;
	assert_int_equal(lmdb_room_for(&room, LOCK, PAGE), LOCK);
	assert_true(room_after(&room, 700, PAGE) >= 700);
	/* Released, sealed, or with pages of their own. */
	assert_int_equal(room_after(&room, 0, PAGE), LOCK);
	assert_true(room_after(&room, 700, PAGE) >= 700);
	assert_true(room_after(&room, LOCK, PAGE) < LOCK + 20);
	assert_true(room_after(&room, 700, PAGE) >= 700);
	assert_int_equal(room_after(&room, 20000, PAGE), LOCK);
	/* Every other one. */
	assert_true(room_after(&room, 700, PAGE) >= 700);
	for (int i = 0; i < 1000; i++)
		lmdb_room_learn(&room, i % 2 == 0 ? 700 : 0, PAGE);
	assert_int_equal(lmdb_room_for(&room, LOCK, PAGE), LOCK);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_value_is_read_as_it_was_written),
	    cmocka_unit_test(room_is_no_response),
	    cmocka_unit_test(only_a_lock_has_room),
	    cmocka_unit_test(room_is_a_share_of_a_page),
	    cmocka_unit_test(room_is_given_where_it_pays),
	    cmocka_unit_test(room_follows_what_is_settled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
