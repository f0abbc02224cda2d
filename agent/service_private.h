/* agent/service_private.h: what the files of the service share: service.c (from
 * a NOTIFY to its ACK), service_reply.c (the ACK) and service_wait.c (those
 * that wait for another). */
#ifndef AGENT_SERVICE_PRIVATE_H
#define AGENT_SERVICE_PRIVATE_H

#include <ev.h>

#include "agent/core/exchange.h"
#include "agent/service.h"
#include "agent/store/store.h"
#include "agent/waiters.h"

/* One NOTIFY of ours from its arrival until its exchange is finished. */
struct pending {
	struct exchange exchange;
	struct store_call call;
	struct service *service;
	struct config *config; /* a reference: the exchange borrows a policy */
	/* NULL once answered or gone. But of a finished exchange that granted:
	 * told() or gone() says whether its reply went out. */
	struct notify *notify;
	uint64_t wake_ms;     /* Unix time; 0 when not in the queue */
	uint64_t asked_us;    /* when the store was, monotonic */
	bool late;            /* it has not answered in time */
	size_t response_size; /* bytes counted in service.responses_size */
	/* It waits, or has waited: */
	struct waiter waiter;
	uint64_t moment; /* before the store was asked */
	ev_timer look;   /* runs while it waits */
	bool waiting;    /* the list it is in: waiting, or live */
	bool waited;
	struct pending *next;
	struct pending *prev;
};

struct pending_list {
	struct pending *first;
	struct pending *last;
};

struct service {
	struct ev_loop *loop;
	struct store_client *store;
	struct waiters *waiters;
	struct waiters_client *waiters_client;
	struct meter *meter;
	struct config *config;
	bool noticed; /* the configuration of the start had notices */
	bool draining;
	uint64_t now_us; /* monotonic, of the last service_now_ms() */
	struct digest *digest;
	ev_timer tick;
	struct pending_list live;    /* oldest first; less those that wait */
	struct pending_list waiting; /* for another request */
	struct pending *spare;       /* freed ones, linked by next */
	size_t exchanges;
	size_t responses_size;
	struct service_counters counters;
	/* Random bytes in stock for owner tokens. */
	uint8_t random[64 * RECORD_OWNER_SIZE];
	size_t random_left;
};

/* Unix time, of whatever happens next. */
uint64_t service_now_ms(struct service *s);

/* Puts `p` at the end of the list that p->waiting names. */
void service_list_append(struct pending *p);
void service_list_remove(struct pending *p);

/* Gives the exchange an event and carries out what it says. May free `p`. */
void service_step(struct pending *p, const struct exchange_event *event);

/* --- service_reply.c --- */

/* Whether a lock goes with it, which has to be given back if it does not go
 * out. */
bool service_reply_grants(const struct exchange_reply *reply);

/* Counts, logs and sends `reply`; false when it cannot go out. One that grants
 * is tracked. `policy` and `record_key` may be NULL. */
bool service_reply(struct service *s, struct notify *n,
                   const struct policy *policy,
                   const struct exchange_reply *reply,
                   const uint8_t *record_key);

/* --- service_wait.c --- */

void service_wait_init(struct pending *p);

/* The exchange wants to wait, and to look again at wake_ms. It waits, or is
 * told at once that it may not, or need not. May free `p`. */
void service_wait_begin(struct pending *p, uint64_t wake_ms);

/* The exchange is about to look at the store, for the first time or again. */
void service_wait_look(struct pending *p);

/* Its exchange is finished. */
void service_wait_fini(struct pending *p);

#endif
