/* One form for all spellings of a JSON text, and for different texts never the
 * same: RFC 8785, its samples and what it leaves open. */
#include "agent/core/canonical.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/core/digest.h"
#include "tests/unit/core_check.h"

static const struct policy everything = {.fingerprint = POLICY_PARTS_ALL};

/* NULL: it has no form. */
static void check_form(const struct policy *policy, const char *text,
                       size_t size, const char *expected)
{
	enum canonical_result result;
	uint8_t *form = NULL;
	size_t form_size = 0;

	result =
	    canonical_json(spoe_span(text, size), policy, &form, &form_size);
	check_row(text, (result == CANONICAL_DONE) == (expected != NULL));
	if (!expected) {
		check_row(text, result == CANONICAL_NONE);
		return;
	}
	if (form_size != strlen(expected) ||
	    memcmp(form, expected, form_size) != 0)
		fail_msg("%s: %.*s instead of %s", text, (int)form_size,
		         (const char *)form, expected);
	free(form);
}

static const struct {
	const char *text;
	const char *form;
} texts[] = {
    /* RFC 8785 section 3.2.2, but for a number that is not a double. */
    {"{\n  \"numbers\": [333333333.333333, 1E30, 4.50,\n"
     "    2e-3, 0.000000000000000000000000001],\n"
     "  \"string\": \"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/"
     "\",\n"
     "  \"literals\": [null, true, false]\n}\n",
     "{\"literals\":[null,true,false],"
     "\"numbers\":[333333333.333333,1e+30,4.5,0.002,1e-27],"
     "\"string\":\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"},
    {"{\"numbers\":[333333333.33333329]}", NULL},
    /* Section 3.2.3: the order of UTF-16. */
    {"{\"\\u20ac\":\"Euro Sign\",\"\\r\":\"Carriage Return\","
     "\"\\ufb33\":\"Hebrew Letter Dalet With Dagesh\",\"1\":\"One\","
     "\"\\ud83d\\ude00\":\"Emoji: Grinning Face\",\"\\u0080\":\"Control\","
     "\"\\u00f6\":\"Latin Small Letter O With Diaeresis\"}",
     "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xc2\x80\":\"Control\","
     "\"\xc3\xb6\":\"Latin Small Letter O With Diaeresis\","
     "\"\xe2\x82\xac\":\"Euro Sign\","
     "\"\xf0\x9f\x98\x80\":\"Emoji: Grinning Face\","
     "\"\xef\xac\xb3\":\"Hebrew Letter Dalet With Dagesh\"}"},
    {"{\"\":1,\"a\":1,\"aa\":1,\"B\":1,\"b\":1,\"\\ue000\":1,\"\\uffff\":1,"
     "\"\\ud7ff\":1}",
     "{\"\":1,\"B\":1,\"a\":1,\"aa\":1,\"b\":1,\"\xed\x9f\xbf\":1,"
     "\"\xee\x80\x80\":1,\"\xef\xbf\xbf\":1}"},
    {"[{\"b\":[{\"d\":1,\"c\":2}],\"a\":{}},[],[[]]]",
     "[{\"a\":{},\"b\":[{\"c\":2,\"d\":1}]},[],[[]]]"},
    {"[\"\\u0000a\"]", NULL},
    {"[\"\\b\\t\\n\\f\\r\\u001f\\u007f\\/\"]",
     "[\"\\b\\t\\n\\f\\r\\u001f\x7f/\"]"},
    {" {}\t\r\n", "{}"},
    {"[]", "[]"},

    /* A reader might take these in two ways, or not at all. */
    {"", NULL},
    {" ", NULL},
    {"1", NULL},
    {"\"a\"", NULL},
    {"null", NULL},
    {"{\"a\":1,\"a\":2}", NULL},
    {"{\"a\":1,\"\\u0061\":1}", NULL},
    {"{\"a\":{\"b\":1,\"b\":1}}", NULL},
    {"{\"a\":1}x", NULL},
    {"{\"a\":1}{\"a\":1}", NULL},
    {"{\"a\":1,}", NULL},
    {"[1,]", NULL},
    {"{a:1}", NULL},
    {"{'a':1}", NULL},
    {"[01]", NULL},
    {"[+1]", NULL},
    {"[1.]", NULL},
    {"[.5]", NULL},
    {"[NaN]", NULL},
    {"[1]//", NULL},
    {"\xef\xbb\xbf[1]", NULL},
    {"[\"\xff\"]", NULL},
    {"[\"\xc0\x80\"]", NULL},
    {"[\"\xed\xa0\x80\"]", NULL},
    {"[\"\\ud800\"]", NULL},
    {"[\"\\udc00\\ud800\"]", NULL},
    {"[\"\n\"]", NULL},
    {"[\"\\x\"]", NULL},
    {"amount=10&currency=EUR", NULL},
};

static void test_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		check_form(&everything, texts[i].text, strlen(texts[i].text),
		           texts[i].form);
	check_form(&everything, "[1]\0", 4, NULL);
	check_form(&everything, "[\"\0\"]", 5, NULL);
}

/* ECMA-262, Number::toString(), and RFC 8785 appendix B as far as a decimal of
 * 15 digits goes. */
static const struct {
	const char *text;
	const char *form;
} numbers[] = {
    {"0", "0"},
    {"-0", "0"},
    {"0.0", "0"},
    {"-0.0e-10", "0"},
    {"0e9999", "0"},
    {"10.00", "10"},
    {"1e1", "10"},
    {"100E-1", "10"},
    {"-12.50", "-12.5"},
    {"1.0000000000000000000000000000000000", "1"},
    {"100000000000000000000.0", "100000000000000000000"},
    {"1e20", "100000000000000000000"},
    {"1e21", "1e+21"},
    {"1e+23", "1e+23"},
    {"123e20", "1.23e+22"},
    {"-1.5E300", NULL},
    {"1e-6", "0.000001"},
    {"1e-7", "1e-7"},
    {"9.5367431640625e-7", "9.5367431640625e-7"},
    {"0.00001234", "0.00001234"},
    {"123456789012345.0", "123456789012345"},
    {"12345678901234.5", "12345678901234.5"},
    {"1234567890123456.0", NULL},
    {"1234567890.123456", NULL},
    {"1234567890.1234560000", NULL},
    {"0.1", "0.1"},
    {"0.1000000000000000055", NULL},
    {"0.30000000000000004", NULL},
    {"1424953923781206.2", NULL},
    {"9007199254740991", "9007199254740991"},
    {"9007199254740992", "9007199254740992"},
    {"9007199254740993", "9007199254740993"},
    {"9007199254740993.0", NULL},
    {"9223372036854775807", "9223372036854775807"},
    {"-9223372036854775808", "-9223372036854775808"},
    {"9223372036854775808", NULL},
    {"9223372036854775807.0", NULL},
    {"100000000000000000000", NULL},
    {"5e-324", NULL},
    {"1e-9999", NULL},
    {"1e9999", NULL},
    {"1e99999999999999999999", NULL},
    {"1e-99999999999999999999", NULL},
    {"1.7976931348623157e308", NULL},
};

/* What only looks like a number is none, and what stands behind is one. */
static const struct {
	const char *text;
	const char *form;
} hidden[] = {
    {"[\"0.1000000000000000055\",1.0]", "[\"0.1000000000000000055\",1]"},
    {"[\"\\\"\",0.1000000000000000055]", NULL},
    {"[\"\\\\\",0.1000000000000000055]", NULL},
    {"{\"0.1000000000000000055\":false}", "{\"0.1000000000000000055\":false}"},
};

static void test_numbers(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(numbers); i++) {
		char text[128], form[128];

		snprintf(text, sizeof(text), "[%s]", numbers[i].text);
		if (numbers[i].form)
			snprintf(form, sizeof(form), "[%s]", numbers[i].form);
		check_form(&everything, text, strlen(text),
		           numbers[i].form ? form : NULL);
	}
	for (size_t i = 0; i < COUNT(hidden); i++)
		check_form(&everything, hidden[i].text, strlen(hidden[i].text),
		           hidden[i].form);
}

static void test_depth(void **state)
{
	char text[2 * CANONICAL_DEPTH_MAX + 3];
	const size_t deep = CANONICAL_DEPTH_MAX;

	(void)state;
	memset(text, '[', deep);
	memset(text + deep, ']', deep);
	text[2 * deep] = '\0';
	check_form(&everything, text, 2 * deep, text);
	memset(text, '[', deep + 1);
	memset(text + deep + 1, ']', deep + 1);
	check_form(&everything, text, 2 * deep + 2, NULL);
}

/* As deep as Jansson goes, and more; only the beginning of a text, too. */
static void *read_deep(void *cookie)
{
	static const char *const begin[] = {"[", "{\"a\":", "[\"\\\"]\","};
	enum { DEEP = 2040 };
	uint8_t *form;
	size_t size;

	for (size_t i = 0; i < COUNT(begin); i++) {
		const size_t length = strlen(begin[i]);
		char *text = malloc(DEEP * length);

		for (size_t at = 0; at < DEEP; at++)
			memcpy(text + at * length, begin[i], length);
		if (canonical_json(spoe_span(text, DEEP * length), &everything,
		                   &form, &size) != CANONICAL_NONE)
			*(bool *)cookie = false;
		free(text);
	}
	return NULL;
}

/* A worker's stack is small, and clients choose how deep their texts are. */
static void test_stack(void **state)
{
	enum { STACK_SIZE = 64 << 10 };
	pthread_attr_t attributes;
	pthread_t thread;
	bool good = true;

	(void)state;
	pthread_attr_init(&attributes);
	assert_int_equal(pthread_attr_setstacksize(&attributes, STACK_SIZE), 0);
	assert_int_equal(pthread_create(&thread, &attributes, read_deep, &good),
	                 0);
	pthread_attr_destroy(&attributes);
	pthread_join(thread, NULL);
	assert_true(good);
}

static void test_size(void **state)
{
	char *text = malloc(CANONICAL_TEXT_MAX + 1);
	const size_t most = CANONICAL_TEXT_MAX;
	uint8_t *form;
	size_t form_size;

	(void)state;
	assert_non_null(text);
	memset(text, ' ', most + 1);
	text[0] = '[';
	text[most - 1] = ']';
	check_form(&everything, text, most, "[]");
	text[most - 1] = ' ';
	text[most] = ']';
	check_form(&everything, text, most + 1, NULL);
	/* What grows most. */
	for (size_t i = 1; i + 5 < most; i += 5)
		memcpy(text + i, "1e20,", 5);
	memset(text + most - 6, ' ', 6);
	memcpy(text + most - 10, "1e20]     ", 10);
	for (size_t i = most - 11; text[i] != ','; i--)
		text[i] = ' ';
	assert_int_equal(canonical_json(spoe_span(text, most), &everything,
	                                &form, &form_size),
	                 CANONICAL_DONE);
	assert_true(form_size > 4 * most);
	free(form);
	free(text);
}

static char sent_at[] = "/sent_at", attempt[] = "/meta/attempt",
	    odd[] = "/a~1b~0c", gone[] = "/meta/x/y/z";

static const struct policy excluding = {
    .fingerprint = POLICY_PARTS_ALL,
    .fingerprint_body = POLICY_BODY_JSON,
    .excluded = {sent_at, attempt, odd, gone},
    .n_excluded = 4,
};

static void test_excluded(void **state)
{
	static const struct {
		const char *text;
		const char *form;
	} rows[] = {
	    {"{\"amount\":1,\"sent_at\":7}", "{\"amount\":1}"},
	    {"{\"amount\":1}", "{\"amount\":1}"},
	    {"{\"sent_at\":{\"a\":[1,2]}}", "{}"},
	    {"{\"meta\":{\"attempt\":2,\"x\":3}}", "{\"meta\":{\"x\":3}}"},
	    {"{\"meta\":{\"sent_at\":2}}", "{\"meta\":{\"sent_at\":2}}"},
	    {"{\"meta\":[{\"attempt\":2}]}", "{\"meta\":[{\"attempt\":2}]}"},
	    {"{\"meta\":2}", "{\"meta\":2}"},
	    {"{\"a/b~c\":1,\"a\":2}", "{\"a\":2}"},
	    {"[{\"sent_at\":1}]", "[{\"sent_at\":1}]"},
	    {"[1]", "[1]"},
	    /* Its value may be what it likes, if only it is JSON. */
	    {"{\"sent_at\":1700000000.12345678,\"amount\":1}",
	     "{\"amount\":1}"},
	    {"{\"amount\":1,\"sent_at\":[1700000000.12345678,{\"a\":0.1}]}",
	     "{\"amount\":1}"},
	    {"{\"sent_at\":1.5,\"amount\":1700000000.12345678}", NULL},
	    {"{\"amount\":1700000000.12345678,\"sent_at\":1.5}", NULL},
	    {"{\"sent_at\":1,\"sent_at\":2}", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		check_form(&excluding, rows[i].text, strlen(rows[i].text),
		           rows[i].form);
}

/* Each of a group is the same request, and different from all other groups. */
static const struct {
	unsigned group;
	const char *body;
	uint64_t body_size; /* 0: that of the body */
} bodies[] = {
    {1, "{\"amount\":10,\"currency\":\"EUR\"}", 0},
    {1, "{ \"currency\" : \"\\u0045UR\", \"amount\" : 10.0 }", 0},
    {1, "{\"currency\":\"EUR\",\"amount\":1e1,\"sent_at\":1}", 0},
    {2, "{\"amount\":11,\"currency\":\"EUR\"}", 0},
    {3, "{\"amount\":\"10\",\"currency\":\"EUR\"}", 0},
    {4, "{\"amount\":10,\"currency\":\"eur\"}", 0},
    {5, "{\"amount\":10,\"amount\":10,\"currency\":\"EUR\"}", 0},
    {6, "{\"currency\":\"EUR\",\"amount\":10,\"amount\":10}", 0},
    {7, "{\"amount\":10.000000000000001}", 0},
    {8, "{\"amount\":10.0000000000000001}", 0},
    {9, "{\"amount\":10.00000000000000001}", 0},
    {10, "{\"amount\":10}", 0},
    {11, "[[1,2],[3]]", 0},
    {12, "[[1],[2,3]]", 0},
    {13, "[[3],[1,2]]", 0},
    {14, "{\"amount\":10", 0},
    {15, "{\"amount\":10}", 20000},
    {16, "{\"amount\":1e1}", 20000},
    {17, "10", 0},
    {18, "10.0", 0},
    {19, "", 0},
    {20, "{}", 0},
    {21, "[]", 0},
};

static void test_fingerprints(void **state)
{
	struct digest *digest = digest_new();
	uint8_t prints[COUNT(bodies)][RECORD_FINGERPRINT_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(bodies); i++) {
		const struct digest_request request = {
		    .method = spoe_span_of("POST"),
		    .body = spoe_span_of(bodies[i].body),
		    .body_size = bodies[i].body_size > 0
		                     ? bodies[i].body_size
		                     : strlen(bodies[i].body),
		};

		assert_true(digest_fingerprint(digest, &request, &excluding,
		                               prints[i]));
		for (size_t j = 0; j < i; j++)
			check_row(
			    bodies[i].body,
			    (memcmp(prints[i], prints[j], sizeof(prints[i])) ==
			     0) == (bodies[i].group == bodies[j].group));
	}
	digest_free(digest);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_texts),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_depth),
	    cmocka_unit_test(test_stack),
	    cmocka_unit_test(test_size),
	    cmocka_unit_test(test_excluded),
	    cmocka_unit_test(test_fingerprints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
