#include "agent/store/redis_topology.h"

const struct redis_topology_driver *redis_topology_of(
    const struct redis_options *options)
{
	switch (options->mode) {
	case REDIS_MODE_CLUSTER:
		return &redis_cluster;
	case REDIS_MODE_SENTINEL:
		return &redis_sentinel;
	case REDIS_MODE_SINGLE:
		break;
	}
	return &redis_single;
}

bool redis_topology_ready(struct redis_topology *topology)
{
	const struct redis_topology_driver *driver = topology->driver;
	struct redis_node *node = driver->node(topology, 0);
	bool ready = node != NULL;

	for (size_t i = 1; node && ready; i++) {
		ready = redis_node_ready(node);
		node = driver->node(topology, i);
	}
	return ready;
}
