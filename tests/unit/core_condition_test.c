/* How a record is at some moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/core/condition.h"

static void expect(const struct record *record, uint64_t now_ms,
                   const char *text)
{
	assert_string_equal(condition_text(condition_of(record, now_ms)), text);
}

static void every_state_has_its_own(void **state)
{
	struct record record = {.deadline_ms = 10, .expires_ms = 20};

	(void)state;
	record.state = RECORD_LOCKED;
	expect(&record, 5, "locked");
	record.state = RECORD_PENDING;
	expect(&record, 5, "pending");
	record.state = RECORD_STORED;
	expect(&record, 5, "stored");
	record.state = RECORD_SEALED;
	expect(&record, 5, "sealed");
	record.state = RECORD_NONE;
	expect(&record, 5, "unreadable");
}

static void time_changes_it(void **state)
{
	struct record record = {
	    .state = RECORD_LOCKED,
	    .deadline_ms = 10,
	    .expires_ms = 20,
	};

	(void)state;
	expect(&record, 9, "locked");
	expect(&record, 10, "held");
	expect(&record, 19, "held");
	expect(&record, 20, "expired");
	/* A deadline means nothing to what is settled. */
	record.state = RECORD_STORED;
	expect(&record, 19, "stored");
	expect(&record, 20, "expired");
	/* What cannot be read has no times either. */
	record = (struct record){.state = RECORD_NONE};
	expect(&record, 20, "unreadable");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_state_has_its_own),
	    cmocka_unit_test(time_changes_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
