#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "agent/escape.h"

static const struct {
	const char *text;
	size_t length;
	const char *escaped;
} rows[] = {
    {"", 0, ""},
    {"plain text, =:;#[]{}~", 21, "plain text, =:;#[]{}~"},
    {"say \"hi\"", 8, "say \\\"hi\\\""},
    {"a\\b", 3, "a\\\\b"},
    {"one\ntwo\r\n", 9, "one\\ntwo\\r\\n"},
    {"a\tb", 3, "a\\tb"},
    {"\033[31mred", 8, "\\u001b[31mred"},
    {"nul\0inside", 10, "nul\\u0000inside"},
    {"\x7f\x80\x9b\xff", 4, "\\u007f\\u0080\\u009b\\u00ff"},
    {"caf\xc3\xa9", 5, "caf\\u00c3\\u00a9"},
};

static void escapes(void **state)
{
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(escape_text(text, sizeof(text), rows[i].text,
		                             rows[i].length),
		                 rows[i].length);
		assert_string_equal(text, rows[i].escaped);
	}
}

static void every_byte_comes_out_printable(void **state)
{
	char all[256];
	char text[sizeof(all) * ESCAPE_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (char)i;
	assert_int_equal(escape_text(text, sizeof(text), all, sizeof(all)),
	                 sizeof(all));
	for (const char *c = text; *c; c++)
		assert_in_range(*c, ' ', '~');
}

/* At every size: whole escapes only, and a NUL within bounds. */
static void cuts_between_escapes(void **state)
{
	static const char text[] = "a\033b\"c\n";
	static const char *const cut[] = {"",  "a", "a",        "a",        "a",
	                                  "a", "a", "a\\u001b", "a\\u001bb"};

	(void)state;
	for (size_t size = 1; size <= sizeof(cut) / sizeof(*cut); size++) {
		char out[16];
		size_t taken;

		memset(out, 'X', sizeof(out));
		taken = escape_text(out, size, text, strlen(text));
		assert_string_equal(out, cut[size - 1]);
		assert_true(taken < strlen(text));
		assert_int_equal(out[size], 'X');
	}
}

static void knows_plain_text(void **state)
{
	(void)state;
	assert_true(escape_is_plain(""));
	assert_true(escape_is_plain("/run/a b=c.sock"));
	assert_false(escape_is_plain("a\"b"));
	assert_false(escape_is_plain("a\\b"));
	assert_false(escape_is_plain("a\n"));
	assert_false(escape_is_plain("\x80"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(escapes),
	    cmocka_unit_test(every_byte_comes_out_printable),
	    cmocka_unit_test(cuts_between_escapes),
	    cmocka_unit_test(knows_plain_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
