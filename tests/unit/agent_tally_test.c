/* Verdicts by policy: none is lost, whatever policies come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "agent/tally.h"

static struct policy policy(const char *name)
{
	struct policy p = {.id = policy_id(name)};

	snprintf(p.name, sizeof(p.name), "%s", name);
	return p;
}

static void count(struct tally *t, const char *name, enum idem_verdict verdict,
                  int times)
{
	/* A policy of another configuration each time. */
	for (int i = 0; i < times; i++) {
		const struct policy p = policy(name);

		tally_count(t, &p, verdict);
	}
}

static int set_up(void **state)
{
	*state = calloc(1, sizeof(struct tally) + sizeof(struct tally_view));
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

static struct tally_view *read_view(struct tally *t)
{
	struct tally_view *view = (struct tally_view *)(t + 1);

	view->n = 0;
	tally_read(t, view);
	return view;
}

static void each_policy_has_its_row(void **state)
{
	struct tally *t = *state;
	uint64_t sum[IDEM_VERDICTS];
	struct tally_view *view;

	count(t, "default", IDEM_PROCEED, 3);
	count(t, "pay", IDEM_PROCEED, 2);
	count(t, "pay", IDEM_CACHED, 1);
	tally_count(t, NULL, IDEM_MISSING);
	view = read_view(t);
	assert_int_equal(view->n, 3);
	assert_int_equal(
	    tally_view_row(view, "default")->verdicts[IDEM_PROCEED], 3);
	assert_int_equal(tally_view_row(view, "pay")->verdicts[IDEM_PROCEED],
	                 2);
	assert_int_equal(tally_view_row(view, "pay")->verdicts[IDEM_CACHED], 1);
	assert_int_equal(tally_view_row(view, "(none)")->verdicts[IDEM_MISSING],
	                 1);
	tally_sum(t, sum);
	assert_int_equal(sum[IDEM_PROCEED], 5);
	assert_int_equal(sum[IDEM_CACHED], 1);
	assert_int_equal(sum[IDEM_MISSING], 1);
	assert_int_equal(sum[IDEM_ERROR], 0);
}

/* Two event loops have rows of their own, and in different places. */
static void several_are_added_up(void **state)
{
	struct tally *t = *state;
	struct tally *other = calloc(1, sizeof(*other));
	struct tally_view *view;

	assert_non_null(other);
	count(t, "a", IDEM_PROCEED, 1);
	count(t, "b", IDEM_PROCEED, 2);
	count(other, "b", IDEM_PROCEED, 4);
	count(other, "c", IDEM_PROCEED, 8);
	view = read_view(t);
	tally_read(other, view);
	assert_int_equal(view->n, 4);
	assert_int_equal(tally_view_row(view, "a")->verdicts[IDEM_PROCEED], 1);
	assert_int_equal(tally_view_row(view, "b")->verdicts[IDEM_PROCEED], 6);
	assert_int_equal(tally_view_row(view, "c")->verdicts[IDEM_PROCEED], 8);
	free(other);
}

static void those_without_a_place_are_counted_together(void **state)
{
	struct tally *t = *state;
	uint64_t sum[IDEM_VERDICTS];
	struct tally_view *view;
	uint64_t in_rows = 0;

	for (int i = 0; i < TALLY_POLICIES + 40; i++) {
		char name[16];

		snprintf(name, sizeof(name), "p%d", i);
		count(t, name, IDEM_PROCEED, 1);
	}
	tally_sum(t, sum);
	assert_int_equal(sum[IDEM_PROCEED], TALLY_POLICIES + 40);
	view = read_view(t);
	assert_int_equal(
	    tally_view_row(view, "(other)")->verdicts[IDEM_PROCEED], 40);
	/* A view has room for no more either, and loses nothing. */
	tally_view_row(view, "new")->verdicts[IDEM_PROCEED]++;
	assert_int_equal(view->n, sizeof(view->rows) / sizeof(view->rows[0]));
	for (size_t i = 0; i < view->n; i++)
		in_rows += view->rows[i].verdicts[IDEM_PROCEED];
	assert_int_equal(in_rows, TALLY_POLICIES + 41);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(each_policy_has_its_row),
	    TEST(several_are_added_up),
	    TEST(those_without_a_place_are_counted_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
