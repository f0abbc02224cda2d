/* agent/store/redis_orphans.h: claims whose answer was lost: each may have
 * locked its key, and nobody knows. They are released under their own owner
 * token, which harms nobody when there is no such lock.
 *
 * A claim that a dead connection still had in its pipe may come to be executed
 * after its release was; so a release that found nothing is tried again, a few
 * times, later. What is lost for good (too many, the agent stopped) costs
 * waiting for the lock's deadline. */
#ifndef AGENT_STORE_REDIS_ORPHANS_H
#define AGENT_STORE_REDIS_ORPHANS_H

#include "agent/core/record_op.h"

enum {
	REDIS_ORPHANS_MAX = 4096,
	REDIS_ORPHANS_TRIES = 4,
};

struct redis_orphan {
	uint8_t record_key[RECORD_KEY_SIZE];
	uint8_t owner[RECORD_OWNER_SIZE];
	uint64_t due_ms; /* not before; Unix time */
	unsigned tries;  /* left */
};

/* A bounded queue; all zero is an empty one. */
struct redis_orphans {
	struct redis_orphan *ring;
	size_t first;
	size_t n;
	size_t capacity;
};

/* False when there are too many, or memory is short. */
bool redis_orphans_add(struct redis_orphans *o,
                       const struct redis_orphan *orphan);

/* Takes the first if it is due at `now_ms`; the order is by `due_ms` but for
 * those that were tried. */
bool redis_orphans_take(struct redis_orphans *o, uint64_t now_ms,
                        struct redis_orphan *ret_orphan);

/* After a try that found no lock: when to try again. False: that was all. */
bool redis_orphans_again(struct redis_orphan *orphan, uint64_t now_ms);

void redis_orphans_clear(struct redis_orphans *o);

#endif
