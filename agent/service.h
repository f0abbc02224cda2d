/* agent/service.h: answers the NOTIFYs of one event loop: reads the message,
 * runs its exchange, carries out what the exchange says, and sends the ACK.
 * Wiring between net, core and store: no decision is taken here. */
#ifndef AGENT_SERVICE_H
#define AGENT_SERVICE_H

#include "agent/config.h"
#include "agent/core/idem.h"
#include "agent/counter.h"
#include "agent/net/connection.h"
#include "agent/tally.h"

struct meter;
struct service;
struct store_client;
struct waiters;

/* Counters of one loop, which any thread reads. */
struct service_counters {
	struct tally verdicts;
	atomic_uint_least64_t outcomes[IDEM_OUTCOMES];
	/* Now: not answered by the store within the answer-timeout. */
	atomic_uint_least64_t late;
	atomic_uint_least64_t unknown_arguments;
	atomic_uint_least64_t unknown_messages;
	atomic_uint_least64_t
	    given_back; /* locks granted that nobody was told of */
	atomic_uint_least64_t
	    waits; /* checks that waited for another request */
	atomic_uint_least64_t waits_refused; /* there was no place to wait */
	atomic_uint_least64_t
	    waits_over; /* that were answered `conflict` in the end */
	atomic_uint_least64_t waits_gone; /* whose asker went away */
	atomic_uint_least64_t
	    wait_wakes; /* looks at the store because of a settle */
	atomic_uint_least64_t wait_looks; /* and because of the time */
};

enum {
	/* Exchanges a loop keeps at once, those whose asker is gone included;
	 * and the bytes of responses they may hold. Beyond: `error`. */
	SERVICE_EXCHANGES_MAX = 16384,
	SERVICE_RESPONSES_MAX = 256 << 20,
};

/* What it works with must outlive it; takes a reference of `config`. Counts in
 * `meter` what it asks of the store. NULL when out of memory. */
struct service *service_new(struct ev_loop *loop, struct store_client *store,
                            struct waiters *waiters, struct meter *meter,
                            struct config *config);

/* Call after every connection of the loop is closed. Operations in flight are
 * cancelled. NULL is fine. */
void service_free(struct service *s);

/* New NOTIFYs follow `config` from now on; takes a reference. Whether there are
 * notices only a restart changes. */
void service_set_config(struct service *s, struct config *config);

/* From now on no check waits for another request, and those that do are
 * answered `conflict`. */
void service_drain(struct service *s);

/* For struct connection_handler. */
void service_notify(struct service *s, struct notify *n,
                    struct spoe_span payload);
void service_gone(struct service *s, struct notify *n);
void service_told(struct service *s, struct notify *n);

/* Exchanges that live: waiting for the store, answered or not. */
size_t service_exchanges(const struct service *s);

const struct service_counters *service_counters(const struct service *s);

#endif
