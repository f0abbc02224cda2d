#include "spoe/reader.h"

/* `size` is a constant at every call, so this unrolls. */
static inline bool big_endian(struct spoe_reader *r, size_t size,
                              uint64_t *ret_value)
{
	uint64_t value = 0;

	if (r->left < size)
		return false;
	for (size_t i = 0; i < size; i++)
		value = value << 8 | r->at[i];
	r->at += size;
	r->left -= size;
	*ret_value = value;
	return true;
}

bool spoe_reader_u8(struct spoe_reader *r, uint8_t *ret_value)
{
	if (r->left == 0)
		return false;
	*ret_value = *r->at++;
	r->left--;
	return true;
}

bool spoe_reader_u16(struct spoe_reader *r, uint16_t *ret_value)
{
	uint64_t value;

	if (!big_endian(r, sizeof(*ret_value), &value))
		return false;
	*ret_value = (uint16_t)value;
	return true;
}

bool spoe_reader_u32(struct spoe_reader *r, uint32_t *ret_value)
{
	uint64_t value;

	if (!big_endian(r, sizeof(*ret_value), &value))
		return false;
	*ret_value = (uint32_t)value;
	return true;
}

bool spoe_reader_u64(struct spoe_reader *r, uint64_t *ret_value)
{
	return big_endian(r, sizeof(*ret_value), ret_value);
}

/* A varint of two bytes or more: its first byte brings 4 bits, those that
 * follow 7 each, and each one that is followed by another counts its top bit
 * as value too. */
static bool long_varint(struct spoe_reader *r, uint64_t *ret_value)
{
	size_t limit = r->left < SPOE_VARINT_MAX ? r->left : SPOE_VARINT_MAX;
	uint64_t value = r->at[0];
	unsigned int shift = 4;

	for (size_t i = 1; i < limit; i++, shift += 7) {
		uint64_t byte = r->at[i];

		if (byte > (UINT64_MAX - value) >> shift)
			return false;
		value += byte << shift;
		if (byte < 0x80) {
			r->at += i + 1;
			r->left -= i + 1;
			*ret_value = value;
			return true;
		}
	}
	return false;
}

bool spoe_reader_varint(struct spoe_reader *r, uint64_t *ret_value)
{
	if (r->left == 0)
		return false;
	if (r->at[0] >= 0xf0)
		return long_varint(r, ret_value);
	*ret_value = *r->at++;
	r->left--;
	return true;
}

bool spoe_reader_bytes(struct spoe_reader *r, size_t size,
                       struct spoe_span *ret_bytes)
{
	if (size > r->left)
		return false;
	*ret_bytes = spoe_span(r->at, size);
	/* An empty reader may have no bytes to point at. */
	if (size > 0)
		r->at += size;
	r->left -= size;
	return true;
}

bool spoe_reader_string(struct spoe_reader *r, struct spoe_span *ret_string)
{
	struct spoe_reader at = *r;
	uint64_t size;

	if (!spoe_reader_varint(&at, &size) || size > at.left)
		return false;
	*ret_string = spoe_span(at.at, (size_t)size);
	*r = spoe_reader(spoe_span(at.at + size, at.left - (size_t)size));
	return true;
}
