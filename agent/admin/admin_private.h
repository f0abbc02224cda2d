/* agent/admin/admin_private.h: what the files of the admin endpoint share:
 * admin.c (its thread and routes), admin_health.c, admin_metrics.c and those of
 * the page, admin_page.h (what is there). All of it belongs to the thread. */
#ifndef AGENT_ADMIN_ADMIN_PRIVATE_H
#define AGENT_ADMIN_ADMIN_PRIVATE_H

#include <pthread.h>

#include "agent/admin/admin.h"
#include "agent/admin/admin_census.h"
#include "agent/admin/admin_http.h"
#include "agent/admin/admin_probe.h"
#include "agent/admin/admin_samples.h"
#include "agent/status.h"

enum { ADMIN_NO_WORKER = -1 };

struct admin {
	struct status *status;
	struct store *store;
	/* Of the start; restarts alone change them. */
	char store_driver[16];
	enum store_durability durability;
	uint64_t store_max_size;

	struct ev_loop *loop;
	pthread_t thread;
	bool running;
	ev_async stop;
	ev_timer beat;
	ssize_t stuck; /* a worker that does not turn, or ADMIN_NO_WORKER */
	struct admin_http *doors[CONFIG_LISTEN_MAX];
	size_t n_doors;
	struct admin_probe probe;
	struct admin_census census;
	ev_timer sample;
	struct admin_samples samples;
	struct report report; /* of the answer that is being written */
};

/* --- admin.c --- */

bool admin_is_lmdb(const struct admin *a);

/* `commit` or `none`; "" for a store that has no such choice. */
const char *admin_durability(const struct admin *a);

/* --- admin_health.c --- */

/* Whether the agent can serve; writes why not, a line for each reason (NULL:
 * nobody wants to know). a->report must be fresh. */
bool admin_health_ready(const struct admin *a, FILE *out);

/* Whether the process works; the same. */
bool admin_health_alive(const struct admin *a, FILE *out);

/* --- admin_metrics.c --- */

/* Writes all metrics; a->report must be fresh. */
void admin_metrics_write(const struct admin *a, FILE *out);

#endif
