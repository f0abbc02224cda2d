#include "agent/net/notify.h"

#include <assert.h>
#include <stdlib.h>

#include "agent/net/connection_private.h"

/* A step in which the memory for NOTIFYs grows: without pipelining one is in
 * flight, with it HAProxy's default is 20. */
enum { CHUNK_SIZE = 4 };

struct notify_chunk {
	struct notify_chunk *next;
	struct notify slots[CHUNK_SIZE];
};

static bool grow(struct notify_slots *slots)
{
	struct notify_chunk *chunk = malloc(sizeof(*chunk));

	if (!chunk)
		return false;
	chunk->next = slots->chunks;
	slots->chunks = chunk;
	for (size_t i = 0; i < CHUNK_SIZE; i++) {
		chunk->slots[i].next = slots->spare;
		slots->spare = &chunk->slots[i];
	}
	return true;
}

struct notify *notify_take(struct notify_slots *slots, struct connection *c)
{
	struct notify *n;

	if (!slots->spare && !grow(slots))
		return NULL;
	n = slots->spare;
	slots->spare = n->next;
	*n = (struct notify){.connection = c, .prev = slots->last};
	if (slots->last)
		slots->last->next = n;
	else
		slots->first = n;
	slots->last = n;
	slots->in_flight++;
	return n;
}

void notify_release(struct notify_slots *slots, struct notify *n)
{
	if (n->prev)
		n->prev->next = n->next;
	else
		slots->first = n->next;
	if (n->next)
		n->next->prev = n->prev;
	else
		slots->last = n->prev;
	slots->in_flight--;
	n->connection = NULL;
	n->next = slots->spare;
	slots->spare = n;
}

void notify_slots_fini(struct notify_slots *slots)
{
	assert(slots->in_flight == 0);
	while (slots->chunks) {
		struct notify_chunk *chunk = slots->chunks;

		slots->chunks = chunk->next;
		free(chunk);
	}
	slots->spare = NULL;
}

/* The shared buffer fits the largest ACK any session so far may send. */
static bool grow_output(struct connection_buffers *buffers, size_t size)
{
	uint8_t *output;

	if (size <= buffers->output_size)
		return true;
	output = realloc(buffers->output, size);
	if (!output)
		return false;
	buffers->output = output;
	buffers->output_size = size;
	return true;
}

void notify_ack_begin(struct notify *n, struct spoe_ack *ret_ack)
{
	struct connection *c = n->connection;
	struct connection_buffers *buffers;

	assert(c); /* else it was answered already */
	buffers = c->buffers;
	if (!grow_output(buffers, spoe_ack_capacity(&c->session)))
		connection_leave(c, CONNECTION_END_MEMORY,
		                 SPOE_STATUS_RESOURCE);
	spoe_ack_begin(ret_ack, &c->session, n->stream_id, n->frame_id,
	               spoe_writer(buffers->output, buffers->output_size));
}

bool notify_ack_send(struct notify *n, struct spoe_ack *ack)
{
	struct connection *c = n->connection;
	size_t size = spoe_ack_finish(ack);

	assert(c);
	if (size == 0)
		return false;
	notify_release(&c->slots, n);
	connection_send(c, spoe_span(ack->writer.data, size));
	/* Normally nothing follows. Else: the rest of the ACK is to be sent,
	 * reading may go on, or the last answer of a drain is out. */
	if (c->phase != CONNECTION_OPEN || c->unsent.size > 0 ||
	    !transport_reading(&c->transport))
		connection_later(c);
	return true;
}
