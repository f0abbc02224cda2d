/* How it went lately: rates and percentiles out of counters that only grow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <math.h>
#include <cmocka.h>

#include "agent/admin/admin_samples.h"

enum { SECOND_US = 1000000 };

struct stage {
	struct admin_samples samples;
	struct report report;
	uint64_t now_us;
};

static int set_up(void **state)
{
	*state = calloc(1, sizeof(struct stage));
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

/* So many more verdicts, two seconds later. */
static void pass(struct stage *s, uint64_t proceed, uint64_t cached)
{
	tally_view_row(&s->report.verdicts, "a")->verdicts[IDEM_PROCEED] +=
	    proceed;
	tally_view_row(&s->report.verdicts, "b")->verdicts[IDEM_CACHED] +=
	    cached;
	s->now_us += ADMIN_SAMPLES_EVERY_S * SECOND_US;
	admin_samples_add(&s->samples, &s->report, s->now_us);
}

static void rates_are_differences(void **state)
{
	struct stage *s = *state;
	double rates[ADMIN_SAMPLES_INTERVALS];
	const double *end = rates + ADMIN_SAMPLES_INTERVALS;

	assert_int_equal(admin_samples_rates(&s->samples, IDEM_PROCEED, rates),
	                 0);
	pass(s, 1000, 7);
	assert_int_equal(admin_samples_rates(&s->samples, IDEM_PROCEED, rates),
	                 0);
	pass(s, 10, 0);
	pass(s, 30, 4);
	assert_int_equal(admin_samples_rates(&s->samples, IDEM_PROCEED, rates),
	                 2);
	assert_true(end[-2] == 5 && end[-1] == 15);
	assert_int_equal(admin_samples_rates(&s->samples, IDEM_CACHED, rates),
	                 2);
	assert_true(end[-2] == 0 && end[-1] == 2);
}

static void the_ring_turns(void **state)
{
	struct stage *s = *state;
	double rates[ADMIN_SAMPLES_INTERVALS];

	for (uint64_t i = 0; i < 3 * ADMIN_SAMPLES_MAX; i++)
		pass(s, 2 * i, 0);
	assert_int_equal(admin_samples_rates(&s->samples, IDEM_PROCEED, rates),
	                 ADMIN_SAMPLES_INTERVALS);
	for (size_t i = 0; i < ADMIN_SAMPLES_INTERVALS; i++)
		assert_true(rates[i] == 3 * ADMIN_SAMPLES_MAX -
		                            ADMIN_SAMPLES_INTERVALS +
		                            (double)i);
}

static void latencies_are_those_of_the_time(void **state)
{
	struct stage *s = *state;
	struct histogram_view *ok =
	    &s->report.meter.took[METER_CLAIM][METER_OK];
	struct histogram_view *failed =
	    &s->report.meter.took[METER_CLAIM][METER_FAILED];
	struct histogram_view view;
	double per_s;

	assert_int_equal(
	    admin_samples_took(&s->samples, METER_CLAIM, 60, &view, &per_s), 0);
	ok->counts[0] = 500;
	pass(s, 0, 0);
	for (int i = 0; i < 100; i++) {
		ok->counts[3] += 2;
		failed->counts[5] += 1;
		pass(s, 0, 0);
	}
	/* Thirty intervals; what was before is left out. */
	assert_int_equal(
	    admin_samples_took(&s->samples, METER_CLAIM, 60, &view, &per_s),
	    90);
	assert_int_equal(view.counts[0], 0);
	assert_int_equal(view.counts[3], 60);
	assert_int_equal(view.counts[5], 30);
	assert_true(per_s == 1.5);
	assert_int_equal(
	    admin_samples_took(&s->samples, METER_SETTLE, 60, &view, &per_s),
	    0);
}

static void quantiles(void **state)
{
	static const uint32_t bounds[] = {10, 20, 40};
	const struct histogram_view view = {.counts = {50, 30, 10, 10}};
	const struct histogram_view last = {.counts = {0, 0, 0, 1}};
	const struct histogram_view none = {.counts = {0}};
	const struct histogram_view one = {.counts = {0, 1}};

#define EXPECT(view, q, expected)                                        \
	assert_true(fabs(admin_samples_quantile(&(view), bounds, 3, q) - \
	                 (expected)) < 1e-9)
	(void)state;
	EXPECT(view, .5, 10);
	EXPECT(view, .25, 5);
	EXPECT(view, .8, 20);
	EXPECT(view, .65, 15);
	EXPECT(view, .9, 40);
	EXPECT(view, .99, 40);
	EXPECT(last, .5, 40);
	EXPECT(none, .5, 0);
	EXPECT(one, .5, 15);
	EXPECT(one, 1., 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(rates_are_differences),
	    TEST(the_ring_turns),
	    TEST(latencies_are_those_of_the_time),
	    cmocka_unit_test(quantiles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
