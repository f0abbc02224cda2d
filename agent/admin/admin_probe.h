/* agent/admin/admin_probe.h: asks the store every second for a record that is
 * not there, as a client of its own: does it answer, also when no request
 * comes?
 */
#ifndef AGENT_ADMIN_ADMIN_PROBE_H
#define AGENT_ADMIN_ADMIN_PROBE_H

#include <ev.h>

#include "agent/store/store.h"

struct admin_probe {
	struct ev_loop *loop;
	struct store_client *client;
	struct store_call call;
	ev_timer timer;
	bool asking;
	bool late; /* it was asked more than a second ago */
	bool answered;
	enum reason health; /* of the last answer */
};

/* False when out of memory. `loop` and `store` must outlive it. */
bool admin_probe_start(struct admin_probe *p, struct ev_loop *loop,
                       struct store *store);
void admin_probe_stop(struct admin_probe *p);

/* NULL: the store answers; else why it does not. */
const char *admin_probe_failure(const struct admin_probe *p);

#endif
