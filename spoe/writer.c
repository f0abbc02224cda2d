#include "spoe/writer.h"

/* Room for `size` more bytes, counted as written, or NULL. */
static inline uint8_t *reserve(struct spoe_writer *w, size_t size)
{
	uint8_t *at;

	if (size > w->capacity - w->size)
		return NULL;
	at = w->data + w->size;
	w->size += size;
	return at;
}

static inline bool big_endian(struct spoe_writer *w, size_t size,
                              uint64_t value)
{
	uint8_t *at = reserve(w, size);

	if (at == NULL)
		return false;
	for (size_t i = size; i > 0; i--, value >>= 8)
		at[i - 1] = (uint8_t)value;
	return true;
}

bool spoe_writer_u8(struct spoe_writer *w, uint8_t value)
{
	return big_endian(w, sizeof(value), value);
}

bool spoe_writer_u16(struct spoe_writer *w, uint16_t value)
{
	return big_endian(w, sizeof(value), value);
}

bool spoe_writer_u32(struct spoe_writer *w, uint32_t value)
{
	return big_endian(w, sizeof(value), value);
}

bool spoe_writer_u64(struct spoe_writer *w, uint64_t value)
{
	return big_endian(w, sizeof(value), value);
}

size_t spoe_writer_varint_size(uint64_t value)
{
	size_t size = 2;

	if (value < 0xf0)
		return 1;
	for (value = (value - 0xf0) >> 4; value >= 0x80; size++)
		value = (value - 0x80) >> 7;
	return size;
}

bool spoe_writer_varint(struct spoe_writer *w, uint64_t value)
{
	uint8_t *at = reserve(w, spoe_writer_varint_size(value));

	if (at == NULL)
		return false;
	if (value < 0xf0) {
		*at = (uint8_t)value;
		return true;
	}
	*at++ = (uint8_t)(value | 0xf0);
	for (value = (value - 0xf0) >> 4; value >= 0x80;
	     value = (value - 0x80) >> 7)
		*at++ = (uint8_t)(value | 0x80);
	*at = (uint8_t)value;
	return true;
}

bool spoe_writer_bytes(struct spoe_writer *w, struct spoe_span bytes)
{
	uint8_t *at;

	/* Neither side needs to point at anything then. */
	if (bytes.size == 0)
		return true;
	at = reserve(w, bytes.size);
	if (at == NULL)
		return false;
	memcpy(at, bytes.data, bytes.size);
	return true;
}

bool spoe_writer_string(struct spoe_writer *w, struct spoe_span string)
{
	size_t size = w->size;

	if (spoe_writer_varint(w, string.size) && spoe_writer_bytes(w, string))
		return true;
	w->size = size;
	return false;
}
