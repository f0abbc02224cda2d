/* Counting the records by state: all of them, whatever the slices. */
#include "tests/unit/store_rig.h"

enum { RECORDS = 60 };

/* 20 are locked, 20 stored and 20 sealed. */
static void fill(struct rig *rig)
{
	const struct spoe_span response = rig_response(100, 1);

	for (uint64_t i = 0; i < RECORDS; i++) {
		assert_int_equal(rig_claim(rig, i, 1), RECORD_GRANTED);
		if (i % 3 == 1)
			rig_settle(rig, i, 1, RECORD_STORED, response);
		else if (i % 3 == 2)
			rig_settle(rig, i, 1, RECORD_SEALED, RIG_NO_RESPONSE);
	}
	rig_response_free(response);
}

static struct store_census count(struct rig *rig, size_t limit)
{
	struct store_census census = {.now_ms = rig_clock};
	enum store_census_result result;
	size_t slices = 0;

	do {
		result = store_census(rig->store, &census, limit);
		slices++;
	} while (result == STORE_CENSUS_MORE);
	assert_int_equal(result, STORE_CENSUS_DONE);
	assert_true(slices >= RECORDS / limit);
	return census;
}

static void every_slice_size_counts_all(void **state)
{
	static const size_t limits[] = {1, 7, RECORDS - 1, RECORDS, 1000};
	const struct spoe_span response = rig_response(100, 1);
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	fill(&rig);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		const struct store_census c = count(&rig, limits[i]);

		assert_int_equal(c.records[RECORD_IS_LOCKED], 20);
		assert_int_equal(c.records[RECORD_IS_STORED], 20);
		assert_int_equal(c.records[RECORD_IS_SEALED], 20);
		assert_int_equal(c.records[RECORD_IS_UNREADABLE], 0);
		assert_int_equal(c.bytes[RECORD_IS_LOCKED], 0);
		assert_int_equal(c.bytes[RECORD_IS_STORED], 20 * response.size);
		assert_int_equal(c.oldest_ms[RECORD_IS_LOCKED], RIG_NOW);
		assert_int_equal(c.oldest_ms[RECORD_IS_HELD], 0);
	}
	rig_response_free(response);
	rig_fini(&rig);
}

static void an_empty_store_has_nothing(void **state)
{
	struct rig rig;
	struct store_census census = {.now_ms = RIG_NOW};

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	assert_int_equal(store_census(rig.store, &census, 10),
	                 STORE_CENSUS_DONE);
	for (size_t i = 0; i < RECORD_CONDITIONS; i++)
		assert_int_equal(census.records[i], 0);
	rig_fini(&rig);
}

/* Records come and go between two slices; a count of them ends all the same. */
static void what_changes_meanwhile_does_no_harm(void **state)
{
	struct rig rig;
	struct store_census census = {.now_ms = RIG_NOW};

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	fill(&rig);
	assert_int_equal(store_census(rig.store, &census, 30),
	                 STORE_CENSUS_MORE);
	for (uint64_t i = 0; i < RECORDS; i += 3)
		rig_settle(&rig, i, 1, RECORD_NONE, RIG_NO_RESPONSE);
	assert_int_equal(rig_claim(&rig, 1000, 1), RECORD_GRANTED);
	assert_int_equal(store_census(rig.store, &census, 1000),
	                 STORE_CENSUS_DONE);
	/* Ten that were seen before they went, and the new one. */
	assert_int_equal(census.records[RECORD_IS_LOCKED], 11);
	assert_int_equal(census.records[RECORD_IS_STORED], 20);
	assert_int_equal(count(&rig, 1000).records[RECORD_IS_LOCKED], 1);
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_slice_size_counts_all),
	    cmocka_unit_test(an_empty_store_has_nothing),
	    cmocka_unit_test(what_changes_meanwhile_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
