/* agent/store/lmdb_tree.h: what is in the trees of a store, and how each
 * operation changes them inside one transaction.
 *
 *     records: number u64, its first bit set -> record (lmdb_value.h)
 *     expiry:  time u64 (ms), block u64 -> nothing
 *
 * Big-endian. What a write costs is the pages it touches, so `records` is
 * LMDB's main tree: any other is a value in that, under a name, which comes
 * before all numbers. Record keys are random, so no tree has them: the
 * number of a key is in a table beside LMDB (lmdb_index.h). Numbers count up
 * and are never used again, so what is claimed and settled together lies
 * together, in the last pages of `records`.
 *
 * BLOCK numbers in a row are a block. Every record's block has an entry in
 * `expiry` at the time when the record or its response has to go (rounded up)
 * or before. An entry says "look at this block then", no more: settling leaves
 * it where it is, and whoever visits the block enters it again at the times its
 * records need. */
#ifndef AGENT_STORE_LMDB_TREE_H
#define AGENT_STORE_LMDB_TREE_H

#include "agent/core/record_op.h"
#include "agent/store/lmdb_file.h"
#include "agent/store/lmdb_value.h"

enum {
	LMDB_TREE_BLOCK = 64,
	/* A record is removed at most so long after its time. */
	LMDB_TREE_LAG_MS = 8192,
};

/* Numbers that the index has to be told of. */
struct lmdb_tree_change {
	uint64_t prefix; /* of the record key */
	uint64_t number;
};

enum { LMDB_TREE_CHANGES_MAX = 1024 };

/* What a write transaction has done to the index already and has to be undone
 * when it fails, and what has to be done to it when it does not. It outlives
 * the transaction. */
struct lmdb_tree_changes {
	size_t n_added;
	size_t n_removed;
	bool doubtful; /* whether the removed are: look first */
	struct lmdb_tree_change added[LMDB_TREE_CHANGES_MAX];
	struct lmdb_tree_change removed[LMDB_TREE_CHANGES_MAX];
};

/* One transaction's view of the trees. */
struct lmdb_tree {
	MDB_txn *txn;
	const struct lmdb_file *file;
	/* To write. */
	struct lmdb_tree_changes *changes;
	struct lmdb_room *room;
	struct lmdb_journal *journal; /* where changes go as well, or NULL */
	/* private */
	MDB_cursor *cursor; /* in `records`, to write: see lmdb_tree_begin() */
	uint64_t time_ms;   /* of the last entry made in `expiry` */
	uint64_t block;
};

/* A record as it was found; spans are borrowed from the transaction. */
struct lmdb_entry {
	enum reason health; /* NONE, or why the record cannot be read */
	uint64_t number;
	struct record record;
};

/* What became of an operation. RECORD_FOUND to a claim: a live record is there
 * and can be read in place. */
struct lmdb_result {
	enum reason health;
	enum record_result result;
};

struct lmdb_swept {
	size_t visited; /* entries and records */
	size_t expired; /* records removed */
	size_t dropped; /* responses removed */
	bool more;      /* more is due */
};

/* LMDB takes its input by pointers that are not const; it only reads it. */
static inline MDB_val lmdb_val(struct spoe_span span)
{
	union {
		const void *in;
		void *out;
	} pointer = {.in = span.data};

	return (MDB_val){.mv_data = pointer.out, .mv_size = span.size};
}

/* The number that a key of `records` is; false: it is none. */
bool lmdb_tree_number(MDB_val key, uint64_t *ret_number);

/* All functions below return 0 or an error of LMDB; the transaction can then
 * only be aborted. */

/* MDB_NOTFOUND when there is no record. The response is not checked. */
int lmdb_tree_find(struct lmdb_tree *tree,
                   const uint8_t record_key[RECORD_KEY_SIZE],
                   struct lmdb_entry *ret_entry);

/* The key of the record of a number, in the map. MDB_NOTFOUND: there is none.
 */
int lmdb_tree_key(const struct lmdb_tree *tree, uint64_t number,
                  const uint8_t **ret_key);

/* The record of a number, which `record_key` led to. MDB_NOTFOUND: there is
 * none. The response is not checked. */
int lmdb_tree_get(const struct lmdb_tree *tree, uint64_t number,
                  const uint8_t *record_key, struct lmdb_entry *ret_entry);

/* Checks the response of a readable entry; its health says how it went. */
void lmdb_tree_check(struct lmdb_entry *entry);

int lmdb_tree_claim(struct lmdb_tree *tree, const struct record_op *op,
                    struct lmdb_result *ret_result);
int lmdb_tree_settle(struct lmdb_tree *tree, const struct record_op *op,
                     struct lmdb_result *ret_result);

/* Visits blocks that are due and removes the records in them that have expired,
 * or their responses where only those have: at most `limit`, for each may touch
 * a page of its own. Adds to *swept. */
int lmdb_tree_sweep(struct lmdb_tree *tree, uint64_t now_ms, size_t limit,
                    struct lmdb_swept *swept);

/* Begins to write: call it first in each transaction that does. Removes from
 * the index what the last one removed: only who has the write transaction may
 * change the index, and a number must be there as long as its record may be. */
int lmdb_tree_begin(struct lmdb_tree *tree);

/* The transaction is about to be aborted. */
void lmdb_tree_undo(struct lmdb_tree *tree);

/* Its commit is through, or failed. */
void lmdb_tree_committed(struct lmdb_tree *tree, bool done);

/* Does again what the journal has for this transaction. */
int lmdb_tree_redo(struct lmdb_tree *tree);

/* Enters all records into the index: see lmdb_index_source. */
int lmdb_tree_put_all(void *tree, const struct lmdb_index *index);

/* Moves a cursor of `records` to the record *number or the first one behind it
 * (MDB_SET_RANGE), or to the next (MDB_NEXT). MDB_NOTFOUND: there is none. */
int lmdb_tree_step(MDB_cursor *cursor, MDB_cursor_op op, uint64_t *number,
                   MDB_val *ret_value);

/* Visits up to `limit` records from *number on, in the order of numbers, and
 * moves it behind them. Looks at heads alone: a response is not checked, and
 * what cannot be read is RECORD_NONE. MDB_NOTFOUND: that was the last. */
int lmdb_tree_walk(const struct lmdb_tree *tree, uint64_t *number, size_t limit,
                   store_visit *visit, void *cookie);

/* How many records there are. */
int lmdb_tree_records(const struct lmdb_tree *tree, uint64_t *ret_records);

/* Bytes of the pages the trees consist of. */
int lmdb_tree_bytes(const struct lmdb_tree *tree, uint64_t *ret_bytes);

#endif
