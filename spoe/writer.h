/* spoe/writer.h: a bounded cursor over a buffer of the caller's.
 *
 * Every function either writes the whole item and returns true, or returns
 * false and leaves the buffer's used part as it was: a full buffer never holds
 * half an item. */
#ifndef SPOE_WRITER_H
#define SPOE_WRITER_H

#include <endian.h>

#include "spoe/span.h"

struct spoe_writer {
	uint8_t *data;   /* the caller's buffer */
	size_t capacity; /* bytes in the buffer */
	size_t size;     /* bytes written so far */
};

static inline struct spoe_writer spoe_writer(void *data, size_t capacity)
{
	return (struct spoe_writer){.data = data, .capacity = capacity};
}

/* What items are made of is here to be inlined: an ACK and a record have a few
 * dozen each. */
/* `size` bytes, at least one. */
static inline bool spoe_writer_copy(struct spoe_writer *w, const void *bytes,
                                    size_t size)
{
	if (size > w->capacity - w->size)
		return false;
	memcpy(w->data + w->size, bytes, size);
	w->size += size;
	return true;
}

/* The same of a span, which may be empty. */
static inline bool spoe_writer_bytes(struct spoe_writer *w,
                                     struct spoe_span bytes)
{
	/* Neither side needs to point at anything then. */
	return bytes.size == 0 || spoe_writer_copy(w, bytes.data, bytes.size);
}

static inline bool spoe_writer_u8(struct spoe_writer *w, uint8_t value)
{
	return spoe_writer_copy(w, &value, sizeof(value));
}

/* Big-endian, as everywhere on the wire and in the record. */
static inline bool spoe_writer_u16(struct spoe_writer *w, uint16_t value)
{
	const uint16_t wire = htobe16(value);

	return spoe_writer_copy(w, &wire, sizeof(wire));
}

static inline bool spoe_writer_u32(struct spoe_writer *w, uint32_t value)
{
	const uint32_t wire = htobe32(value);

	return spoe_writer_copy(w, &wire, sizeof(wire));
}

static inline bool spoe_writer_u64(struct spoe_writer *w, uint64_t value)
{
	const uint64_t wire = htobe64(value);

	return spoe_writer_copy(w, &wire, sizeof(wire));
}

/* Bytes that spoe_writer_varint() writes for `value`: 1 to SPOE_VARINT_MAX. */
size_t spoe_writer_varint_size(uint64_t value);

/* A varint of two bytes or more. */
bool spoe_writer_long_varint(struct spoe_writer *w, uint64_t value);

static inline bool spoe_writer_varint(struct spoe_writer *w, uint64_t value)
{
	if (value < 0xf0)
		return spoe_writer_u8(w, (uint8_t)value);
	return spoe_writer_long_varint(w, value);
}

/* A varint length, then the bytes (SPOE specification 3.1, STRING). */
static inline bool spoe_writer_string(struct spoe_writer *w,
                                      struct spoe_span string)
{
	const size_t size = w->size;

	if (spoe_writer_varint(w, string.size) && spoe_writer_bytes(w, string))
		return true;
	w->size = size;
	return false;
}

#endif
