/* spoe/reader.h: a bounded cursor over bytes from a peer.
 *
 * Every function either reads the whole item, moves the cursor behind it and
 * returns true, or returns false and leaves both the cursor and *ret_* as they
 * were. What it hands out is borrowed from the bytes under the cursor. */
#ifndef SPOE_READER_H
#define SPOE_READER_H

#include "spoe/span.h"

struct spoe_reader {
	const uint8_t *at;
	size_t left; /* bytes from `at` to the end */
};

/* The longest varint that is accepted: enough for any 64-bit value. */
enum { SPOE_VARINT_MAX = 10 };

static inline struct spoe_reader spoe_reader(struct spoe_span span)
{
	return (struct spoe_reader){.at = span.data, .left = span.size};
}

bool spoe_reader_u8(struct spoe_reader *r, uint8_t *ret_value);

/* Big-endian, as everywhere on the wire and in the record. */
bool spoe_reader_u16(struct spoe_reader *r, uint16_t *ret_value);
bool spoe_reader_u32(struct spoe_reader *r, uint32_t *ret_value);
bool spoe_reader_u64(struct spoe_reader *r, uint64_t *ret_value);

/* SPOE specification 3.1, "varint": the encoding of HAProxy's peers. More than
 * SPOE_VARINT_MAX bytes, or a value over 2^64 - 1, is refused. */
bool spoe_reader_varint(struct spoe_reader *r, uint64_t *ret_value);

/* `size` bytes as they are. */
bool spoe_reader_bytes(struct spoe_reader *r, size_t size,
                       struct spoe_span *ret_bytes);

/* A varint length, then that many bytes (SPOE specification 3.1, STRING). */
bool spoe_reader_string(struct spoe_reader *r, struct spoe_span *ret_string);

#endif
