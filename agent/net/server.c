#include "agent/net/server.h"

#include <stdlib.h>
#include <unistd.h>

#include "agent/net/connection_private.h"

enum {
	/* What one read takes at most: some frames of HAProxy's usual size. */
	INPUT_SIZE = 64 << 10,
	/* How often time-outs are looked at: often enough for the shortest to
	 * be late by half of it, seldom enough to cost nothing. */
	TICK_MS_MIN = 10,
	TICK_MS_MAX = 500,
};

struct server {
	struct ev_loop *loop;
	struct connection_options options; /* their handler is ours */
	const struct connection_handler *handler;
	void *cookie;
	struct connection_buffers buffers;
	struct connection_counters counters;
	struct connection *first;
	size_t n_connections;
	bool draining;
	/* Runs while there is a connection. It is the connections' clock, too:
	 * a loop that hung has not watched its peers, so its time does not
	 * count. */
	ev_timer tick;
	uint64_t tick_ms;
	uint64_t now_ms;
};

/* --- what connections call --- */

static void on_notify(void *cookie, struct notify *n, struct spoe_span payload)
{
	struct server *s = cookie;

	s->handler->notify(s->cookie, n, payload);
}

static void on_gone(void *cookie, struct notify *n)
{
	struct server *s = cookie;

	s->handler->gone(s->cookie, n);
}

static void on_told(void *cookie, struct notify *n)
{
	struct server *s = cookie;

	s->handler->told(s->cookie, n);
}

static void on_ready(void *cookie, const struct connection *c)
{
	struct server *s = cookie;

	s->handler->ready(s->cookie, c);
}

static void on_closed(void *cookie, struct connection *c,
                      enum connection_end end, enum spoe_status status)
{
	struct server *s = cookie;

	if (c->prev)
		c->prev->next = c->next;
	else
		s->first = c->next;
	if (c->next)
		c->next->prev = c->prev;
	s->n_connections--;
	if (s->n_connections == 0)
		ev_timer_stop(s->loop, &s->tick);
	s->handler->closed(s->cookie, c, end, status);
}

static const struct connection_handler handler = {
    .notify = on_notify,
    .gone = on_gone,
    .told = on_told,
    .ready = on_ready,
    .closed = on_closed,
};

/* --- the server --- */

static void on_tick(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct server *s = timer->data;
	struct connection *next;

	(void)loop;
	(void)revents;
	s->now_ms += s->tick_ms;
	for (struct connection *c = s->first; c; c = next) {
		next = c->next;
		connection_tick(c, s->now_ms);
	}
}

static uint64_t shorter(uint64_t interval_ms, uint64_t timeout_ms)
{
	uint64_t wanted_ms = timeout_ms / 4;

	if (timeout_ms == 0 || wanted_ms > interval_ms)
		return interval_ms;
	return wanted_ms < TICK_MS_MIN ? TICK_MS_MIN : wanted_ms;
}

struct server *server_new(struct ev_loop *loop,
                          const struct connection_options *options)
{
	struct server *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->buffers.input = malloc(INPUT_SIZE);
	if (!s->buffers.input) {
		free(s);
		return NULL;
	}
	s->buffers.input_size = INPUT_SIZE;
	s->loop = loop;
	s->options = *options;
	s->options.handler = &handler;
	s->options.cookie = s;
	s->handler = options->handler;
	s->cookie = options->cookie;
	s->tick_ms = shorter(shorter(TICK_MS_MAX, options->hello_timeout_ms),
	                     options->idle_timeout_ms);
	ev_timer_init(&s->tick, on_tick, 0., (double)s->tick_ms / 1e3);
	s->tick.data = s;
	return s;
}

void server_free(struct server *s)
{
	if (!s)
		return;
	while (s->first)
		connection_close(s->first, CONNECTION_END_DRAIN);
	ev_timer_stop(s->loop, &s->tick);
	free(s->buffers.input);
	free(s->buffers.output);
	free(s);
}

bool server_adopt(struct server *s, int fd, struct tls *tls)
{
	struct connection *c = connection_new(s->loop, fd, tls, &s->options,
	                                      &s->buffers, &s->counters);

	if (!c) {
		close(fd);
		return false;
	}
	c->next = s->first;
	if (s->first)
		s->first->prev = c;
	s->first = c;
	s->n_connections++;
	if (!ev_is_active(&s->tick))
		ev_timer_again(s->loop, &s->tick);
	if (s->draining)
		connection_drain(c);
	return true;
}

void server_drain(struct server *s)
{
	s->draining = true;
	for (struct connection *c = s->first; c; c = c->next)
		connection_drain(c);
}

size_t server_connections(const struct server *s)
{
	return s->n_connections;
}

size_t server_in_flight(const struct server *s)
{
	size_t in_flight = 0;

	for (const struct connection *c = s->first; c; c = c->next)
		in_flight += connection_in_flight(c);
	return in_flight;
}

const struct connection_counters *server_counters(const struct server *s)
{
	return &s->counters;
}
