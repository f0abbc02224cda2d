/* tests/unit/net_rig.h: a real loop, a peer that speaks as HAProxy does, and a
 * handler that writes down what happened to it.
 *
 * Nothing waits for a time to pass: rig_until() turns the loop until a
 * condition holds, and fails the test after RIG_LIMIT_S. */
#ifndef TESTS_NET_RIG_H
#define TESTS_NET_RIG_H

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/net/connection.h"
#include "spoe/message.h"
#include "tests/unit/spoe_peer.h"

static const double RIG_LIMIT_S = 20.;

enum { RIG_NOTIFIES = 4096, RIG_INPUT_SIZE = 16 << 10 };

/* --- the peer --- */

struct rig_client {
	struct ev_loop *loop;
	int fd; /* -1 when closed */
	ev_io reader;
	bool eof;   /* it ended, by EOF or by a reset */
	bool reset; /* by a reset */
	uint8_t *bytes;
	size_t size;
	size_t capacity;
	size_t at; /* the next frame that rig_next() gives */
};

/* A frame that came. */
struct rig_frame {
	struct spoe_frame_head head;
	struct spoe_reader payload; /* borrowed until the loop turns */
};

static inline void rig_client_take(struct rig_client *c, size_t at_most)
{
	ssize_t n;

	if (c->capacity - c->size < at_most) {
		c->capacity = 2 * (c->capacity + at_most);
		c->bytes = realloc(c->bytes, c->capacity);
		assert_non_null(c->bytes);
	}
	n = recv(c->fd, c->bytes + c->size, at_most, MSG_DONTWAIT);
	if (n > 0) {
		c->size += (size_t)n;
		return;
	}
	if (n < 0 && errno == EAGAIN)
		return;
	c->eof = true;
	c->reset = n < 0;
	ev_io_stop(c->loop, &c->reader);
}

static inline void rig_on_client(struct ev_loop *loop, ev_io *watcher,
                                 int revents)
{
	(void)loop;
	(void)revents;
	rig_client_take(watcher->data, 64 << 10);
}

/* Takes over `fd`; reads whatever comes unless told not to. */
static inline void rig_client_init(struct rig_client *c, struct ev_loop *loop,
                                   int fd, bool reads)
{
	*c = (struct rig_client){.loop = loop, .fd = fd};
	fcntl(fd, F_SETFL, O_NONBLOCK);
	ev_io_init(&c->reader, rig_on_client, fd, EV_READ);
	c->reader.data = c;
	if (reads)
		ev_io_start(loop, &c->reader);
}

static inline void rig_client_reads(struct rig_client *c)
{
	ev_io_start(c->loop, &c->reader);
}

static inline void rig_client_close(struct rig_client *c)
{
	ev_io_stop(c->loop, &c->reader);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static inline void rig_client_fini(struct rig_client *c)
{
	rig_client_close(c);
	free(c->bytes);
	c->bytes = NULL;
}

/* Resets instead of closing (TCP). */
static inline void rig_client_reset(struct rig_client *c)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};

	assert_int_equal(
	    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)),
	    0);
	rig_client_close(c);
}

/* The next frame that came whole; false when there is none yet. */
static inline bool rig_next(struct rig_client *c, struct rig_frame *ret_frame)
{
	struct spoe_reader r =
	    spoe_reader(spoe_span(c->bytes + c->at, c->size - c->at));
	struct spoe_span frame;
	uint32_t length;

	if (c->size == 0 || !spoe_reader_u32(&r, &length) ||
	    !spoe_reader_bytes(&r, length, &frame))
		return false;
	c->at += SPOE_FRAME_PREFIX + (size_t)length;
	ret_frame->payload = spoe_reader(frame);
	assert_true(
	    spoe_frame_head_read(&ret_frame->payload, &ret_frame->head));
	assert_int_equal(ret_frame->head.flags, SPOE_FRAME_FIN);
	return true;
}

/* The number that an item of a KV list has. */
static inline uint64_t rig_number(struct spoe_reader payload, const char *name)
{
	struct spoe_span found;
	struct spoe_data value;
	uint64_t number;

	while (spoe_data_read_kv(&payload, &found, &value)) {
		if (!spoe_span_equal(found, spoe_span_of(name)))
			continue;
		assert_true(spoe_data_uint(&value, &number));
		return number;
	}
	fail_msg("no item %s", name);
	return 0;
}

/* --- the handler --- */

struct rig {
	struct ev_loop *loop;
	bool at_once; /* answer inside notify() */
	bool tracks;  /* wants to know what went out */
	size_t answer_size;

	struct notify *waiting[RIG_NOTIFIES]; /* in the order they came */
	size_t n_waiting;
	size_t notified;
	size_t answered;
	size_t gone;
	size_t told; /* of those that are tracked, when answered */
	size_t untold;
	size_t ready;
	size_t closed;
	enum connection_end end;
	enum spoe_status status;
	size_t ends[16]; /* by enum connection_end */
	size_t last_payload_size;

	/* For tests of one connection without a server. */
	struct connection_options options;
	struct connection_buffers buffers;
	struct connection_counters counters;
	struct connection *connection; /* NULL once closed */
	struct rig_client client;
};

static inline size_t rig_place(const struct rig *rig, const struct notify *n)
{
	size_t i = 0;

	while (i < rig->n_waiting && rig->waiting[i] != n)
		i++;
	return i;
}

static inline bool rig_waits(const struct rig *rig, const struct notify *n)
{
	return rig_place(rig, n) < rig->n_waiting;
}

static inline void rig_forget(struct rig *rig, struct notify *n)
{
	size_t i = rig_place(rig, n);

	assert_true(i < rig->n_waiting);
	rig->n_waiting--;
	memmove(&rig->waiting[i], &rig->waiting[i + 1],
	        (rig->n_waiting - i) * sizeof(rig->waiting[0]));
}

static inline bool rig_send_answer(struct rig *rig, struct notify *n)
{
	static const uint8_t zeros[2 << 20];
	struct spoe_data value;
	struct spoe_ack ack;

	assert_true(rig->answer_size <= sizeof(zeros));
	value = spoe_data_binary(spoe_span(zeros, rig->answer_size));
	notify_ack_begin(n, &ack);
	spoe_ack_set(&ack, SPOE_SCOPE_TRANSACTION, "verdict", &value);
	return rig->tracks ? notify_ack_send_tracked(n, &ack)
	                   : notify_ack_send(n, &ack);
}

/* False when the session cannot send any more: then it waits for gone(). */
static inline bool rig_answer(struct rig *rig, struct notify *n)
{
	if (!rig_send_answer(rig, n))
		return false;
	rig_forget(rig, n);
	rig->answered++;
	return true;
}

static inline void rig_on_notify(void *cookie, struct notify *n,
                                 struct spoe_span payload)
{
	struct rig *rig = cookie;

	assert_null(n->owner);
	assert_true(spoe_message_valid(payload));
	assert_true(rig->n_waiting < RIG_NOTIFIES);
	rig->last_payload_size = payload.size;
	rig->waiting[rig->n_waiting++] = n;
	rig->notified++;
	n->owner = rig;
	if (rig->at_once)
		rig_answer(rig, n);
}

static inline void rig_on_gone(void *cookie, struct notify *n)
{
	struct rig *rig = cookie;

	assert_ptr_equal(n->owner, rig);
	if (rig->tracks && !rig_waits(rig, n)) {
		rig->untold++;
		return;
	}
	rig_forget(rig, n);
	rig->gone++;
}

static inline void rig_on_told(void *cookie, struct notify *n)
{
	struct rig *rig = cookie;

	assert_true(rig->tracks);
	assert_ptr_equal(n->owner, rig);
	assert_false(rig_waits(rig, n));
	rig->told++;
}

static inline void rig_on_ready(void *cookie, const struct connection *c)
{
	struct rig *rig = cookie;

	assert_int_equal(connection_session(c)->state, SPOE_SESSION_READY);
	rig->ready++;
}

static inline void rig_on_closed(void *cookie, struct connection *c,
                                 enum connection_end end,
                                 enum spoe_status status)
{
	struct rig *rig = cookie;

	assert_int_equal(connection_in_flight(c), 0);
	rig->closed++;
	rig->end = end;
	rig->status = status;
	rig->ends[end]++;
	if (c == rig->connection)
		rig->connection = NULL;
}

static const struct connection_handler rig_handler = {
    .notify = rig_on_notify,
    .gone = rig_on_gone,
    .told = rig_on_told,
    .ready = rig_on_ready,
    .closed = rig_on_closed,
};

/* --- waiting --- */

static inline void rig_on_limit(struct ev_loop *loop, ev_timer *timer,
                                int revents)
{
	(void)loop;
	(void)revents;
	*(bool *)timer->data = true;
}

typedef bool rig_condition(struct rig *rig);

/* Turns the loop until `holds`; fails the test when it never does. */
static inline void rig_until_(struct rig *rig, rig_condition *holds,
                              const char *what)
{
	bool late = false;
	ev_timer limit;

	ev_timer_init(&limit, rig_on_limit, RIG_LIMIT_S, 0.);
	limit.data = &late;
	ev_timer_start(rig->loop, &limit);
	while (!holds(rig) && !late) {
		/* What was left for the loop to do comes before it waits. */
		ev_run(rig->loop, EVRUN_NOWAIT);
		if (!holds(rig))
			ev_run(rig->loop, EVRUN_ONCE);
	}
	ev_timer_stop(rig->loop, &limit);
	if (!holds(rig))
		fail_msg("waited in vain for %s", what);
}
#define rig_until(rig, holds) rig_until_((rig), (holds), #holds)

/* Turns the loop until nothing is to be done at once. */
static inline void rig_turn(struct rig *rig)
{
	for (int i = 0; i < 20; i++)
		ev_run(rig->loop, EVRUN_NOWAIT);
}

static inline bool rig_closed(struct rig *rig)
{
	return rig->closed > 0;
}

static inline bool rig_client_ended(struct rig *rig)
{
	return rig->client.eof;
}

static inline bool rig_ready(struct rig *rig)
{
	return rig->ready > 0 && rig->client.size > 0;
}

/* Sends all of `bytes`, turning the loop while the socket is full. */
static inline void rig_send(struct rig *rig, struct rig_client *c,
                            struct spoe_span bytes)
{
	size_t sent = 0;
	unsigned turns = 0;

	while (sent < bytes.size) {
		ssize_t n = send(c->fd, bytes.data + sent, bytes.size - sent,
		                 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0)
			sent += (size_t)n;
		else
			assert_true(errno == EAGAIN && turns++ < 100000);
		if (sent < bytes.size)
			ev_run(rig->loop, EVRUN_NOWAIT);
	}
}

/* --- one connection over a socketpair --- */

static inline void rig_init(struct rig *rig)
{
	*rig = (struct rig){
	    .answer_size = 7,
	    .options = {.session = {.max_frame_size = SPOE_FRAME_MAX},
	                .max_in_flight = 64,
	                .hello_timeout_ms = 10000,
	                .handler = &rig_handler},
	    .client = {.fd = -1},
	};
	rig->loop = ev_loop_new(EVFLAG_AUTO);
	assert_non_null(rig->loop);
	rig->options.cookie = rig;
	rig->buffers.input = malloc(RIG_INPUT_SIZE);
	rig->buffers.input_size = RIG_INPUT_SIZE;
	assert_non_null(rig->buffers.input);
	rig->client.loop = rig->loop;
}

static inline void rig_connect_fds(struct rig *rig, int ours, int theirs,
                                   bool reads)
{
	fcntl(ours, F_SETFL, O_NONBLOCK);
	rig->connection = connection_new(rig->loop, ours, NULL, &rig->options,
	                                 &rig->buffers, &rig->counters);
	assert_non_null(rig->connection);
	rig_client_init(&rig->client, rig->loop, theirs, reads);
}

static inline void rig_connect(struct rig *rig, int type)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, type, 0, fds), 0);
	rig_connect_fds(rig, fds[0], fds[1], true);
}

/* Two ends of a TCP connection over loopback. */
static inline void rig_tcp_pair(int *ret_ours, int *ret_theirs)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	int listening = socket(AF_INET, SOCK_STREAM, 0);

	/* A socket that listens without a name gets any free port. */
	assert_int_equal(listen(listening, 1), 0);
	assert_int_equal(
	    getsockname(listening, (struct sockaddr *)&address, &size), 0);
	*ret_theirs = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(
	    connect(*ret_theirs, (struct sockaddr *)&address, size), 0);
	*ret_ours = accept(listening, NULL, NULL);
	assert_true(*ret_ours >= 0);
	close(listening);
}

static inline void rig_say(struct rig *rig, const struct peer *p)
{
	rig_send(rig, &rig->client, peer_span(p));
}

/* HELLO and its answer. */
static inline void rig_hello(struct rig *rig)
{
	static struct peer p;
	struct rig_frame frame;

	p.size = 0;
	peer_hello(&p);
	rig_say(rig, &p);
	rig_until(rig, rig_ready);
	assert_true(rig_next(&rig->client, &frame));
	assert_int_equal(frame.head.type, SPOE_FRAME_AGENT_HELLO);
}

static inline void rig_fini(struct rig *rig)
{
	if (rig->connection)
		connection_close(rig->connection, CONNECTION_END_DRAIN);
	assert_int_equal(rig->n_waiting, 0);
	assert_int_equal(rig->answered + rig->gone, rig->notified);
	if (rig->tracks)
		assert_int_equal(rig->told + rig->untold, rig->answered);
	rig_client_fini(&rig->client);
	free(rig->buffers.input);
	free(rig->buffers.output);
	ev_loop_destroy(rig->loop);
}

/* The next frame of the client is an AGENT-DISCONNECT with `status`, and the
 * last thing that came. */
static inline void rig_assert_disconnect(struct rig_client *c,
                                         enum spoe_status status)
{
	struct rig_frame frame;

	assert_true(rig_next(c, &frame));
	assert_int_equal(frame.head.type, SPOE_FRAME_AGENT_DISCONNECT);
	assert_int_equal(rig_number(frame.payload, "status-code"), status);
	assert_int_equal(c->at, c->size);
}

/* The next frame is the ACK of these ids. */
static inline void rig_assert_ack(struct rig_client *c, uint64_t stream_id,
                                  uint64_t frame_id)
{
	struct rig_frame frame;

	assert_true(rig_next(c, &frame));
	assert_int_equal(frame.head.type, SPOE_FRAME_ACK);
	assert_int_equal(frame.head.stream_id, stream_id);
	assert_int_equal(frame.head.frame_id, frame_id);
}

#endif
