/* agent/notices.h: reads outcome notices out of HAProxy's log lines and settles
 * what they are about. Wiring between net, core and store, of one event loop.
 */
#ifndef AGENT_NOTICES_H
#define AGENT_NOTICES_H

#include "agent/config.h"
#include "agent/counter.h"

struct meter;
struct notices;
struct store_client;
struct waiters;

enum notices_counter {
#define NOTICES_COUNTER(name, text) NOTICES_##name,
#include "agent/notices.def"
#undef NOTICES_COUNTER
	NOTICES_COUNTERS
};

/* Any thread reads them. */
struct notices_counters {
	atomic_uint_least64_t counts[NOTICES_COUNTERS];
};

/* At work at once; what comes beyond is not acted on. */
enum { NOTICES_BUSY_MAX = 4096 };

const char *notices_counter_text(enum notices_counter counter);

/* What it works with must outlive it; takes a reference of `config`. Counts in
 * `meter` what it asks of the store. NULL when out of memory. */
struct notices *notices_new(struct store_client *store, struct waiters *waiters,
                            struct meter *meter, struct config *config);

/* Operations in flight are cancelled. NULL is fine. */
void notices_free(struct notices *n);

/* New notices follow `config` from now on; takes a reference. */
void notices_set_config(struct notices *n, struct config *config);

/* A log line came; most have nothing for us. */
void notices_line(struct notices *n, struct spoe_span line);

/* The kernel threw so many lines away. */
void notices_dropped(struct notices *n, uint64_t lines);

/* Notices that wait for the store. */
size_t notices_busy(const struct notices *n);

const struct notices_counters *notices_counters(const struct notices *n);

#endif
