/* agent/store/redis_store.h: the structs of the redis driver, shared by its
 * files. */
#ifndef AGENT_STORE_REDIS_STORE_H
#define AGENT_STORE_REDIS_STORE_H

#include <ev.h>
#include <pthread.h>
#include <stdatomic.h>

#include "agent/store/redis_orphans.h"
#include "agent/store/redis_topology.h"
#include "agent/store/store.h"

enum { REDIS_REPORT_SIZE = 640 };

struct redis_counters {
	atomic_uint_least64_t granted;
	atomic_uint_least64_t found;
	atomic_uint_least64_t settled;
	atomic_uint_least64_t lost;
	atomic_uint_least64_t failed;
	atomic_uint_least64_t round_trips;
	atomic_uint_least64_t time_outs;
	atomic_uint_least64_t connects;
	atomic_uint_least64_t orphans;
};

/* What the servers said last of what they hold. */
struct redis_holdings {
	atomic_uint_least64_t records;
	atomic_uint_least64_t bytes_used;
	atomic_uint_least64_t bytes_size;
};

struct redis_store {
	struct store base; /* first */
	uint64_t (*now_ms)(void);
	void (*report)(enum store_event event, const char *text);
	const struct redis_options *redis;
	const struct redis_topology_driver *topology;
	struct redis_dialect dialect;
	struct redis_counters counters;
	struct redis_holdings holdings;
	atomic_bool failing; /* the last answer was of a failure */
	atomic_bool down;    /* as it was reported */
	pthread_mutex_t lock;
	char warned[REDIS_REPORT_SIZE]; /* what was reported last */
	char down_why[REDIS_REPORT_SIZE];
};

struct redis_op;

struct redis_ops {
	struct redis_op *first;
	struct redis_op *last;
};

/* What asks the servers now and then how much they hold. */
struct redis_survey {
	ev_timer timer;
	size_t waiting; /* replies */
	struct redis_info sum;
	bool spoilt; /* one of them will not come */
};

struct redis_client {
	struct store_client base; /* first */
	struct ev_loop *loop;
	struct redis_topology *topology;
	ev_prepare prepare; /* answers what was refused */
	ev_idle idle;       /* something was */
	ev_timer tick;      /* while operations wait */
	ev_timer pulse;     /* of the orphans */
	uint64_t ticks;
	uint64_t ticks_limit;       /* of an operation */
	struct redis_ops waiting;   /* somebody waits; by deadline */
	struct redis_ops refused;   /* to be answered by `prepare` */
	struct redis_ops later;     /* to be said again at the next tick */
	struct store_call *starved; /* there was no memory for an operation */
	struct redis_op *spare;
	struct redis_orphans orphans;
	size_t releases; /* in flight */
	struct redis_survey survey;
	bool closing;
};

static inline void redis_count(atomic_uint_least64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static inline struct redis_store *redis_store_of(struct redis_client *client)
{
	return (struct redis_store *)client->base.store;
}

/* redis_survey.c: keeps store->holdings up to date. */
void redis_survey_start(struct redis_client *client);
void redis_survey_stop(struct redis_client *client);

/* redis_release.c: releases client->orphans, as far as there are nodes. */
void redis_release_start(struct redis_client *client);
void redis_release_stop(struct redis_client *client);

/* A claim of `owner` may have locked the key. `uncertain`: it may yet. */
void redis_release_later(struct redis_client *client,
                         const uint8_t record_key[RECORD_KEY_SIZE],
                         const uint8_t owner[RECORD_OWNER_SIZE],
                         bool uncertain);

/* redis_open.c: see store.h. */
int redis_open(struct store **ret_store, const struct store_options *options,
               char *reterr_text, size_t reterr_size);
void redis_close(struct store *base);
bool redis_healthy(struct store *base);
void redis_stats(struct store *base, struct store_stats *ret_stats);

/* redis_report.c: tells the shell what became of a node: once, however many
 * loops see it. */
void redis_report_ready(struct redis_store *store, struct redis_node *node);
void redis_report_down(struct redis_store *store, const char *why);

/* An error reply that is not about a record. */
void redis_report_error(struct redis_store *store,
                        const struct redis_node *node, const char *text);

/* redis_scan.c: see store_scan(). */
int redis_scan(struct store *base, const uint8_t *after, store_visit *visit,
               void *cookie, char *reterr_text, size_t reterr_size);

#endif
