#include "agent/net/connection.h"

#include <assert.h>
#include <stdlib.h>

#include "agent/net/connection_private.h"

enum {
	/* Reads before the loop's other connections have their turn. */
	READS_MAX = 4,
	/* For a peer to take our last frame, and again to close its side. */
	CLOSING_MS = 2000,
	/* Reads before a drain says DISCONNECT, should there always be more. */
	LAST_LOOKS = 16,
};

const char *connection_end_text(enum connection_end end)
{
	switch (end) {
#define CONNECTION_END(name, text, help) \
	case CONNECTION_END_##name:      \
		return text;
#include "agent/net/connection_end.def"
#undef CONNECTION_END
	}
	return "unknown";
}

/* --- marks: see connection_private.h --- */

void connection_later(struct connection *c)
{
	ev_feed_event(c->transport.loop, &c->later, EV_CUSTOM);
}

static void set_end(struct connection *c, enum connection_end end,
                    enum spoe_status status)
{
	/* The first reason counts. */
	if (c->phase >= CONNECTION_CLOSING)
		return;
	c->end = end;
	c->end_status = status;
}

void connection_leave(struct connection *c, enum connection_end end,
                      enum spoe_status status)
{
	if (c->phase >= CONNECTION_CLOSING)
		return;
	set_end(c, end, status);
	spoe_session_disconnect(&c->session, status);
	c->phase = CONNECTION_CLOSING;
	c->touched = true;
	connection_later(c);
}

void connection_break(struct connection *c, enum connection_end end)
{
	set_end(c, end, SPOE_STATUS_OK);
	/* Never sent; but no ACK can be begun from now on. */
	spoe_session_disconnect(&c->session, SPOE_STATUS_IO);
	c->phase = CONNECTION_BROKEN;
	connection_later(c);
}

void connection_heed(struct connection *c, enum transport_status status)
{
	switch (status) {
	case TRANSPORT_OK:
	case TRANSPORT_AGAIN:
		break;
	case TRANSPORT_EOF:
		connection_break(c, CONNECTION_END_EOF);
		break;
	case TRANSPORT_ERROR:
		connection_break(c, transport_tls_failed(&c->transport)
		                        ? CONNECTION_END_TLS
		                        : CONNECTION_END_IO);
		break;
	}
}

/* --- frames --- */

/* Sends what the session itself has to say. */
static void send_session(struct connection *c)
{
	struct spoe_span output = spoe_session_output(&c->session);

	if (output.size == 0 || c->phase == CONNECTION_BROKEN)
		return;
	connection_send(c, output);
	connection_send_gathered(c);
	spoe_session_output_taken(&c->session);
}

static bool takes_frames(const struct connection *c)
{
	return c->phase == CONNECTION_OPEN || c->phase == CONNECTION_DRAINING;
}

static void take_ready(struct connection *c)
{
	send_session(c);
	if (!takes_frames(c))
		return;
	c->was_ready = true;
	c->options->handler->ready(c->options->cookie, c);
}

static void take_notify(struct connection *c, const struct spoe_event *event)
{
	struct notify *n = notify_take(&c->slots, c);

	if (!n) {
		connection_leave(c, CONNECTION_END_MEMORY,
		                 SPOE_STATUS_RESOURCE);
		return;
	}
	n->stream_id = event->notify.stream_id;
	n->frame_id = event->notify.frame_id;
	c->options->handler->notify(c->options->cookie, n,
	                            event->notify.payload);
}

static void take_close(struct connection *c, const struct spoe_event *event)
{
	enum connection_end end = CONNECTION_END_PROTOCOL;

	if (event->close.healthcheck)
		end = CONNECTION_END_HEALTHCHECK;
	else if (event->close.by_peer)
		end = CONNECTION_END_PEER;
	connection_leave(c, end, event->close.status);
}

static void take_event(struct connection *c, const struct spoe_event *event)
{
	counter_add(&c->counters->frames_in, 1);
	switch (event->type) {
	case SPOE_EVENT_NONE:
		break;
	case SPOE_EVENT_READY:
		take_ready(c);
		break;
	case SPOE_EVENT_NOTIFY:
		take_notify(c, event);
		break;
	case SPOE_EVENT_IGNORED:
		counter_add(&c->counters->frames_ignored, 1);
		break;
	case SPOE_EVENT_CLOSE:
		take_close(c, event);
		break;
	}
}

/* A peer that does not read its answers gets no more of them. */
static bool may_take(const struct connection *c)
{
	return takes_frames(c) && c->unsent.size == 0 &&
	       c->slots.in_flight < c->options->max_in_flight;
}

/* Takes the frames that `in` holds, as far as may be; returns the bytes
 * consumed. */
static size_t take_frames(struct connection *c, struct spoe_span in)
{
	size_t used = 0;

	c->in_call_back = true;
	while (may_take(c)) {
		struct spoe_event event;

		used += spoe_session_feed(
		    &c->session, spoe_span(in.data + used, in.size - used),
		    &event);
		if (event.type == SPOE_EVENT_NONE)
			break;
		take_event(c, &event);
	}
	c->in_call_back = false;
	return used;
}

/* --- input --- */

static void take_scratch(struct connection *c, size_t size)
{
	const uint8_t *input = c->buffers->input;
	size_t used = take_frames(c, spoe_span(input, size));

	if (takes_frames(c) &&
	    !bytes_append(&c->kept, spoe_span(input + used, size - used)))
		connection_leave(c, CONNECTION_END_MEMORY,
		                 SPOE_STATUS_RESOURCE);
}

static void take_kept(struct connection *c)
{
	if (c->kept.size > 0)
		bytes_consume(&c->kept, take_frames(c, bytes_span(&c->kept)));
}

/* Where the next bytes go: normally into the shared buffer; behind a frame
 * that is incomplete, up to its end. NULL when out of memory. */
static uint8_t *input_room(struct connection *c, size_t *ret_size)
{
	uint8_t *room;
	size_t wanted;

	if (c->kept.size == 0) {
		*ret_size = c->buffers->input_size;
		return c->buffers->input;
	}
	room = bytes_room(&c->kept, ret_size);
	wanted = spoe_session_wanted(&c->session, bytes_span(&c->kept));
	assert(wanted > c->kept.size);
	if (*ret_size > wanted - c->kept.size)
		*ret_size = wanted - c->kept.size;
	return room;
}

/* One read; 0 when there is nothing, or the connection ended. */
static size_t read_into(struct connection *c, uint8_t *into, size_t room)
{
	size_t size = 0;

	connection_heed(c, transport_read(&c->transport, into, room, &size));
	counter_add(&c->counters->bytes_in, size);
	return size;
}

static bool may_read(const struct connection *c)
{
	if (c->phase == CONNECTION_LINGERING)
		return true;
	/* Bytes that are kept while a slot is free are half a frame. */
	return c->phase == CONNECTION_OPEN && c->unsent.size == 0 &&
	       (c->kept.size == 0 ||
	        c->slots.in_flight < c->options->max_in_flight);
}

/* One read; true when there was something. *ret_more: probably more. */
static bool read_once(struct connection *c, bool *ret_more)
{
	size_t room = 0;
	size_t size;
	uint8_t *into = input_room(c, &room);

	*ret_more = false;
	if (!into) {
		connection_leave(c, CONNECTION_END_MEMORY,
		                 SPOE_STATUS_RESOURCE);
		return false;
	}
	size = read_into(c, into, room);
	if (size == 0)
		return false;
	/* The time for HELLO runs on, whatever comes before it. */
	if (c->session.state != SPOE_SESSION_CONNECTING)
		c->touched = true;
	if (c->kept.size == 0) {
		take_scratch(c, size);
	} else {
		bytes_added(&c->kept, size);
		take_kept(c);
	}
	*ret_more = size == room;
	return true;
}

/* What still comes while we linger is of no use; its end is. */
static bool drop_once(struct connection *c)
{
	return read_into(c, c->buffers->input, c->buffers->input_size) > 0;
}

/* --- life --- */

static void release_all(struct connection *c, struct notify_list *list,
                        void (*report)(void *cookie, struct notify *n))
{
	c->in_call_back = true;
	while (list->first) {
		report(c->options->cookie, list->first);
		notify_release_first(&c->slots, list);
	}
	c->in_call_back = false;
}

static void release_waiting(struct connection *c)
{
	release_all(c, &c->slots.waiting, c->options->handler->gone);
}

static void release_written(struct connection *c)
{
	release_all(c, &c->slots.written, c->options->handler->told);
}

static void finish(struct connection *c)
{
	release_written(c);
	release_all(c, &c->slots.sent, c->options->handler->gone);
	release_waiting(c);
	c->in_call_back = true;
	c->options->handler->closed(c->options->cookie, c, c->end,
	                            c->end_status);
	ev_clear_pending(c->transport.loop, &c->later);
	transport_fini(&c->transport);
	bytes_clear(&c->kept);
	bytes_clear(&c->gathered);
	bytes_clear(&c->unsent);
	notify_slots_fini(&c->slots);
	free(c);
}

static bool is_drained(const struct connection *c)
{
	return c->phase == CONNECTION_DRAINING && c->slots.in_flight == 0;
}

/* HAProxy sends on until it sees our DISCONNECT, and what it sent by then is
 * lost with the connection: take what is there already, a few times. */
static void drain(struct connection *c)
{
	bool more = true;

	while (more && is_drained(c) && may_take(c) && c->last_looks > 0) {
		bool filled;

		c->last_looks--;
		take_kept(c);
		more = is_drained(c) && may_take(c) && read_once(c, &filled);
	}
	if (is_drained(c))
		connection_leave(c, CONNECTION_END_DRAIN, SPOE_STATUS_OK);
}

static void go_on_closing(struct connection *c)
{
	send_session(c);
	release_waiting(c);
	bytes_clear(&c->kept);
	if (c->phase != CONNECTION_CLOSING || c->unsent.size > 0)
		return;
	transport_shut(&c->transport);
	c->phase = CONNECTION_LINGERING;
	c->touched = true;
}

static void update_watch(struct connection *c)
{
	bool read = may_read(c);

	if (c->phase == CONNECTION_OPEN && !read &&
	    transport_reading(&c->transport))
		counter_add(&c->counters->pauses, 1);
	transport_watch(&c->transport, read, c->unsent.size > 0);
}

/* Does what follows from where the connection is now: every call-back of the
 * loop ends here. May free it. */
static void settle(struct connection *c)
{
	ev_clear_pending(c->transport.loop, &c->later);
	connection_send_gathered(c);
	release_written(c);
	if (c->phase == CONNECTION_OPEN)
		take_kept(c);
	if (c->phase == CONNECTION_DRAINING)
		drain(c);
	if (c->phase == CONNECTION_CLOSING)
		go_on_closing(c);
	if (c->phase == CONNECTION_BROKEN) {
		finish(c);
		return;
	}
	update_watch(c);
}

/* The transport is the first field. */
static struct connection *connection_of(struct transport *t)
{
	return (struct connection *)(void *)t;
}

static void on_readable(struct transport *t)
{
	struct connection *c = connection_of(t);
	bool more = true;

	for (int reads = 0; more && reads < READS_MAX && may_read(c); reads++) {
		if (c->phase == CONNECTION_LINGERING)
			more = drop_once(c);
		else
			read_once(c, &more);
	}
	settle(c);
}

static void on_writable(struct transport *t)
{
	struct connection *c = connection_of(t);

	connection_flush(c);
	settle(c);
}

static void on_later(struct ev_loop *loop, ev_watcher *watcher, int revents)
{
	struct connection *c = watcher->data;

	(void)loop;
	(void)revents;
	settle(c);
}

struct connection *connection_new(struct ev_loop *loop, int fd, struct tls *tls,
                                  const struct connection_options *options,
                                  struct connection_buffers *buffers,
                                  struct connection_counters *counters)
{
	struct connection *c;

	assert(options->max_in_flight > 0);
	assert(buffers->input_size > 0);
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	transport_init(&c->transport, loop, fd, on_readable, on_writable);
	if (tls && !transport_secure(&c->transport, tls, NULL)) {
		free(c);
		return NULL;
	}
	if (tls)
		address_of_peer(fd, &c->peer);
	c->local = transport_is_local(&c->transport);
	ev_init(&c->later, on_later);
	c->later.data = c;
	spoe_session_init(&c->session, &options->session);
	c->options = options;
	c->buffers = buffers;
	c->counters = counters;
	c->touched = true;
	c->last_looks = LAST_LOOKS;
	transport_watch(&c->transport, true, false);
	return c;
}

void connection_close(struct connection *c, enum connection_end end)
{
	assert(!c->in_call_back);
	connection_send_gathered(c);
	set_end(c, end, SPOE_STATUS_OK);
	finish(c);
}

void connection_drain(struct connection *c)
{
	if (c->phase != CONNECTION_OPEN)
		return;
	c->phase = CONNECTION_DRAINING;
	connection_later(c);
}

/* How long it may stay as it is; 0: for ever. */
static uint64_t time_limit(const struct connection *c)
{
	switch (c->phase) {
	case CONNECTION_OPEN:
		if (c->session.state == SPOE_SESSION_CONNECTING)
			return c->options->hello_timeout_ms;
		return c->slots.in_flight == 0 ? c->options->idle_timeout_ms
		                               : 0;
	case CONNECTION_CLOSING:
	case CONNECTION_LINGERING:
		return CLOSING_MS;
	case CONNECTION_DRAINING: /* answers are on their way */
	case CONNECTION_BROKEN:   /* the loop is about to free it */
		return 0;
	}
	return 0;
}

void connection_tick(struct connection *c, uint64_t monotonic_ms)
{
	uint64_t limit = time_limit(c);

	if (c->touched) {
		c->touched = false;
		c->quiet_since_ms = monotonic_ms;
		return;
	}
	if (limit == 0 || monotonic_ms - c->quiet_since_ms < limit)
		return;
	if (c->phase != CONNECTION_OPEN)
		connection_break(c, c->end);
	else if (c->session.state == SPOE_SESSION_CONNECTING)
		connection_leave(c, CONNECTION_END_HELLO, SPOE_STATUS_TIMEOUT);
	else
		connection_leave(c, CONNECTION_END_IDLE, SPOE_STATUS_TIMEOUT);
	settle(c);
}

const struct spoe_session *connection_session(const struct connection *c)
{
	return &c->session;
}

bool connection_was_ready(const struct connection *c)
{
	return c->was_ready;
}

size_t connection_in_flight(const struct connection *c)
{
	return c->slots.in_flight;
}

const char *connection_failure(const struct connection *c)
{
	return transport_failure(&c->transport);
}

void connection_peer(const struct connection *c, char *ret_text, size_t size)
{
	address_format(&c->peer, ret_text, size);
}

bool connection_crowded(const struct connection *c)
{
	const size_t max = c->options->max_in_flight;

	return c->session.pipelining &&
	       c->slots.in_flight > max - (max + 3) / 4;
}
