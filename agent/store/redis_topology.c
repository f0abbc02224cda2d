#include "agent/store/redis_topology.h"

#include <hiredis/hiredis.h>

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

enum redis_redirect redis_topology_redirect(struct redis_topology *topology,
                                            struct redis_node **node,
                                            const uint8_t *record_key,
                                            const struct redisReply *reply,
                                            unsigned *ret_how)
{
	enum redis_redirect redirect = REDIS_REDIRECT_NONE;

	*ret_how = 0;
	if (reply->type != REDIS_REPLY_ERROR)
		return REDIS_REDIRECT_NONE;
	if (redis_command_error(reply) == REDIS_ERROR_NOSCRIPT) {
		*ret_how = REDIS_HOW_EVAL;
		return REDIS_REDIRECT_AGAIN;
	}
	if (topology->driver->redirect)
		redirect = topology->driver->redirect(topology, *node,
		                                      record_key, reply, node);
	if (redirect != REDIS_REDIRECT_ASK)
		return redirect;
	/* A script that is said whole is one thing less to go wrong. */
	*ret_how = REDIS_HOW_ASKING | REDIS_HOW_EVAL;
	return REDIS_REDIRECT_AGAIN;
}
