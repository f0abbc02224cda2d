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

/* Carries out the batch, and a slice of what is due to be swept: every job has
 * its result, and what has one without a failure is committed. What does not
 * fit, or meets damage, fails alone. */
void lmdb_commit_batch(struct lmdb_store *store, bool may_sweep);

/* What there is to do between batches: sweeps a slice, finds out whether a
 * store that failed works again, frees what dead processes hold. */
void lmdb_commit_tidy(struct lmdb_store *store);

/* Brings the index up to date, once nobody writes any more. */
void lmdb_commit_end(struct lmdb_store *store);

/* Reads how much is in the store now into its counters. */
void lmdb_commit_measure(struct lmdb_store *store, MDB_txn *txn);

#endif
