/* What is asked of the store: counted by what came of it and how long it took.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/meter.h"

static const struct record_op claim = {.type = RECORD_OP_CLAIM};
static const struct record_op settle = {.type = RECORD_OP_SETTLE};

static struct meter_view count(const struct record_op *op, enum reason health,
                               enum record_result result, uint64_t took_us)
{
	struct meter meter = {.results = {{0}}};
	struct meter_view view = {.results = {{0}}};
	const struct record_answer answer = {.health = health,
	                                     .result = result};

	meter_count(&meter, op, &answer, took_us);
	meter_read(&meter, &view);
	return view;
}

static void every_result_has_its_place(void **state)
{
	struct meter_view v;

	(void)state;
	v = count(&claim, REASON_NONE, RECORD_GRANTED, 1);
	assert_int_equal(v.results[METER_CLAIM][METER_RESULT_GRANTED], 1);
	v = count(&claim, REASON_NONE, RECORD_FOUND, 1);
	assert_int_equal(v.results[METER_CLAIM][METER_RESULT_FOUND], 1);
	v = count(&settle, REASON_NONE, RECORD_SETTLED, 1);
	assert_int_equal(v.results[METER_SETTLE][METER_RESULT_SETTLED], 1);
	v = count(&settle, REASON_NONE, RECORD_LOST, 1);
	assert_int_equal(v.results[METER_SETTLE][METER_RESULT_LOST], 1);
	/* A failure counts as one, whatever its result says. */
	v = count(&claim, REASON_STORE_FULL, RECORD_GRANTED, 1);
	assert_int_equal(v.results[METER_CLAIM][METER_RESULT_FULL], 1);
	v = count(&claim, REASON_STORE_SLOW, RECORD_GRANTED, 1);
	assert_int_equal(v.results[METER_CLAIM][METER_RESULT_SLOW], 1);
	v = count(&settle, REASON_STORE_UNCONFIRMED, RECORD_SETTLED, 1);
	assert_int_equal(v.results[METER_SETTLE][METER_RESULT_UNCONFIRMED], 1);
	v = count(&claim, REASON_RECORD_VERSION, RECORD_FOUND, 1);
	assert_int_equal(v.results[METER_CLAIM][METER_RESULT_UNREADABLE], 1);
	v = count(&claim, REASON_NO_MEMORY, RECORD_GRANTED, 1);
	assert_int_equal(v.results[METER_CLAIM][METER_RESULT_FAILED], 1);
}

static size_t bucket_of(uint64_t took_us)
{
	const struct meter_view v =
	    count(&claim, REASON_NONE, RECORD_GRANTED, took_us);
	const struct histogram_view *h = &v.took[METER_CLAIM][METER_OK];
	size_t bucket = 0;

	while (h->counts[bucket] == 0)
		bucket++;
	assert_int_equal(h->counts[bucket], 1);
	assert_int_equal(h->sum, took_us);
	return bucket;
}

static void a_bound_is_within_its_bucket(void **state)
{
	(void)state;
	assert_int_equal(bucket_of(0), 0);
	for (size_t i = 0; i < METER_BOUNDS; i++) {
		assert_int_equal(bucket_of(meter_bounds[i]), i);
		assert_int_equal(bucket_of(meter_bounds[i] + 1u), i + 1);
	}
	assert_int_equal(bucket_of(UINT32_MAX + 1ull), METER_BOUNDS);
}

static void failures_have_times_of_their_own(void **state)
{
	const struct meter_view v =
	    count(&settle, REASON_STORE_SLOW, RECORD_LOST, 200000);

	(void)state;
	assert_int_equal(v.took[METER_SETTLE][METER_FAILED].sum, 200000);
	assert_int_equal(v.took[METER_SETTLE][METER_OK].sum, 0);
	assert_int_equal(v.took[METER_CLAIM][METER_FAILED].sum, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_result_has_its_place),
	    cmocka_unit_test(a_bound_is_within_its_bucket),
	    cmocka_unit_test(failures_have_times_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
