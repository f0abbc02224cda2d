#include "agent/net/listener.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* How long to rest when the process or the machine is out of descriptors or
 * memory: the backlog would make the socket readable all the time. */
static const double REST_S = 0.1;

struct listener {
	struct ev_loop *loop;
	int fd;
	ev_io reader;
	ev_timer rest;
	const struct listener_handler *handler;
	void *cookie;
	bool paused; /* by the owner */
};

static bool may_accept(struct listener *l)
{
	return !l->paused && !ev_is_active(&l->rest);
}

static void update_watch(struct listener *l)
{
	if (may_accept(l))
		ev_io_start(l->loop, &l->reader);
	else
		ev_io_stop(l->loop, &l->reader);
}

/* A connection that broke before we came to it is not the listener's trouble
 * (accept(2): "treat them like EAGAIN by retrying"). */
static bool is_peer_error(int error)
{
	switch (error) {
	case EINTR:
	case ECONNABORTED:
	case EPROTO:
	case ETIMEDOUT:
	case ENETDOWN:
	case ENETUNREACH:
	case EHOSTDOWN:
	case EHOSTUNREACH:
		return true;
	default:
		return false;
	}
}

static void take_rest(struct listener *l, int error)
{
	ev_timer_set(&l->rest, REST_S, 0.);
	ev_timer_start(l->loop, &l->rest);
	update_watch(l);
	l->handler->failed(l->cookie, error);
}

static void on_readable(struct ev_loop *loop, ev_io *watcher, int revents)
{
	struct listener *l = watcher->data;

	(void)loop;
	(void)revents;
	/* All of them: on a reload HAProxy's connections come at once. */
	while (may_accept(l)) {
		int fd =
		    accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0)
			l->handler->accepted(l->cookie, fd);
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			break;
		else if (!is_peer_error(errno))
			take_rest(l, errno);
	}
}

static void on_rested(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct listener *l = timer->data;

	(void)loop;
	(void)revents;
	update_watch(l);
}

struct listener *listener_new(struct ev_loop *loop, int fd,
                              const struct listener_handler *handler,
                              void *cookie)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	/* One that systemd hands over may block. */
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	l->loop = loop;
	l->fd = fd;
	l->handler = handler;
	l->cookie = cookie;
	ev_io_init(&l->reader, on_readable, fd, EV_READ);
	l->reader.data = l;
	ev_timer_init(&l->rest, on_rested, REST_S, 0.);
	l->rest.data = l;
	update_watch(l);
	return l;
}

void listener_pause(struct listener *l, bool paused)
{
	l->paused = paused;
	update_watch(l);
}

void listener_free(struct listener *l)
{
	if (!l)
		return;
	ev_io_stop(l->loop, &l->reader);
	ev_timer_stop(l->loop, &l->rest);
	close(l->fd);
	free(l);
}
