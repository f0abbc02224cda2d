/* agent/store/lmdb_store.h: the LMDB store and its clients, private to the
 * lmdb_*.c files.
 *
 * A call is always in exactly one place: a list of its client, or the batch
 * that is being written. Its operation is read in place, so a call leaves the
 * batch only while nothing is being applied. */
#ifndef AGENT_STORE_LMDB_STORE_H
#define AGENT_STORE_LMDB_STORE_H

#include <ev.h>
#include <pthread.h>
#include <stdatomic.h>

#include "agent/counter.h"
#include "agent/store/lmdb_file.h"
#include "agent/store/lmdb_tree.h"

/* A ring of calls; its own call is the head and no call. */
struct lmdb_calls {
	struct store_call head;
};

struct lmdb_client {
	struct store_client base;
	struct ev_loop *loop;
	ev_prepare prepare; /* the end of the loop's turn */
	ev_watcher write;   /* fed, never started: behind all that follows */
	ev_idle idle;       /* keeps the loop from sleeping on `pending` */
	ev_async answered;  /* the writer has answers */
	ev_timer hold;      /* how long a transaction stays open */
	bool answering;     /* in a call-back of ours */

	/* The loop's alone. */
	MDB_txn *txn;                /* under `remap`, shared */
	MDB_txn *held;               /* the write transaction, open */
	struct lmdb_calls pending;   /* submitted */
	struct lmdb_calls handover;  /* for the writer, at the turn's end */
	struct lmdb_calls delivery;  /* answers being delivered */
	atomic_uint_least64_t found; /* counters, read by anybody */
	atomic_uint_least64_t failed;

	/* Under the store's `lock`. */
	struct lmdb_client *next;
	struct lmdb_calls queued;  /* for the writer */
	struct lmdb_calls answers; /* from the writer */
};

/* A call in the writer's batch; NULL once cancelled. */
struct lmdb_job {
	struct lmdb_client *client;
	struct store_call *call;
	struct lmdb_result result;
};

enum {
	/* A batch is bounded so that its first call need not wait long, and
	 * LMDB keeps the memory of the largest one. */
	LMDB_BATCH_MAX = 256,
	LMDB_BATCH_BYTES = 4 << 20, /* of responses */
};

struct lmdb_counters {
	atomic_uint_least64_t granted;
	atomic_uint_least64_t settled;
	atomic_uint_least64_t lost;
	atomic_uint_least64_t expired;
	struct histogram commits; /* by the operations in them */
	atomic_uint_least64_t records;
	atomic_uint_least64_t bytes_used;
	atomic_uint_least64_t bytes_size;
	/* Of clients that have been detached. */
	atomic_uint_least64_t found;
	atomic_uint_least64_t failed;
};

struct lmdb_store {
	struct store base;
	struct lmdb_file file;
	uint64_t (*now_ms)(void);
	struct lmdb_counters counters;
	atomic_bool read_failed; /* the last read did */
	atomic_bool write_failed;
	pthread_t writer;
	int wake_fd; /* an eventfd: the writer thread has work */

	pthread_mutex_t lock; /* taken after `file.remap` */
	pthread_cond_t still; /* for cancellers: nothing is being applied */
	struct lmdb_client *clients;
	bool sleeping;   /* the writer thread waits for work */
	bool wants_turn; /* it has something to do itself, but not the turn */
	bool stopping;
	bool writing;  /* somebody is at work on the batch */
	bool applying; /* ... and reads the calls in it */
	bool sending;  /* ... or tells clients that they have answers */
	/* Who keeps the write transaction open between its turns, and is
	 * `writing` all the time; or NULL. */
	struct lmdb_client *holder;
	pthread_t holder_thread;
	uint64_t holds;             /* that have ended */
	struct lmdb_client *latest; /* who submitted something */
	uint64_t alone_since_ms;    /* nobody else has */
	struct lmdb_job batch[LMDB_BATCH_MAX];
	size_t n_batch;

	/* Of whoever is `writing`. */
	struct lmdb_tree held; /* its transaction is NULL: not open */
	size_t n_held;         /* operations in it */
	struct lmdb_tree_changes changes;
	struct lmdb_room record_room;
	bool sweep_more; /* more was due at the last sweep */
	uint64_t swept_at_ms;
	bool room;     /* the last sweep left some, or nothing was due */
	bool squeezed; /* it was tried to make room for this batch */
	uint64_t checked_at_ms; /* for readers that died */
};

/* Whether `ms` have passed since then, by a clock that may be set back. */
static inline bool lmdb_elapsed(const struct lmdb_store *store,
                                uint64_t since_ms, uint64_t ms)
{
	const uint64_t now = store->now_ms();

	return now < since_ms || now - since_ms >= ms;
}

/* lmdb_census.c: see store_census(). */
enum store_census_result lmdb_census(struct store *base,
                                     struct store_census *census, size_t limit);

/* What a call's driver_data says: nothing, its place in the batch, or the
 * writer's answer. */
static inline void lmdb_call_set_job(struct store_call *call, size_t job)
{
	call->driver_data = (void *)(uintptr_t)(job << 1 | 1);
}

static inline bool lmdb_call_is_job(const struct store_call *call,
                                    size_t *ret_job)
{
	*ret_job = (uintptr_t)call->driver_data >> 1;
	return ((uintptr_t)call->driver_data & 1) != 0;
}

static inline void lmdb_call_set_result(struct store_call *call,
                                        struct lmdb_result result)
{
	call->driver_data = (void *)((uintptr_t)result.health << 16 |
	                             (uintptr_t)result.result << 1);
}

static inline struct lmdb_result lmdb_call_result(const struct store_call *call)
{
	const uintptr_t bits = (uintptr_t)call->driver_data;

	return (struct lmdb_result){
	    .health = (enum reason)(bits >> 16),
	    .result = (enum record_result)((bits & 0xffff) >> 1),
	};
}

static inline void lmdb_calls_init(struct lmdb_calls *calls)
{
	calls->head.next = &calls->head;
	calls->head.prev = &calls->head;
}

static inline bool lmdb_calls_empty(const struct lmdb_calls *calls)
{
	return calls->head.next == &calls->head;
}

static inline void lmdb_calls_append(struct lmdb_calls *calls,
                                     struct store_call *call)
{
	call->prev = calls->head.prev;
	call->next = &calls->head;
	call->prev->next = call;
	calls->head.prev = call;
}

/* Takes `call` out of whichever list it is in. */
static inline void lmdb_calls_remove(struct store_call *call)
{
	call->prev->next = call->next;
	call->next->prev = call->prev;
}

/* The first call, taken out; NULL when there is none. */
static inline struct store_call *lmdb_calls_take(struct lmdb_calls *calls)
{
	struct store_call *call = calls->head.next;

	if (call == &calls->head)
		return NULL;
	lmdb_calls_remove(call);
	return call;
}

/* Moves all of `from` behind the calls in `to`. */
static inline void lmdb_calls_move(struct lmdb_calls *to,
                                   struct lmdb_calls *from)
{
	struct store_call *first = from->head.next;
	struct store_call *last = from->head.prev;

	if (first == &from->head)
		return;
	first->prev = to->head.prev;
	last->next = &to->head;
	first->prev->next = first;
	to->head.prev = last;
	lmdb_calls_init(from);
}

#endif
