/* Alive and ready: each reason not to be is said, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "agent/admin/admin_private.h"

/* One with which all is well. */
static int set_up(void **state)
{
	struct admin *a = calloc(1, sizeof(*a));

	if (!a)
		return -1;
	a->stuck = ADMIN_NO_WORKER;
	a->probe.answered = true;
	a->report.accepting = true;
	a->report.store_worked = true;
	*state = a;
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

static void expect(const struct admin *a,
                   bool (*is_so)(const struct admin *a, FILE *out),
                   const char *expected)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	const bool well = is_so(a, out);

	fclose(out);
	assert_string_equal(text, expected);
	assert_int_equal(well, *expected == '\0');
	/* Nobody need want to know why. */
	assert_int_equal(is_so(a, NULL), well);
	free(text);
}

static void expect_ready(const struct admin *a, const char *expected)
{
	expect(a, admin_health_ready, expected);
	expect(a, admin_health_alive, "");
}

static void all_is_well(void **state)
{
	expect_ready(*state, "");
}

static void a_loop_that_hangs(void **state)
{
	struct admin *a = *state;

	a->stuck = 2;
	expect(a, admin_health_alive,
	       "not alive: event loop 2 does not turn\n");
	expect(a, admin_health_ready,
	       "not alive: event loop 2 does not turn\n");
}

static void a_store_that_does_not_answer(void **state)
{
	struct admin *a = *state;

	a->probe.answered = false;
	expect_ready(a, "not ready: the store does not answer: it has not "
	                "answered yet\n");
	a->probe.answered = true;
	a->probe.health = REASON_STORE_FAILED;
	expect_ready(a, "not ready: the store does not answer: the store "
	                "failed\n");
	/* Whatever it said before. */
	a->probe.health = REASON_NONE;
	a->probe.late = true;
	expect_ready(a, "not ready: the store does not answer: the store did "
	                "not answer in time\n");
}

static void a_store_that_cannot_write(void **state)
{
	struct admin *a = *state;

	a->report.store_worked = false;
	expect_ready(a, "not ready: the store failed when it was used last\n");
	a->report.store_worked = true;
	a->report.late = 1;
	expect_ready(a, "not ready: requests wait for the store, longer than "
	                "answer-timeout\n");
}

static void an_agent_that_stops_or_is_full(void **state)
{
	struct admin *a = *state;

	a->report.accepting = false;
	expect_ready(a, "not ready: no more connections are accepted "
	                "(max-connections)\n");
	a->report.draining = true;
	expect_ready(a, "not ready: the agent is stopping\n");
}

static void several_reasons_are_several_lines(void **state)
{
	struct admin *a = *state;

	a->report.draining = true;
	a->report.store_worked = false;
	expect_ready(a, "not ready: the agent is stopping\n"
	                "not ready: the store failed when it was used last\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(all_is_well),
	    TEST(a_loop_that_hangs),
	    TEST(a_store_that_does_not_answer),
	    TEST(a_store_that_cannot_write),
	    TEST(an_agent_that_stops_or_is_full),
	    TEST(several_reasons_are_several_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
