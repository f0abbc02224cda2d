#include "agent/store/redis_slot.h"

#include <stdint.h>

/* Polynomial 0x1021, begins with 0, nothing reflected. */
static uint16_t crc16(struct spoe_span bytes)
{
	uint16_t crc = 0;

	for (size_t i = 0; i < bytes.size; i++) {
		uint16_t x = (uint16_t)((crc >> 8) ^ bytes.data[i]);

		x = (uint16_t)(x ^ (x >> 4));
		crc = (uint16_t)((crc << 8) ^ (x << 12) ^ (x << 5) ^ x);
	}
	return crc;
}

static struct spoe_span hash_tag(struct spoe_span key)
{
	const uint8_t *open = NULL, *close = NULL;
	size_t left;

	if (key.size > 0)
		open = memchr(key.data, '{', key.size);
	if (!open)
		return key;
	left = key.size - (size_t)(open + 1 - key.data);
	if (left > 0)
		close = memchr(open + 1, '}', left);
	if (!close || close == open + 1)
		return key;
	return spoe_span(open + 1, (size_t)(close - open - 1));
}

unsigned redis_slot(struct spoe_span key)
{
	return crc16(hash_tag(key)) % REDIS_SLOTS;
}
