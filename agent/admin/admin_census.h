/* agent/admin/admin_census.h: counts the records of the store by state, slice
 * by slice and over and over, with a fiftieth of a processor at most. */
#ifndef AGENT_ADMIN_ADMIN_CENSUS_H
#define AGENT_ADMIN_ADMIN_CENSUS_H

#include <ev.h>

#include "agent/store/store.h"

struct admin_census {
	struct ev_loop *loop;
	struct store *store;
	ev_timer timer;
	struct store_census running;
	/* The last one that came to its end; done.now_ms is when it began, 0:
	 * there was none yet, or the store does not know. */
	struct store_census done;
};

/* `loop` and `store` must outlive it. */
void admin_census_start(struct admin_census *c, struct ev_loop *loop,
                        struct store *store);
void admin_census_stop(struct admin_census *c);

#endif
