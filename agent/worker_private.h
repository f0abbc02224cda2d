/* agent/worker_private.h: what the files of a worker share: worker.c (its loop)
 * and worker_report.c (what it counted). */
#ifndef AGENT_WORKER_PRIVATE_H
#define AGENT_WORKER_PRIVATE_H

#include <pthread.h>

#include "agent/meter.h"
#include "agent/net/server.h"
#include "agent/net/syslog.h"
#include "agent/notices.h"
#include "agent/report.h"
#include "agent/worker.h"
#include "agent/yielding.h"

/* A connection that is on its way to the worker. */
struct arrival {
	int fd;
	struct tls *tls; /* a reference; NULL: none */
};

/* What others asked of the worker, until its loop takes it. */
struct mailbox {
	pthread_mutex_t lock;
	struct arrival *arrivals;
	size_t n_arrivals;
	size_t arrivals_capacity;
	struct config *config;
	bool drain;
	bool log_stats;
	bool stop;
};

/* What becomes of connections; the worker counts, any thread reads. */
struct worker_counters {
	atomic_uint_least64_t opened;
	atomic_uint_least64_t ready; /* now */
	atomic_uint_least64_t closed[CONNECTION_ENDS];
	atomic_uint_least64_t protocol_errors[REPORT_SPOE_STATUSES];
};

struct worker {
	struct worker_shared *shared;
	struct ev_loop *loop;
	bool own_loop;
	bool running; /* a thread of its own runs */
	pthread_t thread;
	ev_async wake;
	ev_timer beat;
	struct yielding yielding;
	struct mailbox mailbox;
	struct store_client *store;
	struct meter meter;
	struct service *service;
	struct server *server;
	struct worker_counters counters;
	struct notices *notices; /* NULL: none are read here */
	struct syslog *syslogs[2 * CONFIG_LISTEN_MAX];
	size_t n_syslogs;
	atomic_size_t connections;
	atomic_size_t busy;
	atomic_uint_least64_t beats;
};

/* Logs what it counted; on its own thread. */
void worker_report_log(struct worker *w);

#endif
