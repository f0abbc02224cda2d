/* Peers that are not HAProxy, or not in their right mind: none crashes the
 * agent, each gets its DISCONNECT where there is one, and every NOTIFY is
 * answered or gone, once. */
#include "agent/net/connection_private.h"
#include "tests/unit/net_stage.h"

/* --- strangers --- */

#define BYTES(text)                                                       \
	{                                                                 \
		.data = (const uint8_t *)(text), .size = sizeof(text) - 1 \
	}

static const struct stranger {
	const char *name;
	struct spoe_span bytes;
	enum spoe_status status;
} strangers[] = {
    {"HTTP", BYTES("GET / HTTP/1.1\r\nHost: agent.example\r\n\r\n"),
     SPOE_STATUS_TOO_BIG},
    {"TLS",
     BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x01\x02\x03"),
     SPOE_STATUS_TOO_BIG},
    {"PROXY", BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"),
     SPOE_STATUS_TOO_BIG},
    {"all ones", BYTES("\xff\xff\xff\xff"), SPOE_STATUS_TOO_BIG},
    {"a sign", BYTES("\x80\x00\x00\x00\x01"), SPOE_STATUS_TOO_BIG},
    {"over the size", BYTES("\x01\x00\x00\x01"), SPOE_STATUS_TOO_BIG},
    {"no frame", BYTES("\0\0\0\0"), SPOE_STATUS_INVALID},
    {"less than a head", BYTES("\0\0\0\6......"), SPOE_STATUS_INVALID},
    {"no end of a varint",
     BYTES("\0\0\0\x0c\1\0\0\0\1\xff\xff\xff\xff\xff"
           "\xff\xff"),
     SPOE_STATUS_INVALID},
    {"an ACK", BYTES("\0\0\0\x07g\0\0\0\1\0\0"), SPOE_STATUS_INVALID},
    {"NOTIFY first", BYTES("\0\0\0\x07\3\0\0\0\1\1\1"), SPOE_STATUS_INVALID},
    {"HELLO without items", BYTES("\0\0\0\x07\1\0\0\0\1\0\0"),
     SPOE_STATUS_NO_VERSION},
};

/* Over TCP, with bytes that stay unread: they must not turn our DISCONNECT
 * into a reset. */
static void strangers_are_told(void **state)
{
	static uint8_t flood[200000];

	(void)state;
	for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
		const struct stranger *s = &strangers[i];
		int ours;
		int theirs;

		rig_tcp_pair(&ours, &theirs);
		rig_connect_fds(&rig, ours, theirs, true);
		rig_send(&rig, &rig.client, s->bytes);
		rig_send(&rig, &rig.client, spoe_span(flood, sizeof(flood)));
		rig_until(&rig, rig_client_ended);
		assert_false(rig.client.reset);
		rig_assert_disconnect(&rig.client, s->status);
		rig_client_close(&rig.client);
		rig_until(&rig, rig_closed);
		assert_int_equal(rig.end, CONNECTION_END_PROTOCOL);
		assert_int_equal(rig.status, s->status);
		rig_client_fini(&rig.client);
		rig.closed = 0;
	}
	assert_int_equal(rig.ready, 0);
}

static void a_fragment_ends_with_its_status(void **state)
{
	struct spoe_frame_head head = {
	    .type = SPOE_FRAME_NOTIFY, .stream_id = 1, .frame_id = 1};

	(void)state;
	rig_connect(&rig, SOCK_STREAM);
	rig_hello(&rig);
	peer_notify(&p, 1, 1);
	peer_frame(&p, head, spoe_span_of("half a message"));
	peer_notify(&p, 2, 1);
	rig_say(&rig, &p);
	rig_until(&rig, rig_client_ended);
	/* What waited cannot be answered any more. */
	assert_int_equal(rig.notified, 1);
	assert_int_equal(rig.gone, 1);
	rig_assert_disconnect(&rig.client, SPOE_STATUS_FRAGMENTATION);
	rig_client_close(&rig.client);
	rig_until(&rig, rig_closed);
	assert_int_equal(rig.end, CONNECTION_END_PROTOCOL);
	assert_int_equal(rig.status, SPOE_STATUS_FRAGMENTATION);
}

static void a_frame_over_the_agreed_size(void **state)
{
	static const uint8_t length[] = {0, 0, 0x40, 0};

	(void)state;
	rig_connect(&rig, SOCK_STREAM);
	rig_hello(&rig); /* agrees on 16380 */
	peer_notify(&p, 1, 1);
	rig_say(&rig, &p);
	rig_until(&rig, one_waits);
	/* The length alone is enough. */
	rig_send(&rig, &rig.client, spoe_span(length, sizeof(length)));
	rig_until(&rig, rig_client_ended);
	assert_int_equal(rig.gone, 1);
	rig_assert_disconnect(&rig.client, SPOE_STATUS_TOO_BIG);
}

/* --- chance --- */

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void reconnect(void)
{
	if (rig.connection)
		connection_close(rig.connection, CONNECTION_END_DRAIN);
	rig_client_fini(&rig.client);
	rig.closed = 0;
	rig.ready = 0;
	rig_connect(&rig, SOCK_STREAM);
}

static void random_bytes_end_it_or_wait(void **state)
{
	uint32_t seed = 7;

	(void)state;
	for (int round = 0; round < 300; round++) {
		uint8_t bytes[64];
		bool hello = next_random(&seed) % 2;

		reconnect();
		if (hello)
			rig_hello(&rig);
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)next_random(&seed);
		/* Lengths that may be, half of the time. */
		if (next_random(&seed) % 2)
			memset(bytes, 0, 3);
		rig_send(&rig, &rig.client,
		         spoe_span(bytes, 1 + next_random(&seed) % 63));
		rig_turn(&rig);
		assert_int_equal(rig.closed, 0);
	}
}

static void say_something(uint32_t *seed, uint64_t id)
{
	p.size = 0;
	switch (next_random(seed) % 16) {
	case 0:
		peer_disconnect(&p, SPOE_STATUS_OK);
		break;
	case 1: {
		struct spoe_frame_head head = {.type = 77,
		                               .flags = SPOE_FRAME_FIN};

		peer_frame(&p, head, spoe_span_of("?"));
		break;
	}
	default:
		for (uint32_t i = next_random(seed) % 5; i > 0; i--)
			peer_notify(&p, id, 1 + i);
		break;
	}
	if (next_random(seed) % 8 == 0 && p.size > 0)
		p.bytes[next_random(seed) % p.size] ^= 1;
	rig_send(&rig, &rig.client,
	         spoe_span(p.bytes, p.size - (p.size > 0 &&
	                                      next_random(seed) % 9 == 0)));
}

static void do_something(uint32_t *seed, uint64_t *now_ms)
{
	switch (next_random(seed) % 10) {
	case 0:
		if (rig.connection)
			connection_drain(rig.connection);
		break;
	case 1:
		*now_ms += next_random(seed) % 3000;
		if (rig.connection)
			connection_tick(rig.connection, *now_ms);
		break;
	case 2:
		rig.at_once = !rig.at_once;
		break;
	case 3:
		ev_io_stop(rig.loop, &rig.client.reader);
		break;
	case 4:
		if (!rig.client.eof)
			rig_client_reads(&rig.client);
		break;
	default:
		for (uint32_t i = next_random(seed) % 4; i > 0; i--)
			if (rig.n_waiting > 0)
				rig_answer(&rig, rig.waiting[next_random(seed) %
				                             rig.n_waiting]);
		break;
	}
}

/* One connection's life, by chance. rig_fini() and the handler check that each
 * NOTIFY is answered or gone once; the sanitizers check the rest. */
static void live(uint32_t *seed)
{
	uint64_t now_ms = 0;

	rig.at_once = next_random(seed) % 2;
	rig.answer_size = next_random(seed) % 15000;
	rig.options.max_in_flight = 1 + next_random(seed) % 6;
	reconnect();
	for (uint32_t step = next_random(seed) % 40; step > 0; step--) {
		if (!rig.connection || rig.client.eof)
			break;
		if (rig.connection->phase == CONNECTION_OPEN &&
		    transport_reading(&rig.connection->transport)) {
			if (!rig.ready) {
				p.size = 0;
				peer_hello(&p);
				rig_say(&rig, &p);
			}
			say_something(seed, step % 3);
		}
		do_something(seed, &now_ms);
		if (next_random(seed) % 2)
			ev_run(rig.loop, EVRUN_NOWAIT);
	}
	if (next_random(seed) % 2)
		rig_client_close(&rig.client);
	rig_turn(&rig);
}

static void lives_by_chance(void **state)
{
	uint32_t seed = 20240611;
	size_t notified;

	(void)state;
	rig.options.idle_timeout_ms = 5000;
	for (int i = 0; i < 1000; i++)
		live(&seed);
	/* The walk met what it was made for. */
	notified = rig.notified;
	assert_true(notified > 1000);
	assert_true(rig.answered > 500);
	assert_true(rig.gone > 100);
	for (enum connection_end end = CONNECTION_END_EOF;
	     end <= CONNECTION_END_PROTOCOL; end++)
		assert_true(rig.ends[end] > 0);
	assert_true(rig.ends[CONNECTION_END_DRAIN] > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(strangers_are_told),
	    TEST(a_fragment_ends_with_its_status),
	    TEST(a_frame_over_the_agreed_size),
	    TEST(random_bytes_end_it_or_wait),
	    TEST(lives_by_chance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
