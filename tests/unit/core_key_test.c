/* The Idempotency-Key header: one text, one key; anything else is refused with
 * a reason. */
#include "agent/core/key.h"

#include "tests/unit/core_check.h"

static const struct {
	const char *raw;
	const char *key; /* NULL: refused */
	enum reason reason;
} rows[] = {
    {"k", "k", REASON_NONE},
    {"\"k\"", "k", REASON_NONE},
    {"8e03978e-40d5-43dd-bc93-6894a57f9324",
     "8e03978e-40d5-43dd-bc93-6894a57f9324", REASON_NONE},
    {"\"8e03978e-40d5-43dd-bc93-6894a57f9324\"",
     "8e03978e-40d5-43dd-bc93-6894a57f9324", REASON_NONE},
    {"  \tk\t ", "k", REASON_NONE},
    {" \"k\" ", "k", REASON_NONE},
    {"a b", "a b", REASON_NONE},
    {"\" a \"", " a ", REASON_NONE},
    {"\"a\\\"b\"", "a\"b", REASON_NONE},
    {"a\"b", "a\"b", REASON_NONE},
    {"\"a\\\\b\"", "a\\b", REASON_NONE},
    {"a\\b", "a\\b", REASON_NONE},
    {"\"\\\\\"", "\\", REASON_NONE},
    {"\"\\\"\"", "\"", REASON_NONE},
    {"a, b", "a, b", REASON_NONE},
    {"k;a=1", "k;a=1", REASON_NONE},
    {"~ !", "~ !", REASON_NONE},

    {"", NULL, REASON_KEY_EMPTY},
    {" ", NULL, REASON_KEY_EMPTY},
    {"\t \t", NULL, REASON_KEY_EMPTY},
    {"\"\"", NULL, REASON_KEY_EMPTY},
    {" \"\" ", NULL, REASON_KEY_EMPTY},

    {"\"", NULL, REASON_KEY_UNCLOSED},
    {"\"k", NULL, REASON_KEY_UNCLOSED},
    {"\"k ", NULL, REASON_KEY_UNCLOSED},
    {"\"k\\", NULL, REASON_KEY_UNCLOSED},
    {"\"k\\\"", NULL, REASON_KEY_UNCLOSED},

    {"\"k\\n\"", NULL, REASON_KEY_BAD_ESCAPE},
    {"\"\\k\"", NULL, REASON_KEY_BAD_ESCAPE},
    {"\"k\\ \"", NULL, REASON_KEY_BAD_ESCAPE},

    {"\"k\"x", NULL, REASON_KEY_TRAILING},
    {"\"k\" x", NULL, REASON_KEY_TRAILING},
    {"\"k\";a=1", NULL, REASON_KEY_TRAILING},
    {"\"k\"\"", NULL, REASON_KEY_TRAILING},
    {"\"a\", \"b\"", NULL, REASON_KEY_TRAILING},
    {"\"\"k", NULL, REASON_KEY_TRAILING},

    {"a\tb", NULL, REASON_KEY_BAD_BYTE},
    {"\"a\tb\"", NULL, REASON_KEY_BAD_BYTE},
    {"a\nb", NULL, REASON_KEY_BAD_BYTE},
    {"k\r", NULL, REASON_KEY_BAD_BYTE},
    {"a\x7f", NULL, REASON_KEY_BAD_BYTE},
    {"k\xc3\xa9", NULL, REASON_KEY_BAD_BYTE},
    {"\"k\xff\"", NULL, REASON_KEY_BAD_BYTE},
    {"\x1f", NULL, REASON_KEY_BAD_BYTE},
};

static void test_rows(void **state)
{
	struct key key;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		enum reason reason = key_parse(spoe_span_of(rows[i].raw), &key);

		check_row(rows[i].raw, reason == rows[i].reason);
		if (rows[i].key != NULL)
			check_row(rows[i].raw,
			          spoe_span_equal(key_span(&key),
			                          spoe_span_of(rows[i].key)));
	}
}

/* Every byte, bare and quoted: printable ASCII is a key, and the same one. */
static void test_every_byte(void **state)
{
	(void)state;
	for (unsigned byte = 0; byte < 256; byte++) {
		char bare[] = {'a', (char)byte, 'b'};
		char quoted[] = {'"', 'a', (char)byte, 'b', '"'};
		bool special = byte == '"' || byte == '\\';
		bool good = byte >= 0x20 && byte < 0x7f;
		struct key from_bare, from_quoted;
		enum reason reason;

		reason = key_parse(spoe_span(bare, sizeof(bare)), &from_bare);
		assert_int_equal(reason,
		                 good ? REASON_NONE : REASON_KEY_BAD_BYTE);
		if (special)
			continue;
		reason =
		    key_parse(spoe_span(quoted, sizeof(quoted)), &from_quoted);
		assert_int_equal(reason,
		                 good ? REASON_NONE : REASON_KEY_BAD_BYTE);
		if (good)
			assert_true(spoe_span_equal(key_span(&from_bare),
			                            key_span(&from_quoted)));
	}
}

static void test_length(void **state)
{
	char text[2 * KEY_MAX + 4];
	struct key key;

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(key_parse(spoe_span(text, KEY_MAX), &key),
	                 REASON_NONE);
	assert_int_equal(key.size, KEY_MAX);
	assert_memory_equal(key.text, text, KEY_MAX);
	assert_int_equal(key_parse(spoe_span(text, KEY_MAX + 1), &key),
	                 REASON_KEY_TOO_LONG);

	text[0] = '"';
	text[KEY_MAX + 1] = '"';
	assert_int_equal(key_parse(spoe_span(text, KEY_MAX + 2), &key),
	                 REASON_NONE);
	assert_int_equal(key.size, KEY_MAX);
	text[KEY_MAX + 1] = 'x';
	text[KEY_MAX + 2] = '"';
	assert_int_equal(key_parse(spoe_span(text, KEY_MAX + 3), &key),
	                 REASON_KEY_TOO_LONG);
}

/* The limit is on the key, not on its escapes. */
static void test_length_of_escapes(void **state)
{
	char text[2 * KEY_MAX + 4];
	struct key key;
	size_t size = 0;

	(void)state;
	text[size++] = '"';
	for (int i = 0; i < KEY_MAX; i++) {
		text[size++] = '\\';
		text[size++] = '\\';
	}
	text[size++] = '"';
	assert_int_equal(key_parse(spoe_span(text, size), &key), REASON_NONE);
	assert_int_equal(key.size, KEY_MAX);
}

static void test_no_bytes(void **state)
{
	struct key key;

	(void)state;
	assert_int_equal(key_parse(spoe_span(NULL, 0), &key), REASON_KEY_EMPTY);
	assert_int_equal(key_parse(spoe_span("k\0l", 3), &key),
	                 REASON_KEY_BAD_BYTE);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_every_byte),
	    cmocka_unit_test(test_length),
	    cmocka_unit_test(test_length_of_escapes),
	    cmocka_unit_test(test_no_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
