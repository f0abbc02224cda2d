/* agent/status.h: how the process is: what its threads share with the admin
 * endpoint. The daemon says what changes; anybody asks. Thread-safe, and not on
 * any request's way. */
#ifndef AGENT_STATUS_H
#define AGENT_STATUS_H

#include "agent/config.h"
#include "agent/report.h"

struct status;
struct waiters;
struct worker;

/* What is asked; outlives the status. */
struct status_sources {
	struct store *store;
	struct waiters *waiters;
	struct engines *engines;
	struct worker *const *workers;
	size_t n_workers;
};

/* Takes a reference of `config`. NULL when out of memory. */
struct status *status_new(const struct status_sources *sources,
                          struct config *config);
void status_free(struct status *s); /* NULL is fine */

/* --- what the daemon says --- */

/* A reload is done: `config` is in force (takes a reference), and
 * `restart_needed` names the options that wait for a restart, or is "". */
void status_reloaded(struct status *s, struct config *config,
                     const char *restart_needed);
void status_reload_failed(struct status *s);

/* Until when the certificate of [tls] is valid, in Unix seconds; 0: none. */
void status_set_certificate(struct status *s, int64_t until_s);

/* Whether connections are accepted: there is room for them. */
void status_set_accepting(struct status *s, bool accepting);
void status_set_draining(struct status *s);

/* --- what anybody asks --- */

enum { STATUS_TEXT_SIZE = 512 };

/* Counts together what there is. Takes no lock that a request may wait for, but
 * for the store's, for an instant. */
void status_report(struct status *s, struct report *ret_report);

/* A reference of the configuration in force. */
struct config *status_config(struct status *s);

/* The options that wait for a restart; "" when there are none. */
void status_restart_needed(struct status *s, char ret_text[STATUS_TEXT_SIZE]);

/* Whether every event loop has turned since the last call, which should be some
 * seconds ago; *ret_stuck is one that has not. For one thread alone. */
bool status_turns(struct status *s, size_t *ret_stuck);

#endif
