/* Any bytes at all, as a record's head and as its response: what is decoded
 * encodes to the same bytes. The first byte says whether to sign the rest with
 * its CRC, without which nothing gets past the first check, and as which of the
 * two to read it. A response is also looked at by a keyring: what a key opens
 * was encrypted with it. */
#include <assert.h>
#include <stdlib.h>

#include "agent/core/crc32c.h"
#include "agent/core/keyring.h"
#include "agent/core/record.h"

enum { SIGN = 1, RESPONSE = 2, CRC_SIZE = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_head(struct spoe_span bytes)
{
	uint8_t again[RECORD_HEAD_MAX];
	struct spoe_writer w = spoe_writer(again, sizeof(again));
	struct record record;
	size_t response_size;
	bool done;

	if (record_decode_head(bytes, &record, &response_size) != REASON_NONE)
		return;
	record.response = spoe_span(NULL, response_size);
	done = record_encode_head(&w, &record);
	assert(done);
	assert(spoe_span_equal(bytes, spoe_span(again, w.size)));
}

static void try_response(struct spoe_span bytes)
{
	struct record_response response;
	struct spoe_writer w;
	size_t capacity;
	bool done;

	if (record_decode_response(bytes, &response) != REASON_NONE)
		return;
	capacity = record_response_capacity(response.headers, response.body);
	w = spoe_writer(malloc(capacity), capacity);
	assert(w.data != NULL);
	done = record_encode_response(&w, &response);
	assert(done && w.size == capacity);
	assert(spoe_span_equal(bytes, spoe_span(w.data, w.size)));
	free(w.data);
}

/* The key, nonce and record of tests/unit/core_keyring_test.c: one of the seeds
 * opens. */
static void try_encrypted(struct spoe_span bytes)
{
	static const uint8_t key[KEYRING_KEY_SIZE] =
	    "0123456789abcdef0123456789ABCDE";
	static const uint8_t record_key[RECORD_KEY_SIZE] = "r";
	struct record record = {.response = bytes};
	struct record_response response;
	struct keyring *k = keyring_new();
	struct spoe_span id;
	uint8_t *memory;
	enum keyring_added added;

	assert(k != NULL);
	added = keyring_add(k, spoe_span_of("a"), key);
	assert(added == KEYRING_ADDED);
	memset(record.owner, 'o', RECORD_OWNER_SIZE);
	if (keyring_decode_response(k, record_key, &record, &memory,
	                            &response) == REASON_NONE) {
		assert(keyring_encrypted(bytes, &id) == (memory != NULL));
		assert(memory == NULL ||
		       spoe_span_equal(id, spoe_span_of("a")));
	}
	free(memory);
	keyring_free(k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spoe_writer w;
	uint8_t choice;

	if (size == 0)
		return 0;
	choice = data[0];
	/* On the heap and without a byte to spare, for the sanitizer. */
	w = spoe_writer(malloc(size + CRC_SIZE), size + CRC_SIZE);
	assert(w.data != NULL);
	if (spoe_writer_bytes(&w, spoe_span(data + 1, size - 1)) &&
	    (choice & SIGN) != 0)
		spoe_writer_u32(&w, crc32c(spoe_span(w.data, w.size)));
	if ((choice & RESPONSE) != 0) {
		try_response(spoe_span(w.data, w.size));
		try_encrypted(spoe_span(w.data, w.size));
	} else {
		try_head(spoe_span(w.data, w.size));
	}
	free(w.data);
	return 0;
}
