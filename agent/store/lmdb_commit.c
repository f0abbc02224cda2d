#include "agent/store/lmdb_commit.h"

enum {
	/* Records that one transaction removes at most: about a millisecond's
	 * work. */
	SWEEP_MAX = 256,
	MAKE_ROOM_TRIES = 32,
	CHECK_MS = 60 * 1000,
	RESERVE_MAX = 32 << 20,
};

void lmdb_commit_init(struct lmdb_store *store)
{
	store->swept_at_ms = store->now_ms();
	store->checked_at_ms = store->now_ms();
}

/* --- what happens in a transaction ------------------------------------- */

/* What claims leave free, so that the locks can still be settled: an eighth.
 * Half of that is left free by responses as well, so that there is always room
 * to delete. */
static uint64_t reserve_of(const struct lmdb_file *file)
{
	const uint64_t reserve = file->max_size / 8;

	return reserve < RESERVE_MAX ? reserve : RESERVE_MAX;
}

static bool has_room(const struct lmdb_tree *tree, const struct record_op *op)
{
	uint64_t limit = tree->file->max_size - reserve_of(tree->file);
	uint64_t bytes;

	if (op && op->type == RECORD_OP_SETTLE) {
		if (op->record.response.size == 0)
			return true;
		limit += reserve_of(tree->file) / 2;
	}
	return lmdb_tree_bytes(tree, &bytes) == 0 &&
	       bytes + (op ? op->record.response.size : 0) < limit;
}

static int apply_job(struct lmdb_store *store, struct lmdb_tree *tree,
                     struct lmdb_job *job)
{
	const struct record_op *op = &job->call->op;

	if (!has_room(tree, op)) {
		if (!store->squeezed)
			return MDB_MAP_FULL;
		job->result.health = REASON_STORE_FULL;
		return 0;
	}
	if (op->type == RECORD_OP_SETTLE)
		return lmdb_tree_settle(tree, op, &job->result);
	return lmdb_tree_claim(tree, op, &job->result);
}

static void set_applying(struct lmdb_store *store, bool applying)
{
	pthread_mutex_lock(&store->lock);
	store->applying = applying;
	pthread_mutex_unlock(&store->lock);
	if (!applying)
		pthread_cond_broadcast(&store->still);
}

/* While this runs, no call of the batch can be taken away. */
static int apply(struct lmdb_store *store, struct lmdb_tree *tree, size_t from,
                 size_t to)
{
	int rc = 0;

	set_applying(store, true);
	for (size_t i = from; i < to && rc == 0; i++) {
		struct lmdb_job *job = &store->batch[i];

		/* A cancelled call's result would be counted. */
		job->result = (struct lmdb_result){.result = RECORD_ABSENT};
		if (job->call)
			rc = apply_job(store, tree, job);
	}
	set_applying(store, false);
	return rc;
}

void lmdb_commit_measure(struct lmdb_store *store, MDB_txn *txn)
{
	struct lmdb_counters *c = &store->counters;
	const struct lmdb_tree tree = {.txn = txn, .file = &store->file};
	MDB_envinfo info;
	uint64_t value;

	if (lmdb_tree_records(&tree, &value) == 0)
		atomic_store_explicit(&c->records, value, memory_order_relaxed);
	if (lmdb_tree_bytes(&tree, &value) == 0)
		atomic_store_explicit(&c->bytes_used, value,
		                      memory_order_relaxed);
	if (mdb_env_info(store->file.env, &info) == 0)
		atomic_store_explicit(&c->bytes_size,
		                      (info.me_last_pgno + 1) *
		                          store->file.page_size,
		                      memory_order_relaxed);
}

static void count_commit(struct lmdb_store *store, size_t n_jobs,
                         const struct lmdb_swept *swept)
{
	if (n_jobs == 0 && swept->visited == 0)
		return;
	histogram_add(&store->counters.commits, store_commit_bounds,
	              STORE_COMMIT_BOUNDS, n_jobs);
	counter_add(&store->counters.expired, swept->expired);
}

static void drop(struct lmdb_store *store, struct lmdb_tree *tree)
{
	lmdb_tree_undo(tree);
	lmdb_file_abort(&store->file, tree->txn);
}

/* The transaction that is held, or a new one. */
static int begin(struct lmdb_store *store, enum lmdb_commit_mode mode,
                 struct lmdb_tree *ret_tree)
{
	struct lmdb_journal *journal = &store->file.journal;
	int rc;

	*ret_tree = store->held;
	store->held.txn = NULL;
	if (ret_tree->txn)
		return 0;
	*ret_tree = (struct lmdb_tree){
	    .file = &store->file,
	    .changes = &store->changes,
	    .room = &store->record_room,
	};
	store->n_held = 0;
	rc = lmdb_file_write(&store->file, &ret_tree->txn);
	if (rc != 0)
		return rc;
	if (mode == LMDB_COMMIT_HOLD && journal->head &&
	    lmdb_file_reserve(&store->file)) {
		lmdb_journal_start(journal, mdb_txn_id(ret_tree->txn));
		ret_tree->journal = journal;
	}
	rc = lmdb_tree_begin(ret_tree);
	if (rc != 0)
		drop(store, ret_tree);
	return rc;
}

static int commit(struct lmdb_store *store, struct lmdb_tree *tree,
                  const struct lmdb_swept *swept)
{
	const int rc = lmdb_file_commit(&store->file, tree->txn);

	lmdb_tree_committed(tree, rc == 0);
	if (rc == 0 && tree->journal)
		lmdb_journal_clear(tree->journal);
	if (rc == 0)
		count_commit(store, store->n_held, swept);
	return lmdb_file_explain(&store->file, rc);
}

/* Whether the transaction stays open: all of it is in the journal then, and
 * there is room for another batch. */
static bool hold(struct lmdb_store *store, const struct lmdb_tree *tree)
{
	const struct lmdb_tree_changes *changes = &store->changes;

	if (!tree->journal ||
	    store->n_held + LMDB_BATCH_MAX > LMDB_FILE_RESERVE_OPS ||
	    changes->n_added + changes->n_removed + LMDB_BATCH_MAX >
	        LMDB_TREE_CHANGES_MAX ||
	    !lmdb_journal_publish(tree->journal))
		return false;
	store->held = *tree;
	return true;
}

/* One transaction: what is held, the jobs from..to, then a slice of what is
 * due. Returns 0, or an error and nothing has changed but, maybe, that what was
 * held is in the journal alone (after a disk error while committing: all or
 * nothing has). */
static int transact(struct lmdb_store *store, size_t from, size_t to,
                    enum lmdb_commit_mode mode, size_t sweep)
{
	struct lmdb_tree tree;
	struct lmdb_swept swept = {.visited = 0};
	int rc = begin(store, mode, &tree);

	if (rc != 0)
		return rc;
	if (from < to)
		rc = apply(store, &tree, from, to);
	if (rc == 0 && sweep > 0) {
		rc = lmdb_tree_sweep(&tree, store->now_ms(), sweep, &swept);
		store->room = has_room(&tree, NULL) || !swept.more;
		store->sweep_more = swept.more;
		store->swept_at_ms = store->now_ms();
	}
	if (rc != 0) {
		drop(store, &tree);
		return rc;
	}
	store->n_held += to - from;
	lmdb_commit_measure(store, tree.txn);
	if (mode == LMDB_COMMIT_HOLD && hold(store, &tree))
		return 0;
	return commit(store, &tree, &swept);
}

/* --- when it fails ------------------------------------------------------ */

/* LMDB refuses to go on after it could not write its meta page. */
static void reopen(struct lmdb_store *store)
{
	pthread_rwlock_wrlock(&store->file.remap);
	pthread_mutex_lock(&store->lock);
	for (struct lmdb_client *c = store->clients; c; c = c->next) {
		mdb_txn_abort(c->txn);
		c->txn = NULL;
	}
	pthread_mutex_unlock(&store->lock);
	lmdb_file_reopen(&store->file);
	pthread_rwlock_unlock(&store->file.remap);
}

/* After a failure. What the journal has is done again, if the disk lets us; and
 * a commit that got as far as the meta page leaves a PANIC, in which whoever
 * asks next could not even read. Returns 0 when all is well again. */
static int recover(struct lmdb_store *store)
{
	MDB_txn *txn;
	int rc = MDB_PANIC;

	/* A failure, the PANIC behind it, and the file opened again. */
	for (int tries = 0; tries < 3; tries++) {
		rc = lmdb_file_write(&store->file, &txn);
		if (rc == 0) {
			lmdb_file_abort(&store->file, txn);
			return 0;
		}
		if (rc == MDB_PANIC)
			reopen(store);
	}
	return rc;
}

/* A sweep in a transaction of its own, as large as there is room for. */
static int sweep_alone(struct lmdb_store *store)
{
	int rc = 0;

	for (size_t limit = SWEEP_MAX; limit > 0; limit /= 4) {
		rc = transact(store, 0, 0, LMDB_COMMIT_SWEEP, limit);
		if (!lmdb_file_is_full(rc))
			break;
	}
	return rc;
}

/* Sweeps until claims find room, or nothing more is due. On a small store that
 * is full a sweep may have to be too small to give a page back. */
static void make_room(struct lmdb_store *store)
{
	store->room = false;
	for (int i = 0; i < MAKE_ROOM_TRIES && !store->room; i++) {
		if (sweep_alone(store) != 0)
			return;
	}
}

/* Whether a part of a batch may do what the whole could not: it needs less
 * room, or does not touch the damaged page. */
static bool may_divide(int rc)
{
	return lmdb_file_is_full(rc) || rc == MDB_TXN_FULL ||
	       rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND;
}

static void fail_jobs(struct lmdb_store *store, size_t from, size_t to,
                      enum reason health)
{
	for (size_t i = from; i < to; i++)
		store->batch[i].result.health = health;
}

/* Returns the last error, if there was one. The depth of the recursion is the
 * logarithm of the batch. */
static int commit_parts(struct lmdb_store *store, size_t from, size_t to)
{
	const size_t middle = from + (to - from) / 2;
	int rc = transact(store, from, to, LMDB_COMMIT_ONLY, 0);
	int rc2;

	if (rc == 0)
		return 0;
	if (to - from > 1 && may_divide(rc)) {
		rc = commit_parts(store, from, middle);
		rc2 = commit_parts(store, middle, to);
		return rc2 != 0 ? rc2 : rc;
	}
	fail_jobs(store, from, to, lmdb_file_reason(rc));
	return rc;
}

static bool store_failed(const struct lmdb_result *result)
{
	return result->health == REASON_STORE_FULL ||
	       result->health == REASON_STORE_FAILED ||
	       result->health == REASON_NO_MEMORY;
}

static bool any_failed(const struct lmdb_store *store)
{
	for (size_t i = 0; i < store->n_batch; i++) {
		if (store_failed(&store->batch[i].result))
			return true;
	}
	return false;
}

static bool sweep_due(const struct lmdb_store *store)
{
	return store->sweep_more ||
	       lmdb_elapsed(store, store->swept_at_ms, LMDB_SWEEP_NEXT_MS);
}

void lmdb_commit_batch(struct lmdb_store *store, enum lmdb_commit_mode mode)
{
	const size_t sweep =
	    mode == LMDB_COMMIT_SWEEP && sweep_due(store) ? SWEEP_MAX : 0;
	int rc;

	store->squeezed = false;
	rc = transact(store, 0, store->n_batch, mode, sweep);
	if (rc == MDB_PANIC) {
		/* It did not begin, so nothing has been done twice. */
		reopen(store);
		rc = transact(store, 0, store->n_batch, mode, sweep);
	}
	if (rc != 0) {
		if (lmdb_file_is_full(rc))
			make_room(store);
		store->squeezed = true;
		commit_parts(store, 0, store->n_batch);
		recover(store);
	}
	atomic_store(&store->write_failed, any_failed(store));
}

/* What could not be committed is in the journal. */
void lmdb_commit_held(struct lmdb_store *store)
{
	const struct lmdb_swept swept = {.visited = 0};
	struct lmdb_tree tree = store->held;

	store->held.txn = NULL;
	if (commit(store, &tree, &swept) != 0)
		atomic_store(&store->write_failed, recover(store) != 0);
}

/* --- between the batches ------------------------------------------------ */

/* Finds out whether a store that failed works again. */
static int probe(struct lmdb_store *store)
{
	MDB_txn *txn = NULL;
	struct lmdb_tree tree = {.file = &store->file};
	int rc = lmdb_file_write(&store->file, &txn);

	if (rc != 0)
		return rc;
	tree.txn = txn;
	rc = has_room(&tree, NULL) ? lmdb_file_mark(&store->file, txn)
	                           : MDB_MAP_FULL;
	if (rc != 0) {
		lmdb_file_abort(&store->file, txn);
		return rc;
	}
	return lmdb_file_commit(&store->file, txn);
}

static void free_dead_readers(struct lmdb_store *store)
{
	if (!lmdb_elapsed(store, store->checked_at_ms, CHECK_MS))
		return;
	store->checked_at_ms = store->now_ms();
	pthread_rwlock_rdlock(&store->file.remap);
	lmdb_file_free_dead_readers(&store->file);
	pthread_rwlock_unlock(&store->file.remap);
}

void lmdb_commit_tidy(struct lmdb_store *store)
{
	int rc;

	store->sweep_more = false; /* should it fail */
	rc = sweep_alone(store);
	if (rc == MDB_PANIC) {
		reopen(store);
		rc = sweep_alone(store);
	}
	if (rc == 0)
		atomic_store(&store->read_failed, false);
	if (atomic_load(&store->write_failed) && probe(store) == 0)
		atomic_store(&store->write_failed, false);
	free_dead_readers(store);
}

void lmdb_commit_end(struct lmdb_store *store)
{
	struct lmdb_tree tree = {
	    .file = &store->file,
	    .changes = &store->changes,
	};

	if (store->changes.n_removed == 0 ||
	    lmdb_file_write(&store->file, &tree.txn) != 0)
		return;
	lmdb_tree_begin(&tree);
	lmdb_file_abort(&store->file, tree.txn);
}
