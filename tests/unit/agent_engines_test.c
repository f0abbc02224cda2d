/* Which HAProxy engines are connected. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "agent/engines.h"

static struct spoe_session session(const char *id)
{
	struct spoe_session s = {.max_frame_size = 16380, .pipelining = true};

	snprintf(s.engine_id, sizeof(s.engine_id), "%s", id);
	return s;
}

static void an_engine_is_there_while_it_has_a_connection(void **state)
{
	struct engines *e = engines_new();
	const struct spoe_session a = session("a"), b = session("b");
	struct engines_entry entries[4];

	(void)state;
	assert_int_equal(engines_list(e, entries, 4), 0);
	engines_join(e, &a);
	engines_join(e, &b);
	engines_join(e, &a);
	assert_int_equal(engines_list(e, entries, 4), 2);
	assert_string_equal(entries[0].id, "a");
	assert_int_equal(entries[0].connections, 2);
	assert_int_equal(entries[0].max_frame_size, 16380);
	assert_true(entries[0].pipelining);
	engines_leave(e, &a);
	assert_int_equal(engines_list(e, entries, 4), 2);
	engines_leave(e, &a);
	assert_int_equal(engines_list(e, entries, 4), 1);
	assert_string_equal(entries[0].id, "b");
	/* One that was not seen joining. */
	engines_leave(e, &a);
	assert_int_equal(engines_list(e, entries, 4), 1);
	engines_free(e);
}

static void more_than_fit_are_counted(void **state)
{
	struct engines *e = engines_new();
	struct engines_entry entries[3];

	(void)state;
	for (int i = 0; i < 10; i++) {
		char id[8];
		struct spoe_session s;

		snprintf(id, sizeof(id), "e%d", i);
		s = session(id);
		engines_join(e, &s);
	}
	assert_int_equal(engines_list(e, entries, 3), 10);
	assert_string_equal(entries[2].id, "e2");
	engines_free(e);
}

/* HAProxy need not say who it is. */
static void one_without_a_name(void **state)
{
	struct engines *e = engines_new();
	const struct spoe_session s = session("");
	struct engines_entry entry;

	(void)state;
	engines_join(e, &s);
	assert_int_equal(engines_list(e, &entry, 1), 1);
	assert_string_equal(entry.id, "");
	engines_free(e);
	engines_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_engine_is_there_while_it_has_a_connection),
	    cmocka_unit_test(more_than_fit_are_counted),
	    cmocka_unit_test(one_without_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
