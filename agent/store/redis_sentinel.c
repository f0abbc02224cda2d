#include <ev.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/redis_topology.h"

/* How often each sentinel is asked who the master is. */
static const double EVERY_S = .25;

/* An answer that is older than that many questions does not count. */
enum { STALE = 8 };

/* One sentinel, and what it said last. */
struct guard {
	struct sentinel *sentinel;
	struct redis_node *node;
	struct redis_request who; /* SENTINEL get-master-addr-by-name */
	struct redis_request how; /* SENTINEL master: since when */
	unsigned asking;          /* replies that are due */
	bool failed;              /* since it answered last */
	unsigned age;             /* of its answer, in questions */
	bool knows;
	struct endpoint master;
	uint64_t epoch;
};

struct sentinel {
	struct redis_topology base; /* first */
	struct redis_topology_setup setup;
	struct redis_options options; /* as they are for sentinels */
	struct redis_node *master;    /* NULL: not known yet */
	uint64_t epoch;               /* of who said so */
	ev_timer timer;
	size_t n_guards;
	struct guard guards[];
};

/* --- the master --- */

static void on_master_ready(void *cookie, struct redis_node *node)
{
	struct sentinel *s = cookie;

	s->setup.handler->ready(s->setup.cookie, node);
}

static void on_master_slow(void *cookie, struct redis_node *node, bool slow)
{
	struct sentinel *s = cookie;

	redis_node_tell_slow(s->setup.handler, s->setup.cookie, node, slow);
}

static void ask_all(struct sentinel *s);

static void on_master_down(void *cookie, struct redis_node *node,
                           const char *why)
{
	struct sentinel *s = cookie;
	struct redis_node *blamed = node;

	/* That it is no master any more, or not yet, mends itself: nothing an
	 * operator would have to change. */
	if (redis_node_info(node)->replica)
		blamed = s->guards[0].node;
	s->setup.handler->down(s->setup.cookie, blamed, why);
	ask_all(s);
}

static const struct redis_node_handler master_handler = {
    .ready = on_master_ready,
    .down = on_master_down,
    .slow = on_master_slow,
};

static void set_master(struct sentinel *s, const struct endpoint *endpoint)
{
	const struct redis_node_options options = {
	    .kind = REDIS_NODE_DATA,
	    .redis = s->setup.redis,
	    .handler = &master_handler,
	    .cookie = s,
	};

	if (!s->master)
		s->master = redis_node_new(s->setup.loop, &options, endpoint);
	else if (!endpoint_equal(redis_node_endpoint(s->master), endpoint))
		redis_node_move(s->master, endpoint);
}

/* Of what the sentinels say the newest counts: each fail-over has a higher
 * epoch, and one that was cut off from the others has not heard of it. */
static void decide(struct sentinel *s)
{
	const struct guard *best = NULL;

	for (size_t i = 0; i < s->n_guards; i++) {
		const struct guard *g = &s->guards[i];

		if (g->knows && (!best || g->epoch > best->epoch))
			best = g;
	}
	if (!best)
		return;
	/* Who works is not left for what is known to be older. */
	if (best->epoch < s->epoch && s->master && redis_node_ready(s->master))
		return;
	s->epoch = best->epoch;
	s->base.hopeful = false;
	set_master(s, &best->master);
}

/* --- the sentinels --- */

/* All of them have failed since they answered last. */
static bool all_failed(const struct sentinel *s)
{
	for (size_t i = 0; i < s->n_guards; i++)
		if (!s->guards[i].failed)
			return false;
	return true;
}

static void on_guard_down(void *cookie, struct redis_node *node,
                          const char *why)
{
	struct guard *g = cookie;
	struct sentinel *s = g->sentinel;
	char text[REDIS_INFO_WARNING_SIZE];

	g->failed = true;
	g->knows = false;
	/* While there is a master, it tells what is the matter. */
	if (s->master || !all_failed(s))
		return;
	s->base.hopeful = false;
	snprintf(text, sizeof(text), "no sentinel names the master: %s", why);
	s->setup.handler->down(s->setup.cookie, node, text);
}

static bool is_text(const struct redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING;
}

/* Address and port, as the sentinel gives them. */
static bool read_address(const struct redisReply *reply,
                         struct endpoint *ret_endpoint)
{
	return reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
	       is_text(reply->element[0]) && is_text(reply->element[1]) &&
	       endpoint_from(reply->element[0]->str, reply->element[1]->str,
	                     ret_endpoint);
}

static void on_who(struct redis_request *request,
                   const struct redisReply *reply)
{
	struct guard *g =
	    (struct guard *)((char *)request - offsetof(struct guard, who));
	char text[REDIS_INFO_WARNING_SIZE];

	g->asking--;
	if (!reply)
		return; /* its node is down, which is said elsewhere */
	g->knows = read_address(reply, &g->master);
	g->age = 0;
	if (reply->type != REDIS_REPLY_NIL)
		return;
	snprintf(text, sizeof(text), "knows no master called \"%s\"",
	         g->sentinel->setup.redis->sentinel_master);
	redis_node_refuse(g->node, text);
}

/* Field, value, field, value... */
static void on_how(struct redis_request *request,
                   const struct redisReply *reply)
{
	struct guard *g =
	    (struct guard *)((char *)request - offsetof(struct guard, how));

	g->asking--;
	if (!reply || reply->type != REDIS_REPLY_ARRAY)
		return;
	for (size_t i = 0; i + 1 < reply->elements; i += 2) {
		if (!is_text(reply->element[i]) ||
		    !is_text(reply->element[i + 1]) ||
		    strcmp(reply->element[i]->str, "config-epoch") != 0)
			continue;
		g->epoch = strtoull(reply->element[i + 1]->str, NULL, 10);
	}
	if (!g->knows)
		return;
	g->failed = false;
	decide(g->sentinel);
}

static bool say(struct guard *g, struct redis_request *request,
                const char *what,
                void (*done)(struct redis_request *request,
                             const struct redisReply *reply))
{
	struct redis_command command = {.n = 0};

	redis_command_add_text(&command, "SENTINEL");
	redis_command_add_text(&command, what);
	redis_command_add_text(&command,
	                       g->sentinel->setup.redis->sentinel_master);
	request->done = done;
	if (!redis_node_send(g->node, request, &command))
		return false;
	g->asking++;
	return true;
}

static void ask(struct guard *g)
{
	if (++g->age > STALE)
		g->knows = false;
	if (g->asking > 0 || !redis_node_ready(g->node))
		return;
	/* Both in one go: what the address is, and how new. */
	if (say(g, &g->who, "get-master-addr-by-name", on_who))
		say(g, &g->how, "master", on_how);
}

static void ask_all(struct sentinel *s)
{
	for (size_t i = 0; i < s->n_guards; i++)
		if (s->guards[i].node)
			ask(&s->guards[i]);
}

static void on_guard_ready(void *cookie, struct redis_node *node)
{
	(void)node;
	ask(cookie);
}

static const struct redis_node_handler guard_handler = {
    .ready = on_guard_ready,
    .down = on_guard_down,
};

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	ask_all(w->data);
}

/* --- the topology --- */

static void sentinel_free(struct redis_topology *base)
{
	struct sentinel *s = (struct sentinel *)base;

	ev_timer_stop(s->setup.loop, &s->timer);
	redis_node_free(s->master);
	for (size_t i = 0; i < s->n_guards; i++)
		redis_node_free(s->guards[i].node);
	free(s);
}

static bool add_guard(struct sentinel *s, const struct endpoint *endpoint)
{
	struct guard *g = &s->guards[s->n_guards];
	const struct redis_node_options options = {
	    .kind = REDIS_NODE_SENTINEL,
	    .redis = &s->options,
	    .handler = &guard_handler,
	    .cookie = g,
	};

	g->sentinel = s;
	g->node = redis_node_new(s->setup.loop, &options, endpoint);
	if (!g->node)
		return false;
	s->n_guards++;
	return true;
}

static struct redis_topology *sentinel_new(
    const struct redis_topology_setup *setup)
{
	const struct redis_options *redis = setup->redis;
	struct sentinel *s =
	    calloc(1, sizeof(*s) + redis->n_servers * sizeof(s->guards[0]));

	if (!s)
		return NULL;
	s->base.driver = &redis_sentinel;
	s->setup = *setup;
	s->options = *redis;
	s->options.username = redis->sentinel_username;
	s->options.password = redis->sentinel_password;
	ev_timer_init(&s->timer, on_timer, EVERY_S, EVERY_S);
	s->timer.data = s;
	ev_timer_start(setup->loop, &s->timer);
	for (size_t i = 0; i < redis->n_servers; i++) {
		if (!add_guard(s, &redis->servers[i])) {
			sentinel_free(&s->base);
			return NULL;
		}
	}
	s->base.hopeful = true;
	return &s->base;
}

static struct redis_node *sentinel_node_of(struct redis_topology *base,
                                           const uint8_t *record_key)
{
	(void)record_key;
	return ((struct sentinel *)base)->master;
}

static struct redis_node *sentinel_node(struct redis_topology *base,
                                        size_t index)
{
	return index == 0 ? ((struct sentinel *)base)->master : NULL;
}

const struct redis_topology_driver redis_sentinel = {
    .name = "sentinel",
    .new = sentinel_new,
    .free = sentinel_free,
    .node_of = sentinel_node_of,
    .node = sentinel_node,
};
