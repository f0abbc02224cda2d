/* agent/store/lmdb_tree.h: what is in the trees of a store, and how each
 * operation changes them inside one transaction.
 *
 *     index:   record key -> number u64
 *     records: number u64 -> record key, head size u16, head, response
 *     expiry:  time u64 (ms), block u64 -> nothing
 *
 * Big-endian. What a write costs is the pages it touches. Record keys are
 * random, so the index is small and is touched when a record comes and goes,
 * not when it is settled. Numbers count up, so what is claimed and settled
 * together lies together, in the last pages of `records`.
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

enum {
	LMDB_TREE_BLOCK = 64,
	/* A record is removed at most so long after its time. */
	LMDB_TREE_LAG_MS = 8192,
};

/* One transaction's view of the trees. */
struct lmdb_tree {
	MDB_txn *txn;
	const struct lmdb_file *file;
	/* private */
	uint64_t last;    /* the largest number; 0: not known */
	uint64_t time_ms; /* of the last entry made in `expiry` */
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

/* All functions return 0 or an error of LMDB; the transaction can then only be
 * aborted. */

/* MDB_NOTFOUND when there is no record. The response is not checked. */
int lmdb_tree_find(struct lmdb_tree *tree,
                   const uint8_t record_key[RECORD_KEY_SIZE],
                   struct lmdb_entry *ret_entry);

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

/* How many records there are. */
int lmdb_tree_records(const struct lmdb_tree *tree, uint64_t *ret_records);

/* Bytes of the pages the trees consist of. */
int lmdb_tree_bytes(const struct lmdb_tree *tree, uint64_t *ret_bytes);

#endif
