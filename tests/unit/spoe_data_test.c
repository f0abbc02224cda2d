/* Typed data and KV lists: literal bytes of every type, both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spoe/data.h"

struct data_row {
	const char *what;
	const char *bytes;
	size_t size;
	struct spoe_data data;
};

#define ROW(what_, bytes_, ...)                       \
	{                                             \
		.what = (what_), .bytes = (bytes_),   \
		.size = sizeof(bytes_) - 1, .data = { \
			__VA_ARGS__                   \
		}                                     \
	}
#define BYTES(text)                                                       \
	{                                                                 \
		.data = (const uint8_t *)(text), .size = sizeof(text) - 1 \
	}

/* What we write and what we read are the same here. */
static const struct data_row rows[] = {
    ROW("null", "\x00", .type = SPOE_TYPE_NULL),
    ROW("false", "\x01", .type = SPOE_TYPE_BOOL, .boolean = false),
    ROW("true", "\x11", .type = SPOE_TYPE_BOOL, .boolean = true),
    ROW("int32 0", "\x02\x00", .type = SPOE_TYPE_INT32, .sint = 0),
    ROW("int32 max", "\x02\xff\xf0\xfe\xfe\x3e", .type = SPOE_TYPE_INT32,
        .sint = INT32_MAX),
    ROW("int32 -1", "\x02\xff\xf0\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x0e",
        .type = SPOE_TYPE_INT32, .sint = -1),
    ROW("int32 min", "\x02\xf0\xf1\xfe\xfe\xbe\xfe\xfe\xfe\xfe\x0e",
        .type = SPOE_TYPE_INT32, .sint = INT32_MIN),
    ROW("uint32 239", "\x03\xef", .type = SPOE_TYPE_UINT32, .uint = 239),
    ROW("uint32 max", "\x03\xff\xf0\xfe\xfe\x7e", .type = SPOE_TYPE_UINT32,
        .uint = UINT32_MAX),
    ROW("int64 9", "\x04\x09", .type = SPOE_TYPE_INT64, .sint = 9),
    ROW("int64 -2", "\x04\xfe\xf0\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x0e",
        .type = SPOE_TYPE_INT64, .sint = -2),
    ROW("int64 max", "\x04\xff\xf0\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x06",
        .type = SPOE_TYPE_INT64, .sint = INT64_MAX),
    ROW("int64 min", "\x04\xf0\xf1\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x06",
        .type = SPOE_TYPE_INT64, .sint = INT64_MIN),
    ROW("uint64 240", "\x05\xf0\x00", .type = SPOE_TYPE_UINT64, .uint = 240),
    ROW("uint64 max", "\x05\xff\xf0\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x0e",
        .type = SPOE_TYPE_UINT64, .uint = UINT64_MAX),
    ROW("ipv4", "\x06\xc0\x00\x02\x01", .type = SPOE_TYPE_IPV4,
        .bytes = BYTES("\xc0\x00\x02\x01")),
    ROW("ipv6", "\0070123456789abcdef", .type = SPOE_TYPE_IPV6,
        .bytes = BYTES("0123456789abcdef")),
    ROW("string", "\x08\x05h\0llo", .type = SPOE_TYPE_STRING,
        .bytes = BYTES("h\0llo")),
    ROW("empty string", "\x08\x00", .type = SPOE_TYPE_STRING,
        .bytes = BYTES("")),
    ROW("binary", "\x09\x03\x00\xff\x00", .type = SPOE_TYPE_BINARY,
        .bytes = BYTES("\x00\xff\x00")),
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static void assert_data_equal(const struct spoe_data *a,
                              const struct spoe_data *b)
{
	assert_int_equal(a->type, b->type);
	switch (a->type) {
	case SPOE_TYPE_NULL:
		break;
	case SPOE_TYPE_BOOL:
		assert_int_equal(a->boolean, b->boolean);
		break;
	case SPOE_TYPE_INT32:
	case SPOE_TYPE_INT64:
		assert_true(a->sint == b->sint);
		break;
	case SPOE_TYPE_UINT32:
	case SPOE_TYPE_UINT64:
		assert_true(a->uint == b->uint);
		break;
	case SPOE_TYPE_IPV4:
	case SPOE_TYPE_IPV6:
	case SPOE_TYPE_STRING:
	case SPOE_TYPE_BINARY:
		assert_true(spoe_span_equal(a->bytes, b->bytes));
		break;
	}
}

static void every_type_reads(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		struct spoe_reader r =
		    spoe_reader(spoe_span(rows[i].bytes, rows[i].size));
		struct spoe_data data;

		if (!spoe_data_read(&r, &data))
			fail_msg("%s", rows[i].what);
		assert_int_equal(r.left, 0);
		assert_data_equal(&data, &rows[i].data);
	}
}

static void every_type_writes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		uint8_t bytes[32];
		struct spoe_writer w = spoe_writer(bytes, sizeof(bytes));

		if (!spoe_data_write(&w, &rows[i].data))
			fail_msg("%s", rows[i].what);
		assert_int_equal(w.size, rows[i].size);
		assert_memory_equal(bytes, rows[i].bytes, rows[i].size);
	}
}

static void cut_at_each_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		for (size_t size = 0; size < rows[i].size; size++) {
			struct spoe_reader r =
			    spoe_reader(spoe_span(rows[i].bytes, size));
			struct spoe_data data = {.type = 77};
			uint8_t bytes[32];
			struct spoe_writer w = spoe_writer(bytes, size);

			assert_false(spoe_data_read(&r, &data));
			assert_ptr_equal(r.at, rows[i].bytes);
			assert_int_equal(r.left, size);
			assert_int_equal(data.type, 77);
			assert_false(spoe_data_write(&w, &rows[i].data));
			assert_int_equal(w.size, 0);
		}
	}
}

/* A peer may send the low 32 bits of an INT32, and flags on anything. */
static void other_spellings_read(void **state)
{
	static const struct data_row spellings[] = {
	    ROW("int32 -1 in 32 bits", "\x02\xff\xf0\xfe\xfe\x7e",
	        .type = SPOE_TYPE_INT32, .sint = -1),
	    ROW("int32 min in 32 bits", "\x02\xf0\xf1\xfe\xfe\x3e",
	        .type = SPOE_TYPE_INT32, .sint = INT32_MIN),
	    ROW("true among other flags", "\xf1", .type = SPOE_TYPE_BOOL,
	        .boolean = true),
	    ROW("false among other flags", "\xe1", .type = SPOE_TYPE_BOOL,
	        .boolean = false),
	    ROW("flags on a string", "\xf8\x01x", .type = SPOE_TYPE_STRING,
	        .bytes = BYTES("x")),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
		struct spoe_reader r = spoe_reader(
		    spoe_span(spellings[i].bytes, spellings[i].size));
		struct spoe_data data;

		if (!spoe_data_read(&r, &data))
			fail_msg("%s", spellings[i].what);
		assert_int_equal(r.left, 0);
		assert_data_equal(&data, &spellings[i].data);
	}
}

static void assert_read_refused(const char *bytes, size_t size)
{
	struct spoe_reader r = spoe_reader(spoe_span(bytes, size));
	struct spoe_data data = {.type = 77};

	assert_false(spoe_data_read(&r, &data));
	assert_ptr_equal(r.at, bytes);
	assert_int_equal(r.left, size);
	assert_int_equal(data.type, 77);
}

static void reserved_types_refused(void **state)
{
	(void)state;
	for (int type = 10; type <= 15; type++) {
		char bytes[] = {(char)type, 0, 0, 0};
		uint8_t room[8];
		struct spoe_writer w = spoe_writer(room, sizeof(room));
		struct spoe_data data = {.type = (enum spoe_type)type};

		assert_read_refused(bytes, sizeof(bytes));
		bytes[0] = (char)(type | 0xf0);
		assert_read_refused(bytes, sizeof(bytes));
		assert_false(spoe_data_write(&w, &data));
		assert_int_equal(w.size, 0);
	}
}

static void wide_values_of_narrow_types_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
	} wide[] = {
#define WIDE(text) {(text), sizeof(text) - 1}
	    WIDE("\x02\xf0\xf1\xfe\xfe\x7e"),                     /* 2^32 */
	    WIDE("\x02\xff\xf0\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x06"), /* 2^63-1 */
	    WIDE("\x02\xf0\xf1\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x06"), /* -2^63 */
	    WIDE("\x02\xff\xf0\xfe\xfe\xbe\xfe\xfe\xfe\xfe\x0e"), /* -2^31-1 */
	    WIDE("\x03\xf0\xf1\xfe\xfe\x7e"),                     /* 2^32 */
	    WIDE("\x03\xff\xf0\xfe\xfe\xfe\xfe\xfe\xfe\xfe\x0e"), /* 2^64-1 */
#undef WIDE
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++)
		assert_read_refused(wide[i].bytes, wide[i].size);
}

static void ill_sized_values_not_written(void **state)
{
	static const struct spoe_data ill[] = {
	    {.type = SPOE_TYPE_INT32, .sint = (int64_t)INT32_MAX + 1},
	    {.type = SPOE_TYPE_INT32, .sint = (int64_t)INT32_MIN - 1},
	    {.type = SPOE_TYPE_UINT32, .uint = (uint64_t)UINT32_MAX + 1},
	    {.type = SPOE_TYPE_IPV4, .bytes = BYTES("123")},
	    {.type = SPOE_TYPE_IPV4, .bytes = BYTES("12345")},
	    {.type = SPOE_TYPE_IPV6, .bytes = BYTES("123456789abcdef")},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ill) / sizeof(ill[0]); i++) {
		uint8_t bytes[32];
		struct spoe_writer w = spoe_writer(bytes, sizeof(bytes));

		assert_false(spoe_data_write(&w, &ill[i]));
		assert_int_equal(w.size, 0);
	}
}

static void bytes_of_string_and_binary_only(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		const struct spoe_data *data = &rows[i].data;
		struct spoe_span bytes = {.size = 99};
		bool has = data->type == SPOE_TYPE_STRING ||
		           data->type == SPOE_TYPE_BINARY;

		assert_int_equal(spoe_data_bytes(data, &bytes), has);
		if (has)
			assert_true(spoe_span_equal(bytes, data->bytes));
		else
			assert_int_equal(bytes.size, 99);
	}
}

static void uint_of_what_is_not_negative(void **state)
{
	static const struct {
		struct spoe_data data;
		bool has;
		uint64_t value;
	} cases[] = {
	    {{.type = SPOE_TYPE_INT32, .sint = 7}, true, 7},
	    {{.type = SPOE_TYPE_INT32, .sint = -1}, false, 0},
	    {{.type = SPOE_TYPE_INT64, .sint = INT64_MAX}, true, INT64_MAX},
	    {{.type = SPOE_TYPE_INT64, .sint = INT64_MIN}, false, 0},
	    {{.type = SPOE_TYPE_UINT32, .uint = 0}, true, 0},
	    {{.type = SPOE_TYPE_UINT64, .uint = UINT64_MAX}, true, UINT64_MAX},
	    {{.type = SPOE_TYPE_NULL}, false, 0},
	    {{.type = SPOE_TYPE_BOOL, .boolean = true}, false, 0},
	    {{.type = SPOE_TYPE_STRING, .bytes = BYTES("7")}, false, 0},
	    {{.type = SPOE_TYPE_IPV4, .bytes = BYTES("1234")}, false, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t value = 12345;

		assert_int_equal(spoe_data_uint(&cases[i].data, &value),
		                 cases[i].has);
		assert_true(value == (cases[i].has ? cases[i].value : 12345));
	}
}

static void makers(void **state)
{
	struct spoe_data string = spoe_data_string(spoe_span_of("s"));
	struct spoe_data binary = spoe_data_binary(spoe_span_of("b"));
	struct spoe_data number = spoe_data_int64(-5);

	(void)state;
	assert_int_equal(string.type, SPOE_TYPE_STRING);
	assert_memory_equal(string.bytes.data, "s", 1);
	assert_int_equal(binary.type, SPOE_TYPE_BINARY);
	assert_memory_equal(binary.bytes.data, "b", 1);
	assert_int_equal(number.type, SPOE_TYPE_INT64);
	assert_true(number.sint == -5);
}

static void kv_round_trip(void **state)
{
	static const char bytes[] = "\3key\4*\0\21";
	struct spoe_reader r = spoe_reader(spoe_span(bytes, sizeof(bytes) - 1));
	struct spoe_data yes = {.type = SPOE_TYPE_BOOL, .boolean = true};
	struct spoe_data number = spoe_data_int64(42);
	uint8_t back[sizeof(bytes)];
	struct spoe_writer w = spoe_writer(back, sizeof(back));
	struct spoe_span name;
	struct spoe_data value;

	(void)state;
	assert_true(spoe_data_read_kv(&r, &name, &value));
	assert_true(spoe_span_equal(name, spoe_span_of("key")));
	assert_data_equal(&value, &number);
	assert_true(spoe_data_read_kv(&r, &name, &value));
	assert_int_equal(name.size, 0);
	assert_data_equal(&value, &yes);
	assert_false(spoe_data_read_kv(&r, &name, &value));
	assert_int_equal(r.left, 0);

	assert_true(spoe_data_write_kv(&w, "key", &number));
	assert_true(spoe_data_write_kv(&w, "", &yes));
	assert_int_equal(w.size, sizeof(bytes) - 1);
	assert_memory_equal(back, bytes, w.size);
}

static void kv_cut_at_each_byte(void **state)
{
	static const char bytes[] = "\3key\10\3abc";
	struct spoe_data abc = spoe_data_string(spoe_span_of("abc"));

	(void)state;
	for (size_t size = 0; size < sizeof(bytes) - 1; size++) {
		struct spoe_reader r = spoe_reader(spoe_span(bytes, size));
		struct spoe_span name = {.size = 99};
		struct spoe_data value = {.type = 77};
		uint8_t back[sizeof(bytes)];
		struct spoe_writer w = spoe_writer(back, size);

		assert_false(spoe_data_read_kv(&r, &name, &value));
		assert_ptr_equal(r.at, bytes);
		assert_int_equal(r.left, size);
		assert_int_equal(name.size, 99);
		assert_int_equal(value.type, 77);
		assert_false(spoe_data_write_kv(&w, "key", &abc));
		assert_int_equal(w.size, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_type_reads),
	    cmocka_unit_test(every_type_writes),
	    cmocka_unit_test(cut_at_each_byte),
	    cmocka_unit_test(other_spellings_read),
	    cmocka_unit_test(reserved_types_refused),
	    cmocka_unit_test(wide_values_of_narrow_types_refused),
	    cmocka_unit_test(ill_sized_values_not_written),
	    cmocka_unit_test(bytes_of_string_and_binary_only),
	    cmocka_unit_test(uint_of_what_is_not_negative),
	    cmocka_unit_test(makers),
	    cmocka_unit_test(kv_round_trip),
	    cmocka_unit_test(kv_cut_at_each_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
