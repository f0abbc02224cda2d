/* The table of the metrics keeps Prometheus's conventions, and samples have its
 * format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "agent/metrics.h"

static bool ends_in(const char *text, const char *end)
{
	const size_t length = strlen(text);

	return length >= strlen(end) &&
	       strcmp(text + length - strlen(end), end) == 0;
}

static void expect_name(const struct metrics_row *row)
{
	const bool counter = row->kind == METRICS_COUNTER;
	char end[64];

	assert_true(strncmp(row->name, "spoa_idempotency_", 17) == 0 ||
	            strncmp(row->name, "process_", 8) == 0);
	assert_int_equal(strspn(row->name, "abcdefghijklmnopqrstuvwxyz_"),
	                 strlen(row->name));
	if (counter != ends_in(row->name, "_total"))
		fail_msg("%s: `_total` is for counters, and all of them",
		         row->name);
	snprintf(end, sizeof(end), "%s%s%s", *row->unit ? "_" : "", row->unit,
	         counter ? "_total" : "");
	if (!ends_in(row->name, end))
		fail_msg("%s: does not end in its unit", row->name);
}

static void names_follow_the_conventions(void **state)
{
	(void)state;
	for (size_t i = 0; i < METRICS; i++) {
		const struct metrics_row *row = &metrics_rows[i];

		expect_name(row);
		assert_true(isupper((unsigned char)row->help[0]));
		assert_false(ends_in(row->help, "."));
		assert_null(strpbrk(row->help, "\n\\"));
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(row->name,
			                        metrics_rows[j].name);
	}
}

#define EXPECT(expected, call)                              \
	do {                                                \
		char *text_;                                \
		size_t size_;                               \
		FILE *out = open_memstream(&text_, &size_); \
                                                            \
		call;                                       \
		fclose(out);                                \
		assert_string_equal(text_, expected);       \
		free(text_);                                \
	} while (0)

static void samples_have_the_format(void **state)
{
	const char *const pair[] = {"pay", "proceed"};
	const char *const odd[] = {"a\"b\\c\nd"};

	(void)state;
	EXPECT("spoa_idempotency_waiters 18446744073709551615\n",
	       metrics_count(out, METRIC_WAITERS, NULL, UINT64_MAX));
	EXPECT("spoa_idempotency_verdicts_total{policy=\"pay\","
	       "verdict=\"proceed\"} 3\n",
	       metrics_count(out, METRIC_VERDICTS, pair, 3));
	EXPECT("spoa_idempotency_outcomes_total{outcome="
	       "\"a\\\"b\\\\c\\nd\"} 0\n",
	       metrics_count(out, METRIC_OUTCOMES, odd, 0));
	EXPECT("process_start_time_seconds 1795821194.251\n",
	       metrics_value(out, METRIC_START_TIME, NULL, 1795821194.251));
	EXPECT("# HELP spoa_idempotency_store_up Whether the store answers.\n"
	       "# TYPE spoa_idempotency_store_up gauge\n",
	       metrics_head(out, METRIC_STORE_UP));
}

static void buckets_add_up(void **state)
{
	static const uint32_t bounds[] = {100, 2000};
	const struct histogram_view view = {.counts = {1, 0, 2}, .sum = 7000};
	const char *const labels[] = {"claim", "ok"};

	(void)state;
	EXPECT("spoa_idempotency_store_commit_operations_bucket"
	       "{le=\"100\"} 1\n"
	       "spoa_idempotency_store_commit_operations_bucket"
	       "{le=\"2000\"} 1\n"
	       "spoa_idempotency_store_commit_operations_bucket"
	       "{le=\"+Inf\"} 3\n"
	       "spoa_idempotency_store_commit_operations_sum 7000\n"
	       "spoa_idempotency_store_commit_operations_count 3\n",
	       metrics_histogram(out, METRIC_STORE_COMMITS, NULL, &view, bounds,
	                         2, 1.));
#define NAME "spoa_idempotency_store_operation_duration_seconds"
#define HEAD "{operation=\"claim\",health=\"ok\""
	EXPECT(NAME "_bucket" HEAD ",le=\"0.0001\"} 1\n" NAME "_bucket" HEAD
	            ",le=\"0.002\"} 1\n" NAME "_bucket" HEAD
	            ",le=\"+Inf\"} 3\n" NAME "_sum" HEAD "} 0.007\n" NAME
	            "_count" HEAD "} 3\n",
	       metrics_histogram(out, METRIC_STORE_LATENCY, labels, &view,
	                         bounds, 2, 1e-6));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_follow_the_conventions),
	    cmocka_unit_test(samples_have_the_format),
	    cmocka_unit_test(buckets_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
