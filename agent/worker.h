/* agent/worker.h: one event loop with its connections, its service and its
 * place at the store. The first worker runs on the main thread's loop, the
 * others on threads of their own. */
#ifndef AGENT_WORKER_H
#define AGENT_WORKER_H

#include <ev.h>
#include <stdatomic.h>

#include "agent/config.h"
#include "agent/net/connection.h"
#include "agent/service.h"

struct engines;
struct report;
struct worker;
struct store;
struct tls;
struct waiters;

/* What the workers of a process share; outlives them all. */
struct worker_shared {
	struct store *store;
	struct waiters *waiters;
	struct engines *engines;
	/* Connections of all workers, adopted ones that are on their way
	 * included. */
	atomic_size_t connections;
	/* Called on the worker's thread when a connection ended. */
	void (*released)(struct worker_shared *shared);
};

/* A worker on `loop`; with NULL it makes a loop of its own. NULL when out of
 * memory or descriptors. */
struct worker *worker_new(struct worker_shared *shared, struct config *config,
                          struct ev_loop *loop);

/* Opens the sockets of [notices] on the worker's loop, before that runs. 0, or
 * -1 with a text for people. */
int worker_listen_notices(struct worker *w, struct config *config,
                          char *reterr_text, size_t reterr_size);

/* Runs the worker's own loop on a new thread. False: no thread to be had. */
bool worker_start(struct worker *w);

/* The functions below may be called from any thread; they take effect on the
 * worker's own. */

/* Takes over the connected `fd` and serves it; with `tls` (NULL: none), of
 * which it takes a reference, it speaks TLS there. */
void worker_adopt(struct worker *w, int fd, struct tls *tls);
void worker_set_config(struct worker *w, struct config *config);

/* Answers what is in flight, then closes every connection. */
void worker_drain(struct worker *w);

/* Connections it has, and NOTIFYs and operations it still works on. */
size_t worker_connections(struct worker *w);
size_t worker_busy(struct worker *w);

/* Times the worker's loop turned; a watchdog sees that it still does. It turns
 * at least once a second. */
uint64_t worker_beats(struct worker *w);

/* Adds what it has counted, and its connections, to *report. */
void worker_report(struct worker *w, struct report *report);

/* Logs what it counted (LOG_STATS). */
void worker_log_stats(struct worker *w);

/* Its loop has ended: whoever waits for its store's client must not wait in
 * vain. On the loop's thread; a thread of its own does that itself. */
void worker_rest(struct worker *w);

/* Stops its thread, if it has one. */
void worker_stop(struct worker *w);

/* Closes what is left and frees; after worker_stop(). NULL is fine. */
void worker_free(struct worker *w);

#endif
