/* Header lists in the encoding of res.hdrs_bin: walking, the length, and what
 * is left of them for a replay. */
#include "agent/core/headers.h"

#include "agent/core/policy.h"
#include "tests/unit/core_check.h"

static const struct {
	const char *name;
	const char *bytes;
	size_t size;
	bool valid;
} encodings[] = {
    {"nothing at all", "", 0, true},
    {"no headers", "\0\0", 2, true},
    {"one header", "\1a\1b\0\0", 6, true},
    {"an empty value", "\1a\0\0\0", 5, true},
    {"a value with NUL", "\1a\3x\0y\0\0", 8, true},
    {"a repeated name", "\1a\1b\1a\1c\0\0", 10, true},
    {"no end mark", "\1a\1b", 4, false},
    {"half an end mark", "\1a\1b\0", 5, false},
    {"only half an end mark", "\0", 1, false},
    {"an empty name", "\0\1b\0\0", 5, false},
    {"text behind the end", "\1a\1b\0\0x", 7, false},
    {"a list behind the end", "\0\0\1a\1b\0\0", 8, false},
    {"a name without a value", "\1a", 2, false},
    {"a name past the end", "\5a\1b\0\0", 6, false},
    {"a value past the end", "\1a\5b\0\0", 6, false},
    {"a huge length", "\1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, false},
};

static void test_valid(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(encodings); i++) {
		struct spoe_span list =
		    spoe_span(encodings[i].bytes, encodings[i].size);

		check_row(encodings[i].name,
		          headers_valid(list) == encodings[i].valid);
	}
}

/* A valid list that is cut anywhere is not valid. */
static void test_every_cut(void **state)
{
	struct core_list buffer;
	struct spoe_span list;

	(void)state;
	list = core_list(&buffer, "date: today\nx: \nx: y\n");
	assert_true(headers_valid(list));
	for (size_t size = 1; size < list.size; size++)
		assert_false(headers_valid(spoe_span(list.data, size)));
}

static void test_next(void **state)
{
	struct core_list buffer;
	struct spoe_span name, value;
	struct spoe_reader at;

	(void)state;
	at = spoe_reader(core_list(&buffer, "date: today\nx: \n"));
	assert_true(headers_next(&at, &name, &value));
	assert_true(spoe_span_equal(name, spoe_span_of("date")));
	assert_true(spoe_span_equal(value, spoe_span_of("today")));
	assert_true(headers_next(&at, &name, &value));
	assert_true(spoe_span_equal(name, spoe_span_of("x")));
	assert_int_equal(value.size, 0);
	assert_false(headers_next(&at, &name, &value));
	assert_true(spoe_span_equal(name, spoe_span_of("x")));
	assert_int_equal(at.left, 2);

	at = spoe_reader(spoe_span(NULL, 0));
	assert_false(headers_next(&at, &name, &value));
}

static const struct {
	const char *list;
	enum headers_length found;
	uint64_t length;
} lengths[] = {
    {"", HEADERS_LENGTH_NONE, 0},
    {"content-type: 5\n", HEADERS_LENGTH_NONE, 0},
    {"content-length: 0\n", HEADERS_LENGTH_VALID, 0},
    {"content-length: 42\n", HEADERS_LENGTH_VALID, 42},
    {"Content-Length: 42\n", HEADERS_LENGTH_VALID, 42},
    {"content-length: 0042\n", HEADERS_LENGTH_VALID, 42},
    {"content-length:  \t42 \n", HEADERS_LENGTH_VALID, 42},
    {"content-length: 18446744073709551615\n", HEADERS_LENGTH_VALID,
     UINT64_MAX},
    {"content-length: 18446744073709551616\n", HEADERS_LENGTH_BAD, 0},
    {"content-length: 99999999999999999999\n", HEADERS_LENGTH_BAD, 0},
    {"content-length: 42\nx: y\ncontent-length: 42\n", HEADERS_LENGTH_VALID,
     42},
    {"content-length: 42, 42\n", HEADERS_LENGTH_VALID, 42},
    {"content-length: 42,42 ,\t42\n", HEADERS_LENGTH_VALID, 42},
    {"content-length: 42, 43\n", HEADERS_LENGTH_BAD, 0},
    {"content-length: 42\ncontent-length: 43\n", HEADERS_LENGTH_BAD, 0},
    {"content-length: 42\ncontent-length: 43\ncontent-length: 42\n",
     HEADERS_LENGTH_BAD, 0},
    {"content-length: x\ncontent-length: 42\n", HEADERS_LENGTH_BAD, 0},
    {"content-length: 42\ncontent-length: x\n", HEADERS_LENGTH_BAD, 0},
    {"content-length: \n", HEADERS_LENGTH_BAD, 0},
    {"content-length: 42,\n", HEADERS_LENGTH_BAD, 0},
    {"content-length: ,42\n", HEADERS_LENGTH_BAD, 0},
    {"content-length: -1\n", HEADERS_LENGTH_BAD, 0},
    {"content-length: +1\n", HEADERS_LENGTH_BAD, 0},
    {"content-length: 0x10\n", HEADERS_LENGTH_BAD, 0},
    {"content-length: 4 2\n", HEADERS_LENGTH_BAD, 0},
    {"content-length: 4.2\n", HEADERS_LENGTH_BAD, 0},
    {"transfer-encoding: chunked\n", HEADERS_LENGTH_NONE, 0},
    {"transfer-encoding: chunked\ncontent-length: 42\n", HEADERS_LENGTH_NONE,
     0},
    {"content-length: 42\ntransfer-encoding: chunked\n", HEADERS_LENGTH_NONE,
     0},
};

static void test_content_length(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(lengths); i++) {
		struct core_list buffer;
		struct spoe_span list = core_list(&buffer, lengths[i].list);
		uint64_t length = 12345;

		check_row(lengths[i].list,
		          headers_content_length(list, &length) ==
		              lengths[i].found);
		if (lengths[i].found == HEADERS_LENGTH_VALID)
			check_row(lengths[i].list, length == lengths[i].length);
		else
			check_row(lengths[i].list, length == 12345);
	}
}

static const struct {
	const char *name;
	const char *list;
	const char *kept;
} filters[] = {
    {"nothing", "", ""},
    {"order and repeats", "x: 1\ny: 2\nx: 3\nx: 1\n",
     "x: 1\ny: 2\nx: 3\nx: 1\n"},
    {"an empty value", "x: \n", "x: \n"},
    {"hop by hop",
     "connection: close\nkeep-alive: timeout=5\nproxy-connection: x\nte: x\n"
     "trailer: x\ntransfer-encoding: chunked\nupgrade: h2c\n"
     "proxy-authenticate: Basic\nproxy-authentication-info: x\nx: 1\n",
     "x: 1\n"},
    {"hop by hop, in capitals", "Keep-Alive: 5\nX: 1\nUPGRADE: h2c\n",
     "X: 1\n"},
    {"names that only look like it",
     "te2: 1\nt: 1\nupgrade-x: 1\ntrailers: 1\n",
     "te2: 1\nt: 1\nupgrade-x: 1\ntrailers: 1\n"},
    {"the length", "content-length: 5\ncontent-type: text/plain\n",
     "content-type: text/plain\n"},
    {"what the policy drops",
     "set-cookie: a=1\nx: 1\nset-cookie: b=2\nwww-authenticate: Basic\n",
     "x: 1\n"},
    {"what Connection names", "x-hop: 1\nconnection: X-Hop\nx: 2\n", "x: 2\n"},
    {"a list in Connection",
     "a: 1\nb: 2\nconnection: keep-alive ,\tA,b\nc: 3\n", "c: 3\n"},
    {"two Connection headers",
     "a: 1\nconnection: a\nconnection: b\nb: 2\nc: 3\n", "c: 3\n"},
    {"empty elements in Connection", "a: 1\nconnection: ,, ,a,\nb: 2\n",
     "b: 2\n"},
    {"an empty Connection", "connection: \na: 1\n", "a: 1\n"},
    {"part of a name in Connection", "ab: 1\nconnection: a\na: 1\nb: 1\n",
     "ab: 1\nb: 1\n"},
    {"a value that looks like a name", "x: connection\nconnection: y\n",
     "x: connection\n"},
};

static void fill_policy(struct policy *policy)
{
	static char cookie[] = "set-cookie", auth[] = "www-authenticate";

	*policy = (struct policy){.drops = {cookie, auth}, .n_drops = 2};
}

static void test_filter(void **state)
{
	struct policy policy;

	(void)state;
	fill_policy(&policy);
	for (size_t i = 0; i < COUNT(filters); i++) {
		struct core_list buffer, expected;
		struct spoe_span list = core_list(&buffer, filters[i].list);
		struct spoe_span kept = core_list(&expected, filters[i].kept);
		uint8_t bytes[CORE_LIST_MAX];
		struct spoe_writer out = spoe_writer(bytes, list.size);

		check_row(filters[i].name, headers_filter(list, &policy, &out));
		check_row(filters[i].name,
		          spoe_span_equal(spoe_span(bytes, out.size), kept));
	}
}

static void test_filter_of_no_list(void **state)
{
	struct policy policy;
	uint8_t bytes[2];
	struct spoe_writer out = spoe_writer(bytes, sizeof(bytes));

	(void)state;
	fill_policy(&policy);
	assert_true(headers_filter(spoe_span(NULL, 0), &policy, &out));
	assert_int_equal(out.size, 2);
	assert_memory_equal(bytes, "\0\0", 2);
}

/* Whatever room there is: the whole list or nothing. */
static void test_filter_without_room(void **state)
{
	struct core_list buffer;
	struct spoe_span list;
	struct policy policy;
	uint8_t bytes[CORE_LIST_MAX];

	(void)state;
	fill_policy(&policy);
	list = core_list(&buffer, "date: today\nx: \nx: y\n");
	for (size_t room = 0; room <= list.size; room++) {
		struct spoe_writer out = spoe_writer(bytes, 3 + room);

		out.size = 3;
		assert_int_equal(headers_filter(list, &policy, &out),
		                 room == list.size);
		assert_int_equal(out.size, room == list.size ? 3 + room : 3);
	}
}

/* Lengths of two and more bytes come out as they went in. */
static void test_filter_long_values(void **state)
{
	enum { BIG = 70000 };
	static uint8_t in[BIG + 64], out_bytes[BIG + 64], text[BIG];
	struct spoe_writer list = spoe_writer(in, sizeof(in));
	struct spoe_writer out = spoe_writer(out_bytes, sizeof(out_bytes));
	struct policy policy;

	(void)state;
	fill_policy(&policy);
	memset(text, 'x', sizeof(text));
	assert_true(spoe_writer_string(&list, spoe_span_of("a")));
	assert_true(spoe_writer_string(&list, spoe_span(text, BIG)));
	assert_true(spoe_writer_u16(&list, 0));
	assert_true(headers_valid(spoe_span(in, list.size)));
	assert_true(headers_filter(spoe_span(in, list.size), &policy, &out));
	assert_true(spoe_span_equal(spoe_span(in, list.size),
	                            spoe_span(out_bytes, out.size)));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_valid),
	    cmocka_unit_test(test_every_cut),
	    cmocka_unit_test(test_next),
	    cmocka_unit_test(test_content_length),
	    cmocka_unit_test(test_filter),
	    cmocka_unit_test(test_filter_of_no_list),
	    cmocka_unit_test(test_filter_without_room),
	    cmocka_unit_test(test_filter_long_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
