/* agent/daemon.h: the running process: store, workers, listeners, signals,
 * systemd. One per process. */
#ifndef AGENT_DAEMON_H
#define AGENT_DAEMON_H

#include "agent/config.h"

struct daemon;

/* Opens the store and the sockets and makes the workers; takes a reference of
 * `config`. Sockets that systemd hands over (sd_listen_fds(3)) replace those of
 * the configuration. Returns 0, or -1 with a text for people. */
int daemon_new(struct daemon **ret_daemon, struct config *config,
               char *reterr_text, size_t reterr_size);

/* Serves until SIGTERM or SIGINT, drains, and returns 0; -1 when it had to cut
 * off what was in flight. SIGHUP reloads the file of the configuration (options
 * of kind RELOAD in options.def), SIGUSR1 logs the counters. A second SIGTERM
 * or SIGINT ends the drain at once. */
int daemon_run(struct daemon *d);

void daemon_free(struct daemon *d); /* NULL is fine */

#endif
