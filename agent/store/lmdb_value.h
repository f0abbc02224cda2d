/* agent/store/lmdb_value.h: the bytes of a record in the tree `records`, and
 * how many of them it is given.
 *
 *     record key, head size u16, head, response
 *     record key, head size u16, head of a lock, room
 *
 * A lock is small, and what settles it seldom is. If it takes as many bytes as
 * it needs, a page that is full of locks is split again and again while they
 * are settled. So a claim takes the room that records need in the end, zeroes,
 * and a settle gives back what it does not need itself: to its neighbours. */
#ifndef AGENT_STORE_LMDB_VALUE_H
#define AGENT_STORE_LMDB_VALUE_H

#include "agent/core/record.h"

/* Takes a value apart; spans are borrowed. REASON_NONE when it is whole, the
 * response not looked into. *ret_key is set when there is as much as a key. */
enum reason lmdb_value_read(struct spoe_span value, struct spoe_span *ret_key,
                            struct record *ret_record);

/* A record on its way to be a value; its spans are borrowed until it is
 * written, those of the head only until it is made. */
struct lmdb_value {
	const uint8_t *record_key;
	struct spoe_span response;
	size_t size; /* all of the value, without room */
	/* private */
	size_t head_size;
	uint8_t head[RECORD_HEAD_MAX];
};

void lmdb_value_init(struct lmdb_value *value, const uint8_t *record_key,
                     const struct record *record);

/* Writes it, and zeroes behind it, to `size` bytes: value->size or, of a lock,
 * more. */
void lmdb_value_write(const struct lmdb_value *value, uint8_t *bytes,
                      size_t size);

/* Whether a record with such a response may have room behind it. */
static inline bool lmdb_value_may_have_room(const struct record *record,
                                            size_t response_size)
{
	return record->state == RECORD_LOCKED && response_size == 0;
}

/* What records came to need of a page lately. All zero: nobody knows yet. */
struct lmdb_room {
	double mean; /* bytes */
	double high; /* few need more */
};

/* One more was settled, and has `size` bytes now; 0: it is gone. */
void lmdb_room_learn(struct lmdb_room *room, size_t size, size_t page_size);

/* How many bytes a lock is given that needs `size`: no more than that if pages
 * would be emptier for it in the end. */
size_t lmdb_room_for(const struct lmdb_room *room, size_t size,
                     size_t page_size);

#endif
