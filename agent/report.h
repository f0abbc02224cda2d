/* agent/report.h: what the process has done and how it is, as plain numbers of
 * one moment: for the metrics and the status page. status.h fills it. */
#ifndef AGENT_REPORT_H
#define AGENT_REPORT_H

#include "agent/engines.h"
#include "agent/meter.h"
#include "agent/net/connection.h"
#include "agent/notices.h"
#include "agent/store/store.h"
#include "agent/tally.h"

/* Of the counters named as in struct service_counters and struct
 * connection_counters: the same, over all event loops. */
#define REPORT_SERVICE(COUNTER)    \
	COUNTER(late)              \
	COUNTER(unknown_arguments) \
	COUNTER(unknown_messages)  \
	COUNTER(given_back)        \
	COUNTER(waits)             \
	COUNTER(waits_refused)     \
	COUNTER(waits_over)        \
	COUNTER(waits_gone)        \
	COUNTER(wait_wakes)        \
	COUNTER(wait_looks)
#define REPORT_CONNECTIONS(COUNTER) \
	COUNTER(bytes_in)           \
	COUNTER(bytes_out)          \
	COUNTER(frames_in)          \
	COUNTER(frames_out)         \
	COUNTER(frames_ignored)     \
	COUNTER(pauses)

enum {
	REPORT_ENGINES_MAX = 64,
	REPORT_SPOE_STATUSES = 0
#define SPOE_STATUS(name, code, text) +1
#include "spoe/status.def"
#undef SPOE_STATUS
};

struct report {
	/* What the event loops counted. */
	struct tally_view verdicts;
	uint64_t outcomes[IDEM_OUTCOMES];
	struct meter_view meter;
	uint64_t notices[NOTICES_COUNTERS];
#define COUNTER(name) uint64_t name;
	REPORT_SERVICE(COUNTER)
	REPORT_CONNECTIONS(COUNTER)
#undef COUNTER
	uint64_t opened; /* connections */
	uint64_t closed[CONNECTION_ENDS];
	uint64_t protocol_errors[REPORT_SPOE_STATUSES]; /* by row */

	/* What is so now. */
	uint64_t connections;
	uint64_t ready;     /* of them: HELLO is done */
	uint64_t in_flight; /* requests, a moment ago */
	uint64_t waiters;
	uint64_t connections_max;
	size_t n_engines;
	struct engines_entry engines[REPORT_ENGINES_MAX];
	size_t n_workers;

	struct store_stats store;
	bool store_worked; /* when it was used last */

	uint64_t started_ms; /* Unix time */
	uint64_t now_ms;
	uint64_t clock_ahead_ms;
	uint64_t reloads;
	uint64_t reloads_failed;
	bool reload_failed; /* the last one */
	bool accepting;
	bool draining;
	/* Unix time, s; 0: no certificate */
	int64_t certificate_until_s;
	double cpu_s; /* of the process */
	uint64_t rss_bytes;
};

#endif
