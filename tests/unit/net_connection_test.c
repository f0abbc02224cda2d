/* One connection: HELLO, NOTIFY and ACK, how it ends, and that one frame is
 * one write. */
#include "tests/unit/net_stage.h"

static bool two_wait(struct rig *r)
{
	return r->n_waiting == 2;
}

static bool acked(struct rig *r)
{
	return r->client.size > r->client.at;
}

/* HELLO, then NOTIFYs of stream `1` to `count` that wait. */
static void open_with(size_t count)
{
	rig_connect(&rig, SOCK_STREAM);
	rig_hello(&rig);
	p.size = 0;
	for (size_t i = 1; i <= count; i++)
		peer_notify(&p, i, 1);
	rig_say(&rig, &p);
}

static void answers_at_once(void **state)
{
	(void)state;
	rig.at_once = true;
	open_with(1);
	rig_until(&rig, acked);
	rig_assert_ack(&rig.client, 1, 1);
	assert_int_equal(rig.counters.frames_in, 2);
	assert_int_equal(rig.counters.frames_out, 2);
	assert_int_equal(rig.counters.bytes_out, rig.client.size);
	assert_int_equal(rig.counters.pauses, 0);
	assert_int_equal(rig.ready, 1);
}

static void answers_later_in_any_order(void **state)
{
	(void)state;
	open_with(2);
	rig_until(&rig, two_wait);
	assert_int_equal(connection_in_flight(rig.connection), 2);
	assert_true(rig_answer(&rig, rig.waiting[1]));
	assert_true(rig_answer(&rig, rig.waiting[0]));
	assert_int_equal(connection_in_flight(rig.connection), 0);
	rig_until(&rig, acked);
	rig_assert_ack(&rig.client, 2, 1);
	rig_assert_ack(&rig.client, 1, 1);
}

/* Nothing forbids a peer to use ids again while they wait. */
static void equal_ids_are_two(void **state)
{
	(void)state;
	open_with(1);
	p.size = 0;
	peer_notify(&p, 1, 1);
	rig_say(&rig, &p);
	rig_until(&rig, two_wait);
	assert_ptr_not_equal(rig.waiting[0], rig.waiting[1]);
	assert_true(rig_answer(&rig, rig.waiting[0]));
	assert_int_equal(rig.n_waiting, 1);
	assert_true(rig_answer(&rig, rig.waiting[0]));
	rig_until(&rig, acked);
	rig_assert_ack(&rig.client, 1, 1);
	rig_assert_ack(&rig.client, 1, 1);
}

/* Growth over days: an answered NOTIFY leaves its place to the next. */
static void places_are_used_again(void **state)
{
	struct notify *first;

	(void)state;
	open_with(1);
	rig_until(&rig, one_waits);
	first = rig.waiting[0];
	for (int i = 0; i < 50; i++) {
		assert_ptr_equal(rig.waiting[0], first);
		assert_true(rig_answer(&rig, rig.waiting[0]));
		rig_say(&rig, &p);
		rig_until(&rig, one_waits);
	}
}

static void large_ids_come_back_whole(void **state)
{
	(void)state;
	rig.at_once = true;
	open_with(0);
	peer_notify(&p, UINT64_MAX, UINT64_MAX - 1);
	rig_say(&rig, &p);
	rig_until(&rig, acked);
	rig_assert_ack(&rig.client, UINT64_MAX, UINT64_MAX - 1);
}

/* A socket that keeps the borders of writes: each read is one write. */
static void one_frame_is_one_write(void **state)
{
	struct rig_frame frame;

	(void)state;
	rig.at_once = true;
	rig.answer_size = 10000;
	rig_connect(&rig, SOCK_SEQPACKET);
	ev_io_stop(rig.loop, &rig.client.reader);
	peer_hello(&p);
	for (size_t i = 1; i <= 9; i++)
		peer_notify(&p, i, 1);
	peer_disconnect(&p, 0);
	assert_int_equal(send(rig.client.fd, p.bytes, p.size, 0), p.size);
	for (size_t i = 0; i < 11; i++) {
		while (rig.client.size == rig.client.at) {
			ev_run(rig.loop, EVRUN_NOWAIT);
			rig_client_take(&rig.client, 64 << 10);
			assert_false(rig.client.eof);
		}
		assert_true(rig_next(&rig.client, &frame));
		assert_int_equal(rig.client.at, rig.client.size);
		assert_int_equal(frame.head.type,
		                 i == 0    ? SPOE_FRAME_AGENT_HELLO
		                 : i == 10 ? SPOE_FRAME_AGENT_DISCONNECT
		                           : SPOE_FRAME_ACK);
	}
	rig_client_reads(&rig.client);
	rig_until(&rig, rig_client_ended);
}

static bool all_answered(struct rig *r)
{
	return r->answered == 20;
}

/* A peer that writes byte by byte gets the same. */
static void pieces_make_no_difference(void **state)
{
	(void)state;
	rig.at_once = true;
	rig_connect(&rig, SOCK_STREAM);
	peer_hello(&p);
	for (size_t i = 1; i <= 20; i++)
		peer_notify(&p, i, i);
	for (size_t i = 0; i < p.size; i++) {
		rig_send(&rig, &rig.client, spoe_span(p.bytes + i, 1));
		ev_run(rig.loop, EVRUN_NOWAIT);
	}
	rig_until(&rig, all_answered);
	rig_turn(&rig);
	rig.client.at = 0;
	for (size_t i = 0; i <= 20; i++) {
		struct rig_frame frame;

		assert_true(rig_next(&rig.client, &frame));
		assert_int_equal(frame.head.stream_id, i);
	}
	assert_int_equal(rig.counters.bytes_in, p.size);
}

/* --- answers that cannot be built --- */

static void an_answer_too_large_can_be_begun_again(void **state)
{
	(void)state;
	open_with(1);
	rig_until(&rig, one_waits);
	/* What fits: max-frame-size less 16, less head and action. */
	rig.answer_size = 16380;
	assert_false(rig_answer(&rig, rig.waiting[0]));
	assert_int_equal(connection_in_flight(rig.connection), 1);
	assert_int_equal(rig.client.at, rig.client.size);
	rig.answer_size = 16380 - 16 - 7 - 11 - 4;
	assert_true(rig_answer(&rig, rig.waiting[0]));
	rig_until(&rig, acked);
	rig_assert_ack(&rig.client, 1, 1);
	assert_true(rig.client.size - rig.counters.bytes_out == 0);
}

static void an_empty_answer_is_refused(void **state)
{
	struct spoe_ack ack;

	(void)state;
	open_with(1);
	rig_until(&rig, one_waits);
	notify_ack_begin(rig.waiting[0], &ack);
	assert_false(notify_ack_send(rig.waiting[0], &ack));
	assert_true(rig_answer(&rig, rig.waiting[0]));
}

/* --- ends --- */

static void eof_leaves_what_waits(void **state)
{
	(void)state;
	open_with(2);
	rig_until(&rig, two_wait);
	rig_client_close(&rig.client);
	rig_until(&rig, rig_closed);
	assert_int_equal(rig.gone, 2);
	assert_int_equal(rig.end, CONNECTION_END_EOF);
	assert_int_equal(rig.closed, 1);
}

static void eof_in_the_midst_of_a_frame(void **state)
{
	(void)state;
	open_with(0);
	peer_notify(&p, 1, 1);
	p.size -= 3;
	rig_say(&rig, &p);
	rig_turn(&rig);
	rig_client_close(&rig.client);
	rig_until(&rig, rig_closed);
	assert_int_equal(rig.notified, 0);
	assert_int_equal(rig.end, CONNECTION_END_EOF);
}

static void a_reset_is_like_eof(void **state)
{
	int ours;
	int theirs;

	(void)state;
	rig_tcp_pair(&ours, &theirs);
	rig_connect_fds(&rig, ours, theirs, true);
	rig_hello(&rig);
	peer_notify(&p, 1, 1);
	rig_say(&rig, &p);
	rig_until(&rig, one_waits);
	rig_client_reset(&rig.client);
	rig_until(&rig, rig_closed);
	assert_int_equal(rig.gone, 1);
	assert_int_equal(rig.end, CONNECTION_END_EOF);
}

/* The answer finds out; it must not free what its caller holds. */
static void an_answer_to_a_closed_peer_ends_it_later(void **state)
{
	(void)state;
	open_with(2);
	rig_until(&rig, two_wait);
	rig_client_close(&rig.client);
	assert_true(rig_answer(&rig, rig.waiting[0]));
	assert_int_equal(rig.closed, 0);
	/* The session is over: no ACK can be begun, gone() follows. */
	assert_false(rig_answer(&rig, rig.waiting[0]));
	assert_int_equal(rig.gone, 0);
	rig_until(&rig, rig_closed);
	assert_int_equal(rig.gone, 1);
	assert_int_equal(rig.end, CONNECTION_END_EOF);
}

static void half_a_close_gets_what_is_answered_at_once(void **state)
{
	(void)state;
	rig.at_once = true;
	open_with(3);
	assert_int_equal(shutdown(rig.client.fd, SHUT_WR), 0);
	rig_until(&rig, rig_client_ended);
	for (size_t i = 1; i <= 3; i++)
		rig_assert_ack(&rig.client, i, 1);
	assert_int_equal(rig.end, CONNECTION_END_EOF);
}

static void disconnect_is_answered(void **state)
{
	(void)state;
	open_with(1);
	rig_until(&rig, one_waits);
	p.size = 0;
	peer_disconnect(&p, SPOE_STATUS_TIMEOUT);
	peer_notify(&p, 2, 1); /* nothing comes of it */
	rig_say(&rig, &p);
	rig_until(&rig, rig_client_ended);
	rig_assert_disconnect(&rig.client, SPOE_STATUS_OK);
	assert_int_equal(rig.gone, 1);
	assert_int_equal(rig.notified, 1);
	/* It waits for the peer's own end. */
	assert_int_equal(rig.closed, 0);
	rig_client_close(&rig.client);
	rig_until(&rig, rig_closed);
	assert_int_equal(rig.end, CONNECTION_END_PEER);
	assert_int_equal(rig.status, SPOE_STATUS_TIMEOUT);
}

static void health_checks_see_our_hello(void **state)
{
	struct rig_frame frame;

	(void)state;
	rig_connect(&rig, SOCK_STREAM);
	peer_control(&p, SPOE_FRAME_HAPROXY_HELLO,
	             PEER_ITEMS(PEER_TEXT("supported-versions", "2.0"),
	                        PEER_UINT("max-frame-size", 16380),
	                        PEER_TEXT("capabilities", ""),
	                        PEER_BOOL("healthcheck", true)));
	rig_say(&rig, &p);
	rig_until(&rig, rig_client_ended);
	assert_true(rig_next(&rig.client, &frame));
	assert_int_equal(frame.head.type, SPOE_FRAME_AGENT_HELLO);
	assert_int_equal(rig.client.at, rig.client.size);
	rig_client_close(&rig.client);
	rig_until(&rig, rig_closed);
	assert_int_equal(rig.end, CONNECTION_END_HEALTHCHECK);
	assert_int_equal(rig.ready, 0);
}

static void unknown_frames_are_counted(void **state)
{
	struct spoe_frame_head head = {.type = 50, .flags = SPOE_FRAME_FIN};

	(void)state;
	rig.at_once = true;
	open_with(0);
	peer_frame(&p, head, spoe_span_of("whatever"));
	peer_notify(&p, 1, 1);
	rig_say(&rig, &p);
	rig_until(&rig, acked);
	rig_assert_ack(&rig.client, 1, 1);
	assert_int_equal(rig.counters.frames_ignored, 1);
}

static void closing_tells_everybody(void **state)
{
	(void)state;
	open_with(2);
	rig_until(&rig, two_wait);
	connection_close(rig.connection, CONNECTION_END_DRAIN);
	assert_int_equal(rig.gone, 2);
	assert_int_equal(rig.closed, 1);
	assert_int_equal(rig.end, CONNECTION_END_DRAIN);
}

/* --- drain --- */

static void an_idle_connection_drains_at_once(void **state)
{
	(void)state;
	open_with(0);
	connection_drain(rig.connection);
	assert_int_equal(rig.closed, 0);
	rig_until(&rig, rig_client_ended);
	rig_assert_disconnect(&rig.client, SPOE_STATUS_OK);
	rig_client_close(&rig.client);
	rig_until(&rig, rig_closed);
	assert_int_equal(rig.end, CONNECTION_END_DRAIN);
}

static void drain_waits_for_answers(void **state)
{
	(void)state;
	open_with(2);
	rig_until(&rig, two_wait);
	connection_drain(rig.connection);
	connection_drain(rig.connection);
	rig_turn(&rig);
	assert_int_equal(rig.client.at, rig.client.size);
	assert_true(rig_answer(&rig, rig.waiting[0]));
	rig_turn(&rig);
	assert_false(rig.client.eof);
	assert_true(rig_answer(&rig, rig.waiting[0]));
	rig_until(&rig, rig_client_ended);
	rig_assert_ack(&rig.client, 1, 1);
	rig_assert_ack(&rig.client, 2, 1);
	rig_assert_disconnect(&rig.client, SPOE_STATUS_OK);
	assert_int_equal(rig.gone, 0);
}

/* What HAProxy sent before it could know is answered, too. */
static void drain_takes_what_has_come(void **state)
{
	(void)state;
	rig.at_once = true;
	open_with(3);
	connection_drain(rig.connection);
	rig_until(&rig, rig_client_ended);
	for (size_t i = 1; i <= 3; i++)
		rig_assert_ack(&rig.client, i, 1);
	rig_assert_disconnect(&rig.client, SPOE_STATUS_OK);
}

/* Something new is there at every look. */
static void ask_again(void *cookie, struct notify *n, struct spoe_span payload)
{
	assert_true(rig.notified < 100);
	assert_int_equal(send(rig.client.fd, p.bytes, p.size, MSG_DONTWAIT),
	                 p.size);
	rig_on_notify(cookie, n, payload);
}

static void drain_of_a_peer_that_never_stops(void **state)
{
	struct connection_handler handler = rig_handler;

	(void)state;
	handler.notify = ask_again;
	rig.options.handler = &handler;
	rig.at_once = true;
	open_with(1);
	connection_drain(rig.connection);
	rig_until(&rig, rig_client_ended);
	for (size_t i = 0; i < rig.answered; i++)
		rig_assert_ack(&rig.client, 1, 1);
	rig_assert_disconnect(&rig.client, SPOE_STATUS_OK);
	connection_close(rig.connection, CONNECTION_END_DRAIN);
}

static void drain_leaves_half_a_frame(void **state)
{
	(void)state;
	open_with(0);
	peer_notify(&p, 1, 1);
	p.size--;
	rig_say(&rig, &p);
	rig_turn(&rig);
	connection_drain(rig.connection);
	rig_until(&rig, rig_client_ended);
	rig_assert_disconnect(&rig.client, SPOE_STATUS_OK);
	assert_int_equal(rig.notified, 0);
}

/* A peer that connected a moment ago still gets its HELLO: HAProxy 3.0 and
 * older comes again at once when it gets DISCONNECT instead. */
static void drain_answers_a_hello(void **state)
{
	struct rig_frame frame;

	(void)state;
	rig_connect(&rig, SOCK_STREAM);
	peer_hello(&p);
	rig_say(&rig, &p);
	connection_drain(rig.connection);
	rig_until(&rig, rig_client_ended);
	assert_true(rig_next(&rig.client, &frame));
	assert_int_equal(frame.head.type, SPOE_FRAME_AGENT_HELLO);
	rig_assert_disconnect(&rig.client, SPOE_STATUS_OK);
	assert_int_equal(rig.ready, 1);
}

static void every_end_has_a_text(void **state)
{
	(void)state;
	assert_string_equal(connection_end_text(CONNECTION_END_EOF), "eof");
	assert_string_equal(connection_end_text(CONNECTION_END_MEMORY),
	                    "memory");
	assert_string_equal(connection_end_text((enum connection_end)99),
	                    "unknown");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(answers_at_once),
	    TEST(answers_later_in_any_order),
	    TEST(equal_ids_are_two),
	    TEST(places_are_used_again),
	    TEST(large_ids_come_back_whole),
	    TEST(one_frame_is_one_write),
	    TEST(pieces_make_no_difference),
	    TEST(an_answer_too_large_can_be_begun_again),
	    TEST(an_empty_answer_is_refused),
	    TEST(eof_leaves_what_waits),
	    TEST(eof_in_the_midst_of_a_frame),
	    TEST(a_reset_is_like_eof),
	    TEST(an_answer_to_a_closed_peer_ends_it_later),
	    TEST(half_a_close_gets_what_is_answered_at_once),
	    TEST(disconnect_is_answered),
	    TEST(health_checks_see_our_hello),
	    TEST(unknown_frames_are_counted),
	    TEST(closing_tells_everybody),
	    TEST(an_idle_connection_drains_at_once),
	    TEST(drain_waits_for_answers),
	    TEST(drain_takes_what_has_come),
	    TEST(drain_of_a_peer_that_never_stops),
	    TEST(drain_leaves_half_a_frame),
	    TEST(drain_answers_a_hello),
	    cmocka_unit_test(every_end_has_a_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
