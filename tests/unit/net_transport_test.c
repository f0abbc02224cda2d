/* The transport: what each status means, and which call-backs come when. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>

#include "agent/net/transport.h"
#include "tests/unit/net_rig.h"

struct end {
	struct transport transport; /* first */
	size_t readable;
	size_t writable;
};

static void on_readable(struct transport *t)
{
	((struct end *)(void *)t)->readable++;
}

static void on_writable(struct transport *t)
{
	((struct end *)(void *)t)->writable++;
}

struct pair {
	struct ev_loop *loop;
	struct end end;
	int peer;
};

static void open_pair(struct pair *p, int ours, int theirs)
{
	*p = (struct pair){.loop = ev_loop_new(EVFLAG_AUTO), .peer = theirs};
	fcntl(ours, F_SETFL, O_NONBLOCK);
	transport_init(&p->end.transport, p->loop, ours, on_readable,
	               on_writable);
}

static void open_unix(struct pair *p)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	open_pair(p, fds[0], fds[1]);
}

static void open_tcp(struct pair *p)
{
	int ours;
	int theirs;

	rig_tcp_pair(&ours, &theirs);
	open_pair(p, ours, theirs);
}

static void close_pair(struct pair *p)
{
	transport_fini(&p->end.transport);
	if (p->peer >= 0)
		close(p->peer);
	ev_loop_destroy(p->loop);
}

/* Until the kernel has something for us, an end included. */
static void wait_input(struct pair *p)
{
	struct pollfd poll_fd = {.fd = p->end.transport.fd, .events = POLLIN};

	assert_int_equal(poll(&poll_fd, 1, (int)(RIG_LIMIT_S * 1e3)), 1);
}

static void reads_what_is_there(void **state)
{
	struct pair p;
	char buffer[8];
	size_t n = 77;

	(void)state;
	open_unix(&p);
	assert_int_equal(transport_read(&p.end.transport, buffer, 8, &n),
	                 TRANSPORT_AGAIN);
	assert_int_equal(n, 77);
	assert_int_equal(write(p.peer, "0123456789", 10), 10);
	assert_int_equal(transport_read(&p.end.transport, buffer, 8, &n),
	                 TRANSPORT_OK);
	assert_int_equal(n, 8);
	assert_int_equal(transport_read(&p.end.transport, buffer, 8, &n),
	                 TRANSPORT_OK);
	assert_int_equal(n, 2);
	assert_memory_equal(buffer, "89", 2);
	close(p.peer);
	p.peer = -1;
	assert_int_equal(transport_read(&p.end.transport, buffer, 8, &n),
	                 TRANSPORT_EOF);
	close_pair(&p);
}

static void a_reset_is_an_end(void **state)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};
	struct pair p;
	char buffer[8];
	size_t n;

	(void)state;
	open_tcp(&p);
	setsockopt(p.peer, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(p.peer);
	p.peer = -1;
	wait_input(&p);
	assert_int_equal(transport_read(&p.end.transport, buffer, 8, &n),
	                 TRANSPORT_EOF);
	/* And so is writing to it, without a signal. */
	signal(SIGPIPE, SIG_DFL);
	assert_int_equal(
	    transport_write(&p.end.transport, spoe_span_of("hello"), &n),
	    TRANSPORT_EOF);
	close_pair(&p);
}

static void a_broken_socket_is_an_error(void **state)
{
	struct pair p;
	char buffer[8];
	size_t n;
	int other = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	(void)state;
	/* Not connected: recv() says ENOTCONN. */
	open_pair(&p, other, -1);
	assert_int_equal(transport_read(&p.end.transport, buffer, 8, &n),
	                 TRANSPORT_ERROR);
	assert_int_equal(errno, ENOTCONN);
	close_pair(&p);
}

static void writes_as_much_as_fits(void **state)
{
	static uint8_t bytes[8 << 20];
	struct pair p;
	size_t n = 0;

	(void)state;
	open_unix(&p);
	assert_int_equal(transport_write(&p.end.transport,
	                                 spoe_span(bytes, sizeof(bytes)), &n),
	                 TRANSPORT_OK);
	assert_true(n > 0 && n < sizeof(bytes));
	assert_int_equal(transport_write(&p.end.transport,
	                                 spoe_span(bytes, sizeof(bytes)), &n),
	                 TRANSPORT_AGAIN);
	close_pair(&p);
}

static void does_not_delay_small_writes(void **state)
{
	struct pair p;
	int on = 0;
	socklen_t size = sizeof(on);

	(void)state;
	open_tcp(&p);
	assert_int_equal(getsockopt(p.end.transport.fd, IPPROTO_TCP,
	                            TCP_NODELAY, &on, &size),
	                 0);
	assert_true(on);
	close_pair(&p);
}

static void turn(struct pair *p)
{
	for (int i = 0; i < 3; i++)
		ev_run(p->loop, EVRUN_NOWAIT);
}

static void calls_back_what_is_watched(void **state)
{
	struct pair p;

	(void)state;
	open_unix(&p);
	assert_int_equal(write(p.peer, "x", 1), 1);
	turn(&p);
	assert_int_equal(p.end.readable + p.end.writable, 0);
	assert_false(transport_reading(&p.end.transport));

	transport_watch(&p.end.transport, true, false);
	assert_true(transport_reading(&p.end.transport));
	turn(&p);
	/* Level-triggered: nobody read, so it comes every time. */
	assert_int_equal(p.end.readable, 3);
	assert_int_equal(p.end.writable, 0);

	transport_watch(&p.end.transport, false, true);
	turn(&p);
	assert_int_equal(p.end.readable, 3);
	assert_int_equal(p.end.writable, 3);

	transport_watch(&p.end.transport, false, false);
	turn(&p);
	assert_int_equal(p.end.readable + p.end.writable, 6);
	close_pair(&p);
}

static void shuts_one_side(void **state)
{
	struct pair p;
	char buffer[8];
	size_t n;

	(void)state;
	open_unix(&p);
	transport_shut(&p.end.transport);
	assert_int_equal(read(p.peer, buffer, 8), 0);
	assert_int_equal(write(p.peer, "x", 1), 1);
	assert_int_equal(transport_read(&p.end.transport, buffer, 8, &n),
	                 TRANSPORT_OK);
	close_pair(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_what_is_there),
	    cmocka_unit_test(a_reset_is_an_end),
	    cmocka_unit_test(a_broken_socket_is_an_error),
	    cmocka_unit_test(writes_as_much_as_fits),
	    cmocka_unit_test(does_not_delay_small_writes),
	    cmocka_unit_test(calls_back_what_is_watched),
	    cmocka_unit_test(shuts_one_side),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
