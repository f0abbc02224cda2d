/* The frame header and the status table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spoe/frame.h"

static const uint8_t bytes[] = {0x03, 0x80, 0x00, 0x00, 0x03,
                                0xf0, 0x00, 0xff, 0x7f};
static const struct spoe_frame_head head = {
    .type = SPOE_FRAME_NOTIFY,
    .flags = 0x80000000 | SPOE_FRAME_FIN | SPOE_FRAME_ABORT,
    .stream_id = 240,
    .frame_id = 2287,
};

static void head_reads(void **state)
{
	struct spoe_reader r = spoe_reader(spoe_span(bytes, sizeof(bytes)));
	struct spoe_frame_head back;

	(void)state;
	assert_true(spoe_frame_head_read(&r, &back));
	assert_int_equal(back.type, head.type);
	assert_int_equal(back.flags, head.flags);
	assert_int_equal(back.stream_id, head.stream_id);
	assert_int_equal(back.frame_id, head.frame_id);
	assert_int_equal(r.left, 0);
}

static void head_writes(void **state)
{
	uint8_t back[sizeof(bytes)];
	struct spoe_writer w = spoe_writer(back, sizeof(back));

	(void)state;
	assert_true(spoe_frame_head_write(&w, &head));
	assert_int_equal(w.size, sizeof(bytes));
	assert_memory_equal(back, bytes, sizeof(bytes));
}

static void head_cut_at_each_byte(void **state)
{
	(void)state;
	for (size_t size = 0; size < sizeof(bytes); size++) {
		struct spoe_reader r = spoe_reader(spoe_span(bytes, size));
		struct spoe_frame_head back = {.type = 77};
		uint8_t room[sizeof(bytes)];
		struct spoe_writer w = spoe_writer(room, size);

		assert_false(spoe_frame_head_read(&r, &back));
		assert_ptr_equal(r.at, bytes);
		assert_int_equal(r.left, size);
		assert_int_equal(back.type, 77);
		assert_false(spoe_frame_head_write(&w, &head));
		assert_int_equal(w.size, 0);
	}
}

static void least_head(void **state)
{
	struct spoe_frame_head zero = {.type = 0};
	uint8_t room[16];
	struct spoe_writer w = spoe_writer(room, sizeof(room));

	(void)state;
	assert_true(spoe_frame_head_write(&w, &zero));
	assert_int_equal(w.size, SPOE_FRAME_HEAD_MIN);
}

static void frames_one_behind_the_other(void **state)
{
	static const uint8_t expected[] = {
	    0,   0, 0, 10, 103, 0, 0, 0, 1, 5, 6, 'a', 'b',
	    'c', 0, 0, 0,  7,   1, 0, 0, 0, 1, 0, 0,
	};
	struct spoe_frame_head ack = {.type = SPOE_FRAME_ACK,
	                              .flags = SPOE_FRAME_FIN,
	                              .stream_id = 5,
	                              .frame_id = 6};
	struct spoe_frame_head hello = {.type = SPOE_FRAME_HAPROXY_HELLO,
	                                .flags = SPOE_FRAME_FIN};
	uint8_t room[sizeof(expected)];
	struct spoe_writer w = spoe_writer(room, sizeof(room));
	size_t start = 0;

	(void)state;
	assert_true(spoe_frame_begin(&w, &ack));
	assert_true(spoe_writer_bytes(&w, spoe_span_of("abc")));
	spoe_frame_end(&w, start);
	start = w.size;
	assert_true(spoe_frame_begin(&w, &hello));
	spoe_frame_end(&w, start);
	assert_int_equal(w.size, sizeof(expected));
	assert_memory_equal(room, expected, sizeof(expected));
}

static void begin_needs_room_for_all_of_the_head(void **state)
{
	uint8_t room[SPOE_FRAME_PREFIX + sizeof(bytes)];

	(void)state;
	for (size_t size = 0; size < sizeof(room); size++) {
		struct spoe_writer w = spoe_writer(room, size);

		assert_false(spoe_frame_begin(&w, &head));
		assert_int_equal(w.size, 0);
	}
}

static void status_texts(void **state)
{
	(void)state;
	assert_string_equal(spoe_frame_status_text(0), "normal");
	assert_string_equal(spoe_frame_status_text(2), "a timeout occurred");
	assert_string_equal(spoe_frame_status_text(3), "frame is too big");
	assert_string_equal(spoe_frame_status_text(13),
	                    "resource allocation error");
	assert_string_equal(spoe_frame_status_text(99),
	                    "an unknown error occurred");
	assert_string_equal(spoe_frame_status_text(14),
	                    "an unknown error occurred");
	/* Not 0 after all. */
	assert_string_equal(spoe_frame_status_text((uint64_t)1 << 32),
	                    "an unknown error occurred");
	assert_string_equal(spoe_frame_status_text(UINT64_MAX),
	                    "an unknown error occurred");
}

/* Specification 3.5 numbers them 0 to 13, and 99. */
static void status_table_is_whole(void **state)
{
	static const int rows[] = {
#define SPOE_STATUS(name, code, text) SPOE_STATUS_##name,
#include "spoe/status.def"
#undef SPOE_STATUS
	};

	(void)state;
	assert_int_equal(sizeof(rows) / sizeof(rows[0]), 15);
	for (int i = 0; i < 14; i++)
		assert_int_equal(rows[i], i);
	assert_int_equal(rows[14], 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(head_reads),
	    cmocka_unit_test(head_writes),
	    cmocka_unit_test(head_cut_at_each_byte),
	    cmocka_unit_test(least_head),
	    cmocka_unit_test(frames_one_behind_the_other),
	    cmocka_unit_test(begin_needs_room_for_all_of_the_head),
	    cmocka_unit_test(status_texts),
	    cmocka_unit_test(status_table_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
