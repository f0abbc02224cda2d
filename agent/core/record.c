#include "agent/core/record.h"

#include "agent/core/crc32c.h"

#include <assert.h>

enum {
	KEY_SIZE_MAX = 255,
	KNOWN_FLAGS = RECORD_BODY_PARTIAL | RECORD_HEAD_REQUEST,
};

bool record_sign(struct spoe_writer *w, size_t start)
{
	return spoe_writer_u32(
	    w, crc32c(spoe_span(w->data + start, w->size - start)));
}

bool record_signed(struct spoe_span bytes, struct spoe_span *ret_content)
{
	struct spoe_span content;
	struct spoe_reader r;
	uint32_t crc;

	if (bytes.size < RECORD_CRC_SIZE)
		return false;
	content = spoe_span(bytes.data, bytes.size - RECORD_CRC_SIZE);
	r = spoe_reader(spoe_span(bytes.data + content.size, RECORD_CRC_SIZE));
	if (!spoe_reader_u32(&r, &crc) || crc != crc32c(content))
		return false;
	*ret_content = content;
	return true;
}

static bool write_times(struct spoe_writer *w, const struct record *record)
{
	return spoe_writer_u64(w, record->created_ms) &&
	       spoe_writer_u64(w, record->deadline_ms) &&
	       spoe_writer_u64(w, record->expires_ms) &&
	       spoe_writer_u64(w, record->settled_ms) &&
	       spoe_writer_u64(w, record->forget_ms);
}

bool record_encode_head(struct spoe_writer *w, const struct record *record)
{
	struct spoe_writer at = *w;

	assert(record->state != RECORD_NONE);
	assert(record->key.size <= KEY_SIZE_MAX);
	assert(record->response.size <= UINT32_MAX);
	if (!spoe_writer_u8(&at, RECORD_VERSION) ||
	    !spoe_writer_u8(&at, (uint8_t)record->state) ||
	    !spoe_writer_u8(&at, record->flags) ||
	    !spoe_writer_u8(&at, (uint8_t)record->key.size) ||
	    !spoe_writer_u32(&at, record->policy_id) ||
	    !write_times(&at, record) ||
	    !spoe_writer_copy(&at, record->fingerprint,
	                      RECORD_FINGERPRINT_SIZE) ||
	    !spoe_writer_copy(&at, record->owner, RECORD_OWNER_SIZE) ||
	    !spoe_writer_u32(&at, (uint32_t)record->response.size) ||
	    !spoe_writer_bytes(&at, record->key) || !record_sign(&at, w->size))
		return false;
	*w = at;
	return true;
}

/* The fields behind the version byte, up to the CRC. */
static bool read_head(struct spoe_reader *r, struct record *record,
                      uint32_t *ret_response_size)
{
	uint8_t state, key_size;

	if (!spoe_reader_u8(r, &state) || !spoe_reader_u8(r, &record->flags) ||
	    !spoe_reader_u8(r, &key_size) ||
	    !spoe_reader_u32(r, &record->policy_id) ||
	    !spoe_reader_u64(r, &record->created_ms) ||
	    !spoe_reader_u64(r, &record->deadline_ms) ||
	    !spoe_reader_u64(r, &record->expires_ms) ||
	    !spoe_reader_u64(r, &record->settled_ms) ||
	    !spoe_reader_u64(r, &record->forget_ms) ||
	    !spoe_reader_copy(r, record->fingerprint,
	                      RECORD_FINGERPRINT_SIZE) ||
	    !spoe_reader_copy(r, record->owner, RECORD_OWNER_SIZE) ||
	    !spoe_reader_u32(r, ret_response_size) ||
	    !spoe_reader_bytes(r, key_size, &record->key))
		return false;
	if (state < RECORD_LOCKED || state > RECORD_SEALED ||
	    (record->flags & ~KNOWN_FLAGS) != 0)
		return false;
	record->state = (enum record_state)state;
	return r->left == 0;
}

enum reason record_decode_head(struct spoe_span bytes,
                               struct record *ret_record,
                               size_t *ret_response_size)
{
	struct record record = {.state = RECORD_NONE};
	struct spoe_span content;
	struct spoe_reader r;
	uint32_t response_size;
	uint8_t version;

	/* Another version may keep its CRC elsewhere: do not look for it. */
	if (bytes.size > 0 && bytes.data[0] > RECORD_VERSION)
		return REASON_RECORD_VERSION;
	if (!record_signed(bytes, &content))
		return REASON_RECORD_CORRUPT;
	r = spoe_reader(content);
	if (!spoe_reader_u8(&r, &version) || version != RECORD_VERSION ||
	    !read_head(&r, &record, &response_size))
		return REASON_RECORD_CORRUPT;
	*ret_record = record;
	*ret_response_size = response_size;
	return REASON_NONE;
}

size_t record_response_capacity(struct spoe_span headers, struct spoe_span body)
{
	return sizeof(uint16_t) + spoe_writer_varint_size(headers.size) +
	       headers.size + body.size + RECORD_CRC_SIZE;
}

bool record_encode_response(struct spoe_writer *w,
                            const struct record_response *response)
{
	const size_t start = w->size;

	if (spoe_writer_u16(w, response->status) &&
	    spoe_writer_string(w, response->headers) &&
	    spoe_writer_bytes(w, response->body) && record_sign(w, start))
		return true;
	w->size = start;
	return false;
}

enum reason record_check_response(struct spoe_span bytes)
{
	struct spoe_span content;

	return record_signed(bytes, &content) ? REASON_NONE
	                                      : REASON_RECORD_CORRUPT;
}

enum reason record_decode_response(struct spoe_span bytes,
                                   struct record_response *ret_response)
{
	struct record_response response;
	struct spoe_span content;
	struct spoe_reader r;

	if (!record_signed(bytes, &content))
		return REASON_RECORD_CORRUPT;
	r = spoe_reader(content);
	if (!spoe_reader_u16(&r, &response.status) || response.status == 0 ||
	    !spoe_reader_string(&r, &response.headers) ||
	    !spoe_reader_bytes(&r, r.left, &response.body))
		return REASON_RECORD_CORRUPT;
	*ret_response = response;
	return REASON_NONE;
}

bool record_drop_response(struct record *record, uint64_t now_ms)
{
	if (record->response.size == 0 || !record_forgotten(record, now_ms))
		return false;
	record->state = RECORD_SEALED;
	record->response = spoe_span(NULL, 0);
	return true;
}

bool record_owned(const struct record *record,
                  const uint8_t owner[RECORD_OWNER_SIZE], uint64_t now_ms)
{
	return record_alive(record, now_ms) &&
	       (record->state == RECORD_LOCKED ||
	        record->state == RECORD_PENDING) &&
	       memcmp(record->owner, owner, RECORD_OWNER_SIZE) == 0;
}
