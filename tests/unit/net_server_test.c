/* The server behind real listeners: many peers at once over TCP and a Unix
 * socket, time-outs by its own timer, drain. */
#include "agent/net/address.h"
#include "agent/net/listener.h"
#include "agent/net/server.h"
#include "tests/unit/net_stage.h"

enum { PEERS_MAX = 200 };

static struct server *server;
static struct listener *doors[2];
static struct address addresses[2];
static struct rig_client peers[PEERS_MAX];
static size_t n_peers;

static void on_accepted(void *cookie, int fd)
{
	(void)cookie;
	assert_true(server_adopt(server, fd, NULL));
}

static void on_failed(void *cookie, int error)
{
	(void)cookie;
	fail_msg("accept: %s", strerror(error));
}

static const struct listener_handler listener_handler = {
    .accepted = on_accepted,
    .failed = on_failed,
};

static void open_door(size_t i, const char *text)
{
	char error[256];
	int fd;

	if (address_parse(text, &addresses[i], error, sizeof(error)) < 0)
		fail_msg("%s", error);
	fd = address_listen(&addresses[i], PEERS_MAX, 0600, error,
	                    sizeof(error));
	if (fd < 0)
		fail_msg("%s", error);
	addresses[i].size = sizeof(addresses[i].storage);
	getsockname(fd, (struct sockaddr *)&addresses[i].storage,
	            &addresses[i].size);
	doors[i] = listener_new(rig.loop, fd, &listener_handler, NULL);
	assert_non_null(doors[i]);
}

/* A server, and the time-outs it shall have. */
static void open_server(uint64_t hello_ms, uint64_t idle_ms)
{
	char name[64];

	rig.options.hello_timeout_ms = hello_ms;
	rig.options.idle_timeout_ms = idle_ms;
	server = server_new(rig.loop, &rig.options);
	assert_non_null(server);
	open_door(0, "127.0.0.1:0");
	snprintf(name, sizeof(name), "@net-server-test-%d", (int)getpid());
	open_door(1, name);
}

static int stop_server(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		listener_free(doors[i]);
		doors[i] = NULL;
	}
	server_free(server);
	server = NULL;
	for (size_t i = 0; i < n_peers; i++)
		rig_client_fini(&peers[i]);
	n_peers = 0;
	return finish(state);
}

static struct rig_client *visit(size_t door)
{
	struct rig_client *c = &peers[n_peers++];
	int fd = socket(addresses[door].storage.ss_family, SOCK_STREAM, 0);

	assert_int_equal(
	    connect(fd, (const struct sockaddr *)&addresses[door].storage,
	            addresses[door].size),
	    0);
	rig_client_init(c, rig.loop, fd, true);
	return c;
}

static void say_all(const struct peer *what)
{
	for (size_t i = 0; i < n_peers; i++)
		rig_send(&rig, &peers[i], peer_span(what));
}

static bool all_ready(struct rig *r)
{
	return r->ready == n_peers;
}

static bool all_ended(struct rig *r)
{
	(void)r;
	for (size_t i = 0; i < n_peers; i++)
		if (!peers[i].eof)
			return false;
	return true;
}

static bool nobody_is_left(struct rig *r)
{
	(void)r;
	return server_connections(server) == 0;
}

static void assert_hello(struct rig_client *c)
{
	struct rig_frame frame;

	assert_true(rig_next(c, &frame));
	assert_int_equal(frame.head.type, SPOE_FRAME_AGENT_HELLO);
}

static bool all_bytes_came(struct rig *r)
{
	size_t came = 0;

	for (size_t i = 0; i < n_peers; i++)
		came += peers[i].size;
	return r->n_waiting == 0 && r->answered == 3 * n_peers &&
	       came == server_counters(server)->bytes_out;
}

/* As after a reload: all come at once, and all send at once. */
static void serves_many_at_once(void **state)
{
	(void)state;
	rig.at_once = true;
	open_server(10000, 0);
	peer_hello(&p);
	for (size_t i = 1; i <= 3; i++)
		peer_notify(&p, i, 7);
	for (size_t i = 0; i < PEERS_MAX; i++)
		rig_send(&rig, visit(i % 2), peer_span(&p));
	rig_until(&rig, all_bytes_came);
	assert_int_equal(server_connections(server), PEERS_MAX);
	for (size_t i = 0; i < PEERS_MAX; i++) {
		assert_hello(&peers[i]);
		for (size_t id = 1; id <= 3; id++)
			rig_assert_ack(&peers[i], id, 7);
	}
	assert_int_equal(server_counters(server)->frames_in, 4 * PEERS_MAX);
	assert_int_equal(server_counters(server)->frames_out, 4 * PEERS_MAX);
	for (size_t i = 0; i < PEERS_MAX; i++)
		rig_client_close(&peers[i]);
	rig_until(&rig, nobody_is_left);
	assert_int_equal(rig.ends[CONNECTION_END_EOF], PEERS_MAX);
}

static bool six_wait(struct rig *r)
{
	return r->n_waiting == 6;
}

/* The same ids on every connection. */
static void keeps_connections_apart(void **state)
{
	struct notify *order[6];

	(void)state;
	open_server(10000, 0);
	for (size_t i = 0; i < 3; i++)
		visit(i % 2);
	peer_hello(&p);
	peer_notify(&p, 1, 1);
	peer_notify(&p, 2, 1);
	say_all(&p);
	rig_until(&rig, six_wait);
	assert_int_equal(server_in_flight(server), 6);
	/* One peer leaves: only what was its own goes. */
	rig_client_close(&peers[1]);
	while (rig.gone < 2)
		ev_run(rig.loop, EVRUN_ONCE);
	assert_int_equal(rig.gone, 2);
	assert_int_equal(server_in_flight(server), 4);
	memcpy(order, rig.waiting, sizeof(order));
	for (size_t i = 4; i > 0; i--)
		assert_true(rig_answer(&rig, order[i - 1]));
	rig_turn(&rig);
	for (size_t i = 0; i < 3; i += 2) {
		assert_hello(&peers[i]);
		rig_assert_ack(&peers[i], 2, 1);
		rig_assert_ack(&peers[i], 1, 1);
	}
}

static void drains(void **state)
{
	struct rig_client *late;

	(void)state;
	open_server(10000, 0);
	for (size_t i = 0; i < 3; i++)
		visit(i % 2);
	peer_hello(&p);
	peer_notify(&p, 1, 1);
	peer_notify(&p, 2, 1);
	say_all(&p);
	rig_until(&rig, six_wait);
	server_drain(server);
	rig_turn(&rig);
	assert_int_equal(server_connections(server), 3);
	/* One that was accepted a moment too late. */
	late = visit(0);
	while (!late->eof)
		ev_run(rig.loop, EVRUN_ONCE);
	rig_assert_disconnect(late, SPOE_STATUS_OK);
	rig_client_close(late);

	while (rig.n_waiting > 0)
		assert_true(rig_answer(&rig, rig.waiting[0]));
	rig_until(&rig, all_ended);
	for (size_t i = 0; i < 3; i++) {
		assert_hello(&peers[i]);
		rig_assert_ack(&peers[i], 1, 1);
		rig_assert_ack(&peers[i], 2, 1);
		rig_assert_disconnect(&peers[i], SPOE_STATUS_OK);
		rig_client_close(&peers[i]);
	}
	rig_until(&rig, nobody_is_left);
	assert_int_equal(rig.ends[CONNECTION_END_DRAIN], 4);
	assert_int_equal(rig.gone, 0);
}

static void freeing_closes_everything(void **state)
{
	(void)state;
	open_server(10000, 0);
	for (size_t i = 0; i < 3; i++)
		visit(i % 2);
	peer_hello(&p);
	peer_notify(&p, 1, 1);
	peer_notify(&p, 2, 1);
	say_all(&p);
	rig_until(&rig, six_wait);
	server_free(server);
	server = NULL;
	assert_int_equal(rig.gone, 6);
	assert_int_equal(rig.ends[CONNECTION_END_DRAIN], 3);
	rig_until(&rig, all_ended);
}

static void its_timer_ends_who_says_nothing(void **state)
{
	(void)state;
	open_server(60, 0);
	visit(0);
	visit(1);
	rig_until(&rig, all_ended);
	for (size_t i = 0; i < 2; i++) {
		rig_assert_disconnect(&peers[i], SPOE_STATUS_TIMEOUT);
		rig_client_close(&peers[i]);
	}
	rig_until(&rig, nobody_is_left);
	assert_int_equal(rig.ends[CONNECTION_END_HELLO], 2);
}

static void its_timer_ends_who_is_idle(void **state)
{
	(void)state;
	open_server(10000, 60);
	visit(0);
	visit(1);
	peer_hello(&p);
	say_all(&p);
	rig_until(&rig, all_ready);
	rig_until(&rig, all_ended);
	for (size_t i = 0; i < 2; i++) {
		assert_hello(&peers[i]);
		rig_assert_disconnect(&peers[i], SPOE_STATUS_TIMEOUT);
		rig_client_close(&peers[i]);
	}
	rig_until(&rig, nobody_is_left);
	assert_int_equal(rig.ends[CONNECTION_END_IDLE], 2);
}

/* An agent without peers sleeps: nothing keeps the loop turning. */
static void without_connections_there_is_no_timer(void **state)
{
	(void)state;
	server = server_new(rig.loop, &rig.options);
	assert_non_null(server);
	assert_false(ev_run(rig.loop, EVRUN_NOWAIT));
	open_door(0, "127.0.0.1:0");
	visit(0);
	while (server_connections(server) == 0)
		ev_run(rig.loop, EVRUN_ONCE);
	rig_client_close(&peers[0]);
	rig_until(&rig, nobody_is_left);
	listener_free(doors[0]);
	doors[0] = NULL;
	assert_false(ev_run(rig.loop, EVRUN_NOWAIT));
}

static void freeing_none_is_fine(void **state)
{
	(void)state;
	server_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop_server)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(serves_many_at_once),
	    TEST(keeps_connections_apart),
	    TEST(drains),
	    TEST(freeing_closes_everything),
	    TEST(its_timer_ends_who_says_nothing),
	    TEST(its_timer_ends_who_is_idle),
	    TEST(without_connections_there_is_no_timer),
	    cmocka_unit_test(freeing_none_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
