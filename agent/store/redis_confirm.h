/* agent/store/redis_confirm.h: that replicas have what was written: WAIT behind
 * the writes of one connection. One is in flight at a time; what is written
 * meanwhile is in the next one's care, so that a master without replicas is
 * not given more WAITs than it can answer. */
#ifndef AGENT_STORE_REDIS_CONFIRM_H
#define AGENT_STORE_REDIS_CONFIRM_H

#include "agent/store/redis_request.h"

struct redis_node;
struct redis_confirm;

/* Of one write; embed it in what waits. All zero is one that nobody wants. */
struct redis_confirmation {
	/* Called once, when the write has had its own reply, unless it was
	 * removed. May free it. */
	void (*done)(struct redis_confirmation *confirmation, bool confirmed);
	/* private */
	struct redis_confirm *confirm; /* NULL: not asked for */
	struct redis_confirmation *next;
	struct redis_confirmation *prev;
	bool covered; /* by the WAIT in flight */
};

/* What a node keeps for it; all zero but for `node` when it is new. */
struct redis_confirm {
	struct redis_request request; /* first: the WAIT in flight */
	struct redis_node *node;
	struct redis_confirmation *first;
	bool flying;
};

/* The write that was sent to the node last is to be confirmed by
 * options->wait_replicas. False when it cannot be asked for: then it is not
 * confirmed, and `done` is not called. */
bool redis_confirm_add(struct redis_confirm *confirm,
                       struct redis_confirmation *confirmation);

/* Forgets it; fine for one that was not added. */
void redis_confirm_remove(struct redis_confirmation *confirmation);

/* Whether it is still to come. */
static inline bool redis_confirm_awaited(
    const struct redis_confirmation *confirmation)
{
	return confirmation->confirm != NULL;
}

#endif
