/* The listener: takes all there are, rests when it must, and recovers. */
#include <sys/resource.h>

#include "agent/net/address.h"
#include "agent/net/listener.h"
#include "tests/unit/net_rig.h"

enum { FDS_MAX = 300 };

struct door {
	struct ev_loop *loop;
	struct listener *listener;
	struct address address;
	int accepted[FDS_MAX];
	size_t n_accepted;
	size_t pause_at; /* pause when so many are in; 0: never */
	int clients[FDS_MAX];
	size_t n_clients;
	size_t failures;
	int error;
};

static void on_accepted(void *cookie, int fd)
{
	struct door *door = cookie;

	assert_true(door->n_accepted < FDS_MAX);
	door->accepted[door->n_accepted++] = fd;
	if (door->n_accepted == door->pause_at)
		listener_pause(door->listener, true);
}

static void on_failed(void *cookie, int error)
{
	struct door *door = cookie;

	door->failures++;
	door->error = error;
}

static const struct listener_handler handler = {
    .accepted = on_accepted,
    .failed = on_failed,
};

static void open_door(struct door *door, struct ev_loop *loop, const char *text)
{
	char error[256];
	int fd;

	*door = (struct door){.loop = loop};
	assert_int_equal(
	    address_parse(text, &door->address, error, sizeof(error)), 0);
	fd =
	    address_listen(&door->address, FDS_MAX, 0600, error, sizeof(error));
	if (fd < 0)
		fail_msg("%s", error);
	door->address.size = sizeof(door->address.storage);
	getsockname(fd, (struct sockaddr *)&door->address.storage,
	            &door->address.size);
	door->listener = listener_new(loop, fd, &handler, door);
	assert_non_null(door->listener);
}

static void knock(struct door *door, size_t times)
{
	for (size_t i = 0; i < times; i++) {
		int fd = socket(door->address.storage.ss_family,
		                SOCK_STREAM | SOCK_CLOEXEC, 0);

		assert_true(fd >= 0);
		assert_int_equal(
		    connect(fd, (const struct sockaddr *)&door->address.storage,
		            door->address.size),
		    0);
		door->clients[door->n_clients++] = fd;
	}
}

static void drop_accepted(struct door *door)
{
	for (size_t i = 0; i < door->n_accepted; i++)
		close(door->accepted[i]);
	door->n_accepted = 0;
}

static void close_door(struct door *door)
{
	listener_free(door->listener);
	drop_accepted(door);
	for (size_t i = 0; i < door->n_clients; i++)
		close(door->clients[i]);
}

static void on_limit(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)timer;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
	fail_msg("waited in vain");
}

static void wait_accepted(struct door *door, size_t count)
{
	ev_timer limit;

	ev_timer_init(&limit, on_limit, RIG_LIMIT_S, 0.);
	ev_timer_start(door->loop, &limit);
	while (door->n_accepted < count)
		ev_run(door->loop, EVRUN_ONCE);
	ev_timer_stop(door->loop, &limit);
}

static void turn(struct door *door)
{
	for (int i = 0; i < 3; i++)
		ev_run(door->loop, EVRUN_NOWAIT);
}

/* As on HAProxy's reload: all connections are there at once. */
static void takes_all_in_one_turn(void **state)
{
	struct door door;

	(void)state;
	open_door(&door, ev_loop_new(EVFLAG_AUTO), "127.0.0.1:0");
	knock(&door, 100);
	ev_run(door.loop, EVRUN_NOWAIT);
	assert_int_equal(door.n_accepted, 100);
	for (size_t i = 0; i < door.n_accepted; i++) {
		assert_true(fcntl(door.accepted[i], F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(door.accepted[i], F_GETFD) & FD_CLOEXEC);
	}
	close_door(&door);
	ev_loop_destroy(door.loop);
}

static void several_share_a_loop(void **state)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct door tcp;
	struct door local;
	char name[64];

	(void)state;
	snprintf(name, sizeof(name), "@net-listener-test-%d", (int)getpid());
	open_door(&tcp, loop, "127.0.0.1:0");
	open_door(&local, loop, name);
	knock(&tcp, 3);
	knock(&local, 2);
	wait_accepted(&tcp, 3);
	wait_accepted(&local, 2);
	close_door(&tcp);
	close_door(&local);
	ev_loop_destroy(loop);
}

static void pauses_even_in_the_midst(void **state)
{
	struct door door;

	(void)state;
	open_door(&door, ev_loop_new(EVFLAG_AUTO), "127.0.0.1:0");
	door.pause_at = 2;
	knock(&door, 5);
	turn(&door);
	assert_int_equal(door.n_accepted, 2);
	/* The others wait in the backlog. */
	listener_pause(door.listener, false);
	turn(&door);
	assert_int_equal(door.n_accepted, 5);
	close_door(&door);
	ev_loop_destroy(door.loop);
}

/* A descriptor that systemd hands over may be blocking. */
static void makes_the_socket_non_blocking(void **state)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct door door = {.loop = loop};

	(void)state;
	assert_int_equal(listen(fd, 1), 0);
	door.listener = listener_new(loop, fd, &handler, &door);
	assert_non_null(door.listener);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	close_door(&door);
	ev_loop_destroy(loop);
}

/* The highest descriptor in use, less one, is the limit: none is left. */
static void exhaust_descriptors(struct rlimit *ret_old)
{
	struct rlimit limit;
	int next = dup(0);

	assert_true(next >= 0);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, ret_old), 0);
	limit = *ret_old;
	limit.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void rests_without_descriptors_and_recovers(void **state)
{
	struct rlimit old;
	struct door door;

	(void)state;
	open_door(&door, ev_loop_new(EVFLAG_AUTO), "127.0.0.1:0");
	turn(&door);
	knock(&door, 3);
	exhaust_descriptors(&old);
	for (int i = 0; i < 50; i++)
		ev_run(door.loop, EVRUN_NOWAIT);
	/* It does not spin: it failed once and rests. */
	assert_int_equal(door.failures, 1);
	assert_int_equal(door.error, EMFILE);
	assert_int_equal(door.n_accepted, 0);

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	wait_accepted(&door, 3);
	assert_int_equal(door.failures, 1);
	close_door(&door);
	ev_loop_destroy(door.loop);
}

/* Its owner's pause outlasts its own rest. */
static void stays_paused_after_a_rest(void **state)
{
	struct rlimit old;
	struct door door;
	double start;

	(void)state;
	open_door(&door, ev_loop_new(EVFLAG_AUTO), "127.0.0.1:0");
	turn(&door);
	knock(&door, 1);
	exhaust_descriptors(&old);
	turn(&door);
	assert_int_equal(door.failures, 1);
	listener_pause(door.listener, true);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	start = ev_time();
	while (ev_time() - start < 0.3)
		ev_run(door.loop, EVRUN_NOWAIT);
	assert_int_equal(door.n_accepted, 0);
	listener_pause(door.listener, false);
	wait_accepted(&door, 1);
	close_door(&door);
	ev_loop_destroy(door.loop);
}

static void freeing_none_is_fine(void **state)
{
	(void)state;
	listener_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_all_in_one_turn),
	    cmocka_unit_test(several_share_a_loop),
	    cmocka_unit_test(pauses_even_in_the_midst),
	    cmocka_unit_test(makes_the_socket_non_blocking),
	    cmocka_unit_test(rests_without_descriptors_and_recovers),
	    cmocka_unit_test(stays_paused_after_a_rest),
	    cmocka_unit_test(freeing_none_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
