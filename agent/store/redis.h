/* agent/store/redis.h: records in Redis or Valkey, which several agents share.
 *
 *     redis.c            operations: command out, reply in, deadline
 *     redis_topology.h   which server: one, or what follows from Sentinel or
 *                        Cluster
 *     redis_node.c       one connection to one server
 *     redis_command.c    what is said, and what the reply means
 *
 * Every operation is one round trip, and answered within its time limit. When
 * that passes, the reply is still awaited and thrown away; a claim that may
 * have locked its key all the same is released as soon as it can be
 * (redis_orphans.c), under its own owner token.
 *
 * `durability` is the server's matter. */
#ifndef AGENT_STORE_REDIS_H
#define AGENT_STORE_REDIS_H

#include "agent/store/store.h"

extern const struct store_driver redis_driver;

#endif
