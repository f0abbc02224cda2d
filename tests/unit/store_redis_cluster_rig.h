/* tests/unit/store_redis_cluster_rig.h: a rig (store_redis_rig.h) whose store
 * is a cluster: time passes in all masters that run. */
#ifndef TESTS_UNIT_STORE_REDIS_CLUSTER_RIG_H
#define TESTS_UNIT_STORE_REDIS_CLUSTER_RIG_H

#include "tests/support/redis_group.h"
#include "tests/unit/store_redis_rig.h"

struct redis_cluster_rig {
	struct redis_rig base; /* first */
	struct redis_nodes *nodes;
	struct endpoint seeds[REDIS_NODES];
};

static inline bool redis_cluster_is_master(struct redis_process *node)
{
	return node->pid > 0 &&
	       strstr(redis_process_ask(node, "INFO replication"),
	              "role:master") != NULL;
}

static inline void redis_cluster_rig_pass(struct rig *rig, uint64_t now_ms)
{
	struct redis_cluster_rig *r = (struct redis_cluster_rig *)rig;

	if (now_ms <= r->base.now_ms)
		return;
	for (int i = 0; i < r->nodes->count; i++) {
		if (redis_cluster_is_master(&r->nodes->nodes[i]))
			redis_rig_set_time(&r->nodes->nodes[i], now_ms);
	}
	r->base.now_ms = now_ms;
}

static inline void redis_cluster_seed(struct endpoint *ret_endpoint,
                                      const struct redis_process *node)
{
	char address[64], text[256] = "";

	snprintf(address, sizeof(address), "127.0.0.1:%d", node->port);
	if (endpoint_parse(address, ret_endpoint, text, sizeof(text)) != 0)
		fail_msg("%s", text);
}

/* For a cluster that is running, known by all its nodes; change the options
 * before rig_open(). */
static inline void redis_cluster_rig_init(struct redis_cluster_rig *r,
                                          struct redis_nodes *nodes)
{
	char address[64];

	snprintf(address, sizeof(address), "127.0.0.1:%d",
	         nodes->nodes[0].port);
	redis_rig_init(&r->base, &nodes->nodes[0], address);
	r->nodes = nodes;
	for (int i = 0; i < nodes->count; i++)
		redis_cluster_seed(&r->seeds[i], &nodes->nodes[i]);
	r->base.redis.mode = REDIS_MODE_CLUSTER;
	r->base.redis.servers = r->seeds;
	r->base.redis.n_servers = (size_t)nodes->count;
	r->base.rig.pass = redis_cluster_rig_pass;
}

#endif
