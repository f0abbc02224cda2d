#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "agent/store/redis_store.h"

static const double PULSE_S = .1;

/* Releases in flight at one time. */
enum { RELEASES_MAX = 64 };

/* A node that sends it elsewhere for ever, or forgets scripts. */
enum { REDIRECTS_MAX = 4 };

struct release {
	struct redis_request request; /* first */
	struct redis_client *client;
	struct redis_orphan orphan;
	struct redis_node *node;
	unsigned redirects;
};

static bool say(struct release *r, struct redis_node *node, unsigned how);

/* Back into the queue, or let it go. */
static void put_back(struct redis_client *client, struct redis_orphan *orphan)
{
	redis_orphans_add(&client->orphans, orphan);
	if (!ev_is_active(&client->pulse))
		ev_timer_again(client->loop, &client->pulse);
}

/* Says it again if the reply means that it was not executed. */
static bool say_again(struct release *r, const struct redisReply *reply)
{
	struct redis_node *node = r->node;
	unsigned how;

	if (reply->type != REDIS_REPLY_ERROR || r->redirects == REDIRECTS_MAX)
		return false;
	r->redirects++;
	return redis_topology_redirect(r->client->topology, &node,
	                               r->orphan.record_key, reply,
	                               &how) == REDIS_REDIRECT_AGAIN &&
	       say(r, node, how);
}

static void on_released(struct redis_request *request,
                        const struct redisReply *reply)
{
	struct release *r = (struct release *)request;
	struct redis_client *client = r->client;
	struct redis_store *store = redis_store_of(client);
	bool again = true;

	if (reply && !client->closing && say_again(r, reply))
		return;
	client->releases--;
	if (reply && reply->type == REDIS_REPLY_INTEGER) {
		/* Done, or there was no such lock, if not yet. */
		again = reply->integer != REDIS_SETTLE_DONE &&
		        redis_orphans_again(&r->orphan, store->now_ms());
		if (reply->integer == REDIS_SETTLE_DONE)
			redis_count(&store->counters.orphans);
	}
	if (again && !client->closing)
		put_back(client, &r->orphan);
	free(r);
}

static bool say(struct release *r, struct redis_node *node, unsigned how)
{
	struct redis_client *client = r->client;
	struct record_op op = {
	    .type = RECORD_OP_SETTLE,
	    .from = RECORD_LOCKED,
	    .record = {.state = RECORD_NONE},
	};
	struct redis_command command;

	if (!node || !redis_node_ready(node))
		return false;
	memcpy(op.record_key, r->orphan.record_key, RECORD_KEY_SIZE);
	memcpy(op.record.owner, r->orphan.owner, RECORD_OWNER_SIZE);
	redis_command_op(&command, &redis_store_of(client)->dialect, &op, how);
	r->node = node;
	r->request.done = on_released;
	r->request.asking = (how & REDIS_HOW_ASKING) != 0;
	return redis_node_send(node, &r->request, &command);
}

/* False when that is not possible now. */
static bool start(struct redis_client *client,
                  const struct redis_orphan *orphan)
{
	struct redis_topology *topology = client->topology;
	struct release *r = calloc(1, sizeof(*r));

	if (!r)
		return false;
	r->client = client;
	r->orphan = *orphan;
	if (!say(r, topology->driver->node_of(topology, orphan->record_key),
	         0)) {
		free(r);
		return false;
	}
	client->releases++;
	return true;
}

static void on_pulse(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct redis_client *client = w->data;
	const uint64_t now_ms = redis_store_of(client)->now_ms();
	struct redis_orphan orphan;

	(void)revents;
	while (client->releases < RELEASES_MAX &&
	       redis_orphans_take(&client->orphans, now_ms, &orphan)) {
		if (start(client, &orphan))
			continue;
		redis_orphans_add(&client->orphans, &orphan);
		break;
	}
	if (client->orphans.n == 0)
		ev_timer_stop(loop, w);
}

void redis_release_later(struct redis_client *client,
                         const uint8_t record_key[RECORD_KEY_SIZE],
                         const uint8_t owner[RECORD_OWNER_SIZE], bool uncertain)
{
	struct redis_orphan orphan = {
	    .tries = uncertain ? REDIS_ORPHANS_TRIES : 1,
	};

	memcpy(orphan.record_key, record_key, RECORD_KEY_SIZE);
	memcpy(orphan.owner, owner, RECORD_OWNER_SIZE);
	if (uncertain || !start(client, &orphan))
		put_back(client, &orphan);
}

void redis_release_start(struct redis_client *client)
{
	ev_timer_init(&client->pulse, on_pulse, 0., PULSE_S);
	client->pulse.data = client;
}

void redis_release_stop(struct redis_client *client)
{
	ev_timer_stop(client->loop, &client->pulse);
}
