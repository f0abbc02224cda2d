/* agent/store/redis_slot.h: the hash slot of a key, as Redis Cluster counts
 * (cluster specification, "Key distribution model" and "Hash tags"). */
#ifndef AGENT_STORE_REDIS_SLOT_H
#define AGENT_STORE_REDIS_SLOT_H

#include "spoe/span.h"

enum { REDIS_SLOTS = 16384 };

/* CRC16 (XMODEM) of the key, or of what stands between its first `{` and the
 * `}` that follows, unless that is nothing; 0 to REDIS_SLOTS - 1. */
unsigned redis_slot(struct spoe_span key);

#endif
