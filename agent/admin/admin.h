/* agent/admin/admin.h: the admin endpoint: a thread of its own that answers
 * HTTP on the addresses of [admin], counts the records of the store now and
 * then, and asks it every second whether it still answers. No request of
 * HAProxy's waits for any of it. */
#ifndef AGENT_ADMIN_ADMIN_H
#define AGENT_ADMIN_ADMIN_H

#include "agent/config.h"

struct admin;
struct status;
struct store;

/* Opens the addresses and starts the thread; `status` and `store` must outlive
 * it. What goes wrong is logged and stops nobody: NULL when nothing is left to
 * do. */
struct admin *admin_new(struct status *status, struct store *store,
                        const struct config *config);

/* Stops the thread and closes all connections. NULL is fine. */
void admin_free(struct admin *a);

#endif
