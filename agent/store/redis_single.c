#include <stdlib.h>

#include "agent/store/redis_topology.h"

struct single {
	struct redis_topology base;
	struct redis_node *node;
};

static struct redis_topology *single_new(
    const struct redis_topology_setup *setup)
{
	const struct redis_node_options options = {
	    .kind = REDIS_NODE_DATA,
	    .redis = setup->redis,
	    .handler = setup->handler,
	    .cookie = setup->cookie,
	};
	struct single *single = calloc(1, sizeof(*single));

	if (!single)
		return NULL;
	single->base.driver = &redis_single;
	single->node =
	    redis_node_new(setup->loop, &options, &setup->redis->servers[0]);
	if (!single->node) {
		free(single);
		return NULL;
	}
	return &single->base;
}

static void single_free(struct redis_topology *base)
{
	struct single *single = (struct single *)base;

	redis_node_free(single->node);
	free(single);
}

static struct redis_node *single_node_of(struct redis_topology *base,
                                         const uint8_t *record_key)
{
	(void)record_key;
	return ((struct single *)base)->node;
}

static struct redis_node *single_node(struct redis_topology *base, size_t index)
{
	return index == 0 ? ((struct single *)base)->node : NULL;
}

const struct redis_topology_driver redis_single = {
    .name = "single",
    .new = single_new,
    .free = single_free,
    .node_of = single_node_of,
    .node = single_node,
};
