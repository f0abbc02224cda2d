/* The reader and the writer: literal bytes, every boundary, and what a failure
 * must leave alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spoe/reader.h"
#include "spoe/writer.h"

struct varint_row {
	uint64_t value;
	size_t size;
	uint8_t bytes[SPOE_VARINT_MAX];
};

/* The last value of each length and the first of the next, then the edges of
 * the integer types. */
static const struct varint_row varints[] = {
    {0, 1, {0x00}},
    {1, 1, {0x01}},
    {239, 1, {0xef}},
    {240, 2, {0xf0, 0x00}},
    {2287, 2, {0xff, 0x7f}},
    {2288, 3, {0xf0, 0x80, 0x00}},
    {264431, 3, {0xff, 0xff, 0x7f}},
    {264432, 4, {0xf0, 0x80, 0x80, 0x00}},
    {33818863, 4, {0xff, 0xff, 0xff, 0x7f}},
    {33818864, 5, {0xf0, 0x80, 0x80, 0x80, 0x00}},
    {4328786159, 5, {0xff, 0xff, 0xff, 0xff, 0x7f}},
    {4328786160, 6, {0xf0, 0x80, 0x80, 0x80, 0x80, 0x00}},
    {554084600047, 6, {0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}},
    {554084600048, 7, {0xf0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}},
    {70922828777711, 7, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}},
    {70922828777712, 8, {0xf0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}},
    {9078122083518703, 8, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}},
    {9078122083518704,
     9,
     {0xf0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}},
    {1161999626690365679,
     9,
     {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}},
    {1161999626690365680,
     10,
     {0xf0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}},
    {INT32_MAX, 5, {0xff, 0xf0, 0xfe, 0xfe, 0x3e}},
    {UINT32_MAX, 5, {0xff, 0xf0, 0xfe, 0xfe, 0x7e}},
    {(uint64_t)UINT32_MAX + 1, 5, {0xf0, 0xf1, 0xfe, 0xfe, 0x7e}},
    {INT64_MAX,
     10,
     {0xff, 0xf0, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0x06}},
    {(uint64_t)INT64_MAX + 1,
     10,
     {0xf0, 0xf1, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0x06}},
    {UINT64_MAX,
     10,
     {0xff, 0xf0, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0x0e}},
};

enum { VARINTS = sizeof(varints) / sizeof(varints[0]) };

static void varint_reads(void **state)
{
	(void)state;
	for (size_t i = 0; i < VARINTS; i++) {
		const struct varint_row *row = &varints[i];
		struct spoe_reader r =
		    spoe_reader(spoe_span(row->bytes, row->size));
		uint64_t value = ~row->value;

		assert_true(spoe_reader_varint(&r, &value));
		assert_true(value == row->value);
		assert_int_equal(r.left, 0);
		assert_ptr_equal(r.at, row->bytes + row->size);
	}
}

static void varint_writes(void **state)
{
	(void)state;
	for (size_t i = 0; i < VARINTS; i++) {
		const struct varint_row *row = &varints[i];
		uint8_t bytes[SPOE_VARINT_MAX + 1];
		struct spoe_writer w = spoe_writer(bytes, sizeof(bytes));

		memset(bytes, 0x55, sizeof(bytes));
		assert_int_equal(spoe_writer_varint_size(row->value),
		                 row->size);
		assert_true(spoe_writer_varint(&w, row->value));
		assert_int_equal(w.size, row->size);
		assert_memory_equal(bytes, row->bytes, row->size);
		assert_int_equal(bytes[row->size], 0x55);
	}
}

/* Every value near a power of two, both ways. */
static void varint_round_trip(void **state)
{
	(void)state;
	for (unsigned int bit = 0; bit < 64; bit++) {
		for (int delta = -300; delta <= 300; delta++) {
			uint64_t value =
			    ((uint64_t)1 << bit) + (uint64_t)(int64_t)delta;
			uint64_t back = ~value;
			uint8_t bytes[SPOE_VARINT_MAX];
			struct spoe_writer w =
			    spoe_writer(bytes, sizeof(bytes));
			struct spoe_reader r;

			assert_true(spoe_writer_varint(&w, value));
			r = spoe_reader(spoe_span(bytes, w.size));
			assert_true(spoe_reader_varint(&r, &back));
			assert_true(back == value);
			assert_int_equal(r.left, 0);
		}
	}
}

static void assert_varint_refused(const uint8_t *bytes, size_t size)
{
	struct spoe_reader r = spoe_reader(spoe_span(bytes, size));
	uint64_t value = 0x1234567890;

	assert_false(spoe_reader_varint(&r, &value));
	assert_true(value == 0x1234567890);
	assert_ptr_equal(r.at, bytes);
	assert_int_equal(r.left, size);
}

static void varint_cut_at_each_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < VARINTS; i++) {
		for (size_t size = 0; size < varints[i].size; size++)
			assert_varint_refused(varints[i].bytes, size);
	}
}

static void varint_over_64_bits(void **state)
{
	/* One more than the greatest value: by its low bits, by the bits in
	 * the middle, by the last byte. */
	static const uint8_t rows[][SPOE_VARINT_MAX] = {
	    {0xf0, 0xf1, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0x0e},
	    {0xff, 0xf0, 0xff, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0x0e},
	    {0xff, 0xf0, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0x0f},
	    {0xf0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10},
	    {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_varint_refused(rows[i], sizeof(rows[i]));
}

static void varint_over_ten_bytes(void **state)
{
	uint8_t bytes[64];

	(void)state;
	/* The eleventh byte would add nothing: still refused. */
	memset(bytes, 0x80, sizeof(bytes));
	bytes[0] = 0xf0;
	bytes[SPOE_VARINT_MAX] = 0;
	assert_varint_refused(bytes, SPOE_VARINT_MAX + 1);
	memset(bytes, 0xff, sizeof(bytes));
	assert_varint_refused(bytes, sizeof(bytes));
}

static void varint_never_half_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < VARINTS; i++) {
		for (size_t room = 0; room < varints[i].size; room++) {
			uint8_t bytes[3 + SPOE_VARINT_MAX];
			struct spoe_writer w = spoe_writer(bytes, 3 + room);

			assert_true(spoe_writer_bytes(&w, spoe_span("abc", 3)));
			assert_false(spoe_writer_varint(&w, varints[i].value));
			assert_int_equal(w.size, 3);
		}
	}
}

static const uint8_t numbers[] = {0x01, 0x02, 0x03, 0x04, 0x05,
                                  0x06, 0x07, 0x08, 0x09, 0x0a,
                                  0x0b, 0x0c, 0x0d, 0x0e, 0xff};

static void big_endian_reads(void **state)
{
	struct spoe_reader r = spoe_reader(spoe_span(numbers, sizeof(numbers)));
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;

	(void)state;
	assert_true(spoe_reader_u8(&r, &u8));
	assert_int_equal(u8, 0x01);
	assert_true(spoe_reader_u16(&r, &u16));
	assert_int_equal(u16, 0x0203);
	assert_true(spoe_reader_u32(&r, &u32));
	assert_int_equal(u32, 0x04050607);
	assert_true(spoe_reader_u64(&r, &u64));
	assert_true(u64 == 0x08090a0b0c0d0eff);
	assert_int_equal(r.left, 0);
}

static void big_endian_writes(void **state)
{
	uint8_t bytes[sizeof(numbers)];
	struct spoe_writer w = spoe_writer(bytes, sizeof(bytes));

	(void)state;
	assert_true(spoe_writer_u8(&w, 0x01));
	assert_true(spoe_writer_u16(&w, 0x0203));
	assert_true(spoe_writer_u32(&w, 0x04050607));
	assert_true(spoe_writer_u64(&w, 0x08090a0b0c0d0eff));
	assert_int_equal(w.size, sizeof(numbers));
	assert_memory_equal(bytes, numbers, sizeof(numbers));
}

static void integers_refuse_to_be_cut(void **state)
{
	struct spoe_reader r;
	uint8_t u8 = 9;
	uint16_t u16 = 9;
	uint32_t u32 = 9;
	uint64_t u64 = 9;

	(void)state;
	for (size_t size = 0; size < sizeof(u64); size++) {
		r = spoe_reader(spoe_span(numbers, size));
		if (size < sizeof(u8))
			assert_false(spoe_reader_u8(&r, &u8));
		if (size < sizeof(u16))
			assert_false(spoe_reader_u16(&r, &u16));
		if (size < sizeof(u32))
			assert_false(spoe_reader_u32(&r, &u32));
		assert_false(spoe_reader_u64(&r, &u64));
		assert_ptr_equal(r.at, numbers);
		assert_int_equal(r.left, size);
	}
	assert_true(u8 == 9 && u16 == 9 && u32 == 9 && u64 == 9);
}

static void integers_refuse_a_full_buffer(void **state)
{
	uint8_t bytes[sizeof(uint64_t)];

	(void)state;
	for (size_t room = 0; room < sizeof(bytes); room++) {
		struct spoe_writer w = spoe_writer(bytes, room);

		if (room < sizeof(uint8_t))
			assert_false(spoe_writer_u8(&w, 1));
		if (room < sizeof(uint16_t))
			assert_false(spoe_writer_u16(&w, 1));
		if (room < sizeof(uint32_t))
			assert_false(spoe_writer_u32(&w, 1));
		assert_false(spoe_writer_u64(&w, 1));
		assert_int_equal(w.size, 0);
	}
}

static void bytes_are_borrowed(void **state)
{
	struct spoe_reader r = spoe_reader(spoe_span(numbers, 4));
	struct spoe_span bytes;

	(void)state;
	assert_true(spoe_reader_bytes(&r, 3, &bytes));
	assert_ptr_equal(bytes.data, numbers);
	assert_int_equal(bytes.size, 3);
	assert_int_equal(r.left, 1);
	assert_false(spoe_reader_bytes(&r, 2, &bytes));
	assert_false(spoe_reader_bytes(&r, SIZE_MAX, &bytes));
	assert_int_equal(bytes.size, 3);
	assert_int_equal(r.left, 1);
	assert_true(spoe_reader_bytes(&r, 0, &bytes));
	assert_int_equal(bytes.size, 0);
}

static void nothing_has_no_address(void **state)
{
	struct spoe_reader r = spoe_reader(spoe_span(NULL, 0));
	struct spoe_writer w = spoe_writer(NULL, 0);
	struct spoe_span bytes;
	uint64_t value;

	(void)state;
	assert_true(spoe_reader_bytes(&r, 0, &bytes));
	assert_int_equal(bytes.size, 0);
	assert_false(spoe_reader_varint(&r, &value));
	assert_false(spoe_reader_string(&r, &bytes));
	assert_true(spoe_writer_bytes(&w, spoe_span(NULL, 0)));
	assert_false(spoe_writer_string(&w, spoe_span(NULL, 0)));
	assert_false(spoe_writer_u8(&w, 0));
}

static void strings_round_trip(void **state)
{
	static const size_t sizes[] = {0, 1, 239, 240, 2287, 2288, 4000};
	static uint8_t text[4000];
	static uint8_t bytes[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct spoe_writer w = spoe_writer(bytes, sizeof(bytes));
		struct spoe_span back = {.size = 0};
		struct spoe_reader r;

		assert_true(spoe_writer_string(&w, spoe_span(text, sizes[i])));
		assert_int_equal(w.size,
		                 spoe_writer_varint_size(sizes[i]) + sizes[i]);
		for (size_t cut = 0; cut < w.size; cut++) {
			r = spoe_reader(spoe_span(bytes, cut));
			assert_false(spoe_reader_string(&r, &back));
			assert_int_equal(r.left, cut);
		}
		r = spoe_reader(spoe_span(bytes, w.size));
		assert_true(spoe_reader_string(&r, &back));
		assert_int_equal(r.left, 0);
		assert_true(spoe_span_equal(back, spoe_span(text, sizes[i])));
	}
}

/* A length near 2^64 must not wrap around anything. */
static void string_longer_than_memory(void **state)
{
	static const uint8_t bytes[] = {0xff, 0xf0, 0xfe, 0xfe, 0xfe, 0xfe,
	                                0xfe, 0xfe, 0xfe, 0x0e, 'a',  'b'};
	struct spoe_reader r = spoe_reader(spoe_span(bytes, sizeof(bytes)));
	struct spoe_span string = {.size = 77};

	(void)state;
	assert_false(spoe_reader_string(&r, &string));
	assert_ptr_equal(r.at, bytes);
	assert_int_equal(r.left, sizeof(bytes));
	assert_int_equal(string.size, 77);
}

static void string_never_half_written(void **state)
{
	uint8_t bytes[8];

	(void)state;
	for (size_t room = 0; room < 6; room++) {
		struct spoe_writer w = spoe_writer(bytes, room);

		assert_false(spoe_writer_string(&w, spoe_span_of("abcde")));
		assert_int_equal(w.size, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(varint_reads),
	    cmocka_unit_test(varint_writes),
	    cmocka_unit_test(varint_round_trip),
	    cmocka_unit_test(varint_cut_at_each_byte),
	    cmocka_unit_test(varint_over_64_bits),
	    cmocka_unit_test(varint_over_ten_bytes),
	    cmocka_unit_test(varint_never_half_written),
	    cmocka_unit_test(big_endian_reads),
	    cmocka_unit_test(big_endian_writes),
	    cmocka_unit_test(integers_refuse_to_be_cut),
	    cmocka_unit_test(integers_refuse_a_full_buffer),
	    cmocka_unit_test(bytes_are_borrowed),
	    cmocka_unit_test(nothing_has_no_address),
	    cmocka_unit_test(strings_round_trip),
	    cmocka_unit_test(string_longer_than_memory),
	    cmocka_unit_test(string_never_half_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
