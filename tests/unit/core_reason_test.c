/* The tables of texts: complete, short, and told apart. */
#include "agent/core/idem.h"

#include "tests/unit/core_check.h"

enum { TEXT_MAX = 64 };

/* Safe in a log line, a metric's label and a problem document. */
static void check_text(const char *text)
{
	check_row(text, strlen(text) <= TEXT_MAX);
	for (const char *c = text; *c != '\0'; c++)
		check_row(text, *c >= ' ' && *c <= '~' && *c != '"' &&
		                    *c != '\\' && *c != '=');
}

static void check_apart(const char *a, const char *b)
{
	check_row(a, strcmp(a, b) != 0);
}

static void test_reasons(void **state)
{
	(void)state;
	assert_string_equal(reason_text(REASON_NONE), "");
	for (enum reason a = REASON_NONE + 1; a < REASONS; a++) {
		check_text(reason_text(a));
		for (enum reason b = REASON_NONE; b < a; b++)
			check_apart(reason_text(a), reason_text(b));
	}
}

static void test_verdicts(void **state)
{
	(void)state;
	assert_string_equal(idem_verdict_text(IDEM_PROCEED), "proceed");
	assert_string_equal(idem_verdict_text(IDEM_CACHED), "cached");
	assert_string_equal(idem_verdict_text(IDEM_CONFLICT), "conflict");
	assert_string_equal(idem_verdict_text(IDEM_MISMATCH), "mismatch");
	assert_string_equal(idem_verdict_text(IDEM_MISSING), "missing");
	assert_string_equal(idem_verdict_text(IDEM_INVALID), "invalid");
	assert_string_equal(idem_verdict_text(IDEM_UNKNOWN), "unknown");
	assert_string_equal(idem_verdict_text(IDEM_ERROR), "error");
	assert_int_equal(IDEM_VERDICTS, 8);
}

static void test_outcomes(void **state)
{
	(void)state;
	assert_string_equal(idem_outcome_text(IDEM_OUTCOME_STORED), "stored");
	assert_string_equal(idem_outcome_text(IDEM_OUTCOME_RELEASED),
	                    "released");
	assert_string_equal(idem_outcome_text(IDEM_OUTCOME_SEALED), "sealed");
	assert_string_equal(idem_outcome_text(IDEM_OUTCOME_LOST), "lost");
	assert_string_equal(idem_outcome_text(IDEM_OUTCOME_ERROR), "error");
	assert_string_equal(idem_outcome_text(IDEM_OUTCOME_PENDING), "pending");
	assert_int_equal(IDEM_OUTCOMES, 6);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_reasons),
	    cmocka_unit_test(test_verdicts),
	    cmocka_unit_test(test_outcomes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
