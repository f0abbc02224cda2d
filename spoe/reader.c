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

/* The first byte brings 4 bits, those that follow 7 each, and each one that is
 * followed by another counts its top bit as value too. */
size_t spoe_reader_long_varint(struct spoe_span bytes, uint64_t *ret_value)
{
	size_t limit =
	    bytes.size < SPOE_VARINT_MAX ? bytes.size : SPOE_VARINT_MAX;
	uint64_t value = bytes.data[0];
	unsigned int shift = 4;

	for (size_t i = 1; i < limit; i++, shift += 7) {
		uint64_t byte = bytes.data[i];

		if (byte > (UINT64_MAX - value) >> shift)
			return 0;
		value += byte << shift;
		if (byte < 0x80) {
			*ret_value = value;
			return i + 1;
		}
	}
	return 0;
}
