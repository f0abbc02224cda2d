/* agent/net/bytes.h: a queue of bytes that grows with what is in it and owns
 * no memory while it is empty. All zero is an empty one. */
#ifndef AGENT_NET_BYTES_H
#define AGENT_NET_BYTES_H

#include "spoe/span.h"

struct bytes {
	uint8_t *data;
	size_t at;   /* where the first byte is */
	size_t size; /* bytes in the queue */
	size_t capacity;
};

/* What is in it, from the front; borrowed until the next change. */
static inline struct spoe_span bytes_span(const struct bytes *b)
{
	return spoe_span(b->data ? b->data + b->at : NULL, b->size);
}

/* Makes room for `more` bytes behind the last one; false when out of memory. */
bool bytes_reserve(struct bytes *b, size_t more);

/* Adds a copy of `more`; false, and nothing added, when out of memory. */
bool bytes_append(struct bytes *b, struct spoe_span more);

/* Makes room for at least one byte more, doubling the memory when it is full.
 * Returns where to write, and in *ret_size how much fits; bytes_added() says
 * how much was written. NULL when out of memory. */
uint8_t *bytes_room(struct bytes *b, size_t *ret_size);
void bytes_added(struct bytes *b, size_t size);

/* Removes `size` bytes from the front. */
void bytes_consume(struct bytes *b, size_t size);

void bytes_clear(struct bytes *b);

#endif
