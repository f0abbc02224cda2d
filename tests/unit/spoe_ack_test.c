/* ACKs: literal bytes, the cap, and what a failure leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spoe/ack.h"
#include "tests/unit/spoe_peer.h"

/* A session that came to READY with HAProxy's offer of `frame_size`. */
static void make_ready(struct spoe_session *s, uint32_t frame_size)
{
	static const struct spoe_session_options options = {.max_frame_size =
	                                                        SPOE_FRAME_MAX};
	struct peer p;
	struct spoe_event event;

	p.size = 0;
	peer_control(&p, SPOE_FRAME_HAPROXY_HELLO,
	             PEER_ITEMS(PEER_TEXT("supported-versions", "2.0"),
	                        PEER_UINT("max-frame-size", frame_size),
	                        PEER_TEXT("capabilities", "")));
	spoe_session_init(s, &options);
	spoe_session_feed(s, peer_span(&p), &event);
	assert_int_equal(event.type, SPOE_EVENT_READY);
	assert_int_equal(s->max_frame_size, frame_size);
}

static void literal_bytes(void **state)
{
	/* The verdict first: the order is the caller's. */
	static const char expected[] = "\0\0\0\76\147\0\0\0\1\360\0\1"
				       "\1\3\2\7verdict\10\7proceed"
				       "\1\3\4\3age\4\74"
				       "\1\3\0\4body\11\2\0\1"
				       "\2\2\1\3old"
				       "\1\3\3\1n\0";
	struct spoe_data proceed = spoe_data_string(spoe_span_of("proceed"));
	struct spoe_data age = spoe_data_int64(60);
	struct spoe_data body = spoe_data_binary(spoe_span("\0\1", 2));
	struct spoe_data null = {.type = SPOE_TYPE_NULL};
	uint8_t bytes[128];
	struct spoe_session s;
	struct spoe_ack a;

	(void)state;
	make_ready(&s, 256);
	assert_true(
	    spoe_ack_begin(&a, &s, 240, 1, spoe_writer(bytes, sizeof(bytes))));
	assert_true(
	    spoe_ack_set(&a, SPOE_SCOPE_TRANSACTION, "verdict", &proceed));
	assert_true(spoe_ack_set(&a, SPOE_SCOPE_RESPONSE, "age", &age));
	assert_true(spoe_ack_set(&a, SPOE_SCOPE_PROCESS, "body", &body));
	assert_true(spoe_ack_unset(&a, SPOE_SCOPE_SESSION, "old"));
	assert_true(spoe_ack_set(&a, SPOE_SCOPE_REQUEST, "n", &null));
	assert_int_equal(spoe_ack_finish(&a), sizeof(expected) - 1);
	assert_memory_equal(bytes, expected, sizeof(expected) - 1);
}

static void never_empty(void **state)
{
	uint8_t bytes[64];
	struct spoe_session s;
	struct spoe_ack a;

	(void)state;
	make_ready(&s, 256);
	assert_true(
	    spoe_ack_begin(&a, &s, 1, 1, spoe_writer(bytes, sizeof(bytes))));
	assert_int_equal(spoe_ack_finish(&a), 0);
	assert_true(
	    spoe_ack_begin(&a, &s, 1, 1, spoe_writer(bytes, sizeof(bytes))));
	assert_true(spoe_ack_unset(&a, SPOE_SCOPE_TRANSACTION, "x"));
	assert_true(spoe_ack_finish(&a) > 0);
}

/* A body of `size` bytes in an ACK of a session with `frame_size`. Returns
 * what finish says. */
static size_t ack_of(uint32_t frame_size, size_t size)
{
	static uint8_t bytes[40000];
	static uint8_t body[20000];
	struct spoe_data value = spoe_data_binary(spoe_span(body, size));
	struct spoe_session s;
	struct spoe_ack a;
	bool fits;

	assert_true(size <= sizeof(body));
	make_ready(&s, frame_size);
	assert_int_equal(spoe_ack_capacity(&s),
	                 SPOE_FRAME_PREFIX + frame_size - SPOE_ACK_SLACK);
	assert_true(
	    spoe_ack_begin(&a, &s, 0, 1, spoe_writer(bytes, sizeof(bytes))));
	fits = spoe_ack_set(&a, SPOE_SCOPE_TRANSACTION, "b", &value);
	assert_int_equal(fits, spoe_ack_finish(&a) > 0);
	return spoe_ack_finish(&a);
}

/* Head and action take 4 + 7 + 5 + 1 bytes and the length of the body. */
static void capped_at_frame_size_less_slack(void **state)
{
	(void)state;
	assert_int_equal(ack_of(256, 256 - 16 - 13 - 1), 4 + 256 - 16);
	assert_int_equal(ack_of(256, 256 - 16 - 13 - 1 + 1), 0);
	assert_int_equal(ack_of(16380, 16380 - 16 - 13 - 3), 4 + 16380 - 16);
	assert_int_equal(ack_of(16380, 16380 - 16 - 13 - 3 + 1), 0);
}

static void capped_at_the_buffer(void **state)
{
	static const size_t need = 4 + 7 + 5 + 1;
	struct spoe_data null = {.type = SPOE_TYPE_NULL};
	struct spoe_session s;

	(void)state;
	make_ready(&s, 256);
	for (size_t size = 0; size <= need; size++) {
		uint8_t bytes[32];
		struct spoe_ack a;
		bool begun =
		    spoe_ack_begin(&a, &s, 1, 1, spoe_writer(bytes, size));

		memset(bytes + size, 0x55, sizeof(bytes) - size);
		assert_int_equal(begun, size >= 11);
		assert_int_equal(
		    spoe_ack_set(&a, SPOE_SCOPE_TRANSACTION, "x", &null),
		    size == need);
		assert_int_equal(spoe_ack_finish(&a), size == need ? need : 0);
		for (size_t i = size; i < sizeof(bytes); i++)
			assert_int_equal(bytes[i], 0x55);
	}
}

static void failure_sticks(void **state)
{
	static uint8_t body[300];
	struct spoe_data big = spoe_data_binary(spoe_span(body, sizeof(body)));
	struct spoe_data small = spoe_data_int64(1);
	uint8_t bytes[512];
	struct spoe_session s;
	struct spoe_ack a;

	(void)state;
	make_ready(&s, 256);
	assert_true(
	    spoe_ack_begin(&a, &s, 1, 1, spoe_writer(bytes, sizeof(bytes))));
	assert_true(spoe_ack_set(&a, SPOE_SCOPE_TRANSACTION, "x", &small));
	assert_false(spoe_ack_set(&a, SPOE_SCOPE_TRANSACTION, "y", &big));
	assert_false(spoe_ack_set(&a, SPOE_SCOPE_TRANSACTION, "z", &small));
	assert_false(spoe_ack_unset(&a, SPOE_SCOPE_TRANSACTION, "z"));
	assert_int_equal(spoe_ack_finish(&a), 0);
	/* The buffer is the caller's: another answer can be built in it. */
	assert_true(
	    spoe_ack_begin(&a, &s, 1, 1, spoe_writer(bytes, sizeof(bytes))));
	assert_true(spoe_ack_set(&a, SPOE_SCOPE_TRANSACTION, "x", &small));
	assert_int_equal(spoe_ack_finish(&a), 4 + 7 + 5 + 2);
}

static void behind_what_the_buffer_holds(void **state)
{
	uint8_t bytes[64] = "abc";
	struct spoe_writer w = spoe_writer(bytes, sizeof(bytes));
	struct spoe_session s;
	struct spoe_ack a;

	(void)state;
	make_ready(&s, 256);
	w.size = 3;
	assert_true(spoe_ack_begin(&a, &s, 1, 1, w));
	assert_true(spoe_ack_unset(&a, SPOE_SCOPE_TRANSACTION, "x"));
	assert_int_equal(spoe_ack_finish(&a), 4 + 7 + 5);
	assert_memory_equal(bytes, "abc\0\0\0\x0c\x67", 8);
	w.size = w.capacity;
	assert_false(spoe_ack_begin(&a, &s, 1, 1, w));
}

static void only_out_of_a_ready_session(void **state)
{
	static const struct spoe_session_options options = {.max_frame_size =
	                                                        16380};
	uint8_t bytes[64];
	struct spoe_writer w = spoe_writer(bytes, sizeof(bytes));
	struct spoe_session s;
	struct spoe_ack a;

	(void)state;
	spoe_session_init(&s, &options);
	assert_false(spoe_ack_begin(&a, &s, 1, 1, w));
	assert_false(spoe_ack_unset(&a, SPOE_SCOPE_TRANSACTION, "x"));
	assert_int_equal(spoe_ack_finish(&a), 0);

	make_ready(&s, 256);
	assert_true(spoe_ack_begin(&a, &s, 1, 1, w));
	spoe_session_disconnect(&s, SPOE_STATUS_OK);
	assert_false(spoe_ack_begin(&a, &s, 1, 1, w));
	assert_false(spoe_ack_unset(&a, SPOE_SCOPE_TRANSACTION, "x"));
	assert_int_equal(spoe_ack_finish(&a), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(literal_bytes),
	    cmocka_unit_test(never_empty),
	    cmocka_unit_test(capped_at_frame_size_less_slack),
	    cmocka_unit_test(capped_at_the_buffer),
	    cmocka_unit_test(failure_sticks),
	    cmocka_unit_test(behind_what_the_buffer_holds),
	    cmocka_unit_test(only_out_of_a_ready_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
