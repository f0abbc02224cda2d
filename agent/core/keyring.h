/* agent/core/keyring.h: responses encrypted before a store has them, with
 * AES-256-GCM (NIST SP 800-38D). An encrypted one is
 *
 *     mark (KEYRING_MARK_SIZE bytes), key id (varint length, bytes), nonce 12,
 *     the response of agent/core/record.h encrypted, tag 16,
 *     CRC-32C u32 of all before it
 *
 * It says itself that it is one, so a head does not change with it, and a store
 * keeps, checks and moves it like any other. The tag covers mark and key id,
 * the record key and the record's owner too: in another record, or in the same
 * one under a later lock, it does not decrypt. The mark is status 0 and headers
 * longer than any response: who knows no encryption finds it damaged.
 *
 * Nonces are random: a key is good for 2^32 responses. */
#ifndef AGENT_CORE_KEYRING_H
#define AGENT_CORE_KEYRING_H

#include "agent/core/record.h"

enum {
	KEYRING_KEYS_MAX = 16,
	KEYRING_KEY_SIZE = 32,
	KEYRING_ID_MAX = 32, /* characters of A-Z a-z 0-9 . _ - */
	KEYRING_MARK_SIZE = 6,
	KEYRING_NONCE_SIZE = 12,
	KEYRING_TAG_SIZE = 16,
};

/* Keys by id; the first one encrypts, all of them decrypt. Not changed any more
 * once it is shared by threads. Where a keyring is a parameter NULL is one
 * without keys, which leaves responses as they are. */
struct keyring;

/* NULL when out of memory or when OpenSSL has no AES-256-GCM. */
struct keyring *keyring_new(void);

/* Zeroes the keys. NULL is fine. */
void keyring_free(struct keyring *k);

enum keyring_added {
	KEYRING_ADDED,
	KEYRING_BAD_ID,
	KEYRING_REPEATED_ID,
	KEYRING_FULL,
};

/* Copies `key`; nothing changes unless it is KEYRING_ADDED. */
enum keyring_added keyring_add(struct keyring *k, struct spoe_span id,
                               const uint8_t key[KEYRING_KEY_SIZE]);

size_t keyring_keys(const struct keyring *k);

/* From now on a response that is not encrypted is REASON_RESPONSE_PLAIN. */
void keyring_refuse_plain(struct keyring *k);

/* Whether `response` was encrypted; *ret_id (which may be NULL) is its key's
 * id, borrowed from it, empty when it cannot be read. */
bool keyring_encrypted(struct spoe_span response, struct spoe_span *ret_id);

/* Whether the key that encrypts now encrypted `response`, or there is none and
 * nothing did. */
bool keyring_current(const struct keyring *k, struct spoe_span response);

/* Encrypts record->response (encoded) for the record's owner and record key.
 * REASON_NONE: ret_encrypted->data is the caller's to free. REASON_NO_MEMORY,
 * REASON_ENCRYPTION_FAILED: there is nothing. Needs a key. */
enum reason keyring_encrypt(const struct keyring *k,
                            const uint8_t record_key[RECORD_KEY_SIZE],
                            const struct record *record,
                            struct spoe_writer *ret_encrypted);

/* The other way: REASON_NONE, REASON_RECORD_CORRUPT (its CRC says so),
 * REASON_RESPONSE_KEY_MISSING, REASON_RESPONSE_CHANGED (since it was encrypted;
 * or its key was), or REASON_NO_MEMORY or REASON_INTERNAL, which may be better
 * next time. Only of what keyring_encrypted() says yes to. */
enum reason keyring_decrypt(const struct keyring *k,
                            const uint8_t record_key[RECORD_KEY_SIZE],
                            const struct record *record,
                            struct spoe_writer *ret_plain);

/* Takes the record's response apart, encrypted or not: the reasons above,
 * REASON_RESPONSE_PLAIN, or those of record_decode_response(). The spans borrow
 * from the record, or from *ret_memory, which is NULL or the caller's to free.
 */
enum reason keyring_decode_response(const struct keyring *k,
                                    const uint8_t record_key[RECORD_KEY_SIZE],
                                    const struct record *record,
                                    uint8_t **ret_memory,
                                    struct record_response *ret_response);

#endif
