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

static void append(struct notify_list *list, struct notify *n)
{
	n->next = NULL;
	n->prev = list->last;
	if (list->last)
		list->last->next = n;
	else
		list->first = n;
	list->last = n;
}

static void take_out(struct notify_list *list, struct notify *n)
{
	if (n->prev)
		n->prev->next = n->next;
	else
		list->first = n->next;
	if (n->next)
		n->next->prev = n->prev;
	else
		list->last = n->prev;
}

struct notify *notify_take(struct notify_slots *slots, struct connection *c)
{
	struct notify *n;

	if (!slots->spare && !grow(slots))
		return NULL;
	n = slots->spare;
	slots->spare = n->next;
	*n = (struct notify){.connection = c};
	append(&slots->waiting, n);
	slots->in_flight++;
	return n;
}

static void release(struct notify_slots *slots, struct notify *n)
{
	n->connection = NULL;
	n->next = slots->spare;
	slots->spare = n;
}

static void wait_no_more(struct notify_slots *slots, struct notify *n)
{
	take_out(&slots->waiting, n);
	slots->in_flight--;
}

void notify_release_first(struct notify_slots *slots, struct notify_list *list)
{
	struct notify *n = list->first;

	if (list == &slots->waiting)
		wait_no_more(slots, n);
	else
		take_out(list, n);
	release(slots, n);
}

void notify_slots_written(struct notify_slots *slots)
{
	struct notify *n;

	while ((n = slots->sent.first)) {
		take_out(&slots->sent, n);
		append(&slots->written, n);
	}
}

void notify_slots_fini(struct notify_slots *slots)
{
	assert(!slots->waiting.first && !slots->sent.first &&
	       !slots->written.first);
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

/* Its ACK was sent just now. Not before: with it, what had gathered may have
 * been written. */
static void track(struct connection *c, struct notify *n)
{
	append(&c->slots.sent, n);
	if (c->gathered.size == 0 && c->phase != CONNECTION_BROKEN)
		notify_slots_written(&c->slots);
}

static bool send_ack(struct notify *n, struct spoe_ack *ack, bool tracked)
{
	struct connection *c = n->connection;
	size_t size = spoe_ack_finish(ack);

	assert(c);
	if (size == 0)
		return false;
	wait_no_more(&c->slots, n);
	connection_send(c, spoe_span(ack->writer.data, size));
	if (tracked)
		track(c, n);
	else
		release(&c->slots, n);
	/* Normally nothing follows. Else: told() or gone(), the rest of the ACK
	 * is to be sent, reading may go on, or the last answer of a drain is
	 * out. */
	if (tracked || c->phase != CONNECTION_OPEN || c->unsent.size > 0 ||
	    !transport_reading(&c->transport))
		connection_later(c);
	return true;
}

bool notify_ack_send(struct notify *n, struct spoe_ack *ack)
{
	return send_ack(n, ack, false);
}

bool notify_ack_send_tracked(struct notify *n, struct spoe_ack *ack)
{
	return send_ack(n, ack, true);
}
