/* Frames that go together in one write: which ones, in what order, and what is
 * known of those that are tracked. */
#include "tests/unit/net_stage.h"

enum { GATHER_MAX = 1380 };

/* HELLO, then NOTIFYs of stream `1` to `count`; the client reads only when told
 * to. */
static void begin(size_t count)
{
	rig_hello(&rig);
	ev_io_stop(rig.loop, &rig.client.reader);
	p.size = 0;
	for (size_t i = 1; i <= count; i++)
		peer_notify(&p, i, 1);
	assert_int_equal(send(rig.client.fd, p.bytes, p.size, 0), p.size);
}

/* The same over a Unix socket; one of SOCK_SEQPACKET keeps the borders of
 * writes. */
static void open_with(int type, size_t count)
{
	rig.options.gather_local = GATHER_MAX;
	rig.tracks = true;
	rig_connect(&rig, type);
	begin(count);
}

static bool all_wait(struct rig *r)
{
	return r->n_waiting == r->notified && r->notified > 0;
}

/* Answers `count` of them, the size of each being the rig's. */
static void answer(size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_true(rig_answer(&rig, rig.waiting[0]));
}

/* One read of what keeps the borders of writes: whole frames, which are the
 * ACKs of streams from `stream_id` on. Returns how many. */
static size_t read_write(uint64_t stream_id)
{
	struct rig_frame frame;
	size_t n = 0;

	rig_client_take(&rig.client, 64 << 10);
	while (rig_next(&rig.client, &frame)) {
		assert_int_equal(frame.head.type, SPOE_FRAME_ACK);
		assert_int_equal(frame.head.stream_id, stream_id + n);
		n++;
	}
	assert_int_equal(rig.client.at, rig.client.size);
	return n;
}

static void those_of_one_turn_go_together(void **state)
{
	(void)state;
	open_with(SOCK_SEQPACKET, 9);
	rig_until(&rig, all_wait);
	answer(4);
	assert_int_equal(read_write(1), 0);
	rig_turn(&rig);
	assert_int_equal(read_write(1), 4);
	assert_int_equal(rig.told, 4);
	/* Behind the last there is nothing to wait for. */
	answer(5);
	assert_int_equal(read_write(5), 5);
	assert_int_equal(rig.told, 4);
	rig_turn(&rig);
	assert_int_equal(rig.told, 9);
	assert_int_equal(rig.untold, 0);
}

/* As all are without pipelining. */
static void a_single_answer_goes_at_once(void **state)
{
	(void)state;
	open_with(SOCK_SEQPACKET, 1);
	rig_until(&rig, one_waits);
	answer(1);
	assert_int_equal(read_write(1), 1);
	rig_turn(&rig);
	assert_int_equal(rig.told, 1);
}

/* What is answered inside notify() goes when the read is done. */
static void answers_at_once_go_together(void **state)
{
	(void)state;
	rig.at_once = true;
	open_with(SOCK_SEQPACKET, 9);
	ev_run(rig.loop, EVRUN_ONCE);
	assert_int_equal(read_write(1), 9);
	assert_int_equal(rig.told, 9);
}

static void a_write_is_bounded(void **state)
{
	size_t total = 0;
	size_t n;

	(void)state;
	rig.answer_size = 500;
	open_with(SOCK_SEQPACKET, 9);
	rig_until(&rig, all_wait);
	answer(9);
	rig_turn(&rig);
	while (total < 9) {
		const size_t before = rig.client.size;

		n = read_write(1 + total);
		assert_true(n > 0);
		assert_true(rig.client.size - before <= GATHER_MAX);
		/* One more would not have fit; the last has no neighbour. */
		assert_true(n == 2 || total + n == 9);
		total += n;
	}
}

static void a_large_frame_goes_alone_in_its_place(void **state)
{
	static const size_t expected[] = {3, 1, 2};
	uint64_t stream_id = 1;

	(void)state;
	open_with(SOCK_SEQPACKET, 6);
	rig_until(&rig, all_wait);
	answer(3);
	rig.answer_size = 10000;
	answer(1);
	rig.answer_size = 7;
	answer(2);
	rig_turn(&rig);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(read_write(stream_id), expected[i]);
		stream_id += expected[i];
	}
	assert_int_equal(rig.told, 6);
}

static void nothing_gathers_unless_wanted(void **state)
{
	(void)state;
	open_with(SOCK_SEQPACKET, 2);
	rig.options.gather_local = 0;
	rig_until(&rig, all_wait);
	answer(2);
	assert_int_equal(read_write(1), 1);
	assert_int_equal(read_write(2), 1);
	/* told() comes from the loop all the same. */
	assert_int_equal(rig.told, 0);
	rig_turn(&rig);
	assert_int_equal(rig.told, 2);
}

/* Of which a peer on a Unix socket may get more in one write. */
static void the_network_has_a_limit_of_its_own(void **state)
{
	int ours, theirs;
	uint64_t before;

	(void)state;
	rig.options.gather_packet = GATHER_MAX;
	rig_tcp_pair(&ours, &theirs);
	rig_connect_fds(&rig, ours, theirs, true);
	begin(5);
	rig_until(&rig, all_wait);
	before = rig.counters.bytes_out;
	answer(3);
	assert_int_equal(rig.counters.bytes_out, before);
	rig_turn(&rig);
	assert_true(rig.counters.bytes_out > before);
	rig.options.gather_packet = 0;
	before = rig.counters.bytes_out;
	answer(1);
	assert_true(rig.counters.bytes_out > before);
}

/* A DISCONNECT goes behind the answers. */
static void a_drain_sends_all(void **state)
{
	struct rig_frame frame;

	(void)state;
	open_with(SOCK_STREAM, 3);
	rig_until(&rig, all_wait);
	answer(3);
	connection_drain(rig.connection);
	rig_client_reads(&rig.client);
	rig_until(&rig, rig_client_ended);
	for (uint64_t i = 1; i <= 3; i++)
		rig_assert_ack(&rig.client, i, 1);
	rig_assert_disconnect(&rig.client, SPOE_STATUS_OK);
	assert_false(rig_next(&rig.client, &frame));
	assert_int_equal(rig.told, 3);
}

static void a_close_sends_all(void **state)
{
	(void)state;
	open_with(SOCK_SEQPACKET, 4);
	rig_until(&rig, all_wait);
	answer(3);
	connection_close(rig.connection, CONNECTION_END_DRAIN);
	assert_int_equal(rig.told, 3);
	assert_int_equal(rig.gone, 1);
	assert_int_equal(read_write(1), 3);
}

/* What was gathered for a peer that is gone went nowhere. */
static void a_closed_peer_is_told_nothing(void **state)
{
	(void)state;
	open_with(SOCK_STREAM, 5);
	rig_until(&rig, all_wait);
	answer(3);
	rig_client_close(&rig.client);
	rig_until(&rig, rig_closed);
	assert_int_equal(rig.told, 0);
	assert_int_equal(rig.untold, 3);
	assert_int_equal(rig.gone, 2);
}

/* Those that went with an earlier write may have been read: a lock that they
 * grant must not be given back. */
static void what_was_written_counts_as_told(void **state)
{
	(void)state;
	rig.answer_size = 500;
	open_with(SOCK_STREAM, 5);
	rig_until(&rig, all_wait);
	answer(3); /* the third makes the first two go */
	rig_client_close(&rig.client);
	answer(1);
	rig_until(&rig, rig_closed);
	assert_int_equal(rig.told, 2);
	assert_int_equal(rig.untold, 2);
	assert_int_equal(rig.gone, 1);
}

/* The same for a large one, which goes at once. */
static void what_went_alone_counts_as_told(void **state)
{
	(void)state;
	rig.answer_size = 5000;
	open_with(SOCK_STREAM, 3);
	rig_until(&rig, all_wait);
	answer(1);
	rig_client_close(&rig.client);
	answer(1);
	rig_until(&rig, rig_closed);
	assert_int_equal(rig.told, 1);
	assert_int_equal(rig.untold, 1);
	assert_int_equal(rig.gone, 1);
}

/* The kernel has a part of it, and the rest is kept: who knows. */
static void half_a_write_counts_as_told(void **state)
{
	size_t answered = 0;

	(void)state;
	rig.answer_size = 1200;
	rig.options.max_in_flight = 2000;
	open_with(SOCK_STREAM, 1);
	while (rig.counters.pauses == 0) {
		rig_until(&rig, one_waits);
		answer(1);
		answered++;
		rig_turn(&rig);
		if (rig.counters.pauses == 0)
			rig_say(&rig, &p);
	}
	rig_client_close(&rig.client);
	rig_until(&rig, rig_closed);
	assert_int_equal(rig.told, answered);
	assert_int_equal(rig.untold, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(those_of_one_turn_go_together),
	    TEST(a_single_answer_goes_at_once),
	    TEST(answers_at_once_go_together),
	    TEST(a_write_is_bounded),
	    TEST(a_large_frame_goes_alone_in_its_place),
	    TEST(nothing_gathers_unless_wanted),
	    TEST(the_network_has_a_limit_of_its_own),
	    TEST(a_drain_sends_all),
	    TEST(a_close_sends_all),
	    TEST(a_closed_peer_is_told_nothing),
	    TEST(what_was_written_counts_as_told),
	    TEST(what_went_alone_counts_as_told),
	    TEST(half_a_write_counts_as_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
