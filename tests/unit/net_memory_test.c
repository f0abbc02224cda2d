/* The n-th allocation fails, for every n: nothing crashes or leaks, and the
 * connection that needed it ends with CONNECTION_END_MEMORY. Linked with
 * --wrap for malloc, calloc and realloc. */
#include "agent/net/connection_private.h"
#include "agent/net/listener.h"
#include "agent/net/server.h"
#include "tests/unit/net_rig.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

/* Allocations left until one fails; negative: none does. */
static long left = -1;
static bool failed;
static bool failed_unsent; /* with an answer that the kernel did not take */

static bool fails(void)
{
	if (left < 0 || left-- > 0)
		return false;
	failed = true;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
	return fails() ? NULL : __real_realloc(memory, size);
}

static struct rig rig;
static struct peer p;
static struct server *server;

/* Turns the loop with failures armed; the test's own memory never fails. */
static void turn(long *armed)
{
	for (int i = 0; i < 5; i++) {
		left = *armed;
		ev_run(rig.loop, EVRUN_NOWAIT);
		*armed = left;
		left = -1;
	}
	if (rig.client.fd >= 0 && !rig.client.eof &&
	    !ev_is_active(&rig.client.reader))
		rig_client_take(&rig.client, 4096);
}

/* Sends without turning the loop: what does not fit is not sent. */
static void say(long *armed, size_t size)
{
	if (send(rig.client.fd, p.bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		memmove(p.bytes, p.bytes + size, p.size - size);
	p.size -= size;
	turn(armed);
}

static void answer_all(long *armed)
{
	while (rig.n_waiting > 0) {
		bool failed_before = failed;
		bool sent;

		left = *armed;
		sent = rig_answer(&rig, rig.waiting[0]);
		*armed = left;
		left = -1;
		/* The first answer makes the buffer that all are built in. */
		if (failed && !failed_before && rig.answered > 1)
			failed_unsent = true;
		if (!sent)
			break;
	}
	turn(armed);
}

/* A life that allocates wherever there is something to allocate: half a HELLO,
 * many NOTIFYs, frames that wait for a slot, a frame in pieces, answers that
 * the peer does not read. */
static void live(long armed)
{
	int size = 4096;
	int fds[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	rig_client_init(&rig.client, rig.loop, fds[1], false);
	left = armed;
	server = server_new(rig.loop, &rig.options);
	armed = left;
	left = -1;
	if (!server) {
		close(fds[0]);
		return;
	}
	left = armed;
	if (!server_adopt(server, fds[0], NULL))
		rig.closed++; /* closed, as its contract says */
	armed = left;
	left = -1;

	p.size = 0;
	peer_hello(&p);
	say(&armed, 50);
	say(&armed, p.size);
	for (size_t i = 1; i <= 30; i++)
		peer_notify(&p, i, 1);
	say(&armed, p.size - 9);
	answer_all(&armed);
	say(&armed, p.size);
	for (size_t i = 0; i < 30; i++)
		answer_all(&armed);
}

static bool ended(struct rig *r)
{
	return r->closed > 0 || r->client.eof;
}

static void one_fails(long n)
{
	struct rig_frame frame;

	rig_init(&rig);
	rig.answer_size = 3000;
	rig.options.max_in_flight = 12;
	failed = false;
	failed_unsent = false;
	live(n);
	if (server && failed && rig.ready + rig.notified > 0) {
		rig_client_reads(&rig.client);
		rig_until(&rig, ended);
		rig_client_close(&rig.client);
		rig_until(&rig, rig_closed);
		assert_int_equal(rig.end, CONNECTION_END_MEMORY);
		/* The peer is told, unless even that would have to wait. */
		while (rig_next(&rig.client, &frame))
			continue;
		if (!failed_unsent) {
			assert_int_equal(rig.client.at, rig.client.size);
			assert_int_equal(frame.head.type,
			                 SPOE_FRAME_AGENT_DISCONNECT);
			assert_int_equal(
			    rig_number(frame.payload, "status-code"),
			    SPOE_STATUS_RESOURCE);
		}
	}
	server_free(server);
	server = NULL;
	rig_fini(&rig);
}

static bool three_wait(struct rig *r)
{
	return r->n_waiting == 3;
}

static bool all_came(struct rig *r)
{
	return r->client.size >= r->counters.bytes_out &&
	       r->counters.frames_out == 4;
}

static void every_allocation_may_fail(void **state)
{
	long n = 0;

	(void)state;
	do
		one_fails(n++);
	while (failed);
	/* Server, buffers, connection, the kept bytes, slots, output... */
	assert_true(n > 10);
	print_message("%ld allocations\n", n - 1);
}

/* Without memory to gather them in, frames go one by one. */
static void answers_need_no_memory_to_gather(void **state)
{
	(void)state;
	rig_init(&rig);
	rig.options.gather_local = 1380;
	rig_connect(&rig, SOCK_STREAM);
	rig_hello(&rig);
	p.size = 0;
	for (size_t i = 1; i <= 3; i++)
		peer_notify(&p, i, 1);
	rig_say(&rig, &p);
	rig_until(&rig, three_wait);
	assert_true(rig_answer(&rig, rig.waiting[0])); /* makes the buffer */
	connection_send_gathered(rig.connection);
	failed = false;
	left = 0;
	assert_true(rig_answer(&rig, rig.waiting[0]));
	left = -1;
	assert_true(failed);
	assert_true(rig_answer(&rig, rig.waiting[0]));
	rig_until(&rig, all_came);
	for (uint64_t i = 1; i <= 3; i++)
		rig_assert_ack(&rig.client, i, 1);
	assert_int_equal(rig.closed, 0);
	rig_fini(&rig);
}

static void a_life_without_failures(void **state)
{
	(void)state;
	rig_init(&rig);
	rig.answer_size = 3000;
	rig.options.max_in_flight = 12;
	live(-1);
	assert_int_equal(rig.closed, 0);
	assert_true(rig.answered > 12);
	server_free(server);
	server = NULL;
	rig_fini(&rig);
}

static void on_accepted(void *cookie, int fd)
{
	(void)cookie;
	close(fd);
}

static void on_failed(void *cookie, int error)
{
	(void)cookie;
	(void)error;
}

/* The socket stays its caller's. */
static void a_listener_that_cannot_be_made(void **state)
{
	static const struct listener_handler handler = {
	    .accepted = on_accepted,
	    .failed = on_failed,
	};
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	left = 0;
	assert_null(listener_new(loop, fd, &handler, NULL));
	left = -1;
	assert_int_equal(close(fd), 0);
	ev_loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_life_without_failures),
	    cmocka_unit_test(every_allocation_may_fail),
	    cmocka_unit_test(answers_need_no_memory_to_gather),
	    cmocka_unit_test(a_listener_that_cannot_be_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
