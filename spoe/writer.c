#include "spoe/writer.h"

size_t spoe_writer_varint_size(uint64_t value)
{
	size_t size = 2;

	if (value < 0xf0)
		return 1;
	for (value = (value - 0xf0) >> 4; value >= 0x80; size++)
		value = (value - 0x80) >> 7;
	return size;
}

bool spoe_writer_long_varint(struct spoe_writer *w, uint64_t value)
{
	const size_t size = spoe_writer_varint_size(value);
	uint8_t *at;

	if (size > w->capacity - w->size)
		return false;
	at = w->data + w->size;
	w->size += size;
	*at++ = (uint8_t)(value | 0xf0);
	for (value = (value - 0xf0) >> 4; value >= 0x80;
	     value = (value - 0x80) >> 7)
		*at++ = (uint8_t)(value | 0x80);
	*at = (uint8_t)value;
	return true;
}
