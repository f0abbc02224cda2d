#include "agent/store/lmdb.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/store/lmdb_commit.h"
#include "agent/store/lmdb_scan.h"
#include "agent/store/lmdb_store.h"
#include "agent/store/lmdb_writer.h"

static struct lmdb_store *store_of(struct lmdb_client *client)
{
	return (struct lmdb_store *)client->base.store;
}

/* --- answers ------------------------------------------------------------ */

static void give(struct lmdb_client *client, struct store_call *call,
                 const struct record_answer *answer)
{
	if (answer->health != REASON_NONE)
		counter_add(&client->failed, 1);
	else if (answer->result == RECORD_FOUND &&
	         call->op.type == RECORD_OP_CLAIM)
		counter_add(&client->found, 1);
	call->done(call, answer);
}

static void set_read_failed(struct lmdb_store *store, bool failed)
{
	/* Written by every loop, so only when it changes. */
	if (atomic_load_explicit(&store->read_failed, memory_order_relaxed) !=
	    failed)
		atomic_store(&store->read_failed, failed);
}

static void give_failure(struct lmdb_client *client, struct store_call *call,
                         int rc)
{
	set_read_failed(store_of(client), true);
	give(client, call,
	     &(struct record_answer){.health = lmdb_file_reason(rc)});
}

/* Looks a claim or a peek up in the map: answers it from there, or leaves the
 * claim of a record that is not there to the writer, and the peek in `absent`.
 */
static void look(struct lmdb_client *client, MDB_txn *txn,
                 struct store_call *call, struct lmdb_calls *absent)
{
	struct lmdb_tree tree = {
	    .txn = txn,
	    .file = &store_of(client)->file,
	};
	struct lmdb_entry entry;
	bool there = false;
	int rc = lmdb_tree_find(&tree, call->op.record_key, &entry);

	if (rc == 0) {
		there = entry.health != REASON_NONE ||
		        record_alive(&entry.record, call->op.now_ms);
		if (there && entry.health == REASON_NONE)
			lmdb_tree_check(&entry);
	}
	if (rc != 0 && rc != MDB_NOTFOUND)
		give_failure(client, call, rc);
	else if (there)
		give(client, call,
		     &(struct record_answer){
			 .health = entry.health,
			 .result = RECORD_FOUND,
			 .found = &entry.record,
		     });
	else
		lmdb_calls_append(call->op.type == RECORD_OP_PEEK
		                      ? absent
		                      : &client->handover,
		                  call);
}

/* What the client holds is in the write transaction alone. */
static int begin_look(struct lmdb_client *client, MDB_txn **ret_txn)
{
	int rc;

	*ret_txn = client->held;
	if (client->held)
		return 0;
	rc = lmdb_file_read(&store_of(client)->file, &client->txn);
	*ret_txn = client->txn;
	return rc;
}

static void end_look(struct lmdb_client *client, MDB_txn *txn)
{
	if (txn != client->held)
		lmdb_file_read_end(&store_of(client)->file, txn);
}

/* Looks in one snapshot; *snapshot says which was the last, and is this one
 * then. Leaves in `calls` the peeks of records that are not there.
 *
 * A record that moved since (lmdb_tree.c) is in the index by its new number
 * alone, which the snapshot lacks. So what is not there is looked for in the
 * next snapshot, until that is still the same. */
static void look_once(struct lmdb_client *client, struct lmdb_calls *calls,
                      uint64_t *snapshot)
{
	struct lmdb_calls absent;
	struct store_call *call;
	MDB_txn *txn;
	int rc = begin_look(client, &txn);
	bool same = rc == 0 && mdb_txn_id(txn) == *snapshot;

	lmdb_calls_init(&absent);
	if (rc == 0) {
		set_read_failed(store_of(client), false);
		*snapshot = mdb_txn_id(txn);
	}
	while ((call = lmdb_calls_take(calls))) {
		if (rc != 0)
			give_failure(client, call, rc);
		else if (same)
			give(client, call,
			     &(struct record_answer){.result = RECORD_ABSENT});
		else
			look(client, txn, call, &absent);
	}
	if (rc == 0)
		end_look(client, txn);
	lmdb_calls_move(calls, &absent);
}

/* Before the first of them is looked for. */
static void approach_all(struct lmdb_client *client,
                         const struct lmdb_calls *calls)
{
	const struct store_call *call;

	for (call = calls->head.next; call != &calls->head; call = call->next)
		lmdb_index_approach(&store_of(client)->file.index,
		                    call->op.record_key);
}

/* Whether the index alone says that there is nothing: most often so for a
 * first request, which then needs no transaction here. The writer looks again.
 */
static bool surely_new(struct lmdb_client *client,
                       const struct store_call *call)
{
	unsigned place = 0;
	uint64_t number;

	return call->op.type == RECORD_OP_CLAIM &&
	       lmdb_index_find(&store_of(client)->file.index,
	                       call->op.record_key, &place, &number) == 0 &&
	       number == 0;
}

/* All that the turn brought. What `done` submits waits for the next turn, so
 * that a loop is never kept from its sockets. */
static void look_all(struct lmdb_client *client)
{
	struct lmdb_calls turn, known;
	struct store_call *call;
	uint64_t snapshot = UINT64_MAX;

	lmdb_calls_init(&turn);
	lmdb_calls_init(&known);
	lmdb_calls_move(&turn, &client->pending);
	approach_all(client, &turn);
	while ((call = lmdb_calls_take(&turn)))
		lmdb_calls_append(surely_new(client, call) ? &client->handover
		                                           : &known,
		                  call);
	while (!lmdb_calls_empty(&known))
		look_once(client, &known, &snapshot);
}

/* Its being started is all that matters: the loop does not sleep then. */
static void on_idle(struct ev_loop *loop, ev_idle *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
}

static void deliver(struct lmdb_client *client, struct store_call *call)
{
	const struct lmdb_result result = lmdb_call_result(call);

	if (result.health == REASON_NONE && result.result == RECORD_FOUND) {
		/* Somebody was faster: read in place what he put there. */
		call->driver_data = NULL;
		lmdb_calls_append(&client->pending, call);
		ev_idle_start(client->loop, &client->idle);
		return;
	}
	give(client, call,
	     &(struct record_answer){
		 .health = result.health,
		 .result = result.result,
	     });
}

static void deliver_all(struct lmdb_client *client)
{
	struct lmdb_store *store = store_of(client);
	struct store_call *call;

	pthread_mutex_lock(&store->lock);
	lmdb_calls_move(&client->delivery, &client->answers);
	pthread_mutex_unlock(&store->lock);
	while ((call = lmdb_calls_take(&client->delivery)))
		deliver(client, call);
}

static void on_answered(struct ev_loop *loop, ev_async *w, int revents)
{
	struct lmdb_client *client = w->data;

	(void)loop;
	(void)revents;
	client->answering = true;
	deliver_all(client);
	client->answering = false;
}

/* Settles submitted by a `done` just now went with the others. */
static void sleep_if_done(struct lmdb_client *client)
{
	if (lmdb_calls_empty(&client->pending) &&
	    lmdb_calls_empty(&client->handover))
		ev_idle_stop(client->loop, &client->idle);
}

/* What was found goes out before this, which takes longer. */
static void on_write(struct ev_loop *loop, ev_watcher *w, int revents)
{
	struct lmdb_client *client = w->data;

	(void)loop;
	(void)revents;
	client->answering = true;
	if (!lmdb_calls_empty(&client->handover)) {
		lmdb_writer_hand_over(client);
		deliver_all(client);
	}
	sleep_if_done(client);
	client->answering = false;
}

static void on_prepare(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct lmdb_client *client = w->data;

	(void)revents;
	client->answering = true;
	if (!lmdb_calls_empty(&client->pending) ||
	    !lmdb_calls_empty(&client->handover))
		lmdb_writer_arrive(client);
	approach_all(client, &client->handover);
	if (!lmdb_calls_empty(&client->pending))
		look_all(client);
	if (!lmdb_calls_empty(&client->handover))
		ev_feed_event(loop, &client->write, EV_CUSTOM);
	sleep_if_done(client);
	client->answering = false;
}

static void on_hold(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	lmdb_writer_end_hold(w->data);
}

/* --- clients ------------------------------------------------------------ */

static void start_watchers(struct lmdb_client *client)
{
	ev_prepare_init(&client->prepare, on_prepare);
	/* Behind every other end-of-turn work, which may submit. */
	ev_set_priority(&client->prepare, EV_MINPRI);
	ev_init(&client->write, on_write);
	ev_set_priority(&client->write, EV_MINPRI);
	ev_idle_init(&client->idle, on_idle);
	ev_async_init(&client->answered, on_answered);
	ev_init(&client->hold, on_hold);
	client->prepare.data = client;
	client->write.data = client;
	client->answered.data = client;
	client->hold.data = client;
	ev_prepare_start(client->loop, &client->prepare);
	ev_async_start(client->loop, &client->answered);
}

static struct store_client *lmdb_attach(struct store *base,
                                        struct ev_loop *loop)
{
	struct lmdb_client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	client->base.store = base;
	client->loop = loop;
	lmdb_calls_init(&client->pending);
	lmdb_calls_init(&client->handover);
	lmdb_calls_init(&client->delivery);
	lmdb_calls_init(&client->queued);
	lmdb_calls_init(&client->answers);
	start_watchers(client);
	lmdb_writer_join(client);
	return &client->base;
}

static void lmdb_detach(struct store_client *base)
{
	struct lmdb_client *client = (struct lmdb_client *)base;
	struct lmdb_counters *c = &store_of(client)->counters;

	assert(!client->answering);
	lmdb_writer_end_hold(client);
	lmdb_file_read_free(&store_of(client)->file, &client->txn);
	lmdb_writer_leave(client);
	atomic_fetch_add(&c->found, client->found);
	atomic_fetch_add(&c->failed, client->failed);
	ev_prepare_stop(client->loop, &client->prepare);
	ev_clear_pending(client->loop, &client->write);
	ev_idle_stop(client->loop, &client->idle);
	ev_async_stop(client->loop, &client->answered);
	free(client);
}

static void lmdb_rest(struct store_client *base)
{
	lmdb_writer_end_hold((struct lmdb_client *)base);
}

static void lmdb_submit(struct store_client *base, struct store_call *call)
{
	struct lmdb_client *client = (struct lmdb_client *)base;

	call->driver_data = NULL;
	lmdb_index_expect(&store_of(client)->file.index, call->op.record_key);
	/* A settle changes what it finds: nothing to look up here. */
	lmdb_calls_append(call->op.type == RECORD_OP_SETTLE ? &client->handover
	                                                    : &client->pending,
	                  call);
	ev_idle_start(client->loop, &client->idle);
}

static void lmdb_cancel(struct store_client *base, struct store_call *call)
{
	lmdb_writer_cancel((struct lmdb_client *)base, call);
}

/* --- the store ---------------------------------------------------------- */

static int init_locks(struct lmdb_store *store)
{
	int rc = pthread_cond_init(&store->still, NULL);

	return rc != 0 ? rc : pthread_mutex_init(&store->lock, NULL);
}

static void fini_locks(struct lmdb_store *store)
{
	pthread_mutex_destroy(&store->lock);
	pthread_cond_destroy(&store->still);
}

static int measure(struct lmdb_store *store)
{
	MDB_txn *txn = NULL;
	int rc = lmdb_file_read(&store->file, &txn);

	if (rc != 0)
		return rc;
	lmdb_commit_measure(store, txn);
	lmdb_file_read_end(&store->file, txn);
	lmdb_file_read_free(&store->file, &txn);
	return 0;
}

static int lmdb_open(struct store **ret_store,
                     const struct store_options *options, char *reterr_text,
                     size_t reterr_size)
{
	struct lmdb_store *store = calloc(1, sizeof(*store));
	int rc;

	if (!store) {
		snprintf(reterr_text, reterr_size, "store: out of memory");
		return -1;
	}
	store->now_ms = options->now_ms;
	if (lmdb_file_open(&store->file, options, reterr_text, reterr_size) !=
	    0) {
		free(store);
		return -1;
	}
	rc = init_locks(store);
	if (rc == 0)
		rc = measure(store);
	if (rc == 0)
		rc = lmdb_writer_start(store);
	if (rc != 0) {
		snprintf(reterr_text, reterr_size, "store %s: cannot start: %s",
		         options->path, mdb_strerror(rc));
		fini_locks(store);
		lmdb_file_close(&store->file);
		free(store);
		return -1;
	}
	*ret_store = &store->base;
	return 0;
}

static void lmdb_close(struct store *base)
{
	struct lmdb_store *store = (struct lmdb_store *)base;

	assert(!store->clients);
	lmdb_writer_stop(store);
	lmdb_commit_end(store);
	fini_locks(store);
	lmdb_file_close(&store->file);
	free(store);
}

static bool lmdb_healthy(struct store *base)
{
	struct lmdb_store *store = (struct lmdb_store *)base;

	return !atomic_load_explicit(&store->read_failed,
	                             memory_order_relaxed) &&
	       !atomic_load_explicit(&store->write_failed,
	                             memory_order_relaxed);
}

static void lmdb_stats(struct store *base, struct store_stats *ret_stats)
{
	struct lmdb_store *store = (struct lmdb_store *)base;
	struct lmdb_counters *c = &store->counters;

	*ret_stats = (struct store_stats){
	    .claims_granted = c->granted,
	    .claims_found = c->found,
	    .settles_done = c->settled,
	    .settles_lost = c->lost,
	    .failures = c->failed,
	    .expired = c->expired,
	    .records = c->records,
	    .bytes_used = c->bytes_used,
	    .bytes_size = c->bytes_size,
	};
	histogram_read(&c->commits, &ret_stats->commit_sizes);
	for (size_t i = 0; i <= STORE_COMMIT_BOUNDS; i++)
		ret_stats->commits += ret_stats->commit_sizes.counts[i];
	ret_stats->commit_ops = ret_stats->commit_sizes.sum;
	pthread_mutex_lock(&store->lock);
	for (struct lmdb_client *client = store->clients; client;
	     client = client->next) {
		ret_stats->claims_found += client->found;
		ret_stats->failures += client->failed;
	}
	pthread_mutex_unlock(&store->lock);
}

const struct store_driver lmdb_driver = {
    .name = "lmdb",
    .open = lmdb_open,
    .close = lmdb_close,
    .attach = lmdb_attach,
    .detach = lmdb_detach,
    .rest = lmdb_rest,
    .submit = lmdb_submit,
    .cancel = lmdb_cancel,
    .healthy = lmdb_healthy,
    .stats = lmdb_stats,
    .scan = lmdb_scan_all,
    .census = lmdb_census,
};
