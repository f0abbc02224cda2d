#include "agent/waiters.h"

#include <assert.h>
#include <ev.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* So many that settles of other keys seldom meet a waiter's. */
enum { BUCKETS = 1024 };

/* Of the keys of one hash. */
struct bucket {
	atomic_size_t n;      /* in the list */
	struct waiter *first; /* with the lock held */
};

/* A settle counts first and then looks for waiters; a waiter comes first and
 * then looks at the count: one of both sees the other. The counts lie close
 * together, for every request has one and most have no waiter. */
struct waiters {
	pthread_mutex_t lock; /* for the lists, and for every waiter in them */
	atomic_size_t count;  /* of waiters */
	atomic_uint_least32_t settles[BUCKETS];
	struct bucket buckets[BUCKETS];
};

struct waiters_client {
	struct waiters *waiters;
	struct ev_loop *loop;
	ev_async async;
	struct waiter *woken; /* with the lock held */
};

/* Record keys are hashes. */
static size_t bucket_of(const uint8_t record_key[RECORD_KEY_SIZE])
{
	return (record_key[0] | (size_t)record_key[1] << 8) % BUCKETS;
}

static bool same_key(const struct waiter *waiter,
                     const uint8_t record_key[RECORD_KEY_SIZE])
{
	return memcmp(waiter->record_key, record_key, RECORD_KEY_SIZE) == 0;
}

/* --- with the lock held --- */

static bool has_room(const struct waiters *w, const struct bucket *b,
                     const uint8_t record_key[RECORD_KEY_SIZE],
                     const struct waiters_limits *limits)
{
	size_t n = 0;

	for (const struct waiter *o = b->first; o; o = o->next)
		n += same_key(o, record_key);
	return n < limits->per_key && atomic_load(&w->count) < limits->all;
}

static void take_place(struct waiters_client *c, struct bucket *b,
                       struct waiter *waiter,
                       const uint8_t record_key[RECORD_KEY_SIZE])
{
	waiter->client = c;
	memcpy(waiter->record_key, record_key, RECORD_KEY_SIZE);
	waiter->state = WAITER_LOOKS;
	waiter->prev = NULL;
	waiter->next = b->first;
	if (waiter->next)
		waiter->next->prev = waiter;
	b->first = waiter;
	atomic_fetch_add(&c->waiters->count, 1);
	atomic_fetch_add(&b->n, 1);
}

static void give_up_place(struct bucket *b, struct waiter *waiter)
{
	if (waiter->prev)
		waiter->prev->next = waiter->next;
	else
		b->first = waiter->next;
	if (waiter->next)
		waiter->next->prev = waiter->prev;
	atomic_fetch_sub(&b->n, 1);
	atomic_fetch_sub(&waiter->client->waiters->count, 1);
	waiter->client = NULL;
}

/* Before woken() is called. */
static void forget_wake(struct waiter *waiter)
{
	struct waiter **link = &waiter->client->woken;

	if (waiter->state == WAITER_WOKEN) {
		while (*link != waiter)
			link = &(*link)->next_woken;
		*link = waiter->next_woken;
	}
	waiter->state = WAITER_LOOKS;
}

static void wake(struct waiter *waiter)
{
	struct waiters_client *c = waiter->client;

	waiter->state = WAITER_WOKEN;
	waiter->next_woken = c->woken;
	c->woken = waiter;
	ev_async_send(c->loop, &c->async);
}

/* --- */

static struct waiter *next_woken(struct waiters_client *c)
{
	struct waiter *waiter;

	pthread_mutex_lock(&c->waiters->lock);
	waiter = c->woken;
	if (waiter) {
		c->woken = waiter->next_woken;
		waiter->state = WAITER_LOOKS;
	}
	pthread_mutex_unlock(&c->waiters->lock);
	return waiter;
}

static void on_async(struct ev_loop *loop, ev_async *async, int revents)
{
	struct waiters_client *c = async->data;
	struct waiter *waiter;

	(void)loop;
	(void)revents;
	while ((waiter = next_woken(c)))
		waiter->woken(waiter);
}

struct waiters *waiters_new(void)
{
	struct waiters *w = calloc(1, sizeof(*w));

	if (w)
		pthread_mutex_init(&w->lock, NULL);
	return w;
}

void waiters_free(struct waiters *w)
{
	if (!w)
		return;
	assert(atomic_load(&w->count) == 0);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

struct waiters_client *waiters_attach(struct waiters *w, struct ev_loop *loop)
{
	struct waiters_client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->waiters = w;
	c->loop = loop;
	ev_async_init(&c->async, on_async);
	c->async.data = c;
	ev_async_start(loop, &c->async);
	return c;
}

void waiters_detach(struct waiters_client *c)
{
	if (!c)
		return;
	assert(!c->woken);
	ev_async_stop(c->loop, &c->async);
	free(c);
}

uint64_t waiters_moment(const struct waiters *w,
                        const uint8_t record_key[RECORD_KEY_SIZE])
{
	return atomic_load(&w->settles[bucket_of(record_key)]);
}

enum waiters_result waiters_wait(struct waiters_client *c,
                                 struct waiter *waiter,
                                 const uint8_t record_key[RECORD_KEY_SIZE],
                                 uint64_t moment,
                                 const struct waiters_limits *limits)
{
	struct waiters *w = c->waiters;
	struct bucket *b = &w->buckets[bucket_of(record_key)];
	enum waiters_result result = WAITERS_WAITING;

	pthread_mutex_lock(&w->lock);
	if (!waiter->client && has_room(w, b, record_key, limits))
		take_place(c, b, waiter, record_key);
	if (!waiter->client)
		result = WAITERS_FULL;
	else if (waiters_moment(w, record_key) != moment)
		result = WAITERS_SETTLED;
	else
		waiter->state = WAITER_WAITS;
	pthread_mutex_unlock(&w->lock);
	return result;
}

void waiters_look(struct waiter *waiter)
{
	struct waiters_client *c = waiter->client;

	if (!c)
		return;
	pthread_mutex_lock(&c->waiters->lock);
	forget_wake(waiter);
	pthread_mutex_unlock(&c->waiters->lock);
}

void waiters_leave(struct waiter *waiter)
{
	struct waiters_client *c = waiter->client;

	if (!c)
		return;
	pthread_mutex_lock(&c->waiters->lock);
	forget_wake(waiter);
	give_up_place(&c->waiters->buckets[bucket_of(waiter->record_key)],
	              waiter);
	pthread_mutex_unlock(&c->waiters->lock);
}

static void settled(struct waiters *w,
                    const uint8_t record_key[RECORD_KEY_SIZE])
{
	const size_t bucket = bucket_of(record_key);
	const struct bucket *b = &w->buckets[bucket];

	atomic_fetch_add(&w->settles[bucket], 1);
	if (atomic_load(&w->count) == 0 || atomic_load(&b->n) == 0)
		return;
	pthread_mutex_lock(&w->lock);
	for (struct waiter *o = b->first; o; o = o->next) {
		if (o->state == WAITER_WAITS && same_key(o, record_key))
			wake(o);
	}
	pthread_mutex_unlock(&w->lock);
}

void waiters_heed(struct waiters *w, const struct record_op *op,
                  const struct record_answer *answer)
{
	/* What is pending is waited for as if it ran. */
	if (op->type == RECORD_OP_SETTLE && answer->health == REASON_NONE &&
	    answer->result == RECORD_SETTLED &&
	    op->record.state != RECORD_PENDING)
		settled(w, op->record_key);
}

size_t waiters_count(const struct waiters *w)
{
	return atomic_load(&w->count);
}
