/* agent/store/redis_map.h: which node of a cluster has which slot, as the reply
 * to CLUSTER SLOTS (Redis 3.0 and later, Valkey) and redirections say. Pure:
 * replies in, a table out. */
#ifndef AGENT_STORE_REDIS_MAP_H
#define AGENT_STORE_REDIS_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/store/redis_slot.h"
#include "spoe/span.h"

struct redisReply;

enum {
	REDIS_MAP_HOST_SIZE = 254,
	REDIS_MAP_NODES_MAX = 1024, /* masters; the specification's 1000 */
};

/* Where a node is: a name or an address, IPv6 without brackets. */
struct redis_place {
	char host[REDIS_MAP_HOST_SIZE];
	unsigned port;
};

struct redis_map {
	struct redis_place *places; /* of the masters that have slots */
	size_t n_places;
	uint16_t owners[REDIS_SLOTS]; /* of a slot: 1 + which place; 0: none */
	unsigned covered;             /* slots that have an owner */
};

/* An empty one; all zero. */
void redis_map_init(struct redis_map *map);
void redis_map_fini(struct redis_map *map);

/* Reads the reply that the node at `asked` (host) gave. Hosts it leaves open
 * are `asked`; of one it does not know ("?") the address beside it is taken,
 * else its slots have no owner. False, with a text for people and the map as it
 * was, when it is no such reply or memory is short. */
bool redis_map_read(struct redis_map *map, const struct redisReply *reply,
                    const char *asked, char *reterr_text, size_t reterr_size);

/* Who has it; NULL: nobody that is known. */
const struct redis_place *redis_map_owner(const struct redis_map *map,
                                          unsigned slot);

/* Says that `slot` is there from now on: what a MOVED tells before the whole
 * map is read again. False when there is no room. */
bool redis_map_move(struct redis_map *map, unsigned slot,
                    const struct redis_place *place);

bool redis_place_equal(const struct redis_place *a,
                       const struct redis_place *b);

enum redis_map_redirect_type {
	REDIS_MAP_NONE,
	REDIS_MAP_MOVED, /* from now on */
	REDIS_MAP_ASK,   /* this once, behind ASKING */
};

struct redis_map_redirect {
	enum redis_map_redirect_type type;
	unsigned slot;
	struct redis_place place; /* host "": not told, and not known */
};

/* Reads the text of an error reply that the node at `asked` gave. One that
 * begins like a redirection but is none is REDIS_MAP_NONE. */
void redis_map_redirect_read(struct redis_map_redirect *ret_redirect,
                             struct spoe_span text, const char *asked);

#endif
