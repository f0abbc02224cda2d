#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "agent/store/redis_store.h"

static const double PULSE_S = .1;

/* Releases in flight at one time. */
enum { RELEASES_MAX = 64 };

struct release {
	struct redis_request request; /* first */
	struct redis_client *client;
	struct redis_orphan orphan;
	bool whole; /* the script itself was sent */
};

static bool say(struct release *r, unsigned how);

/* Back into the queue, or let it go. */
static void put_back(struct redis_client *client, struct redis_orphan *orphan)
{
	redis_orphans_add(&client->orphans, orphan);
	if (!ev_is_active(&client->pulse))
		ev_timer_again(client->loop, &client->pulse);
}

static void on_released(struct redis_request *request,
                        const struct redisReply *reply)
{
	struct release *r = (struct release *)request;
	struct redis_client *client = r->client;
	struct redis_store *store = redis_store_of(client);

	if (reply && !r->whole &&
	    redis_command_error(reply) == REDIS_ERROR_NOSCRIPT &&
	    say(r, REDIS_HOW_EVAL))
		return;
	client->releases--;
	if (!client->closing) {
		if (reply && reply->type == REDIS_REPLY_INTEGER &&
		    reply->integer == REDIS_SETTLE_DONE)
			redis_count(&store->counters.orphans);
		else if (!reply || reply->type != REDIS_REPLY_INTEGER)
			put_back(client, &r->orphan);
		else if (redis_orphans_again(&r->orphan, store->now_ms()))
			put_back(client, &r->orphan);
	}
	free(r);
}

static bool say(struct release *r, unsigned how)
{
	struct redis_client *client = r->client;
	struct redis_topology *topology = client->topology;
	struct redis_node *node =
	    topology->driver->node_of(topology, r->orphan.record_key);
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
	r->whole = (how & REDIS_HOW_EVAL) != 0;
	r->request.done = on_released;
	return redis_node_send(node, &r->request, &command);
}

/* False when that is not possible now. */
static bool start(struct redis_client *client,
                  const struct redis_orphan *orphan)
{
	struct release *r = calloc(1, sizeof(*r));

	if (!r)
		return false;
	r->client = client;
	r->orphan = *orphan;
	if (!say(r, 0)) {
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
