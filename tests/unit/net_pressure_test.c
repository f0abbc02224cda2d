/* Back-pressure: the bound on NOTIFYs in flight, peers that do not read, large
 * frames; and that memory follows what is really there. */
#include "agent/net/connection_private.h"
#include "tests/unit/net_stage.h"

static void notify_many(size_t first, size_t count)
{
	p.size = 0;
	for (size_t i = 0; i < count; i++)
		peer_notify(&p, first + i, 1);
	rig_say(&rig, &p);
}

static bool three_wait(struct rig *r)
{
	return r->n_waiting == 3;
}

/* --- the bound in flight --- */

/* Answers the oldest until all of `count` are answered; the bound holds all
 * the time, and the order is the peer's. */
static void answer_in_turn(size_t count)
{
	for (size_t i = 1; i <= count; i++) {
		assert_int_equal(rig.waiting[0]->stream_id, i);
		assert_true(rig_answer(&rig, rig.waiting[0]));
		rig_turn(&rig);
		assert_true(rig.n_waiting <= 3);
		assert_int_equal(rig.n_waiting, count - i < 3 ? count - i : 3);
	}
	for (size_t i = 1; i <= count; i++)
		rig_assert_ack(&rig.client, i, 1);
}

static void takes_no_more_than_it_may(void **state)
{
	(void)state;
	rig.options.max_in_flight = 3;
	rig_connect(&rig, SOCK_STREAM);
	rig_hello(&rig);
	notify_many(1, 10);
	rig_until(&rig, three_wait);
	rig_turn(&rig);
	assert_int_equal(rig.notified, 3);
	assert_int_equal(rig.counters.pauses, 1);
	answer_in_turn(10);
	/* Nothing is kept any more. */
	assert_null(rig.connection->kept.data);
}

static void what_comes_while_it_pauses_stays_in_the_kernel(void **state)
{
	uint64_t came;

	(void)state;
	rig.options.max_in_flight = 3;
	rig_connect(&rig, SOCK_STREAM);
	rig_hello(&rig);
	notify_many(1, 4);
	rig_until(&rig, three_wait);
	rig_turn(&rig);
	came = rig.counters.bytes_in;
	notify_many(5, 6);
	rig_turn(&rig);
	assert_int_equal(rig.counters.bytes_in, came);
	answer_in_turn(10);
}

static void the_bound_itself_is_no_reason_to_pause(void **state)
{
	(void)state;
	rig.options.max_in_flight = 3;
	rig_connect(&rig, SOCK_STREAM);
	rig_hello(&rig);
	notify_many(1, 3);
	rig_until(&rig, three_wait);
	rig_turn(&rig);
	assert_int_equal(rig.counters.pauses, 0);
	assert_true(transport_reading(&rig.connection->transport));
	answer_in_turn(3);
}

static void half_a_frame_waits_with_the_others(void **state)
{
	(void)state;
	rig.options.max_in_flight = 3;
	rig_connect(&rig, SOCK_STREAM);
	rig_hello(&rig);
	p.size = 0;
	for (size_t i = 1; i <= 4; i++)
		peer_notify(&p, i, 1);
	rig_send(&rig, &rig.client, spoe_span(p.bytes, p.size - 5));
	rig_until(&rig, three_wait);
	rig_turn(&rig);
	rig_send(&rig, &rig.client, spoe_span(p.bytes + p.size - 5, 5));
	rig_turn(&rig);
	assert_int_equal(rig.notified, 3);
	answer_in_turn(4);
}

/* Answers an older NOTIFY whenever a new one comes: notify() within the loop
 * that frees a slot must not run into itself. */
static void answer_older(void *cookie, struct notify *n,
                         struct spoe_span payload)
{
	static size_t depth;

	assert_int_equal(depth, 0);
	depth++;
	rig_on_notify(cookie, n, payload);
	if (rig.n_waiting == 3)
		assert_true(rig_answer(&rig, rig.waiting[0]));
	depth--;
}

static bool all_came(struct rig *r)
{
	return r->notified == 1000;
}

static void answering_from_within_does_not_recurse(void **state)
{
	struct connection_handler handler = rig_handler;

	(void)state;
	handler.notify = answer_older;
	rig.options.handler = &handler;
	rig.options.max_in_flight = 3;
	rig_connect(&rig, SOCK_STREAM);
	rig_hello(&rig);
	notify_many(1, 1000);
	rig_until(&rig, all_came);
	rig_turn(&rig);
	assert_int_equal(rig.n_waiting, 2);
	for (size_t i = 1; i <= 998; i++)
		rig_assert_ack(&rig.client, i, 1);
	connection_close(rig.connection, CONNECTION_END_DRAIN);
}

/* --- peers that do not read --- */

enum { ANSWER = 12000, QUESTIONS = 400 };

/* A connection whose peer does not read, after QUESTIONS NOTIFYs; both sides
 * of the kernel hold far less than their answers. */
static void connect_mute(bool at_once)
{
	int size = 4096;
	int fds[2];

	rig.at_once = at_once;
	rig.answer_size = ANSWER;
	rig.options.max_in_flight = 20;
	rig.options.idle_timeout_ms = 5000;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(
	    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	rig_connect_fds(&rig, fds[0], fds[1], true);
	rig_hello(&rig);
	ev_io_stop(rig.loop, &rig.client.reader);
	notify_many(1, QUESTIONS);
	rig_turn(&rig);
}

static bool answers_came(struct rig *r)
{
	return r->connection->unsent.size == 0 &&
	       r->client.size == r->counters.bytes_out;
}

static bool all_answers_came(struct rig *r)
{
	return r->answered == QUESTIONS && answers_came(r);
}

static void a_slow_reader_gets_everything_in_order(void **state)
{
	(void)state;
	connect_mute(true);
	/* One answer that did not fit, and no more are made. */
	assert_true(rig.notified < 10);
	assert_true(rig.connection->unsent.size <= ANSWER + 100);
	assert_int_equal(rig.counters.pauses, 1);

	for (int i = 0; i < 500; i++) {
		rig_client_take(&rig.client, 100);
		rig_turn(&rig);
		assert_true(rig.connection->unsent.size <= ANSWER + 100);
	}
	rig_client_reads(&rig.client);
	rig_until(&rig, all_answers_came);
	for (size_t i = 1; i <= QUESTIONS; i++)
		rig_assert_ack(&rig.client, i, 1);
	assert_int_equal(rig.client.at, rig.client.size);
	assert_null(rig.connection->unsent.data);
}

/* Answers that come later: as many as may be in flight, not one more. */
static void late_answers_to_a_mute_peer_are_bounded(void **state)
{
	(void)state;
	connect_mute(false);
	assert_int_equal(rig.n_waiting, 20);
	for (int i = 0; i < 1000; i++) {
		while (rig.n_waiting > 0)
			assert_true(rig_answer(&rig, rig.waiting[0]));
		rig_turn(&rig);
	}
	assert_true(rig.notified < 60);
	assert_true(rig.connection->unsent.size <= 20 * (ANSWER + 100));
	rig.at_once = true;
	rig_client_reads(&rig.client);
	rig_until(&rig, all_answers_came);
	for (size_t i = 1; i <= QUESTIONS; i++)
		rig_assert_ack(&rig.client, i, 1);
}

/* The peer has made room, but the loop does not know yet: a new answer must
 * not pass the one that waits. */
static void an_answer_does_not_pass_another(void **state)
{
	(void)state;
	connect_mute(false);
	while (rig.connection->unsent.size == 0)
		assert_true(rig_answer(&rig, rig.waiting[0]));
	rig_client_take(&rig.client, 1 << 20);
	while (rig.n_waiting > 0)
		assert_true(rig_answer(&rig, rig.waiting[0]));
	rig.at_once = true;
	rig_client_reads(&rig.client);
	rig_until(&rig, all_answers_came);
	for (size_t i = 1; i <= QUESTIONS; i++)
		rig_assert_ack(&rig.client, i, 1);
}

static void a_peer_that_never_reads_is_cut(void **state)
{
	uint64_t now_ms = 1000;

	(void)state;
	connect_mute(true);
	connection_tick(rig.connection, now_ms);
	connection_tick(rig.connection, now_ms += 4999);
	assert_int_equal(rig.connection->phase, CONNECTION_OPEN);
	connection_tick(rig.connection, ++now_ms);
	/* Its DISCONNECT cannot go out either. */
	assert_int_equal(rig.connection->phase, CONNECTION_CLOSING);
	rig_turn(&rig);
	assert_int_equal(rig.closed, 0);
	for (int i = 0; i < 100 && rig.closed == 0; i++) {
		connection_tick(rig.connection, now_ms += 100);
		rig_turn(&rig);
	}
	assert_int_equal(rig.closed, 1);
	assert_int_equal(rig.end, CONNECTION_END_IDLE);
}

static void a_mute_peer_goes_away(void **state)
{
	(void)state;
	connect_mute(true);
	rig_client_close(&rig.client);
	rig_until(&rig, rig_closed);
	assert_int_equal(rig.end, CONNECTION_END_EOF);
}

/* DISCONNECT comes behind what waits, and whole. */
static void a_drain_waits_for_a_slow_reader(void **state)
{
	size_t answered;

	(void)state;
	connect_mute(true);
	answered = rig.answered;
	connection_drain(rig.connection);
	rig_turn(&rig);
	assert_false(rig.client.eof);
	rig_client_reads(&rig.client);
	rig_until(&rig, rig_client_ended);
	for (size_t i = 1; i <= answered; i++)
		rig_assert_ack(&rig.client, i, 1);
	rig_assert_disconnect(&rig.client, SPOE_STATUS_OK);
}

/* --- frames of all sizes --- */

/* A NOTIFY whose only argument has `size` bytes. */
static struct spoe_span large_notify(uint8_t *room, size_t capacity,
                                     size_t size)
{
	struct spoe_frame_head head = {.type = SPOE_FRAME_NOTIFY,
	                               .flags = SPOE_FRAME_FIN,
	                               .stream_id = 1,
	                               .frame_id = 1};
	struct spoe_writer w = spoe_writer(room, capacity);

	spoe_frame_begin(&w, &head);
	spoe_writer_string(&w, spoe_span_of("ask"));
	spoe_writer_u8(&w, 1);
	spoe_writer_string(&w, spoe_span_of("body"));
	spoe_writer_u8(&w, SPOE_TYPE_BINARY);
	assert_true(w.size + SPOE_VARINT_MAX + size <= capacity);
	spoe_writer_varint(&w, size);
	memset(w.data + w.size, 'x', size);
	w.size += size;
	spoe_frame_end(&w, 0);
	return spoe_span(room, w.size);
}

static void hello_of_size(uint32_t size)
{
	p.size = 0;
	peer_control(&p, SPOE_FRAME_HAPROXY_HELLO,
	             PEER_ITEMS(PEER_TEXT("supported-versions", "2.0"),
	                        PEER_UINT("max-frame-size", size),
	                        PEER_TEXT("capabilities", "pipelining,async")));
	rig_say(&rig, &p);
	rig_until(&rig, rig_ready);
	rig.client.at = rig.client.size;
}

static void frames_of_16_mib(void **state)
{
	enum { FRAME = SPOE_FRAME_MAX, BODY = FRAME - 64 };
	uint8_t *room = malloc(FRAME + 64);
	struct spoe_span frame;

	(void)state;
	assert_non_null(room);
	frame = large_notify(room, FRAME + 64, BODY);
	rig_connect(&rig, SOCK_STREAM);
	hello_of_size(SPOE_FRAME_MAX);
	/* The memory follows what came, not what was announced. */
	for (size_t sent = 0; sent < frame.size;) {
		size_t size =
		    frame.size - sent < 999983 ? frame.size - sent : 999983;

		rig_send(&rig, &rig.client, spoe_span(frame.data + sent, size));
		rig_turn(&rig);
		sent += size;
		assert_true(rig.connection->kept.capacity <= 2 * sent + 512);
	}
	rig_until(&rig, one_waits);
	assert_true(rig.last_payload_size > BODY);
	assert_null(rig.connection->kept.data);
	rig.answer_size = 2 << 20;
	assert_true(rig_answer(&rig, rig.waiting[0]));
	rig_until(&rig, answers_came);
	rig_assert_ack(&rig.client, 1, 1);
	free(room);
}

/* Frames that end in the midst of a read, whatever the scratch's size. */
static void frames_that_straddle_reads(void **state)
{
	enum { ROUNDS = 40 };
	uint8_t *room = malloc(8 * RIG_INPUT_SIZE);
	size_t notified = 0;

	(void)state;
	assert_non_null(room);
	rig.at_once = true;
	rig_connect(&rig, SOCK_STREAM);
	hello_of_size(4 * RIG_INPUT_SIZE);
	for (size_t i = 0; i < ROUNDS; i++) {
		struct spoe_span one = large_notify(
		    room, 8 * RIG_INPUT_SIZE, RIG_INPUT_SIZE - 50 + 5 * i);
		size_t size = one.size;

		/* Twice the same in one write. */
		memcpy(room + size, room, size);
		rig_send(&rig, &rig.client, spoe_span(room, 2 * size));
		rig_turn(&rig);
		notified += 2;
		assert_int_equal(rig.notified, notified);
		assert_true(rig.last_payload_size > RIG_INPUT_SIZE - 50);
	}
	free(room);
}

/* A length is a promise of the peer's: it gets no memory for it. */
static void an_announced_length_costs_nothing(void **state)
{
	static const uint8_t start_of_frame[] = {0x00, 0xff, 0xff, 0xf0,
	                                         3,    0,    0,    0};

	(void)state;
	rig_connect(&rig, SOCK_STREAM);
	hello_of_size(SPOE_FRAME_MAX);
	rig_send(&rig, &rig.client,
	         spoe_span(start_of_frame, sizeof(start_of_frame)));
	rig_turn(&rig);
	assert_int_equal(rig.connection->kept.size, sizeof(start_of_frame));
	assert_true(rig.connection->kept.capacity <= 512);
	assert_int_equal(rig.closed, 0);
}

/* One answer of `size` bytes over a session of this frame size. */
static void answer_once(uint32_t frame_size, size_t size)
{
	rig.ready = 0;
	hello_of_size(frame_size);
	notify_many(1, 1);
	rig_until(&rig, one_waits);
	rig.answer_size = size;
	assert_true(rig_answer(&rig, rig.waiting[0]));
	rig_until(&rig, answers_came);
	rig_assert_ack(&rig.client, 1, 1);
}

/* The buffer for answers is made for the peers there are. */
static void the_output_grows_to_what_a_session_may_send(void **state)
{
	(void)state;
	rig_connect(&rig, SOCK_STREAM);
	assert_int_equal(rig.buffers.output_size, 0);
	answer_once(1000, 900);
	assert_int_equal(rig.buffers.output_size, 4 + 1000 - 16);
	connection_close(rig.connection, CONNECTION_END_DRAIN);
	rig_client_fini(&rig.client);
	rig.counters.bytes_out = 0;
	rig_connect(&rig, SOCK_STREAM);
	answer_once(20000, 19000);
	assert_int_equal(rig.buffers.output_size, 4 + 20000 - 16);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(takes_no_more_than_it_may),
	    TEST(what_comes_while_it_pauses_stays_in_the_kernel),
	    TEST(the_bound_itself_is_no_reason_to_pause),
	    TEST(half_a_frame_waits_with_the_others),
	    TEST(answering_from_within_does_not_recurse),
	    TEST(a_slow_reader_gets_everything_in_order),
	    TEST(late_answers_to_a_mute_peer_are_bounded),
	    TEST(an_answer_does_not_pass_another),
	    TEST(a_peer_that_never_reads_is_cut),
	    TEST(a_mute_peer_goes_away),
	    TEST(a_drain_waits_for_a_slow_reader),
	    TEST(frames_of_16_mib),
	    TEST(frames_that_straddle_reads),
	    TEST(an_announced_length_costs_nothing),
	    TEST(the_output_grows_to_what_a_session_may_send),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
