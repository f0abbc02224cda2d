/* spoe/reader.h: a bounded cursor over bytes from a peer.
 *
 * Every function either reads the whole item, moves the cursor behind it and
 * returns true, or returns false and leaves both the cursor and *ret_* as they
 * were. What it hands out is borrowed from the bytes under the cursor. */
#ifndef SPOE_READER_H
#define SPOE_READER_H

#include <endian.h>

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

/* What items are made of is here to be inlined: a message and a record have a
 * few dozen each. */
static inline bool spoe_reader_u8(struct spoe_reader *r, uint8_t *ret_value)
{
	if (r->left == 0)
		return false;
	*ret_value = *r->at++;
	r->left--;
	return true;
}

/* `size` bytes, at least one, copied to *ret_bytes. */
static inline bool spoe_reader_copy(struct spoe_reader *r, void *ret_bytes,
                                    size_t size)
{
	if (size > r->left)
		return false;
	memcpy(ret_bytes, r->at, size);
	r->at += size;
	r->left -= size;
	return true;
}

/* Big-endian, as everywhere on the wire and in the record. */
static inline bool spoe_reader_u16(struct spoe_reader *r, uint16_t *ret_value)
{
	uint16_t wire;

	if (!spoe_reader_copy(r, &wire, sizeof(wire)))
		return false;
	*ret_value = be16toh(wire);
	return true;
}

static inline bool spoe_reader_u32(struct spoe_reader *r, uint32_t *ret_value)
{
	uint32_t wire;

	if (!spoe_reader_copy(r, &wire, sizeof(wire)))
		return false;
	*ret_value = be32toh(wire);
	return true;
}

static inline bool spoe_reader_u64(struct spoe_reader *r, uint64_t *ret_value)
{
	uint64_t wire;

	if (!spoe_reader_copy(r, &wire, sizeof(wire)))
		return false;
	*ret_value = be64toh(wire);
	return true;
}

/* A varint at the front of some bytes. */
struct spoe_varint {
	uint64_t value;
	size_t size; /* bytes it takes; 0 when it is refused */
};

/* One of two bytes or more. `bytes` has one at least. */
struct spoe_varint spoe_reader_long_varint(struct spoe_span bytes);

/* SPOE specification 3.1, "varint": the encoding of HAProxy's peers. More than
 * SPOE_VARINT_MAX bytes, or a value over 2^64 - 1, is refused. */
static inline bool spoe_reader_varint(struct spoe_reader *r,
                                      uint64_t *ret_value)
{
	struct spoe_varint varint = {.size = 1};

	if (r->left == 0)
		return false;
	varint.value = r->at[0];
	if (varint.value >= 0xf0)
		varint = spoe_reader_long_varint(spoe_span(r->at, r->left));
	if (varint.size == 0)
		return false;
	r->at += varint.size;
	r->left -= varint.size;
	*ret_value = varint.value;
	return true;
}

/* `size` bytes as they are. */
static inline bool spoe_reader_bytes(struct spoe_reader *r, uint64_t size,
                                     struct spoe_span *ret_bytes)
{
	if (size > r->left)
		return false;
	*ret_bytes = spoe_span(r->at, (size_t)size);
	if (size > 0)
		r->at += size;
	r->left -= (size_t)size;
	return true;
}

/* A varint length, then that many bytes (SPOE specification 3.1, STRING). */
static inline bool spoe_reader_string(struct spoe_reader *r,
                                      struct spoe_span *ret_string)
{
	struct spoe_reader at = *r;
	uint64_t size;

	if (!spoe_reader_varint(&at, &size) ||
	    !spoe_reader_bytes(&at, size, ret_string))
		return false;
	*r = at;
	return true;
}

#endif
