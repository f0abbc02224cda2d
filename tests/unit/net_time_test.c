/* Time-outs, with the clock in the test's hands. */
#include "agent/net/connection_private.h"
#include "tests/unit/net_stage.h"

static uint64_t now_ms;

static int start_connected(void **state)
{
	start(state);
	rig.options.hello_timeout_ms = 1000;
	rig.options.idle_timeout_ms = 5000;
	rig_connect(&rig, SOCK_STREAM);
	now_ms = 123456;
	return 0;
}

static void tick(uint64_t later_ms)
{
	now_ms += later_ms;
	if (rig.connection)
		connection_tick(rig.connection, now_ms);
	rig_turn(&rig);
}

static void notify_one(void)
{
	p.size = 0;
	peer_notify(&p, 1, 1);
	rig_say(&rig, &p);
}

static void no_hello(void **state)
{
	(void)state;
	tick(0);
	tick(999);
	assert_false(rig.client.eof);
	tick(1);
	assert_true(rig.client.eof);
	rig_assert_disconnect(&rig.client, SPOE_STATUS_TIMEOUT);
	rig_client_close(&rig.client);
	rig_until(&rig, rig_closed);
	assert_int_equal(rig.end, CONNECTION_END_HELLO);
}

/* A byte now and then is no HELLO. */
static void a_hello_that_drips(void **state)
{
	(void)state;
	peer_hello(&p);
	tick(0);
	for (size_t i = 0; i < 9; i++) {
		rig_send(&rig, &rig.client, spoe_span(p.bytes + i, 1));
		rig_turn(&rig);
		tick(100);
	}
	assert_false(rig.client.eof);
	tick(100);
	assert_true(rig.client.eof);
	rig_client_close(&rig.client);
	rig_until(&rig, rig_closed);
	assert_int_equal(rig.end, CONNECTION_END_HELLO);
}

static void nothing_comes(void **state)
{
	(void)state;
	rig_hello(&rig);
	tick(0);
	tick(4999);
	assert_false(rig.client.eof);
	tick(1);
	assert_true(rig.client.eof);
	rig_assert_disconnect(&rig.client, SPOE_STATUS_TIMEOUT);
	rig_client_close(&rig.client);
	rig_until(&rig, rig_closed);
	assert_int_equal(rig.end, CONNECTION_END_IDLE);
}

static void every_frame_counts(void **state)
{
	(void)state;
	rig.at_once = true;
	rig_hello(&rig);
	for (int i = 0; i < 5; i++) {
		tick(0);
		tick(4999);
		notify_one();
		rig_turn(&rig);
	}
	assert_int_equal(rig.answered, 5);
	assert_false(rig.client.eof);
}

static void whoever_waits_for_us_is_not_idle(void **state)
{
	(void)state;
	rig_hello(&rig);
	notify_one();
	rig_until(&rig, one_waits);
	tick(0);
	tick(100000);
	assert_false(rig.client.eof);
	/* From the answer on it is. */
	assert_true(rig_answer(&rig, rig.waiting[0]));
	tick(0);
	tick(4999);
	assert_false(rig.client.eof);
	tick(1);
	assert_true(rig.client.eof);
}

static void no_time_outs(void **state)
{
	(void)state;
	rig.options.hello_timeout_ms = 0;
	rig.options.idle_timeout_ms = 0;
	tick(0);
	tick(1000000000);
	assert_false(rig.client.eof);
	rig_hello(&rig);
	tick(0);
	tick(1000000000);
	assert_false(rig.client.eof);
}

/* Our side is shut; a peer that never closes its own has two seconds. */
static void a_peer_that_lingers(void **state)
{
	(void)state;
	rig_hello(&rig);
	connection_drain(rig.connection);
	rig_until(&rig, rig_client_ended);
	tick(0);
	tick(1999);
	/* What it still sends does not help. */
	notify_one();
	rig_turn(&rig);
	assert_int_equal(rig.closed, 0);
	tick(1);
	assert_int_equal(rig.closed, 1);
	assert_int_equal(rig.end, CONNECTION_END_DRAIN);
	assert_int_equal(rig.notified, 0);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, start_connected, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(no_hello),
	    TEST(a_hello_that_drips),
	    TEST(nothing_comes),
	    TEST(every_frame_counts),
	    TEST(whoever_waits_for_us_is_not_idle),
	    TEST(no_time_outs),
	    TEST(a_peer_that_lingers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
