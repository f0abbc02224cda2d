/* A cluster: the node that has a key's slot. The map of slots is read from any
 * node, over a connection of its own: whoever is asked need not have records
 * itself. It is read again when something says that it is old, and now and
 * then anyway; meanwhile redirections are followed. */
#include <ev.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/store/redis_map.h"
#include "agent/store/redis_topology.h"

/* Between two looks at the map: while it is doubted, and else. */
static const double DOUBT_MIN_S = .025;
static const double DOUBT_MAX_S = .5;
static const double TRUST_S = 10.;
/* How long a node without slots may have to answer what it was asked. */
static const double LINGER_S = 5.;

/* A node that has, had, or is given slots. */
struct member {
	struct redis_place place;
	struct redis_node *node;
	bool used;              /* it is in the map */
	ev_tstamp unused_since; /* else */
	struct member *next;
};

struct cluster {
	struct redis_topology base; /* first */
	struct redis_topology_setup setup;
	struct redis_dialect dialect;
	struct redis_map map;
	struct member *members;
	/* Of each of the map's places; NULL: it cannot be connected to. */
	struct member *of_place[REDIS_MAP_NODES_MAX];
	size_t n_of_place;
	struct redis_node *scout; /* whom the map is read from */
	struct redis_request question;
	size_t candidate; /* where the scout is: servers, then places */
	size_t failures;  /* of candidates in a row */
	bool asking;      /* the question is in flight */
	bool eager;       /* to be asked as soon as the scout is ready */
	bool doubted;     /* the map */
	bool elsewhere;   /* ask somebody else next time */
	double delay_s;   /* before the next look, while it is doubted */
	ev_timer look;    /* the next one, or the end of this one */
	bool closing;
};

static void arm(struct cluster *c, double after_s)
{
	ev_timer_stop(c->setup.loop, &c->look);
	ev_timer_set(&c->look, after_s, 0.);
	ev_timer_start(c->setup.loop, &c->look);
}

/* --- members ------------------------------------------------------------ */

static struct member *member_of(struct cluster *c,
                                const struct redis_node *node)
{
	struct member *m = c->members;

	while (m && m->node != node)
		m = m->next;
	return m;
}

static bool read_endpoint(const struct redis_place *place,
                          struct endpoint *ret_endpoint)
{
	char port[16];

	snprintf(port, sizeof(port), "%u", place->port);
	return endpoint_from(place->host, port, ret_endpoint);
}

/* Something says that the map is old: it is read soon. */
static void doubt(struct cluster *c, bool news)
{
	if (c->doubted && !news)
		return;
	c->doubted = true;
	c->delay_s = DOUBT_MIN_S;
	if (!c->asking && !c->eager &&
	    ev_timer_remaining(c->setup.loop, &c->look) > DOUBT_MIN_S)
		arm(c, DOUBT_MIN_S);
}

static void on_ready(void *cookie, struct redis_node *node)
{
	struct cluster *c = cookie;
	const struct member *m = member_of(c, node);

	if (m && m->used)
		c->setup.handler->ready(c->setup.cookie, node);
}

static void on_down(void *cookie, struct redis_node *node, const char *why)
{
	struct cluster *c = cookie;
	const struct member *m = member_of(c, node);

	if (c->closing || !m || !m->used)
		return;
	doubt(c, false);
	c->setup.handler->down(c->setup.cookie, node, why);
}

static void on_slow(void *cookie, struct redis_node *node, bool slow)
{
	struct cluster *c = cookie;
	const struct member *m = member_of(c, node);

	if (!m || !m->used)
		return;
	doubt(c, false);
	redis_node_tell_slow(c->setup.handler, c->setup.cookie, node, slow);
}

static const struct redis_node_handler member_handler = {
    .ready = on_ready,
    .down = on_down,
    .slow = on_slow,
};

/* The member at `place`, made if need be; NULL when that cannot be. */
static struct member *join(struct cluster *c, const struct redis_place *place)
{
	const struct redis_node_options options = {
	    .kind = REDIS_NODE_CLUSTER,
	    .redis = c->setup.redis,
	    .handler = &member_handler,
	    .cookie = c,
	};
	struct endpoint endpoint;
	struct member *m;

	for (m = c->members; m; m = m->next) {
		if (redis_place_equal(&m->place, place))
			return m;
	}
	if (!read_endpoint(place, &endpoint))
		return NULL;
	m = calloc(1, sizeof(*m));
	if (m)
		m->node = redis_node_new(c->setup.loop, &options, &endpoint);
	if (!m || !m->node) {
		free(m);
		return NULL;
	}
	m->place = *place;
	m->unused_since = ev_now(c->setup.loop);
	m->next = c->members;
	c->members = m;
	return m;
}

/* Finds the members of the places that are new in the map. One that was away
 * is tried at once. */
static void join_places(struct cluster *c)
{
	for (; c->n_of_place < c->map.n_places; c->n_of_place++) {
		struct member *m = join(c, &c->map.places[c->n_of_place]);

		c->of_place[c->n_of_place] = m;
		if (!m || m->used)
			continue;
		m->used = true;
		if (!redis_node_ready(m->node))
			redis_node_move(m->node, redis_node_endpoint(m->node));
		else
			c->setup.handler->ready(c->setup.cookie, m->node);
	}
}

static struct member *owner_of(struct cluster *c, unsigned slot)
{
	const unsigned owner = c->map.owners[slot];

	return owner == 0 ? NULL : c->of_place[owner - 1];
}

/* Parts from members that have had no slots for a while. */
static void part(struct cluster *c, bool all)
{
	const ev_tstamp now = ev_now(c->setup.loop);
	struct member **at = &c->members;

	while (*at) {
		struct member *m = *at;

		if (!all && (m->used || now - m->unused_since < LINGER_S)) {
			at = &m->next;
			continue;
		}
		*at = m->next;
		redis_node_free(m->node);
		free(m);
		/* Who was waiting for it may have changed the list. */
		at = &c->members;
	}
}

/* --- the map ------------------------------------------------------------ */

/* Whether both give each slot to the same place. */
static bool same_owners(const struct redis_map *a, const struct redis_map *b)
{
	for (unsigned slot = 0; slot < REDIS_SLOTS; slot++) {
		const struct redis_place *of_a = redis_map_owner(a, slot);
		const struct redis_place *of_b = redis_map_owner(b, slot);

		if (of_a != of_b &&
		    (!of_a || !of_b || !redis_place_equal(of_a, of_b)))
			return false;
	}
	return true;
}

static bool all_ready(const struct cluster *c)
{
	for (size_t i = 0; i < c->n_of_place; i++) {
		if (!c->of_place[i] || !redis_node_ready(c->of_place[i]->node))
			return false;
	}
	return c->n_of_place > 0;
}

static void use_map(struct cluster *c, const struct redis_map *map)
{
	struct redis_map old = c->map;

	c->map = *map;
	redis_map_fini(&old);
	c->n_of_place = 0;
	join_places(c);
	for (struct member *m = c->members; m; m = m->next) {
		bool used = false;

		for (size_t i = 0; i < c->n_of_place && !used; i++)
			used = c->of_place[i] == m;
		if (m->used && !used)
			m->unused_since = ev_now(c->setup.loop);
		m->used = used;
	}
}

/* Where the next question goes: through the servers of the options, then the
 * places of the map. */
static struct endpoint next_candidate(struct cluster *c)
{
	const struct redis_options *redis = c->setup.redis;
	struct endpoint endpoint;

	c->candidate =
	    (c->candidate + 1) % (redis->n_servers + c->map.n_places);
	if (c->candidate >= redis->n_servers &&
	    read_endpoint(&c->map.places[c->candidate - redis->n_servers],
	                  &endpoint))
		return endpoint;
	return redis->servers[c->candidate % redis->n_servers];
}

/* The next look while the map is doubted; longer each time. */
static void look_again(struct cluster *c)
{
	arm(c, c->delay_s);
	c->delay_s *= 2.;
	if (c->delay_s > DOUBT_MAX_S)
		c->delay_s = DOUBT_MAX_S;
}

static void take_map(struct cluster *c, struct redis_map *map)
{
	const bool news = !same_owners(map, &c->map);

	c->failures = 0;
	c->base.hopeful = false;
	if (news || map->n_places != c->map.n_places)
		use_map(c, map);
	else
		redis_map_fini(map);
	part(c, false);
	if (news)
		c->delay_s = DOUBT_MIN_S;
	if (c->map.covered == REDIS_SLOTS && all_ready(c))
		c->doubted = false;
	/* One node may know less than another. */
	c->elsewhere = c->doubted && !news;
	if (c->doubted)
		look_again(c);
	else
		arm(c, TRUST_S);
}

static void on_map(struct redis_request *request,
                   const struct redisReply *reply)
{
	struct cluster *c =
	    (struct cluster *)((char *)request -
	                       offsetof(struct cluster, question));
	struct redis_map map;
	char why[256];

	c->asking = false;
	if (c->closing || !reply)
		return; /* the node is down, or was left */
	redis_map_init(&map);
	if (!redis_map_read(&map, reply, redis_node_endpoint(c->scout)->host,
	                    why, sizeof(why))) {
		redis_node_refuse(c->scout, why);
	} else if (map.covered == 0) {
		redis_map_fini(&map);
		redis_node_lose(c->scout, "no node of the cluster that it "
		                          "knows has slots");
	} else {
		take_map(c, &map);
	}
}

static void ask(struct cluster *c)
{
	struct redis_command command = {.n = 0};

	redis_command_add_text(&command, "CLUSTER");
	redis_command_add_text(&command, "SLOTS");
	c->question.done = on_map;
	c->asking = redis_node_send(c->scout, &c->question, &command);
	if (c->asking) {
		arm(c, (double)c->setup.redis->timeout_ms / 1e3);
	} else {
		c->elsewhere = true;
		look_again(c);
	}
}

static void on_look(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct cluster *c = w->data;
	struct endpoint endpoint;

	(void)loop;
	(void)revents;
	if (!c->asking && !c->elsewhere && redis_node_ready(c->scout)) {
		ask(c);
		return;
	}
	endpoint = next_candidate(c);
	c->elsewhere = false;
	c->eager = true;
	arm(c, (double)c->setup.redis->connect_timeout_ms / 1e3);
	redis_node_move(c->scout, &endpoint);
}

static void on_scout_ready(void *cookie, struct redis_node *node)
{
	struct cluster *c = cookie;

	(void)node;
	if (!c->eager)
		return;
	c->eager = false;
	ask(c);
}

static void on_scout_down(void *cookie, struct redis_node *node,
                          const char *why)
{
	struct cluster *c = cookie;

	if (c->closing)
		return;
	c->eager = false;
	c->elsewhere = true;
	look_again(c);
	/* Only when nobody can be asked. */
	if (++c->failures < c->setup.redis->n_servers + c->map.n_places)
		return;
	c->failures = 0;
	c->base.hopeful = false;
	c->setup.handler->down(c->setup.cookie, node, why);
}

static const struct redis_node_handler scout_handler = {
    .ready = on_scout_ready,
    .down = on_scout_down,
};

/* --- what the driver asks ------------------------------------------------ */

static struct redis_topology *cluster_new(
    const struct redis_topology_setup *setup)
{
	struct redis_node_options options = {
	    .kind = REDIS_NODE_SCOUT,
	    .redis = setup->redis,
	    .handler = &scout_handler,
	};
	struct cluster *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->base.driver = &redis_cluster;
	c->base.hopeful = true;
	c->setup = *setup;
	c->eager = true;
	c->doubted = true;
	c->delay_s = DOUBT_MIN_S;
	redis_dialect_init(&c->dialect, setup->redis->prefix);
	redis_map_init(&c->map);
	options.cookie = c;
	c->scout =
	    redis_node_new(setup->loop, &options, &setup->redis->servers[0]);
	if (!c->scout) {
		free(c);
		return NULL;
	}
	ev_timer_init(&c->look, on_look, 0., 0.);
	c->look.data = c;
	arm(c, (double)setup->redis->connect_timeout_ms / 1e3);
	return &c->base;
}

static void cluster_free(struct redis_topology *base)
{
	struct cluster *c = (struct cluster *)base;

	c->closing = true;
	ev_timer_stop(c->setup.loop, &c->look);
	redis_node_free(c->scout);
	part(c, true);
	redis_map_fini(&c->map);
	free(c);
}

static struct redis_node *cluster_node_of(struct redis_topology *base,
                                          const uint8_t *record_key)
{
	struct cluster *c = (struct cluster *)base;
	char key[REDIS_KEY_SIZE];
	const size_t size = redis_command_key(&c->dialect, record_key, key);
	const struct member *m =
	    c->closing ? NULL : owner_of(c, redis_slot(spoe_span(key, size)));

	return m ? m->node : NULL;
}

/* From now on the slot is there. */
static enum redis_redirect moved(struct cluster *c,
                                 const struct redis_map_redirect *to,
                                 const struct redis_node *from,
                                 struct redis_node **ret_node)
{
	const struct redis_place *known = redis_map_owner(&c->map, to->slot);
	const struct member *m;

	if (!known || !redis_place_equal(known, &to->place)) {
		doubt(c, true);
		if (!to->place.host[0] ||
		    !redis_map_move(&c->map, to->slot, &to->place))
			return REDIS_REDIRECT_LATER;
		join_places(c);
	}
	m = owner_of(c, to->slot);
	if (!m || m->node == from) /* it says so itself? */
		return REDIS_REDIRECT_LATER;
	*ret_node = m->node;
	return REDIS_REDIRECT_AGAIN;
}

/* This once. */
static enum redis_redirect ask_there(struct cluster *c,
                                     const struct redis_map_redirect *to,
                                     struct redis_node **ret_node)
{
	struct member *m = NULL;

	if (to->place.host[0])
		m = join(c, &to->place);
	if (!m)
		return REDIS_REDIRECT_LATER;
	m->unused_since = ev_now(c->setup.loop);
	*ret_node = m->node;
	return REDIS_REDIRECT_ASK;
}

static enum redis_redirect cluster_redirect(struct redis_topology *base,
                                            struct redis_node *node,
                                            const uint8_t *record_key,
                                            const struct redisReply *reply,
                                            struct redis_node **ret_node)
{
	struct cluster *c = (struct cluster *)base;
	struct redis_map_redirect to;

	(void)record_key;
	redis_map_redirect_read(&to, spoe_span(reply->str, (size_t)reply->len),
	                        redis_node_endpoint(node)->host);
	if (to.type == REDIS_MAP_MOVED)
		return moved(c, &to, node, ret_node);
	if (to.type == REDIS_MAP_ASK)
		return ask_there(c, &to, ret_node);
	if (redis_command_error_is(reply, "TRYAGAIN"))
		return REDIS_REDIRECT_LATER;
	if (redis_command_error_is(reply, "CLUSTERDOWN")) {
		doubt(c, false);
		return REDIS_REDIRECT_LATER;
	}
	if (redis_command_error(reply) == REDIS_ERROR_SERVER)
		doubt(c, false);
	return REDIS_REDIRECT_NONE;
}

static struct redis_node *cluster_node(struct redis_topology *base,
                                       size_t index)
{
	struct cluster *c = (struct cluster *)base;

	return index < c->n_of_place && c->of_place[index]
	           ? c->of_place[index]->node
	           : NULL;
}

const struct redis_topology_driver redis_cluster = {
    .name = "cluster",
    .new = cluster_new,
    .free = cluster_free,
    .node_of = cluster_node_of,
    .redirect = cluster_redirect,
    .node = cluster_node,
};
