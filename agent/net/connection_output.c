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

void connection_send(struct connection *c, struct spoe_span frame)
{
	size_t written = 0;

	counter_add(&c->counters->frames_out, 1);
	if (c->unsent.size == 0)
		written = write_once(c, frame);
	if (written == frame.size || c->phase == CONNECTION_BROKEN)
		return;
	/* Half a frame is out: without memory for its rest no DISCONNECT can
	 * follow either. */
	if (!bytes_append(&c->unsent, spoe_span(frame.data + written,
	                                        frame.size - written)))
		connection_break(c, CONNECTION_END_MEMORY);
}

void connection_flush(struct connection *c)
{
	bytes_consume(&c->unsent, write_once(c, bytes_span(&c->unsent)));
}
