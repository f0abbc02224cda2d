#include "agent/store/lmdb_tree.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum {
	NUMBER_SIZE = 8,
	EXPIRY_KEY_SIZE = 2 * NUMBER_SIZE,
	/* A record that cannot be read is never removed, but looked at again:
	 * the agent that wrote it may have come back by then. */
	UNREADABLE_AGAIN_MS = 24 * 3600 * 1000,
	/* Of one sweep, where nothing has expired. */
	SWEEP_VISITS_MAX = 1000,
};

static MDB_val val(const void *data, size_t size)
{
	return lmdb_val(spoe_span(data, size));
}

static struct spoe_span span_of(MDB_val v)
{
	return spoe_span(v.mv_data, v.mv_size);
}

struct number {
	uint8_t bytes[NUMBER_SIZE];
};

/* Behind the names of trees. */
static const uint64_t NUMBER_BIT = (uint64_t)1 << 63;

static struct number number_of(uint64_t value)
{
	struct number n;
	struct spoe_writer w = spoe_writer(n.bytes, sizeof(n.bytes));

	spoe_writer_u64(&w, value | NUMBER_BIT);
	return n;
}

bool lmdb_tree_number(MDB_val v, uint64_t *ret_value)
{
	struct spoe_reader r = spoe_reader(span_of(v));

	if (v.mv_size != NUMBER_SIZE || !spoe_reader_u64(&r, ret_value) ||
	    (*ret_value & NUMBER_BIT) == 0)
		return false;
	*ret_value &= ~NUMBER_BIT;
	return true;
}

static void note_change(const struct lmdb_tree *tree,
                        enum lmdb_journal_type type, MDB_val key,
                        struct spoe_span value, size_t room)
{
	const struct lmdb_journal_change change = {
	    .type = type,
	    .key = span_of(key),
	    .value = value,
	    .room = room,
	};

	if (tree->journal)
		lmdb_journal_add(tree->journal, &change);
}

/* --- records ------------------------------------------------------------ */

static int get_value(const struct lmdb_tree *tree, uint64_t number,
                     MDB_val *ret_value)
{
	const struct number n = number_of(number);
	MDB_val key = val(n.bytes, sizeof(n.bytes));

	if (tree->cursor)
		return mdb_cursor_get(tree->cursor, &key, ret_value, MDB_SET);
	return mdb_get(tree->txn, tree->file->records, &key, ret_value);
}

int lmdb_tree_step(MDB_cursor *cursor, MDB_cursor_op op, uint64_t *number,
                   MDB_val *ret_value)
{
	const struct number n = number_of(*number);
	MDB_val key = val(n.bytes, sizeof(n.bytes));
	const int rc = mdb_cursor_get(cursor, &key, ret_value, op);

	return rc == 0 && !lmdb_tree_number(key, number) ? MDB_CORRUPTED : rc;
}

int lmdb_tree_key(const struct lmdb_tree *tree, uint64_t number,
                  const uint8_t **ret_key)
{
	MDB_val value;
	int rc = get_value(tree, number, &value);

	if (rc == 0 && value.mv_size < RECORD_KEY_SIZE)
		return MDB_CORRUPTED;
	if (rc == 0)
		*ret_key = value.mv_data;
	return rc;
}

int lmdb_tree_get(const struct lmdb_tree *tree, uint64_t number,
                  const uint8_t *record_key, struct lmdb_entry *ret_entry)
{
	MDB_val value;
	struct spoe_span own_key;
	int rc = get_value(tree, number, &value);

	if (rc != 0)
		return rc;
	*ret_entry = (struct lmdb_entry){.number = number};
	ret_entry->health =
	    lmdb_value_read(span_of(value), &own_key, &ret_entry->record);
	if (ret_entry->health == REASON_NONE &&
	    memcmp(own_key.data, record_key, RECORD_KEY_SIZE) != 0)
		ret_entry->health = REASON_RECORD_CORRUPT;
	return 0;
}

/* The index may name numbers that are gone, or not there yet. */
static int find_number(struct lmdb_tree *tree, const uint8_t *record_key,
                       struct lmdb_entry *ret_entry)
{
	unsigned place = 0;
	int rc = MDB_NOTFOUND;

	while (rc == MDB_NOTFOUND) {
		uint64_t number;

		rc = lmdb_index_find(&tree->file->index, record_key, &place,
		                     &number);
		if (rc == 0 && number == 0)
			return MDB_NOTFOUND;
		if (rc == MDB_CORRUPTED) {
			*ret_entry = (struct lmdb_entry){
			    .health = REASON_RECORD_CORRUPT,
			};
			return 0;
		}
		if (rc == 0)
			rc = lmdb_tree_get(tree, number, record_key, ret_entry);
	}
	return rc;
}

int lmdb_tree_find(struct lmdb_tree *tree,
                   const uint8_t record_key[RECORD_KEY_SIZE],
                   struct lmdb_entry *ret_entry)
{
	uint64_t changes;
	int rc;

	do {
		changes = lmdb_index_changes(&tree->file->index);
		rc = find_number(tree, record_key, ret_entry);
	} while (rc == MDB_NOTFOUND &&
	         changes != lmdb_index_changes(&tree->file->index));
	return rc;
}

void lmdb_tree_check(struct lmdb_entry *entry)
{
	if (entry->record.response.size > 0)
		entry->health = record_check_response(entry->record.response);
}

/* Bytes for the value of a record. What is appended although it is no lock was
 * settled long ago: nothing to learn from. */
static size_t size_with_room(struct lmdb_tree *tree, size_t size,
                             const struct record *record, bool appended)
{
	const size_t page_size = tree->file->page_size;

	if (lmdb_value_may_have_room(record, record->response.size))
		return lmdb_room_for(tree->room, size, page_size);
	if (!appended)
		lmdb_room_learn(tree->room, size, page_size);
	return size;
}

/* Puts a record. Its spans may borrow from the value it replaces, but for the
 * response. */
static int put_record(struct lmdb_tree *tree, uint64_t number,
                      const uint8_t *record_key, const struct record *record,
                      unsigned flags)
{
	const struct number n = number_of(number);
	struct lmdb_value value;
	MDB_val key = val(n.bytes, sizeof(n.bytes));
	MDB_val place;
	int rc;

	lmdb_value_init(&value, record_key, record);
	place = val(NULL, size_with_room(tree, value.size, record,
	                                 (flags & MDB_APPEND) != 0));
	rc = mdb_cursor_put(tree->cursor, &key, &place, flags | MDB_RESERVE);
	if (rc != 0)
		return rc;
	lmdb_value_write(&value, place.mv_data, place.mv_size);
	note_change(tree, LMDB_JOURNAL_RECORD, key,
	            spoe_span(place.mv_data, value.size),
	            place.mv_size - value.size);
	return 0;
}

/* Puts one more record, and leads its key to it. */
static int append_record(struct lmdb_tree *tree, const uint8_t *record_key,
                         const struct record *record, uint64_t *ret_number)
{
	struct lmdb_tree_changes *changes = tree->changes;
	int rc;

	assert(changes->n_added < LMDB_TREE_CHANGES_MAX);
	*ret_number = lmdb_index_number(&tree->file->index);
	changes->added[changes->n_added++] = (struct lmdb_tree_change){
	    .prefix = lmdb_index_prefix(record_key),
	    .number = *ret_number,
	};
	rc = lmdb_index_put(&tree->file->index, record_key, *ret_number);
	if (rc != 0)
		return rc;
	return put_record(tree, *ret_number, record_key, record, MDB_APPEND);
}

/* The record of the number is gone: its key leads nowhere, once that is
 * certain. */
static void forget_number(struct lmdb_tree *tree, const uint8_t *record_key,
                          uint64_t number)
{
	struct lmdb_tree_changes *changes = tree->changes;

	assert(changes->n_removed < LMDB_TREE_CHANGES_MAX);
	changes->removed[changes->n_removed++] = (struct lmdb_tree_change){
	    .prefix = lmdb_index_prefix(record_key),
	    .number = number,
	};
}

/* --- expiry ------------------------------------------------------------- */

struct expiry_key {
	uint8_t bytes[EXPIRY_KEY_SIZE];
};

static struct expiry_key expiry_key(uint64_t time_ms, uint64_t block)
{
	struct expiry_key key;
	struct spoe_writer w = spoe_writer(key.bytes, sizeof(key.bytes));

	spoe_writer_u64(&w, time_ms);
	spoe_writer_u64(&w, block);
	return key;
}

/* Has the block of `number` visited at `time_ms` or a little later. Most often
 * a neighbour has seen to it already, and nothing is written. */
static int put_expiry(struct lmdb_tree *tree, uint64_t time_ms, uint64_t number)
{
	const uint64_t block = number / LMDB_TREE_BLOCK;
	const uint64_t rounded = time_ms | (LMDB_TREE_LAG_MS - 1);
	struct expiry_key k;
	MDB_val key, nothing = val("", 0);
	int rc;

	if (tree->time_ms == rounded && tree->block == block)
		return 0;
	k = expiry_key(rounded, block);
	key = val(k.bytes, sizeof(k.bytes));
	rc = mdb_put(tree->txn, tree->file->expiry, &key, &nothing,
	             MDB_NOOVERWRITE);
	if (rc != 0 && rc != MDB_KEYEXIST)
		return rc;
	if (rc == 0)
		note_change(tree, LMDB_JOURNAL_EXPIRY, key, spoe_span("", 0),
		            0);
	tree->time_ms = rounded;
	tree->block = block;
	return 0;
}

/* --- operations --------------------------------------------------------- */

/* There is a record for a claim's key, dead or alive. */
static int claim_again(struct lmdb_tree *tree, const struct record_op *op,
                       const struct lmdb_entry *entry,
                       struct lmdb_result *result)
{
	int rc;

	if (entry->health != REASON_NONE) {
		result->health = entry->health;
		return 0;
	}
	if (record_alive(&entry->record, op->now_ms)) {
		result->result = RECORD_FOUND;
		return 0;
	}
	rc = put_record(tree, entry->number, op->record_key, &op->record, 0);
	if (rc != 0)
		return rc;
	return put_expiry(tree, op->record.expires_ms, entry->number);
}

int lmdb_tree_claim(struct lmdb_tree *tree, const struct record_op *op,
                    struct lmdb_result *ret_result)
{
	struct lmdb_entry entry;
	uint64_t number;
	int rc = lmdb_tree_find(tree, op->record_key, &entry);

	*ret_result = (struct lmdb_result){.result = RECORD_GRANTED};
	if (rc == 0)
		return claim_again(tree, op, &entry, ret_result);
	if (rc == MDB_NOTFOUND)
		rc = append_record(tree, op->record_key, &op->record, &number);
	if (rc != 0)
		return rc;
	return put_expiry(tree, op->record.expires_ms, number);
}

/* Puts the record with the response it has. That lies where it is about to be
 * written anew. */
static int put_again(struct lmdb_tree *tree, const struct record_op *op,
                     uint64_t number, struct record *record)
{
	const size_t size = record->response.size;
	uint8_t *copy = malloc(size + 1);
	int rc;

	if (!copy)
		return ENOMEM;
	if (size > 0)
		memcpy(copy, record->response.data, size);
	record->response = spoe_span(copy, size);
	rc = put_record(tree, number, op->record_key, record, 0);
	free(copy);
	return rc;
}

static int replace(struct lmdb_tree *tree, const struct record_op *op,
                   const struct lmdb_entry *entry)
{
	struct record record = record_op_settled(op, &entry->record);
	const uint64_t due_ms = record_due_ms(&record);
	int rc;

	if (op->keep_response)
		rc = put_again(tree, op, entry->number, &record);
	else
		rc =
		    put_record(tree, entry->number, op->record_key, &record, 0);
	if (rc != 0 || due_ms >= record_due_ms(&entry->record))
		return rc;
	return put_expiry(tree, due_ms, entry->number);
}

/* What was found is under the cursor. */
static int release(struct lmdb_tree *tree, const struct record_op *op,
                   uint64_t number)
{
	const struct number n = number_of(number);

	forget_number(tree, op->record_key, number);
	lmdb_room_learn(tree->room, 0, tree->file->page_size);
	note_change(tree, LMDB_JOURNAL_NO_RECORD, val(n.bytes, sizeof(n.bytes)),
	            spoe_span(NULL, 0), 0);
	return mdb_cursor_del(tree->cursor, 0);
}

int lmdb_tree_settle(struct lmdb_tree *tree, const struct record_op *op,
                     struct lmdb_result *ret_result)
{
	struct lmdb_entry entry;
	int rc = lmdb_tree_find(tree, op->record_key, &entry);

	*ret_result = (struct lmdb_result){.result = RECORD_LOST};
	if (rc != 0)
		return rc == MDB_NOTFOUND ? 0 : rc;
	if (entry.health != REASON_NONE) {
		ret_result->health = entry.health;
		return 0;
	}
	if (!record_op_may_settle(op, &entry.record))
		return 0;
	ret_result->result = RECORD_SETTLED;
	if (op->record.state == RECORD_NONE)
		return release(tree, op, entry.number);
	return replace(tree, op, &entry);
}

/* --- sweep -------------------------------------------------------------- */

/* Moves a record that lost its response behind all others: pages do not shrink
 * with what is on them, but go when nothing is left. */
static int move_to_end(struct lmdb_tree *tree, MDB_cursor *cursor,
                       uint64_t number, struct spoe_span record_key,
                       const struct record *record)
{
	uint8_t copy[RECORD_KEY_SIZE];
	uint64_t new_number;
	int rc;

	memcpy(copy, record_key.data, sizeof(copy));
	forget_number(tree, copy, number);
	rc = append_record(tree, copy, record, &new_number);
	if (rc == 0)
		rc = mdb_cursor_del(cursor, 0);
	if (rc != 0)
		return rc;
	return put_expiry(tree, record->expires_ms, new_number);
}

/* Removes the record under the cursor if it has expired, or its response if
 * that has; has it visited again when there is more to do. */
static int visit_record(struct lmdb_tree *tree, MDB_cursor *cursor,
                        uint64_t number, MDB_val value, uint64_t now_ms,
                        struct lmdb_swept *swept)
{
	struct record record;
	struct spoe_span record_key;
	enum reason health =
	    lmdb_value_read(span_of(value), &record_key, &record);

	swept->visited++;
	if (health != REASON_NONE)
		return put_expiry(tree, now_ms + UNREADABLE_AGAIN_MS, number);
	if (record_alive(&record, now_ms)) {
		if (!record_drop_response(&record, now_ms))
			return put_expiry(tree, record_due_ms(&record), number);
		swept->dropped++;
		return move_to_end(tree, cursor, number, record_key, &record);
	}
	swept->expired++;
	forget_number(tree, record_key.data, number);
	return mdb_cursor_del(cursor, 0);
}

/* MDB_NOTFOUND: that was all of the block. 0: more than `limit` records had to
 * be changed. */
static int visit_block(struct lmdb_tree *tree, MDB_cursor *cursor,
                       uint64_t block, uint64_t now_ms, size_t limit,
                       struct lmdb_swept *swept)
{
	uint64_t number = block * LMDB_TREE_BLOCK;
	MDB_val value;
	int rc = lmdb_tree_step(cursor, MDB_SET_RANGE, &number, &value);

	while (rc == 0) {
		if (number / LMDB_TREE_BLOCK != block)
			return MDB_NOTFOUND;
		if (swept->expired + swept->dropped >= limit)
			return 0;
		rc = visit_record(tree, cursor, number, value, now_ms, swept);
		if (rc == 0)
			rc = lmdb_tree_step(cursor, MDB_NEXT, &number, &value);
	}
	return rc;
}

/* The first entry of `expiry`. MDB_NOTFOUND: none is due. */
static int first_due(struct lmdb_tree *tree, uint64_t now_ms,
                     struct expiry_key *ret_key, uint64_t *ret_block)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	struct spoe_reader r;
	uint64_t time_ms;
	int rc = mdb_cursor_open(tree->txn, tree->file->expiry, &cursor);

	if (rc != 0)
		return rc;
	rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
	mdb_cursor_close(cursor);
	if (rc != 0)
		return rc;
	r = spoe_reader(span_of(key));
	if (key.mv_size != EXPIRY_KEY_SIZE || !spoe_reader_u64(&r, &time_ms) ||
	    !spoe_reader_u64(&r, ret_block))
		return MDB_CORRUPTED;
	memcpy(ret_key->bytes, key.mv_data, EXPIRY_KEY_SIZE);
	return time_ms >= now_ms ? MDB_NOTFOUND : 0;
}

/* Visits the first block that is due. MDB_NOTFOUND: none is. */
static int visit_first(struct lmdb_tree *tree, MDB_cursor *cursor,
                       uint64_t now_ms, size_t limit, struct lmdb_swept *swept)
{
	struct expiry_key k;
	MDB_val key;
	uint64_t block;
	int rc = first_due(tree, now_ms, &k, &block);

	if (rc != 0)
		return rc;
	swept->visited++;
	rc = visit_block(tree, cursor, block, now_ms, limit, swept);
	/* The entry stays for the records that were too many. */
	if (rc != MDB_NOTFOUND)
		return rc;
	key = val(k.bytes, sizeof(k.bytes));
	return mdb_del(tree->txn, tree->file->expiry, &key, NULL);
}

int lmdb_tree_sweep(struct lmdb_tree *tree, uint64_t now_ms, size_t limit,
                    struct lmdb_swept *swept)
{
	const size_t visits_max = swept->visited + SWEEP_VISITS_MAX;
	MDB_cursor *cursor;
	int rc = mdb_cursor_open(tree->txn, tree->file->records, &cursor);

	if (rc != 0)
		return rc;
	swept->more = true;
	while (rc == 0 && swept->expired + swept->dropped < limit &&
	       swept->visited < visits_max)
		rc = visit_first(tree, cursor, now_ms, limit, swept);
	mdb_cursor_close(cursor);
	if (rc != MDB_NOTFOUND)
		return rc;
	swept->more = false;
	return 0;
}

/* --- all of them -------------------------------------------------------- */

int lmdb_tree_walk(const struct lmdb_tree *tree, uint64_t *number, size_t limit,
                   store_visit *visit, void *cookie)
{
	MDB_val value;
	MDB_cursor *cursor;
	int rc = mdb_cursor_open(tree->txn, tree->file->records, &cursor);

	if (rc != 0)
		return rc;
	rc = lmdb_tree_step(cursor, MDB_SET_RANGE, number, &value);
	for (size_t i = 0; rc == 0 && i < limit; i++) {
		struct record record;
		struct spoe_span record_key = spoe_span(NULL, 0);

		if (lmdb_value_read(span_of(value), &record_key, &record) !=
		    REASON_NONE)
			record = (struct record){.state = RECORD_NONE};
		++*number;
		if (!visit(cookie, record_key.data, &record))
			break;
		rc = lmdb_tree_step(cursor, MDB_NEXT, number, &value);
	}
	mdb_cursor_close(cursor);
	return rc;
}

/* --- size --------------------------------------------------------------- */

int lmdb_tree_records(const struct lmdb_tree *tree, uint64_t *ret_records)
{
	MDB_stat stat;
	int rc = mdb_stat(tree->txn, tree->file->records, &stat);

	if (rc == 0 && stat.ms_entries < LMDB_FILE_NAMES)
		return MDB_CORRUPTED;
	if (rc == 0)
		*ret_records = stat.ms_entries - LMDB_FILE_NAMES;
	return rc;
}

int lmdb_tree_bytes(const struct lmdb_tree *tree, uint64_t *ret_bytes)
{
	const MDB_dbi trees[] = {tree->file->records, tree->file->expiry};
	uint64_t pages = 0;

	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
		MDB_stat stat;
		int rc = mdb_stat(tree->txn, trees[i], &stat);

		if (rc != 0)
			return rc;
		pages += stat.ms_branch_pages + stat.ms_leaf_pages +
		         stat.ms_overflow_pages;
	}
	*ret_bytes = pages * tree->file->page_size;
	return 0;
}
