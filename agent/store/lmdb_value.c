#include "agent/store/lmdb_value.h"

#include <assert.h>

enum {
	HEAD_AT = RECORD_KEY_SIZE + 2,
	/* LMDB's: of a page, and of each value in it with its number. A value
	 * that is larger than half a page has pages of its own. */
	PAGE_HEAD = 16,
	PER_VALUE = 2 + 8 + 8,
	VALUES_MIN = 2,
};

/* --- bytes -------------------------------------------------------------- */

/* Whether what is behind a head is what it says. */
static bool is_whole(const struct record *record, size_t response_size,
                     size_t left)
{
	return response_size == left ||
	       lmdb_value_may_have_room(record, response_size);
}

enum reason lmdb_value_read(struct spoe_span value, struct spoe_span *ret_key,
                            struct record *ret_record)
{
	struct spoe_reader r = spoe_reader(value);
	struct spoe_span head;
	uint16_t head_size;
	size_t response_size;
	enum reason health;

	if (!spoe_reader_bytes(&r, RECORD_KEY_SIZE, ret_key) ||
	    !spoe_reader_u16(&r, &head_size) ||
	    !spoe_reader_bytes(&r, head_size, &head))
		return REASON_RECORD_CORRUPT;
	health = record_decode_head(head, ret_record, &response_size);
	if (health != REASON_NONE)
		return health;
	if (!is_whole(ret_record, response_size, r.left))
		return REASON_RECORD_CORRUPT;
	ret_record->response = spoe_span(r.at, response_size);
	return REASON_NONE;
}

void lmdb_value_init(struct lmdb_value *value, const uint8_t *record_key,
                     const struct record *record)
{
	struct spoe_writer w = spoe_writer(value->head, sizeof(value->head));
	const bool fits = record_encode_head(&w, record);

	assert(fits);
	value->record_key = record_key;
	value->response = record->response;
	value->head_size = w.size;
	value->size = HEAD_AT + w.size + record->response.size;
}

void lmdb_value_write(const struct lmdb_value *value, uint8_t *bytes,
                      size_t size)
{
	struct spoe_writer w = spoe_writer(bytes, size);
	const bool fits =
	    spoe_writer_bytes(&w,
	                      spoe_span(value->record_key, RECORD_KEY_SIZE)) &&
	    spoe_writer_u16(&w, (uint16_t)value->head_size) &&
	    spoe_writer_bytes(&w, spoe_span(value->head, value->head_size)) &&
	    spoe_writer_bytes(&w, value->response);

	assert(fits && w.size == value->size);
	/* LMDB gives memory as it was: that of others. */
	memset(bytes + w.size, 0, size - w.size);
}

/* --- room --------------------------------------------------------------- */

static size_t usable(size_t page_size)
{
	return page_size - PAGE_HEAD;
}

/* The largest of which so many fit a page. LMDB counts by twos. */
static size_t share_of(size_t page_size, size_t values)
{
	return (usable(page_size) / values & ~(size_t)1) - PER_VALUE;
}

void lmdb_room_learn(struct lmdb_room *room, size_t size, size_t page_size)
{
	/* What has pages of its own needs none of this one. */
	const double needed =
	    size > share_of(page_size, VALUES_MIN) ? 0 : (double)size;

	room->mean += (needed - room->mean) / 32;
	/* Few are larger: one that finds no room makes two pages of one, and
	 * neither is filled any more. */
	room->high += (needed - room->high) / (needed > room->high ? 4 : 64);
}

/* Whether pages with so many values will be seven tenths full in the end: a
 * little more than where locks have no room. */
static bool pays(const struct lmdb_room *room, size_t values, size_t page_size)
{
	return (double)values * (room->mean + PER_VALUE) * 10 >=
	       (double)usable(page_size) * 7;
}

size_t lmdb_room_for(const struct lmdb_room *room, size_t size,
                     size_t page_size)
{
	const size_t probable = (size_t)(room->high * 17 / 16);
	const size_t values = usable(page_size) / (probable + PER_VALUE);
	size_t share;

	if (values < VALUES_MIN || !pays(room, values, page_size))
		return size;
	/* All of the page, for as many as it has to be for. */
	share = share_of(page_size, values);
	return share > size ? share : size;
}
