#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/store/redis_store.h"

/* --- a first look at the server ------------------------------------------ */

/* What became of it. */
struct look {
	struct redis_store *store;
	struct ev_loop *loop;
	struct redis_topology *topology;
	bool ready;
	bool refused;
	char why[REDIS_INFO_WARNING_SIZE];
};

static void on_ready(void *cookie, struct redis_node *node)
{
	struct look *look = cookie;

	redis_report_ready(look->store, node);
	look->ready = redis_topology_ready(look->topology);
	if (look->ready)
		ev_break(look->loop, EVBREAK_ALL);
}

static void on_down(void *cookie, struct redis_node *node, const char *why)
{
	struct look *look = cookie;

	look->refused = redis_node_refused(node);
	snprintf(look->why, sizeof(look->why), "%s", why);
	ev_break(look->loop, EVBREAK_ALL);
}

static const struct redis_node_handler look_handler = {
    .ready = on_ready,
    .down = on_down,
};

/* A server that cannot be reached may come yet; one that will not do is a
 * mistake, and told at once. */
static int look_at(struct redis_store *store, bool must_exist,
                   char *reterr_text, size_t reterr_size)
{
	struct look look = {.store = store, .loop = ev_loop_new(EVFLAG_AUTO)};
	const struct redis_topology_setup setup = {
	    .loop = look.loop,
	    .redis = store->redis,
	    .handler = &look_handler,
	    .cookie = &look,
	};

	if (look.loop)
		look.topology = store->topology->new (&setup);
	if (look.topology) {
		ev_run(look.loop, 0);
		look.topology->driver->free(look.topology);
	} else {
		snprintf(look.why, sizeof(look.why), "out of memory");
		look.refused = true;
	}
	if (look.loop)
		ev_loop_destroy(look.loop);
	if (look.refused) {
		snprintf(reterr_text, reterr_size, "store: %s", look.why);
		return -1;
	}
	if (!look.ready && must_exist)
		snprintf(reterr_text, reterr_size, "store: %s", look.why);
	else if (!look.ready)
		redis_report_down(store, look.why);
	return look.ready || !must_exist ? 0 : -1;
}

/* --- the store ----------------------------------------------------------- */

int redis_open(struct store **ret_store, const struct store_options *options,
               char *reterr_text, size_t reterr_size)
{
	struct redis_store *store;

	assert(options->redis && options->redis->n_servers > 0);
	store = calloc(1, sizeof(*store));
	if (!store) {
		snprintf(reterr_text, reterr_size, "store: out of memory");
		return -1;
	}
	store->now_ms = options->now_ms;
	store->report = options->report;
	store->redis = options->redis;
	store->topology = redis_topology_of(options->redis);
	redis_dialect_init(&store->dialect, options->redis->prefix);
	pthread_mutex_init(&store->lock, NULL);
	if (look_at(store, options->must_exist, reterr_text, reterr_size) !=
	    0) {
		redis_close(&store->base);
		return -1;
	}
	*ret_store = &store->base;
	return 0;
}

void redis_close(struct store *base)
{
	struct redis_store *store = (struct redis_store *)base;

	pthread_mutex_destroy(&store->lock);
	free(store);
}

bool redis_healthy(struct store *base)
{
	struct redis_store *store = (struct redis_store *)base;

	return !atomic_load_explicit(&store->failing, memory_order_relaxed) &&
	       !atomic_load_explicit(&store->down, memory_order_relaxed);
}

void redis_stats(struct store *base, struct store_stats *ret_stats)
{
	struct redis_store *store = (struct redis_store *)base;
	struct redis_counters *c = &store->counters;

	*ret_stats = (struct store_stats){
	    .claims_granted = c->granted,
	    .claims_found = c->found,
	    .settles_done = c->settled,
	    .settles_lost = c->lost,
	    .failures = c->failed,
	    .round_trips = c->round_trips,
	    .time_outs = c->time_outs,
	    .connects = c->connects,
	    .orphans = c->orphans,
	    .records = store->holdings.records,
	    .bytes_used = store->holdings.bytes_used,
	    .bytes_size = store->holdings.bytes_size,
	};
}
