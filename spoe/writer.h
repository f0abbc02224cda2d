/* spoe/writer.h: a bounded cursor over a buffer of the caller's.
 *
 * Every function either writes the whole item and returns true, or returns
 * false and leaves the buffer's used part as it was: a full buffer never holds
 * half an item. */
#ifndef SPOE_WRITER_H
#define SPOE_WRITER_H

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

bool spoe_writer_u8(struct spoe_writer *w, uint8_t value);
bool spoe_writer_u16(struct spoe_writer *w, uint16_t value);
bool spoe_writer_u32(struct spoe_writer *w, uint32_t value);
bool spoe_writer_u64(struct spoe_writer *w, uint64_t value);
bool spoe_writer_varint(struct spoe_writer *w, uint64_t value);
bool spoe_writer_bytes(struct spoe_writer *w, struct spoe_span bytes);
bool spoe_writer_string(struct spoe_writer *w, struct spoe_span string);

/* Bytes that spoe_writer_varint() writes for `value`: 1 to SPOE_VARINT_MAX. */
size_t spoe_writer_varint_size(uint64_t value);

#endif
