#include "spoe/reader.h"

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
