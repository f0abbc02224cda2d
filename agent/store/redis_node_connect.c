#include <errno.h>
#include <hiredis/hiredis.h>

#include "agent/store/redis_node_private.h"

/* --- greeting ----------------------------------------------------------- */

static void take_greeting(struct redis_node *node,
                          enum redis_greeting_step step,
                          const struct redisReply *reply)
{
	char why[REDIS_NODE_WHY_SIZE];
	enum redis_greeting_result result = redis_greeting_take(
	    step, node->options.redis, reply, &node->info, why, sizeof(why));
	const bool last =
	    step == REDIS_GREETING_INFO || step == REDIS_GREETING_PING;

	if (result == REDIS_GREETING_OK && step == REDIS_GREETING_INFO)
		result = redis_greeting_accept(node->options.redis,
		                               node->options.kind ==
		                                   REDIS_NODE_CLUSTER,
		                               &node->info, why, sizeof(why));
	if (result == REDIS_GREETING_FAILED)
		redis_node_lose(node, why);
	else if (result == REDIS_GREETING_REFUSED)
		redis_node_end(node, why, "", true);
	else if (last)
		redis_node_become_ready(node);
}

static void on_greeted(struct redis_request *request,
                       const struct redisReply *reply)
{
	struct greeting *g = (struct greeting *)request;

	/* None: the connection was lost, which is said elsewhere. */
	if (reply && g->node->state == NODE_GREETING)
		take_greeting(g->node, g->step, reply);
}

static void greet(struct redis_node *node)
{
	const bool brief = node->options.kind == REDIS_NODE_SENTINEL ||
	                   node->options.kind == REDIS_NODE_SCOUT;
	struct redis_command command;
	char text[24];

	node->info = (struct redis_info){.known = false};
	for (int i = 0; i < REDIS_GREETING_STEPS; i++) {
		struct greeting *g = &node->greetings[i];

		g->request.done = on_greeted;
		g->node = node;
		g->step = (enum redis_greeting_step)i;
		if (!redis_greeting_command(g->step, node->options.redis, brief,
		                            text, &command))
			continue;
		if (!redis_request_say(&g->request, &command) ||
		    !redis_node_put(node, &g->request)) {
			redis_request_drop(&g->request);
			redis_node_lose(node, "out of memory");
			return;
		}
	}
}

/* --- connecting --------------------------------------------------------- */

static const char *server_name(const struct redis_node *node)
{
	const char *name = node->options.redis->tls_server_name;

	if (name[0] != '\0')
		return name;
	return node->endpoint.host[0] ? node->endpoint.host : NULL;
}

void redis_node_connected(struct ev_loop *loop, ev_io *w, int revents)
{
	struct redis_node *node = w->data;
	struct tls *tls = node->options.redis->tls;
	socklen_t size = sizeof(int);
	int error = 0;

	(void)revents;
	getsockopt(node->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error != 0) {
		redis_node_end(
		    node, "cannot be connected to: ", strerror(error), false);
		return;
	}
	ev_io_stop(loop, &node->connecting);
	resolver_free(node->resolver);
	node->resolver = NULL;
	transport_init(&node->transport, loop, node->fd, redis_node_readable,
	               redis_node_writable);
	node->fd = -1;
	node->state = NODE_GREETING;
	node->reader = redisReaderCreate();
	if (!node->reader || (tls && !transport_secure(&node->transport, tls,
	                                               server_name(node)))) {
		redis_node_lose(node, "out of memory");
		return;
	}
	transport_watch(&node->transport, true, false);
	greet(node);
}

static void connect_to(struct redis_node *node, const struct address *address)
{
	node->fd = endpoint_connect(address);
	if (node->fd < 0) {
		redis_node_end(
		    node, "cannot be connected to: ", strerror(errno), false);
		return;
	}
	ev_io_set(&node->connecting, node->fd, EV_WRITE);
	ev_io_start(node->loop, &node->connecting);
}

/* A name may have many addresses: each attempt tries the next. */
static void on_resolved(void *cookie, const struct resolver_answer *answer)
{
	struct redis_node *node = cookie;

	if (answer->n > 0)
		connect_to(node,
		           &answer->addresses[node->attempt++ % answer->n]);
	else
		redis_node_end(node, "cannot be looked up: ", answer->why,
		               false);
}

void redis_node_connect(struct redis_node *node)
{
	node->state = NODE_CONNECTING;
	redis_node_wake(node,
	                (double)node->options.redis->connect_timeout_ms / 1e3);
	if (node->endpoint.address.size > 0) {
		connect_to(node, &node->endpoint.address);
		return;
	}
	node->resolver =
	    resolver_new(node->loop, &node->endpoint, on_resolved, node);
	if (!node->resolver)
		redis_node_lose(node, "cannot be looked up: no thread");
}
