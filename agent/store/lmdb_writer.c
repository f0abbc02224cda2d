#include "agent/store/lmdb_writer.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/store/lmdb_commit.h"

enum { STACK_SIZE = 256 << 10 };

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
			due = !sleep_for(store, LMDB_SWEEP_NEXT_MS) || due;
			store->wants_turn = false;
			continue;
		}
		gather(store);
		if (store->n_batch > 0 || due)
			return true;
		due = !sleep_for(store, store->sweep_more ? LMDB_SWEEP_MORE_MS
		                                          : LMDB_SWEEP_NEXT_MS);
	}
	return false;
}

static void count_result(struct lmdb_counters *c,
                         const struct lmdb_result *result)
{
	if (result->health != REASON_NONE)
		return;
	if (result->result == RECORD_GRANTED)
		counter_add(&c->granted, 1);
	else if (result->result == RECORD_SETTLED)
		counter_add(&c->settled, 1);
	else if (result->result == RECORD_LOST)
		counter_add(&c->lost, 1);
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

/* The transaction is held by `client`, or (NULL) by nobody any more. */
static void set_holder(struct lmdb_store *store, struct lmdb_client *client)
{
	store->writing = client != NULL;
	if (store->holder && !client) {
		store->holds++;
		pthread_cond_broadcast(&store->still);
	}
	store->holder = client;
	if (client)
		store->holder_thread = pthread_self();
}

/* Whether nobody else has had anything to write for a while, who would be kept
 * waiting; and there is no trouble, which should be seen at once. */
static bool may_hold(const struct lmdb_store *store,
                     const struct lmdb_client *client)
{
	return store->latest == client &&
	       lmdb_elapsed(store, store->alone_since_ms, LMDB_ALONE_MS) &&
	       !atomic_load_explicit(&store->write_failed,
	                             memory_order_relaxed);
}

/* Writes the batch and answers it; for the writer thread (no `self`) also what
 * is due to be swept. Called and left with the lock held, which is not held
 * meanwhile. */
static void write_batch(struct lmdb_store *store, struct lmdb_client *self)
{
	enum lmdb_commit_mode mode = LMDB_COMMIT_ONLY;
	struct lmdb_client *others[LMDB_BATCH_MAX];
	size_t n_others;

	if (!self)
		mode = LMDB_COMMIT_SWEEP;
	else if (may_hold(store, self))
		mode = LMDB_COMMIT_HOLD;
	store->writing = true;
	pthread_mutex_unlock(&store->lock);
	if (store->n_batch > 0)
		lmdb_commit_batch(store, mode);
	else
		lmdb_commit_tidy(store);
	pthread_mutex_lock(&store->lock);
	n_others = answer_batch(store, self, others);
	set_holder(store, store->held.txn ? self : NULL);
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
	lmdb_commit_init(store);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	/* Signals are for the shell's threads. */
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
 * to wait for a disk, for another writer or, maybe, for another process leaves
 * it to the writer thread. */
static bool may_write(const struct lmdb_store *store,
                      const struct lmdb_client *client)
{
	return (store->file.flags & MDB_NOSYNC) &&
	       (!store->writing || store->holder == client) &&
	       !store->wants_turn && !store->stopping &&
	       !lmdb_file_is_shared(&store->file);
}

/* Gives the lock up. */
static void leave(struct lmdb_store *store)
{
	const bool asleep = store->sleeping && !store->writing &&
	                    (store->wants_turn || anything_queued(store));

	if (asleep)
		store->sleeping = false; /* one wakes it for all */
	pthread_mutex_unlock(&store->lock);
	if (asleep)
		wake(store);
}

/* Commits what the client holds. Called and left with the lock held, which is
 * not held meanwhile. */
static void end_hold(struct lmdb_client *client)
{
	struct lmdb_store *store = (struct lmdb_store *)client->base.store;

	if (store->holder != client)
		return;
	pthread_mutex_unlock(&store->lock);
	lmdb_commit_held(store);
	pthread_mutex_lock(&store->lock);
	set_holder(store, NULL);
}

/* What the loop has to know of `holder`, without the lock. */
static void follow_holder(struct lmdb_client *client)
{
	struct lmdb_store *store = (struct lmdb_store *)client->base.store;

	client->held = store->holder == client ? store->held.txn : NULL;
	if (!client->held) {
		ev_timer_stop(client->loop, &client->hold);
	} else if (!ev_is_active(&client->hold)) {
		ev_timer_set(&client->hold, LMDB_HOLD_MS / 1000.0, 0);
		ev_timer_start(client->loop, &client->hold);
	}
}

void lmdb_writer_hand_over(struct lmdb_client *client)
{
	struct lmdb_store *store = (struct lmdb_store *)client->base.store;

	pthread_mutex_lock(&store->lock);
	lmdb_calls_move(&client->queued, &client->handover);
	if (may_write(store, client)) {
		gather(store);
		write_batch(store, client);
	} else {
		end_hold(client);
	}
	follow_holder(client);
	leave(store);
}

void lmdb_writer_end_hold(struct lmdb_client *client)
{
	struct lmdb_store *store = (struct lmdb_store *)client->base.store;

	if (!client->held)
		return;
	pthread_mutex_lock(&store->lock);
	end_hold(client);
	follow_holder(client);
	leave(store);
}

/* Has another loop's hold end: at once when this thread runs it as well, else
 * it is not long. Under the lock, but not all the time. */
static void await_holder(struct lmdb_store *store)
{
	struct lmdb_client *holder = store->holder;

	if (pthread_equal(store->holder_thread, pthread_self()) != 0) {
		end_hold(holder);
		follow_holder(holder);
	} else {
		pthread_cond_wait(&store->still, &store->lock);
	}
}

void lmdb_writer_arrive(struct lmdb_client *client)
{
	struct lmdb_store *store = (struct lmdb_store *)client->base.store;

	pthread_mutex_lock(&store->lock);
	if (store->latest != client) {
		store->alone_since_ms = store->latest ? store->now_ms() : 0;
		store->latest = client;
	}
	while (store->holder && store->holder != client)
		await_holder(store);
	leave(store);
}

void lmdb_writer_show(struct lmdb_store *store)
{
	uint64_t holds;

	pthread_mutex_lock(&store->lock);
	holds = store->holds;
	while (store->holder && store->holds == holds)
		await_holder(store);
	leave(store);
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
	if (store->latest == client)
		store->latest = NULL;
	pthread_mutex_unlock(&store->lock);
}
