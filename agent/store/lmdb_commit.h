/* agent/store/lmdb_commit.h: a batch of operations becomes transactions: one if
 * all goes well. By whoever is `writing`, without the lock. */
#ifndef AGENT_STORE_LMDB_COMMIT_H
#define AGENT_STORE_LMDB_COMMIT_H

#include "agent/store/lmdb_store.h"

enum {
	LMDB_SWEEP_MORE_MS = 5,   /* between two slices of a backlog */
	LMDB_SWEEP_NEXT_MS = 500, /* after the last one */
};

void lmdb_commit_init(struct lmdb_store *store);

/* What whoever is writing may do besides. */
enum lmdb_commit_mode {
	LMDB_COMMIT_ONLY,
	LMDB_COMMIT_SWEEP, /* a slice of what is due to be swept */
	/* Leave the transaction open for the next batch: `held`. What is in it
	 * is in the journal. */
	LMDB_COMMIT_HOLD,
};

/* Carries out the batch: every job has its result, and what has one without a
 * failure is committed or, in a transaction that is held, in the journal. What
 * does not fit, or meets damage, fails alone. */
void lmdb_commit_batch(struct lmdb_store *store, enum lmdb_commit_mode mode);

/* Commits the transaction that is held. */
void lmdb_commit_held(struct lmdb_store *store);

/* What there is to do between batches: sweeps a slice, finds out whether a
 * store that failed works again, frees what dead processes hold. */
void lmdb_commit_tidy(struct lmdb_store *store);

/* Brings the index up to date, once nobody writes any more. */
void lmdb_commit_end(struct lmdb_store *store);

/* Reads how much is in the store now into its counters. */
void lmdb_commit_measure(struct lmdb_store *store, MDB_txn *txn);

#endif
