/* agent/core/crc32c.h: CRC-32C (Castagnoli) as everybody else computes it:
 * "123456789" gives 0xe3069283. For agent/core's own files. */
#ifndef AGENT_CORE_CRC32C_H
#define AGENT_CORE_CRC32C_H

#include "spoe/span.h"

#include <isa-l/crc.h>
#include <limits.h>

/* ISA-L takes and gives the shift register as it is: the standard inverts it
 * at both ends. It also wants an int length and forgot its const. */
static inline uint32_t crc32c(struct spoe_span bytes)
{
	uint32_t crc = UINT32_MAX;
	size_t done = 0;

	while (done < bytes.size) {
		size_t left = bytes.size - done;
		size_t size = left < INT_MAX ? left : INT_MAX;

		crc =
		    crc32_iscsi((unsigned char *)(uintptr_t)(bytes.data + done),
		                (int)size, crc);
		done += size;
	}
	return ~crc;
}

#endif
