#include "spoe/reader.h"

/* The first byte brings 4 bits, those that follow 7 each, and each one that is
 * followed by another counts its top bit as value too. */
struct spoe_varint spoe_reader_long_varint(struct spoe_span bytes)
{
	size_t limit =
	    bytes.size < SPOE_VARINT_MAX ? bytes.size : SPOE_VARINT_MAX;
	struct spoe_varint varint = {.value = bytes.data[0]};
	unsigned int shift = 4;

	for (size_t i = 1; i < limit; i++, shift += 7) {
		uint64_t byte = bytes.data[i];

		if (byte > (UINT64_MAX - varint.value) >> shift)
			return varint;
		varint.value += byte << shift;
		if (byte < 0x80) {
			varint.size = i + 1;
			return varint;
		}
	}
	return varint;
}
