/* agent/core/record.h: what the store holds for a record key, and its bytes:
 * the same in every store (DESIGN.md section 5).
 *
 *     head:     version u8, state u8, flags u8, key size u8,
 *               policy id u32,
 *               created, deadline, expires, settled, forget u64 (ms),
 *               fingerprint 32, owner 16, response size u32,
 *               key (key size bytes), CRC-32C u32 of all before it
 *     response: status u16, headers (varint length, res.hdrs_bin bytes), body,
 *               CRC-32C u32 of all before it;
 *               or encrypted (agent/core/keyring.h)
 *
 * Big-endian. A store keeps the head and the response together or apart. */
#ifndef AGENT_CORE_RECORD_H
#define AGENT_CORE_RECORD_H

#include "agent/core/reason.h"
#include "spoe/reader.h"
#include "spoe/writer.h"

enum {
	RECORD_VERSION = 1,
	RECORD_KEY_SIZE = 32,
	RECORD_FINGERPRINT_SIZE = 32,
	RECORD_OWNER_SIZE = 16,
	RECORD_CRC_SIZE = 4,
	RECORD_HEAD_MAX = 4 + 4 + 5 * 8 + 32 + 16 + 4 + 255 + 4,
};

enum record_state {
	RECORD_NONE = 0, /* no record: never encoded */
	RECORD_LOCKED = 1,
	RECORD_STORED = 2,
	RECORD_PENDING = 3, /* stored, waiting for an outcome notice */
	RECORD_SEALED = 4,
};

enum {
	RECORD_BODY_PARTIAL = 1u << 0, /* the fingerprint covers a part */
	RECORD_HEAD_REQUEST = 1u << 1, /* the method was HEAD */
};

struct record {
	enum record_state state;
	uint8_t flags;
	uint32_t policy_id;
	uint64_t created_ms;  /* Unix time: the lock was taken */
	uint64_t deadline_ms; /* the lock's owner should be done by then */
	uint64_t expires_ms;  /* from then on the record is not there */
	uint64_t settled_ms;  /* 0 while locked */
	uint64_t forget_ms;   /* from then on nothing is replayed; 0: locked */
	uint8_t fingerprint[RECORD_FINGERPRINT_SIZE];
	uint8_t owner[RECORD_OWNER_SIZE];
	struct spoe_span key;      /* for people; 0..255 bytes, borrowed */
	struct spoe_span response; /* encoded; empty unless one is kept */
};

/* A decoded response; spans are borrowed from the encoded bytes. */
struct record_response {
	uint16_t status;
	struct spoe_span headers; /* res.hdrs_bin encoding */
	struct spoe_span body;
};

/* Ends what was written from `start` on with its CRC-32C; false without room.
 */
bool record_sign(struct spoe_writer *w, size_t start);

/* Takes the CRC off again; false when there is none or it is another. */
bool record_signed(struct spoe_span bytes, struct spoe_span *ret_content);

/* Writes the head (record->response gives only its size). */
bool record_encode_head(struct spoe_writer *w, const struct record *record);

/* Reads a head; the response is left empty and its size is in
 * *ret_response_size. REASON_NONE, REASON_RECORD_VERSION (written by a newer
 * agent: leave it alone) or REASON_RECORD_CORRUPT. Spans are borrowed from
 * `bytes`, and all of `bytes` must be the head. */
enum reason record_decode_head(struct spoe_span bytes,
                               struct record *ret_record,
                               size_t *ret_response_size);

/* Bytes that record_encode_response() needs at most. */
size_t record_response_capacity(struct spoe_span headers,
                                struct spoe_span body);

bool record_encode_response(struct spoe_writer *w,
                            const struct record_response *response);

/* Whether a response, encrypted or not, is as it was written: REASON_NONE or
 * REASON_RECORD_CORRUPT. */
enum reason record_check_response(struct spoe_span bytes);

/* Checks the CRC and takes a response apart that is not encrypted: REASON_NONE
 * or REASON_RECORD_CORRUPT. */
enum reason record_decode_response(struct spoe_span bytes,
                                   struct record_response *ret_response);

/* Whether the record is there at all at `now_ms`. */
static inline bool record_alive(const struct record *record, uint64_t now_ms)
{
	return now_ms < record->expires_ms;
}

/* Whether the record has outlived its response: it is there only to say that
 * the request was executed. */
static inline bool record_forgotten(const struct record *record,
                                    uint64_t now_ms)
{
	return record->state > RECORD_LOCKED &&
	       record->forget_ms < record->expires_ms &&
	       now_ms >= record->forget_ms;
}

/* When there is something to be done about the record: its response is of no
 * use any more, or it is not there. */
static inline uint64_t record_due_ms(const struct record *record)
{
	if (record->response.size > 0 && record->forget_ms < record->expires_ms)
		return record->forget_ms;
	return record->expires_ms;
}

/* Drops the response of a forgotten record, which is sealed from then on; true
 * when it had one. */
bool record_drop_response(struct record *record, uint64_t now_ms);

/* Whether `owner` may settle the record at `now_ms`: it is alive, locked or
 * pending, and his. */
bool record_owned(const struct record *record,
                  const uint8_t owner[RECORD_OWNER_SIZE], uint64_t now_ms);

#endif
