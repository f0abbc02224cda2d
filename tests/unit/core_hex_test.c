/* Bytes become digits and come back; what is no digit is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "agent/core/hex.h"

static void test_every_byte_comes_back(void **state)
{
	uint8_t bytes[256], again[256];
	char text[2 * sizeof(bytes) + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	hex_write(text, bytes, sizeof(bytes));
	assert_int_equal(strlen(text), 2 * sizeof(bytes));
	assert_memory_equal(text, "000102", 6);
	assert_string_equal(text + sizeof(text) - 7, "fdfeff");
	assert_true(hex_read(again, text, sizeof(again)));
	assert_memory_equal(again, bytes, sizeof(bytes));
}

static void test_either_case_is_read(void **state)
{
	uint8_t byte;

	(void)state;
	assert_true(hex_read(&byte, "aF", 1));
	assert_int_equal(byte, 0xaf);
}

static void test_what_is_no_digit_is_refused(void **state)
{
	static const char *const texts[] = {"",   "0",  "0g",       "g0",
	                                    " 0", "-1", "\xe1\x31", "@0",
	                                    "`0", "0:", "0/"};
	uint8_t byte;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_false(hex_read(&byte, texts[i], 1));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_byte_comes_back),
	    cmocka_unit_test(test_either_case_is_read),
	    cmocka_unit_test(test_what_is_no_digit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
