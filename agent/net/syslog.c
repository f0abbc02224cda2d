#include "agent/net/syslog.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/net/listener.h"

enum { BATCH = 32, READ_SIZE = 16 << 10 };

/* Where datagrams are read to. */
struct batch {
	struct mmsghdr messages[BATCH];
	struct iovec places[BATCH];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(uint32_t))];
	} controls[BATCH];
	uint8_t lines[BATCH][SYSLOG_LINE_MAX];
};

/* One TCP connection. */
struct stream {
	struct syslog *syslog;
	struct stream *next;
	struct stream *prev;
	int fd;
	ev_io reader;
	struct syslog_framer framer;
};

struct syslog {
	struct ev_loop *loop;
	const struct syslog_handler *handler;
	void *cookie;
	/* datagrams */
	int fd; /* -1: streams */
	ev_io reader;
	struct batch *batch;
	uint32_t dropped; /* as the kernel counts */
	/* streams */
	struct listener *listener;
	struct stream *streams;
	size_t n_streams;
};

/* --- datagrams ---------------------------------------------------------- */

/* The kernel tells with each datagram how many it dropped since the socket was
 * opened. */
static void note_dropped(struct syslog *s, struct msghdr *message)
{
	struct cmsghdr *c;
	uint32_t dropped;

	for (c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL)
			continue;
		memcpy(&dropped, CMSG_DATA(c), sizeof(dropped));
		if (dropped == s->dropped)
			continue;
		s->handler->dropped(s->cookie, dropped - s->dropped);
		s->dropped = dropped;
	}
}

static void reset_batch(struct batch *b)
{
	for (size_t i = 0; i < BATCH; i++) {
		b->places[i] = (struct iovec){.iov_base = b->lines[i],
		                              .iov_len = SYSLOG_LINE_MAX};
		b->messages[i].msg_hdr = (struct msghdr){
		    .msg_iov = &b->places[i],
		    .msg_iovlen = 1,
		    .msg_control = b->controls[i].bytes,
		    .msg_controllen = sizeof(b->controls[i].bytes),
		};
	}
}

/* Up to a batch of datagrams; how many there were. */
static size_t read_batch(struct syslog *s)
{
	struct batch *b = s->batch;
	int n;

	reset_batch(b);
	n = recvmmsg(s->fd, b->messages, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		note_dropped(s, &b->messages[i].msg_hdr);
		if (b->messages[i].msg_len > 0)
			s->handler->line(
			    s->cookie,
			    spoe_span(b->lines[i], b->messages[i].msg_len));
	}
	return n > 0 ? (size_t)n : 0;
}

static void on_datagrams(struct ev_loop *loop, ev_io *watcher, int revents)
{
	struct syslog *s = watcher->data;
	size_t taken = 0;
	size_t n;

	(void)loop;
	(void)revents;
	do {
		n = read_batch(s);
		taken += n;
	} while (n == BATCH && taken < SYSLOG_TURN_DATAGRAMS);
}

static bool start_datagrams(struct syslog *s, int fd)
{
	const int size = SYSLOG_BUFFER_SIZE;
	const int on = 1;

	s->batch = malloc(sizeof(*s->batch));
	if (!s->batch)
		return false;
	s->fd = fd;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
	ev_io_init(&s->reader, on_datagrams, fd, EV_READ);
	s->reader.data = s;
	ev_io_start(s->loop, &s->reader);
	return true;
}

/* --- streams ------------------------------------------------------------ */

static void stream_free(struct stream *t)
{
	struct syslog *s = t->syslog;

	if (t->prev)
		t->prev->next = t->next;
	else
		s->streams = t->next;
	if (t->next)
		t->next->prev = t->prev;
	s->n_streams--;
	ev_io_stop(s->loop, &t->reader);
	close(t->fd);
	free(t);
}

static void take(struct stream *t, struct spoe_span bytes)
{
	struct syslog *s = t->syslog;
	struct spoe_span line;

	while (syslog_framer_next(&t->framer, &bytes, &line))
		s->handler->line(s->cookie, line);
}

static void on_bytes(struct ev_loop *loop, ev_io *watcher, int revents)
{
	struct stream *t = watcher->data;
	uint8_t bytes[READ_SIZE];
	size_t taken = 0;

	(void)loop;
	(void)revents;
	while (taken < SYSLOG_TURN_BYTES) {
		ssize_t n = recv(t->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			/* A line without its end is cut off. */
			stream_free(t);
			return;
		}
		take(t, spoe_span(bytes, (size_t)n));
		taken += (size_t)n;
	}
}

static void on_accepted(void *cookie, int fd)
{
	struct syslog *s = cookie;
	const int on = 1;
	struct stream *t = NULL;

	if (s->n_streams < SYSLOG_STREAMS_MAX)
		t = malloc(sizeof(*t));
	if (!t) {
		close(fd);
		return;
	}
	/* A peer that is no more must not keep its place. */
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	t->syslog = s;
	t->fd = fd;
	t->prev = NULL;
	t->next = s->streams;
	if (t->next)
		t->next->prev = t;
	s->streams = t;
	s->n_streams++;
	syslog_framer_init(&t->framer);
	ev_io_init(&t->reader, on_bytes, fd, EV_READ);
	t->reader.data = t;
	ev_io_start(s->loop, &t->reader);
}

static void on_accept_failed(void *cookie, int error)
{
	/* HAProxy tries again, and the listener rests meanwhile. */
	(void)cookie;
	(void)error;
}

static const struct listener_handler stream_handler = {
    .accepted = on_accepted,
    .failed = on_accept_failed,
};

/* --- both --------------------------------------------------------------- */

struct syslog *syslog_new(struct ev_loop *loop, int fd,
                          const struct syslog_handler *handler, void *cookie)
{
	struct syslog *s = calloc(1, sizeof(*s));
	int type = 0;
	socklen_t size = sizeof(type);
	bool started;

	if (!s)
		return NULL;
	s->loop = loop;
	s->handler = handler;
	s->cookie = cookie;
	s->fd = -1;
	getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size);
	if (type == SOCK_DGRAM) {
		started = start_datagrams(s, fd);
	} else {
		s->listener = listener_new(loop, fd, &stream_handler, s);
		started = s->listener != NULL;
	}
	if (started)
		return s;
	free(s);
	return NULL;
}

void syslog_free(struct syslog *s)
{
	struct stream *next;

	if (!s)
		return;
	for (struct stream *t = s->streams; t; t = next) {
		next = t->next;
		stream_free(t);
	}
	listener_free(s->listener);
	if (s->fd >= 0) {
		ev_io_stop(s->loop, &s->reader);
		close(s->fd);
	}
	free(s->batch);
	free(s);
}
