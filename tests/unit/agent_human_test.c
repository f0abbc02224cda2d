/* Numbers as people read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "agent/human.h"

#define EXPECT(expected, function, value)            \
	do {                                         \
		char text[HUMAN_SIZE];               \
                                                     \
		function(value, text);               \
		assert_string_equal(text, expected); \
	} while (0)

#define BLANK "\xe2\x80\xaf"

static void spans(void **state)
{
	(void)state;
	EXPECT("0 ms", human_span, 0);
	EXPECT("1999 ms", human_span, 1999);
	EXPECT("2 s", human_span, 2000);
	EXPECT("90 s", human_span, 90000);
	EXPECT("2 min", human_span, 179999);
	EXPECT("47 h", human_span, 47 * 3600000ull);
	EXPECT("2 d", human_span, 48 * 3600000ull);
}

static void bytes(void **state)
{
	(void)state;
	EXPECT("1023 B", human_bytes, 1023);
	EXPECT("1.0 KiB", human_bytes, 1024);
	EXPECT("1.5 MiB", human_bytes, 3 << 19);
	EXPECT("16777216.0 TiB", human_bytes, UINT64_MAX);
}

static void latencies(void **state)
{
	(void)state;
	EXPECT("0.0 µs", human_latency, 0);
	EXPECT("9.5 µs", human_latency, 9.5);
	EXPECT("38 µs", human_latency, 38.4);
	EXPECT("1.2 ms", human_latency, 1234);
	EXPECT("250 ms", human_latency, 250000);
	EXPECT("2.5 s", human_latency, 2500000);
}

static void counts_and_rates(void **state)
{
	(void)state;
	EXPECT("0", human_count, 0);
	EXPECT("999", human_count, 999);
	EXPECT("1" BLANK "000", human_count, 1000);
	EXPECT("12" BLANK "345" BLANK "678", human_count, 12345678);
	EXPECT("0", human_rate, 0);
	EXPECT("0.3", human_rate, .3);
	EXPECT("12", human_rate, 12.4);
	EXPECT("1" BLANK "520", human_rate, 1520);
}

/* However large: it ends, and not in the middle of a character. */
static void the_largest_fits(void **state)
{
	char text[HUMAN_SIZE];

	(void)state;
	human_count(UINT64_MAX, text);
	assert_true(strlen(text) < HUMAN_SIZE);
	assert_int_equal(strncmp(text, "18" BLANK "446", 8), 0);
	assert_true((unsigned char)text[strlen(text) - 1] < 0x80);
}

static void times(void **state)
{
	(void)state;
	EXPECT("1970-01-01T00:00:00Z", human_time, 999);
	EXPECT("2026-11-27T23:42:24Z", human_time, 1795822944000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(spans),
	    cmocka_unit_test(bytes),
	    cmocka_unit_test(latencies),
	    cmocka_unit_test(counts_and_rates),
	    cmocka_unit_test(the_largest_fits),
	    cmocka_unit_test(times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
