/* agent/waiters.h: who waits for which key's lock to be settled, in all event
 * loops of the process. A settle wakes them at once, on whatever loop it is
 * seen; who settles elsewhere is not seen here, so who waits looks now and then
 * by itself.
 *
 *     struct waiters         one per process
 *     struct waiters_client  one per event loop
 *     struct waiter          one that waits, embedded in what does
 *
 * No wake-up is lost: between looking at the store and waiting, a lock may be
 * settled; waiters_moment() before the look and waiters_wait() after it tell.
 * Where nobody waits, a settle takes no lock. */
#ifndef AGENT_WAITERS_H
#define AGENT_WAITERS_H

#include "agent/core/record_op.h"

struct ev_loop;

struct waiters;
struct waiters_client;

struct waiter {
	/* Called on the loop of its client, once for each waiters_wait();
	 * the waiter keeps its place, and may wait again or leave. */
	void (*woken)(struct waiter *waiter);
	/* private; all zero has no place */
	struct waiters_client *client;
	uint8_t record_key[RECORD_KEY_SIZE];
	enum {
		WAITER_LOOKS = 0, /* at the store: not to be woken */
		WAITER_WAITS,
		WAITER_WOKEN, /* and not called yet */
	} state;
	struct waiter *next; /* those with the same hash */
	struct waiter *prev;
	struct waiter *next_woken;
};

enum waiters_result {
	WAITERS_WAITING, /* woken() follows, unless it leaves */
	WAITERS_SETTLED, /* meanwhile: look again; the place is kept */
	WAITERS_FULL,    /* no place to be had */
};

/* How many may have a place, all in all and for one key. */
struct waiters_limits {
	size_t all;
	size_t per_key;
};

/* NULL when out of memory. */
struct waiters *waiters_new(void);

/* Every client must be detached before. NULL is fine. */
void waiters_free(struct waiters *w);

/* On the loop's own thread, or before it runs; the loop then has one watcher
 * more. NULL when out of memory. */
struct waiters_client *waiters_attach(struct waiters *w, struct ev_loop *loop);

/* None of its waiters may have a place. NULL is fine. */
void waiters_detach(struct waiters_client *c);

/* The time by the key's settles: take it before the store is asked. */
uint64_t waiters_moment(const struct waiters *w,
                        const uint8_t record_key[RECORD_KEY_SIZE]);

/* Waits, unless the key may have been settled since `moment`. Takes a place at
 * first, within `limits`. */
enum waiters_result waiters_wait(struct waiters_client *c,
                                 struct waiter *waiter,
                                 const uint8_t record_key[RECORD_KEY_SIZE],
                                 uint64_t moment,
                                 const struct waiters_limits *limits);

/* It looks at the store by itself: not to be woken before it waits again. */
void waiters_look(struct waiter *waiter);

/* Gives up its place, if it has one. woken() is not called any more. */
void waiters_leave(struct waiter *waiter);

/* Wakes who waits for what this operation, which a store has answered, brought
 * to an end. Any thread. */
void waiters_heed(struct waiters *w, const struct record_op *op,
                  const struct record_answer *answer);

/* Places taken now. Any thread. */
size_t waiters_count(const struct waiters *w);

#endif
