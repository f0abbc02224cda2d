/* Each row of agent/options.def, and each way to write a value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>

#include "agent/config_table.h"
#include "agent/config_text.h"
#include "agent/config_value.h"
#include "tests/unit/agent_config_rig.h"

static const struct config_option *const options_end =
    config_table_options + CONFIG_OPTION_COUNT;

static const void *object_of(const struct config *config,
                             const struct config_option *o)
{
	if (o->section == CONFIG_SECTION_POLICY)
		return &config->policies[0];
	return config;
}

/* A file that sets this one option, in its line 3. */
static void write_file(const struct config_option *o, const char *value,
                       char ret_text[512])
{
	snprintf(ret_text, 512, "# a file\n[%s%s]\n%s = %s\n",
	         config_table_sections[o->section].name,
	         o->section == CONFIG_SECTION_POLICY ? " default" : "", o->key,
	         value);
}

static void the_documented_default_is_the_default(void **state)
{
	struct config *expected = config_load(NULL, stderr);

	(void)state;
	for (const struct config_option *o = config_table_options;
	     o < options_end; o++) {
		char text[512];
		struct config *set;

		write_file(o, o->fallback, text);
		set = rig_good(text);
		for (const struct config_option *other = config_table_options;
		     other < options_end; other++)
			assert_true(
			    config_value_equal(other, object_of(set, other),
			                       object_of(expected, other)));
		config_unref(set);
	}
	config_unref(expected);
}

/* The text of a number of the option's type, in the unit of its field. */
static void number_text(const struct config_option *o, uint64_t number,
                        char ret_text[64])
{
	char digits[CONFIG_TEXT_SIZE];

	config_text_from_count(number, digits);
	if (o->type == CONFIG_TYPE_MODE)
		config_text_from_mode(number, digits);
	snprintf(ret_text, 64, "%s%s", digits,
	         o->type == CONFIG_TYPE_DURATION_MS  ? "ms"
	         : o->type == CONFIG_TYPE_DURATION_S ? "s"
	                                             : "");
}

static bool is_number(const struct config_option *o)
{
	return o->type <= CONFIG_TYPE_MODE;
}

static void expect_taken(const struct config_option *o, uint64_t number)
{
	char value[64];
	char text[512];
	struct config *c;
	uint64_t field = 0;

	number_text(o, number, value);
	write_file(o, value, text);
	/* Keeps a lock's time above it, whatever it is. */
	if (o->section == CONFIG_SECTION_AGENT)
		strcat(text, "[policy default]\nlock-ttl = 2m\n");
	else if (strcmp(o->key, "lock-ttl") == 0)
		strcat(text, "[agent]\nanswer-timeout = 10ms\n");
	else if (strcmp(o->key, "retry-after-min") == 0)
		strcat(text, "retry-after-max = 1h\n");
	else if (strcmp(o->key, "wait") == 0)
		strcat(text, "[agent]\nprocessing-timeout = 1h\n");
	c = rig_good(text);
	memcpy(&field, (const char *)object_of(c, o) + o->offset,
	       o->type == CONFIG_TYPE_MODE ? sizeof(unsigned)
	                                   : sizeof(uint64_t));
	assert_true(field == number);
	config_unref(c);
}

static void expect_refused(const struct config_option *o, uint64_t number)
{
	char value[64];
	char text[512];
	char expected[CONFIG_VALUE_EXPECTED_SIZE];
	char mistakes[512];

	number_text(o, number, value);
	write_file(o, value, text);
	config_value_expected(o, expected);
	snprintf(mistakes, sizeof(mistakes),
	         "test.ini:3: [%s%s] %s = %s: is out of range; expected %s\n",
	         config_table_sections[o->section].name,
	         o->section == CONFIG_SECTION_POLICY ? " default" : "", o->key,
	         value, expected);
	rig_bad(text, mistakes);
}

static void ranges_are_kept(void **state)
{
	size_t tried = 0;

	(void)state;
	for (const struct config_option *o = config_table_options;
	     o < options_end; o++) {
		if (!is_number(o))
			continue;
		expect_taken(o, o->min);
		expect_taken(o, o->max);
		if (o->min > 0)
			expect_refused(o, o->min - 1);
		expect_refused(o, o->max + 1);
		tried++;
	}
	assert_true(tried > 10);
}

/* A path may have as many bytes as the table says, and no more. */
static void paths_have_a_length(void **state)
{
	const struct config_option *o =
	    &config_table_options[CONFIG_STORE_store_path];
	char path[CONFIG_VALUE_PATH_MAX + 2] = "/";
	struct config *c = rig_good("");
	char error[256];

	(void)state;
	assert_int_equal(o->max, CONFIG_VALUE_PATH_MAX);
	memset(path + 1, 'x', CONFIG_VALUE_PATH_MAX - 1);
	assert_int_equal(
	    config_value_set(o, c, path, false, error, sizeof(error)), 0);
	assert_string_equal(c->store_path, path);
	path[CONFIG_VALUE_PATH_MAX] = 'x';
	assert_int_equal(
	    config_value_set(o, c, path, false, error, sizeof(error)), -1);
	assert_string_equal(error, "is too long; expected an absolute path of "
	                           "at most 160 bytes");
	config_unref(c);
}

/* The message names both ends the way they are written. */
static void ranges_are_readable(void **state)
{
	static const struct {
		enum config_option_id id;
		const char *expected;
	} rows[] = {
	    {CONFIG_AGENT_threads, "a number from 1 to 64"},
	    {CONFIG_AGENT_unix_mode, "octal permissions from 0000 to 0777"},
	    {CONFIG_AGENT_max_frame_size, "a size from 256 to 16M"},
	    {CONFIG_AGENT_hello_timeout_ms, "a duration from 100ms to 10m"},
	    {CONFIG_POLICY_retry_after_max_s, "whole seconds from 1s to 1h"},
	    {CONFIG_AGENT_pipelining, "auto, on or off"},
	    {CONFIG_AGENT_listen, "a list of 1 to 16 addresses"},
	    {CONFIG_POLICY_fingerprint,
	     "some of method, path, query, body or digest"},
	};
	char expected[CONFIG_VALUE_EXPECTED_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		config_value_expected(&config_table_options[rows[i].id],
		                      expected);
		assert_string_equal(expected, rows[i].expected);
	}
}

static void every_choice_is_taken(void **state)
{
	(void)state;
	for (const struct config_option *o = config_table_options;
	     o < options_end; o++) {
		if (!o->choices)
			continue;
		for (const struct config_choice *c = o->choices; c->text; c++) {
			char text[512];
			char item[CONFIG_VALUE_ITEM_SIZE];
			struct config *config;

			write_file(o, c->text, text);
			config = rig_good(text);
			assert_true(config_value_item(o, object_of(config, o),
			                              0, item));
			assert_string_equal(item, c->text);
			assert_false(config_value_item(o, object_of(config, o),
			                               1, item));
			config_unref(config);
		}
	}
}

static void the_table_is_in_order(void **state)
{
	(void)state;
	for (const struct config_option *o = config_table_options;
	     o < options_end; o++) {
		assert_ptr_equal(config_table_find(o->section, o->key), o);
		assert_non_null(o->help);
		assert_true(o->help[strlen(o->help) - 1] == '.');
		assert_true(isupper((unsigned char)o->help[0]));
		if (is_number(o))
			assert_true(o->min < o->max);
		for (const char *c = o->key; *c; c++)
			assert_true(islower((unsigned char)*c) || *c == '-');
		/* Sections stand together, in their order. */
		if (o > config_table_options)
			assert_true(o->section >= o[-1].section);
	}
}

/* --- texts --- */

typedef int read_text(const char *text, uint64_t *ret, char *reterr_text,
                      size_t reterr_size);
typedef void write_text(uint64_t number, char ret_text[CONFIG_TEXT_SIZE]);

static const struct {
	read_text *read;
	write_text *write;
	const char *text;
	uint64_t number;
	const char *again; /* how it is written; NULL: the same */
} numbers[] = {
    {config_text_count, config_text_from_count, "0", 0, NULL},
    {config_text_count, config_text_from_count, "007", 7, "7"},
    {config_text_count, config_text_from_count, "18446744073709551615",
     UINT64_MAX, NULL},
    {config_text_bytes, config_text_from_bytes, "0", 0, NULL},
    {config_text_bytes, config_text_from_bytes, "1023", 1023, NULL},
    {config_text_bytes, config_text_from_bytes, "1024", 1024, "1k"},
    {config_text_bytes, config_text_from_bytes, "1025", 1025, NULL},
    {config_text_bytes, config_text_from_bytes, "4 k", 4096, "4k"},
    {config_text_bytes, config_text_from_bytes, "1536k", 1536 << 10, NULL},
    {config_text_bytes, config_text_from_bytes, "16M", 16 << 20, NULL},
    {config_text_bytes, config_text_from_bytes, "3G", UINT64_C(3) << 30, NULL},
    {config_text_bytes, config_text_from_bytes, "1024G", UINT64_C(1) << 40,
     "1T"},
    {config_text_duration, config_text_from_duration, "0s", 0, "0ms"},
    {config_text_duration, config_text_from_duration, "400ms", 400, NULL},
    {config_text_duration, config_text_from_duration, "1500ms", 1500, NULL},
    {config_text_duration, config_text_from_duration, "60 s", 60000, "1m"},
    {config_text_duration, config_text_from_duration, "90m", 5400000, NULL},
    {config_text_duration, config_text_from_duration, "24h", 86400000, "1d"},
    {config_text_duration, config_text_from_duration, "3650d",
     UINT64_C(3650) * 86400000, NULL},
    {config_text_mode, config_text_from_mode, "0660", 0660, NULL},
    {config_text_mode, config_text_from_mode, "7", 7, "0007"},
};

static void numbers_are_read_and_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		const char *again = numbers[i].again;
		char text[CONFIG_TEXT_SIZE];
		char error[64] = "";
		uint64_t number;

		assert_int_equal(numbers[i].read(numbers[i].text, &number,
		                                 error, sizeof(error)),
		                 0);
		assert_true(number == numbers[i].number);
		numbers[i].write(number, text);
		assert_string_equal(text, again ? again : numbers[i].text);
		assert_int_equal(
		    numbers[i].read(text, &number, error, sizeof(error)), 0);
		assert_true(number == numbers[i].number);
	}
}

static const struct {
	read_text *read;
	const char *text;
} no_numbers[] = {
    {config_text_count, ""},
    {config_text_count, " 1"},
    {config_text_count, "+1"},
    {config_text_count, "-1"},
    {config_text_count, "1.5"},
    {config_text_count, "0x10"},
    {config_text_count, "1e3"},
    {config_text_count, "18446744073709551616"},
    {config_text_bytes, ""},
    {config_text_bytes, "1K"},
    {config_text_bytes, "1kB"},
    {config_text_bytes, "1.5M"},
    {config_text_bytes, "16777216T"},
    {config_text_bytes, "18446744073709551616"},
    {config_text_duration, "5"},
    {config_text_duration, "0"},
    {config_text_duration, "s"},
    {config_text_duration, "1h30m"},
    {config_text_duration, "5S"},
    {config_text_duration, "213503982335d"},
    {config_text_mode, ""},
    {config_text_mode, "8"},
    {config_text_mode, "rw"},
    {config_text_mode, "2000000000000000000000"},
};

static void what_is_no_number_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(no_numbers) / sizeof(*no_numbers); i++) {
		char error[64] = "";
		uint64_t number;

		assert_int_equal(no_numbers[i].read(no_numbers[i].text, &number,
		                                    error, sizeof(error)),
		                 -1);
		assert_true(strlen(error) > 5);
	}
}

/* --- statuses --- */

static const struct {
	const char *text;
	const char *again;
} statuses[] = {
    {"200", "200"},
    {"2xx", "2xx"},
    {"200-299", "2xx"},
    {"201,202 203", "201-203"},
    {"2xx !2xx 204", "204"},
    {"2xx !204", "200-203 205-299"},
    {"!204 2xx", "2xx"},
    {"2xx !250-260 255", "200-249 255 261-299"},
    {"199-200", "199 200"},
    {"100-599", "1xx 2xx 3xx 4xx 5xx"},
    {"100 599", "100 599"},
    {"2xx 3xx 4xx !408 !425 !429", "2xx 3xx 400-407 409-424 426-428 430-499"},
    {"500-500", "500"},
};

static void statuses_are_sets(void **state)
{
	const struct config_option *o =
	    &config_table_options[CONFIG_POLICY_stored];

	(void)state;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++) {
		struct policy policy = {0};
		struct policy again = {0};
		char error[256];
		char item[CONFIG_VALUE_ITEM_SIZE];
		char text[512] = "";

		assert_int_equal(config_value_set(o, &policy, statuses[i].text,
		                                  false, error, sizeof(error)),
		                 0);
		for (size_t j = 0; config_value_item(o, &policy, j, item); j++)
			sprintf(text + strlen(text), "%s%s", j ? " " : "",
			        item);
		assert_string_equal(text, statuses[i].again);
		assert_int_equal(config_value_set(o, &again, text, false, error,
		                                  sizeof(error)),
		                 0);
		assert_memory_equal(&policy.stored, &again.stored,
		                    sizeof(policy.stored));
	}
}

static void what_is_no_status_is_refused(void **state)
{
	static const char *const texts[] = {
	    "0",       "99",       "600",      "6xx",     "0xx",     "20",
	    "2000",    "2x",       "2xxx",     "2XX",     "x",       "!",
	    "!!200",   "200-",     "-200",     "200-2xx", "2xx-3xx", "200-600",
	    "300-200", "200--299", "200-!299", "20a",     "ok",      "200;201"};
	const struct config_option *o =
	    &config_table_options[CONFIG_POLICY_stored];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct policy policy = {0};
		char error[256];

		assert_int_equal(config_value_set(o, &policy, texts[i], false,
		                                  error, sizeof(error)),
		                 -1);
		assert_memory_equal(error + 1, texts[i], strlen(texts[i]));
	}
}

/* --- header names --- */

static void header_names_are_tokens(void **state)
{
	static const char token[] = "!$%&'*+-.^_`|~09AZaz";
	const struct config_option *o =
	    &config_table_options[CONFIG_POLICY_drops];
	char error[256];

	(void)state;
	for (int byte = 1; byte < 256; byte++) {
		struct policy policy = {0};
		char name[3] = {'x', (char)byte, '\0'};
		bool separates = strchr(" \t,", byte) != NULL;
		bool taken = isalnum(byte) || strchr(token, byte);
		int result = config_value_set(o, &policy, name, false, error,
		                              sizeof(error));

		assert_int_equal(result == 0, taken || separates);
		if (taken && isupper(byte))
			assert_int_equal(policy.drops[0][1], tolower(byte));
		config_value_clear(o, &policy);
		assert_int_equal(policy.n_drops, 0);
	}
}

static void as_many_headers_as_there_is_room_for(void **state)
{
	const struct config_option *o =
	    &config_table_options[CONFIG_POLICY_drops];
	struct policy policy = {0};
	char error[256];
	char name[CONFIG_LIST_ITEM_SIZE + 2];

	(void)state;
	for (int i = 0; i < POLICY_DROPS_MAX; i++) {
		sprintf(name, "x-%d", i);
		assert_int_equal(config_value_set(o, &policy, name, true, error,
		                                  sizeof(error)),
		                 0);
	}
	assert_int_equal(
	    config_value_set(o, &policy, "more", true, error, sizeof(error)),
	    -1);
	assert_string_equal(error, "\"more\" is one too many");
	memset(name, 'x', sizeof(name));
	name[CONFIG_LIST_ITEM_SIZE - 1] = '\0';
	assert_int_equal(
	    config_value_set(o, &policy, name, false, error, sizeof(error)), 0);
	assert_int_equal(policy.n_drops, 1);
	memset(name, 'x', sizeof(name));
	name[CONFIG_LIST_ITEM_SIZE] = '\0';
	assert_int_equal(
	    config_value_set(o, &policy, name, false, error, sizeof(error)),
	    -1);
	assert_non_null(strstr(error, "is too long"));
	config_value_clear(o, &policy);
}

/* --- copies --- */

static void copies_are_equal_and_apart(void **state)
{
	struct config *from = rig_good(
	    "[agent]\nlisten = /a /b\nsocket-mode = 600\nthreads = 9\n"
	    "pipelining = on\n[store]\npath = /x\n"
	    "[policy default]\nstore-status = 201\ndrop-headers = x y z\n"
	    "fingerprint-body = json\nfingerprint-exclude = /a /b\n");
	struct config *to = rig_good("");

	(void)state;
	for (const struct config_option *o = config_table_options;
	     o < options_end; o++) {
		assert_true(
		    config_value_copy(o, (void *)(uintptr_t)object_of(to, o),
		                      object_of(from, o)));
		assert_true(config_value_equal(o, object_of(to, o),
		                               object_of(from, o)));
	}
	config_unref(from);
	assert_int_equal(to->n_listen, 2);
	assert_int_equal(to->unix_mode, 0600);
	assert_int_equal(to->threads, 9);
	assert_int_equal(to->pipelining, SPOE_PIPELINING_ON);
	assert_string_equal(to->store_path, "/x");
	assert_string_equal(to->policies[0].drops[2], "z");
	assert_string_equal(to->policies[0].excluded[1], "/b");
	assert_false(policy_statuses_has(&to->policies[0].stored, 200));
	config_unref(to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_documented_default_is_the_default),
	    cmocka_unit_test(ranges_are_kept),
	    cmocka_unit_test(paths_have_a_length),
	    cmocka_unit_test(ranges_are_readable),
	    cmocka_unit_test(every_choice_is_taken),
	    cmocka_unit_test(the_table_is_in_order),
	    cmocka_unit_test(numbers_are_read_and_written),
	    cmocka_unit_test(what_is_no_number_is_refused),
	    cmocka_unit_test(statuses_are_sets),
	    cmocka_unit_test(what_is_no_status_is_refused),
	    cmocka_unit_test(header_names_are_tokens),
	    cmocka_unit_test(as_many_headers_as_there_is_room_for),
	    cmocka_unit_test(copies_are_equal_and_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
