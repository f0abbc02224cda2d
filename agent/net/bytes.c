#include "agent/net/bytes.h"

#include <assert.h>
#include <stdlib.h>

enum { CAPACITY_MIN = 512 };

bool bytes_reserve(struct bytes *b, size_t more)
{
	size_t capacity = b->capacity ? b->capacity : CAPACITY_MIN / 2;
	uint8_t *data;

	if (more <= b->capacity - b->at - b->size)
		return true;
	/* Moving costs no more than what was consumed since the last time. */
	if (b->at >= b->size && more <= b->capacity - b->size) {
		memmove(b->data, b->data + b->at, b->size);
		b->at = 0;
		return true;
	}
	do {
		if (capacity > SIZE_MAX / 2)
			return false;
		capacity *= 2;
	} while (capacity - b->size < more);
	data = malloc(capacity);
	if (!data)
		return false;
	if (b->size > 0)
		memcpy(data, b->data + b->at, b->size);
	free(b->data);
	b->data = data;
	b->at = 0;
	b->capacity = capacity;
	return true;
}

bool bytes_append(struct bytes *b, struct spoe_span more)
{
	if (more.size == 0)
		return true;
	if (!bytes_reserve(b, more.size))
		return false;
	memcpy(b->data + b->at + b->size, more.data, more.size);
	b->size += more.size;
	return true;
}

uint8_t *bytes_room(struct bytes *b, size_t *ret_size)
{
	if (!bytes_reserve(b, 1))
		return NULL;
	*ret_size = b->capacity - b->at - b->size;
	return b->data + b->at + b->size;
}

void bytes_added(struct bytes *b, size_t size)
{
	assert(size <= b->capacity - b->at - b->size);
	b->size += size;
}

void bytes_consume(struct bytes *b, size_t size)
{
	assert(size <= b->size);
	b->at += size;
	b->size -= size;
	if (b->size == 0)
		bytes_clear(b);
}

void bytes_clear(struct bytes *b)
{
	free(b->data);
	*b = (struct bytes){.data = NULL};
}
