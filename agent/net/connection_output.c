#include "agent/net/connection_private.h"

/* One write; returns the bytes that went. */
static size_t write_once(struct connection *c, struct spoe_span bytes)
{
	size_t written = 0;

	connection_heed(c, transport_write(&c->transport, bytes, &written));
	counter_add(&c->counters->bytes_out, written);
	if (written > 0)
		c->touched = true;
	return written;
}

/* One write, unless others wait for theirs. */
static void write_frames(struct connection *c, struct spoe_span frames)
{
	size_t written = 0;

	if (c->phase == CONNECTION_BROKEN)
		return;
	if (c->unsent.size == 0)
		written = write_once(c, frames);
	if (c->phase == CONNECTION_BROKEN)
		return;
	notify_slots_written(&c->slots);
	/* Half a frame is out: without memory for its rest no DISCONNECT can
	 * follow either. */
	if (!bytes_append(&c->unsent, spoe_span(frames.data + written,
	                                        frames.size - written)))
		connection_break(c, CONNECTION_END_MEMORY);
}

void connection_send_gathered(struct connection *c)
{
	struct bytes frames = c->gathered;

	c->gathered = (struct bytes){.data = NULL};
	if (frames.size > 0)
		write_frames(c, bytes_span(&frames));
	bytes_clear(&frames);
}

static bool gather(struct connection *c, struct spoe_span frame)
{
	const size_t max =
	    c->local ? c->options->gather_local : c->options->gather_packet;

	if (c->gathered.size + frame.size > max)
		connection_send_gathered(c);
	return frame.size <= max &&
	       bytes_reserve(&c->gathered, max - c->gathered.size) &&
	       bytes_append(&c->gathered, frame);
}

/* Before the loop looks at the connection. */
static bool more_may_follow(const struct connection *c)
{
	return c->slots.in_flight > 0 || c->in_call_back;
}

void connection_send(struct connection *c, struct spoe_span frame)
{
	const bool more = more_may_follow(c);

	counter_add(&c->counters->frames_out, 1);
	if ((more || c->gathered.size > 0) && gather(c, frame)) {
		if (more)
			connection_later(c);
		else
			connection_send_gathered(c);
		return;
	}
	/* Too large, or no memory, or nobody to go with. */
	connection_send_gathered(c);
	write_frames(c, frame);
}

void connection_flush(struct connection *c)
{
	bytes_consume(&c->unsent, write_once(c, bytes_span(&c->unsent)));
}
