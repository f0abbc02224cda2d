/* agent/store/redis_topology.h: which server a record lives on. The operations
 * of redis.c ask it for a node and know nothing of masters, slots and
 * fail-overs. One per event loop. */
#ifndef AGENT_STORE_REDIS_TOPOLOGY_H
#define AGENT_STORE_REDIS_TOPOLOGY_H

#include "agent/store/redis_node.h"

struct redis_topology;

struct redis_topology_setup {
	struct ev_loop *loop;
	const struct redis_options *redis; /* borrowed */
	/* Told of every node with records; the topology's own handler calls
	 * it. */
	const struct redis_node_handler *handler;
	void *cookie;
};

/* What to do about a reply. */
enum redis_redirect {
	REDIS_REDIRECT_NONE,  /* nothing: it is the answer */
	REDIS_REDIRECT_AGAIN, /* the command was not executed: say it to `node`
	                       */
	REDIS_REDIRECT_ASK,   /* the same, with ASKING in front */
	REDIS_REDIRECT_LATER, /* not executed; not now, but in a moment */
};

struct redis_topology_driver {
	const char *name;
	/* Begins to connect. NULL when out of memory. */
	struct redis_topology *(*new)(const struct redis_topology_setup *setup);
	/* Every request is done, without a reply. */
	void (*free)(struct redis_topology *topology);
	/* Where a record lives; NULL: not known now. */
	struct redis_node *(*node_of)(struct redis_topology *topology,
	                              const uint8_t *record_key);
	/* What an error reply of `node` to a command about that record says of
	 * the topology. NULL: nothing. */
	enum redis_redirect (*redirect)(struct redis_topology *topology,
	                                struct redis_node *node,
	                                const uint8_t *record_key,
	                                const struct redisReply *reply,
	                                struct redis_node **ret_node);
	/* The index-th node that has records of its own, for a scan; NULL
	 * behind the last. */
	struct redis_node *(*node)(struct redis_topology *topology,
	                           size_t index);
};

/* What each begins with. */
struct redis_topology {
	const struct redis_topology_driver *driver;
	bool hopeful; /* where records live is being found out */
};

/* Whether it knows its nodes, and all can be used. */
bool redis_topology_ready(struct redis_topology *topology);

/* Reads the reply that *node gave to a command about a record. AGAIN: it was
 * not executed, and is to be said to *node, in the way *ret_how adds (a set of
 * redis_how). LATER: not executed either. NONE: it is the answer. */
enum redis_redirect redis_topology_redirect(struct redis_topology *topology,
                                            struct redis_node **node,
                                            const uint8_t *record_key,
                                            const struct redisReply *reply,
                                            unsigned *ret_how);

/* One server: the first of the options. */
extern const struct redis_topology_driver redis_single;

/* The master that the sentinels of the options name. */
extern const struct redis_topology_driver redis_sentinel;

/* A cluster, found through any of the servers of the options. */
extern const struct redis_topology_driver redis_cluster;

/* The one for these options. */
const struct redis_topology_driver *redis_topology_of(
    const struct redis_options *options);

#endif
