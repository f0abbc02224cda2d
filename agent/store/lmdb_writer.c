#include "agent/store/lmdb_writer.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	STACK_SIZE = 256 << 10,
	/* Records that one transaction removes at most: about a millisecond's
	 * work. */
	SWEEP_MAX = 256,
	SWEEP_MORE_MS = 5,   /* between two slices of a backlog */
	SWEEP_NEXT_MS = 500, /* after the last one */
	MAKE_ROOM_TRIES = 32,
	CHECK_MS = 60 * 1000,
	RESERVE_MAX = 32 << 20,
};

/* By a clock that may be set back. */
static bool elapsed(const struct lmdb_store *store, uint64_t since_ms,
                    uint64_t ms)
{
	const uint64_t now = store->now_ms();

	return now < since_ms || now - since_ms >= ms;
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
		if (store->batch[i].call)
			rc = apply_job(store, tree, &store->batch[i]);
	}
	set_applying(store, false);
	return rc;
}

void lmdb_writer_measure(struct lmdb_store *store, MDB_txn *txn)
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
	lmdb_count(&store->counters.commits, 1);
	lmdb_count(&store->counters.ops, n_jobs);
	lmdb_count(&store->counters.expired, swept->expired);
}

/* One transaction: the jobs from..to, then a slice of what is due. Returns 0,
 * or an error and nothing has changed (after a disk error while committing:
 * all or nothing has). */
static int transact(struct lmdb_store *store, size_t from, size_t to,
                    size_t sweep)
{
	struct lmdb_tree tree = {.file = &store->file};
	struct lmdb_swept swept = {.visited = 0};
	int rc = lmdb_file_write(&store->file, &tree.txn);

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
		lmdb_file_abort(&store->file, tree.txn);
		return rc;
	}
	lmdb_writer_measure(store, tree.txn);
	rc = lmdb_file_commit(&store->file, tree.txn);
	if (rc == 0)
		count_commit(store, to - from, &swept);
	return lmdb_file_explain(&store->file, rc);
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

/* A sweep in a transaction of its own, as large as there is room for. */
static int sweep_alone(struct lmdb_store *store)
{
	int rc = 0;

	for (size_t limit = SWEEP_MAX; limit > 0; limit /= 4) {
		rc = transact(store, 0, 0, limit);
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
	int rc = transact(store, from, to, 0);
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

static void commit_batch(struct lmdb_store *store, size_t sweep)
{
	int rc;

	store->squeezed = false;
	rc = transact(store, 0, store->n_batch, sweep);
	if (rc == MDB_PANIC) {
		/* It did not begin, so nothing has been done twice. */
		reopen(store);
		rc = transact(store, 0, store->n_batch, sweep);
	}
	if (rc != 0) {
		if (lmdb_file_is_full(rc))
			make_room(store);
		store->squeezed = true;
		/* PANIC now: a commit got as far as the meta page, and may
		 * have happened. Whoever asks next must not find it so. */
		if (commit_parts(store, 0, store->n_batch) == MDB_PANIC)
			reopen(store);
	}
	atomic_store(&store->write_failed, any_failed(store));
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
	if (!elapsed(store, store->checked_at_ms, CHECK_MS))
		return;
	store->checked_at_ms = store->now_ms();
	pthread_rwlock_rdlock(&store->file.remap);
	lmdb_file_free_dead_readers(&store->file);
	pthread_rwlock_unlock(&store->file.remap);
}

static void tidy(struct lmdb_store *store)
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

/* --- batches and answers: under the lock -------------------------------- */

static void add_job(struct lmdb_store *store, struct lmdb_client *client,
                    struct store_call *call)
{
	lmdb_call_set_job(call, store->n_batch);
	store->batch[store->n_batch++] = (struct lmdb_job){
	    .client = client,
	    .call = call,
	};
}

static bool anything_queued(const struct lmdb_store *store)
{
	for (struct lmdb_client *c = store->clients; c; c = c->next) {
		if (!lmdb_calls_empty(&c->queued))
			return true;
	}
	return false;
}

/* Takes what is queued, from each client in turn. */
static void gather(struct lmdb_store *store)
{
	size_t bytes = 0;
	bool more = true;

	store->n_batch = 0;
	while (more) {
		more = false;
		for (struct lmdb_client *c = store->clients; c; c = c->next) {
			struct store_call *call;

			if (store->n_batch == LMDB_BATCH_MAX ||
			    bytes > LMDB_BATCH_BYTES)
				return;
			call = lmdb_calls_take(&c->queued);
			if (!call)
				continue;
			bytes += call->op.record.response.size;
			add_job(store, c, call);
			more = true;
		}
	}
}

/* Sleeps until there is work; false: `ms` have passed. The lock is not held
 * meanwhile. */
static bool sleep_for(struct lmdb_store *store, int ms)
{
	struct pollfd p = {.fd = store->wake_fd, .events = POLLIN};
	uint64_t n;
	bool woken;

	store->sleeping = true;
	pthread_mutex_unlock(&store->lock);
	woken = poll(&p, 1, ms) > 0 &&
	        read(store->wake_fd, &n, sizeof(n)) == sizeof(n);
	pthread_mutex_lock(&store->lock);
	store->sleeping = false;
	return woken;
}

static void wake(struct lmdb_store *store)
{
	const uint64_t one = 1;

	/* A full counter cannot be: the thread resets it. */
	while (write(store->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		continue;
}

/* Waits for jobs, or for the time to tidy up (no job). False: stop. */
static bool next_batch(struct lmdb_store *store)
{
	bool due = false;

	while (!store->stopping) {
		if (store->writing) {
			/* A loop is: it wakes us when it is through. */
			store->wants_turn = true;
			due = !sleep_for(store, SWEEP_NEXT_MS) || due;
			store->wants_turn = false;
			continue;
		}
		gather(store);
		if (store->n_batch > 0 || due)
			return true;
		due = !sleep_for(store, store->sweep_more ? SWEEP_MORE_MS
		                                          : SWEEP_NEXT_MS);
	}
	return false;
}

static void count_result(struct lmdb_counters *c,
                         const struct lmdb_result *result)
{
	if (result->health != REASON_NONE)
		return;
	if (result->result == RECORD_GRANTED)
		lmdb_count(&c->granted, 1);
	else if (result->result == RECORD_SETTLED)
		lmdb_count(&c->settled, 1);
	else if (result->result == RECORD_LOST)
		lmdb_count(&c->lost, 1);
}

/* Puts the answers where their clients find them, and returns how many clients
 * but `self` have to be told. */
static size_t answer_batch(struct lmdb_store *store, struct lmdb_client *self,
                           struct lmdb_client **ret_others)
{
	size_t n_others = 0;

	for (size_t i = 0; i < store->n_batch; i++) {
		struct lmdb_job *job = &store->batch[i];

		count_result(&store->counters, &job->result);
		if (!job->call)
			continue;
		assert(job->client != NULL);
		if (job->client != self &&
		    lmdb_calls_empty(&job->client->answers))
			ret_others[n_others++] = job->client;
		lmdb_call_set_result(job->call, job->result);
		lmdb_calls_append(&job->client->answers, job->call);
	}
	store->n_batch = 0;
	return n_others;
}

static bool sweep_due(const struct lmdb_store *store)
{
	return store->sweep_more ||
	       elapsed(store, store->swept_at_ms, SWEEP_NEXT_MS);
}

/* Writes the batch and answers it; for the writer thread (no `self`) also what
 * is due to be swept. Called and left with the lock held, which is not held
 * meanwhile. */
static void write_batch(struct lmdb_store *store, struct lmdb_client *self)
{
	struct lmdb_client *others[LMDB_BATCH_MAX];
	size_t n_others;

	store->writing = true;
	pthread_mutex_unlock(&store->lock);
	if (store->n_batch == 0)
		tidy(store);
	else
		commit_batch(store, !self && sweep_due(store) ? SWEEP_MAX : 0);
	pthread_mutex_lock(&store->lock);
	n_others = answer_batch(store, self, others);
	store->writing = false;
	if (n_others == 0)
		return;
	/* Not under the lock: whom we wake would run into it. */
	store->sending = true;
	pthread_mutex_unlock(&store->lock);
	for (size_t i = 0; i < n_others; i++)
		ev_async_send(others[i]->loop, &others[i]->answered);
	pthread_mutex_lock(&store->lock);
	store->sending = false;
	pthread_cond_broadcast(&store->still);
}

static void *run(void *cookie)
{
	struct lmdb_store *store = cookie;

	pthread_mutex_lock(&store->lock);
	while (next_batch(store))
		write_batch(store, NULL);
	pthread_mutex_unlock(&store->lock);
	return NULL;
}

/* --- the loops' side ---------------------------------------------------- */

int lmdb_writer_start(struct lmdb_store *store)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int rc;

	store->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (store->wake_fd < 0)
		return errno;
	store->swept_at_ms = store->now_ms();
	store->checked_at_ms = store->now_ms();
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	/* Signals are for the shell's threads; and SIGXFSZ, which a limit on
	 * file sizes sends to whoever writes, becomes an EFBIG. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&store->writer, &attr, run, store);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (rc != 0)
		close(store->wake_fd);
	return rc;
}

void lmdb_writer_stop(struct lmdb_store *store)
{
	pthread_mutex_lock(&store->lock);
	store->stopping = true;
	pthread_mutex_unlock(&store->lock);
	wake(store);
	pthread_join(store->writer, NULL);
	close(store->wake_fd);
}

/* Whether the loop writes itself what it hands over. That saves two switches
 * between threads, most of the cost of a small batch; a loop that would have
 * to wait for a disk or for another writer leaves it to the writer thread. */
static bool may_write(const struct lmdb_store *store)
{
	return (store->file.flags & MDB_NOSYNC) && !store->writing &&
	       !store->wants_turn && !store->stopping;
}

void lmdb_writer_hand_over(struct lmdb_client *client)
{
	struct lmdb_store *store = (struct lmdb_store *)client->base.store;
	bool asleep;

	pthread_mutex_lock(&store->lock);
	lmdb_calls_move(&client->queued, &client->handover);
	if (may_write(store)) {
		gather(store);
		write_batch(store, client);
	}
	asleep = store->sleeping && !store->writing &&
	         (store->wants_turn || anything_queued(store));
	if (asleep)
		store->sleeping = false; /* one wakes it for all */
	pthread_mutex_unlock(&store->lock);
	if (asleep)
		wake(store);
}

void lmdb_writer_cancel(struct lmdb_client *client, struct store_call *call)
{
	struct lmdb_store *store = (struct lmdb_store *)client->base.store;
	size_t job;

	pthread_mutex_lock(&store->lock);
	while (lmdb_call_is_job(call, &job) && store->applying)
		pthread_cond_wait(&store->still, &store->lock);
	if (lmdb_call_is_job(call, &job))
		store->batch[job].call = NULL;
	else
		lmdb_calls_remove(call);
	pthread_mutex_unlock(&store->lock);
}

void lmdb_writer_join(struct lmdb_client *client)
{
	struct lmdb_store *store = (struct lmdb_store *)client->base.store;

	pthread_mutex_lock(&store->lock);
	client->next = store->clients;
	store->clients = client;
	pthread_mutex_unlock(&store->lock);
}

void lmdb_writer_leave(struct lmdb_client *client)
{
	struct lmdb_store *store = (struct lmdb_store *)client->base.store;
	struct lmdb_client **at = &store->clients;

	pthread_mutex_lock(&store->lock);
	while (store->applying || store->sending)
		pthread_cond_wait(&store->still, &store->lock);
	for (size_t i = 0; i < store->n_batch; i++) {
		if (store->batch[i].client == client)
			store->batch[i].call = NULL;
	}
	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	pthread_mutex_unlock(&store->lock);
}
