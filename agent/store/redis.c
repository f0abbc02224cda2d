#include "agent/store/redis.h"

#include <assert.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/store/redis_op.h"

enum {
	/* A time limit is looked at that often while it runs. */
	TICKS = 16,
	/* Nodes that send an operation to each other for ever. */
	REDIRECTS_MAX = 8,
};

static const double TICK_MIN_S = .001;
static const double TICK_MAX_S = .025;

/* --- answers ------------------------------------------------------------ */

static void count(struct redis_store *store, const struct record_op *op,
                  const struct record_answer *answer)
{
	struct redis_counters *c = &store->counters;

	if (answer->health != REASON_NONE)
		redis_count(&c->failed);
	else if (answer->result == RECORD_GRANTED)
		redis_count(&c->granted);
	else if (answer->result == RECORD_SETTLED)
		redis_count(&c->settled);
	else if (answer->result == RECORD_LOST)
		redis_count(&c->lost);
	else if (op->type == RECORD_OP_CLAIM)
		redis_count(&c->found);
}

static void set_failing(struct redis_store *store, enum reason health)
{
	const bool failing = health == REASON_STORE_FAILED ||
	                     health == REASON_STORE_FULL ||
	                     health == REASON_STORE_SLOW;

	/* Written by every loop, so only when it changes. */
	if (atomic_load_explicit(&store->failing, memory_order_relaxed) !=
	    failing)
		atomic_store(&store->failing, failing);
}

/* Answers who waits; the operation is nobody's any more. */
static void give(struct redis_op *op, const struct record_answer *answer)
{
	struct redis_store *store = redis_store_of(op->client);
	struct store_call *call = op->call;

	assert(call);
	op->call = NULL;
	redis_ops_remove(op);
	count(store, &call->op, answer);
	set_failing(store, answer->health);
	call->driver_data = NULL;
	call->done(call, answer);
}

static void give_failure(struct redis_op *op, enum reason reason)
{
	give(op, &(struct record_answer){.health = reason});
}

/* --- from client to node ------------------------------------------------ */

/* To be answered when submit has returned. */
static void refuse(struct redis_op *op, enum reason reason)
{
	op->reason = reason;
	redis_ops_append(&op->client->refused, op);
	ev_idle_start(op->client->loop, &op->client->idle);
}

static void on_reply(struct redis_request *request,
                     const struct redisReply *reply);
static void on_confirmed(struct redis_confirmation *confirmation,
                         bool confirmed);

/* False when the node cannot be asked now. */
static bool say(struct redis_op *op, struct redis_node *node, unsigned how)
{
	struct redis_store *store = redis_store_of(op->client);
	struct redis_command command;

	if (redis_info_set_nx_get(redis_node_info(node)) && !op->by_script)
		how |= REDIS_HOW_SET;
	redis_command_op(&command, &store->dialect, &op->call->op, how);
	op->node = node;
	op->request.done = on_reply;
	op->request.asking = (how & REDIS_HOW_ASKING) != 0;
	if (!redis_node_send(node, &op->request, &command))
		return false;
	/* Whoever only looks is no request of HAProxy's. */
	if (op->type == RECORD_OP_PEEK)
		return true;
	redis_count(&store->counters.round_trips);
	if (store->redis->wait_replicas > 0) {
		redis_confirm_remove(&op->confirmation);
		op->confirmation.done = on_confirmed;
		redis_confirm_add(redis_node_confirm(node), &op->confirmation);
	}
	return true;
}

/* Says it to whoever has the record. */
static bool say_to_owner(struct redis_op *op)
{
	struct redis_topology *topology = op->client->topology;
	struct redis_node *node =
	    topology->driver->node_of(topology, op->record_key);

	return node && say(op, node, 0);
}

/* The same, or has it wait or fail. */
static void say_somewhere(struct redis_op *op)
{
	if (say_to_owner(op))
		return;
	if (op->client->topology->hopeful)
		redis_ops_append(&op->client->later, op);
	else
		refuse(op, REASON_STORE_FAILED);
}

/* --- from node to client ------------------------------------------------ */

/* Nobody waits for it any more: what it may have locked is to be released. */
static void forget(struct redis_op *op, const struct redisReply *reply)
{
	const bool unknown = !reply && op->request.sent;
	const bool granted = reply && reply->type == REDIS_REPLY_NIL;

	if (op->type == RECORD_OP_CLAIM && (unknown || granted) &&
	    !op->cancelled && !op->client->closing)
		redis_release_later(op->client, op->record_key, op->owner,
		                    unknown);
	redis_op_free(op);
}

/* A server that takes no writes (its memory is full, its disk, too few
 * replicas) does not even look what a SET would find: a script does. */
static bool say_by_script(struct redis_op *op, const struct redisReply *reply)
{
	const enum redis_error error = redis_command_error(reply);

	if (op->type != RECORD_OP_CLAIM || op->by_script ||
	    (error != REDIS_ERROR_FULL && error != REDIS_ERROR_OTHER))
		return false;
	op->by_script = true;
	return say(op, op->node, 0);
}

/* Says it again if the reply means that it was not executed. */
static bool say_again(struct redis_op *op, const struct redisReply *reply)
{
	struct redis_node *node = op->node;
	unsigned how;

	if (reply->type != REDIS_REPLY_ERROR || ++op->redirects > REDIRECTS_MAX)
		return false;
	switch (redis_topology_redirect(op->client->topology, &node,
	                                op->record_key, reply, &how)) {
	case REDIS_REDIRECT_AGAIN:
		return say(op, node, how);
	case REDIS_REDIRECT_LATER:
		redis_ops_append(&op->client->later, op);
		return true;
	default:
		return say_by_script(op, reply);
	}
}

/* The lock was granted, and its owner is not told. */
static void give_back(struct redis_op *op)
{
	if (op->type == RECORD_OP_CLAIM && !op->cancelled &&
	    !op->client->closing)
		redis_release_later(op->client, op->record_key, op->owner,
		                    false);
}

static void on_confirmed(struct redis_confirmation *confirmation,
                         bool confirmed)
{
	struct redis_op *op =
	    (struct redis_op *)((char *)confirmation -
	                        offsetof(struct redis_op, confirmation));

	/* Its own reply may be late: it was lost with the connection. */
	if (!op->executed)
		return;
	if (confirmed) {
		give(op, &(struct record_answer){.health = REASON_NONE,
		                                 .result = op->result});
	} else {
		give_failure(op, REASON_STORE_UNCONFIRMED);
		give_back(op);
	}
	redis_op_free(op);
}

/* What was written is not answered before replicas have it. True when that is
 * still to come, or will not. */
static bool await_replicas(struct redis_op *op,
                           const struct record_answer *answer)
{
	if (redis_store_of(op->client)->redis->wait_replicas == 0 ||
	    answer->health != REASON_NONE ||
	    (answer->result != RECORD_GRANTED &&
	     answer->result != RECORD_SETTLED))
		return false;
	op->executed = true;
	op->result = answer->result;
	if (!redis_confirm_awaited(&op->confirmation))
		on_confirmed(&op->confirmation, false);
	return true;
}

/* An error reply may say that the server is not what it was. */
static void look_at_error(struct redis_op *op, const struct redisReply *reply)
{
	struct redis_store *store = redis_store_of(op->client);
	char text[REDIS_INFO_WARNING_SIZE];

	if (reply->type != REDIS_REPLY_ERROR)
		return;
	snprintf(text, sizeof(text), "replied %.200s", reply->str);
	if (redis_command_error(reply) == REDIS_ERROR_SERVER)
		redis_node_retire(op->node, text);
	redis_report_error(store, op->node, text);
}

static void on_reply(struct redis_request *request,
                     const struct redisReply *reply)
{
	struct redis_op *op = (struct redis_op *)request;
	struct record_answer answer;
	struct record found;

	if (!op->call) {
		forget(op, reply);
		return;
	}
	if (!reply) {
		give_failure(op, REASON_STORE_FAILED);
		forget(op, NULL);
		return;
	}
	redis_node_worked(op->node);
	if (say_again(op, reply))
		return;
	look_at_error(op, reply);
	redis_command_answer(&op->call->op, reply, &found, &answer);
	if (await_replicas(op, &answer))
		return;
	give(op, &answer);
	redis_op_free(op);
}

/* --- time --------------------------------------------------------------- */

/* The time of the operation is over. */
static void time_out(struct redis_op *op)
{
	struct redis_store *store = redis_store_of(op->client);
	const bool later = op->list == &op->client->later;

	redis_count(&store->counters.time_outs);
	give_failure(op, REASON_STORE_SLOW);
	redis_confirm_remove(&op->confirmation);
	if (op->executed) {
		give_back(op);
		redis_op_free(op);
	} else if (later || redis_node_withdraw(op->node, &op->request))
		redis_op_free(op);
	else
		redis_node_timed_out(op->node);
}

/* What had to be said later. */
static void say_later(struct redis_client *client)
{
	struct redis_ops *later = &client->later;
	struct redis_op *last = later->last;
	struct redis_op *op;

	/* What is put off once more comes behind the last. */
	while (last && (op = later->first)) {
		const bool end = op == last;

		redis_ops_wait_again(op);
		say_somewhere(op);
		if (end)
			break;
	}
}

static void on_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct redis_client *client = w->data;
	struct redis_op *op;

	(void)revents;
	client->ticks++;
	say_later(client);
	while ((op = client->waiting.first) && op->until <= client->ticks)
		time_out(op);
	if (!client->waiting.first && !client->later.first)
		ev_timer_stop(loop, w);
}

/* Its being started is all that matters: the loop does not sleep then. */
static void on_idle(struct ev_loop *loop, ev_idle *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
}

/* --- what was refused --------------------------------------------------- */

/* There is no memory to remember the call with but its own. */
static void starve(struct redis_client *client, struct store_call *call)
{
	call->driver_data = client;
	call->prev = NULL;
	call->next = client->starved;
	if (call->next)
		call->next->prev = call;
	client->starved = call;
	ev_idle_start(client->loop, &client->idle);
}

static void feed(struct redis_client *client, struct store_call *call)
{
	call->driver_data = NULL;
	if (call->prev)
		call->prev->next = call->next;
	else
		client->starved = call->next;
	if (call->next)
		call->next->prev = call->prev;
}

static void answer_starved(struct redis_client *client)
{
	struct store_call *call;

	while ((call = client->starved)) {
		feed(client, call);
		redis_count(&redis_store_of(client)->counters.failed);
		call->done(call,
		           &(struct record_answer){.health = REASON_NO_MEMORY});
	}
}

/* Answers what was refused; what that brings waits for the next turn. */
static void on_prepare(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct redis_client *client = w->data;
	struct redis_op *last = client->refused.last;
	struct redis_op *op;
	bool end = false;

	(void)revents;
	while (last && !end && (op = client->refused.first)) {
		end = op == last;
		give_failure(op, op->reason);
		redis_op_free(op);
	}
	answer_starved(client);
	if (!client->refused.first)
		ev_idle_stop(loop, &client->idle);
}

/* --- nodes -------------------------------------------------------------- */

static void on_node_ready(void *cookie, struct redis_node *node)
{
	struct redis_client *client = cookie;
	struct redis_store *store = redis_store_of(client);

	redis_count(&store->counters.connects);
	redis_report_ready(store, node);
}

static void on_node_down(void *cookie, struct redis_node *node, const char *why)
{
	struct redis_client *client = cookie;

	(void)node;
	redis_report_down(redis_store_of(client), why);
}

static void on_node_slow(void *cookie, struct redis_node *node, bool slow)
{
	struct redis_client *client = cookie;

	if (slow)
		redis_report_down(redis_store_of(client),
		                  redis_node_failure(node));
	else
		redis_report_ready(redis_store_of(client), node);
}

static const struct redis_node_handler node_handler = {
    .ready = on_node_ready,
    .down = on_node_down,
    .slow = on_node_slow,
};

/* --- clients ------------------------------------------------------------ */

static void start_watchers(struct redis_client *client)
{
	const double timeout_s =
	    (double)redis_store_of(client)->redis->timeout_ms / 1e3;
	double tick_s = timeout_s / TICKS;

	if (tick_s < TICK_MIN_S)
		tick_s = TICK_MIN_S;
	if (tick_s > TICK_MAX_S)
		tick_s = TICK_MAX_S;
	/* One more: the first tick may come at once. */
	client->ticks_limit = (uint64_t)(timeout_s / tick_s + .999) + 1;
	ev_timer_init(&client->tick, on_tick, 0., tick_s);
	client->tick.data = client;
	ev_idle_init(&client->idle, on_idle);
	ev_prepare_init(&client->prepare, on_prepare);
	/* Behind other end-of-turn work, before the nodes write. */
	ev_set_priority(&client->prepare, EV_MINPRI + 1);
	client->prepare.data = client;
	ev_prepare_start(client->loop, &client->prepare);
	redis_release_start(client);
}

static void free_all(struct redis_client *client)
{
	struct redis_op *op;

	client->closing = true;
	ev_prepare_stop(client->loop, &client->prepare);
	ev_idle_stop(client->loop, &client->idle);
	ev_timer_stop(client->loop, &client->tick);
	redis_release_stop(client);
	redis_survey_stop(client);
	while ((op = client->waiting.first)) {
		op->call = NULL;
		redis_ops_remove(op); /* its node has it */
		redis_confirm_remove(&op->confirmation);
		if (op->executed)
			redis_op_free(op);
	}
	while ((op = client->refused.first))
		redis_op_free(op);
	while ((op = client->later.first))
		redis_op_free(op);
	if (client->topology)
		client->topology->driver->free(client->topology);
	while ((op = client->spare)) {
		client->spare = op->next;
		free(op);
	}
	redis_orphans_clear(&client->orphans);
	free(client);
}

static struct store_client *redis_attach(struct store *base,
                                         struct ev_loop *loop)
{
	struct redis_store *store = (struct redis_store *)base;
	struct redis_client *client = calloc(1, sizeof(*client));
	struct redis_topology_setup setup = {
	    .loop = loop,
	    .redis = store->redis,
	    .handler = &node_handler,
	    .cookie = client,
	};

	if (!client)
		return NULL;
	client->base.store = base;
	client->loop = loop;
	start_watchers(client);
	client->topology = store->topology->new (&setup);
	if (!client->topology) {
		free_all(client);
		return NULL;
	}
	redis_survey_start(client);
	return &client->base;
}

static void redis_detach(struct store_client *base)
{
	free_all((struct redis_client *)base);
}

static void redis_submit(struct store_client *base, struct store_call *call)
{
	struct redis_client *client = (struct redis_client *)base;
	struct redis_op *op = redis_op_new(client);

	if (!op) {
		starve(client, call);
		return;
	}
	op->call = call;
	op->type = call->op.type;
	op->until = client->ticks + client->ticks_limit;
	memcpy(op->record_key, call->op.record_key, RECORD_KEY_SIZE);
	memcpy(op->owner, call->op.record.owner, RECORD_OWNER_SIZE);
	call->driver_data = op;
	redis_ops_append(&client->waiting, op);
	if (!ev_is_active(&client->tick))
		ev_timer_again(client->loop, &client->tick);
	say_somewhere(op);
}

static void redis_cancel(struct store_client *base, struct store_call *call)
{
	struct redis_client *client = (struct redis_client *)base;
	struct redis_op *op = call->driver_data;
	bool with_node;

	if (call->driver_data == client) {
		feed(client, call);
		return;
	}
	if (!op)
		return; /* answered */
	call->driver_data = NULL;
	with_node = op->list == &client->waiting;
	op->call = NULL;
	op->cancelled = true;
	redis_ops_remove(op);
	redis_confirm_remove(&op->confirmation);
	if (!with_node || op->executed ||
	    redis_node_withdraw(op->node, &op->request))
		redis_op_free(op);
}

const struct store_driver redis_driver = {
    .name = "redis",
    .open = redis_open,
    .close = redis_close,
    .attach = redis_attach,
    .detach = redis_detach,
    .submit = redis_submit,
    .cancel = redis_cancel,
    .healthy = redis_healthy,
    .stats = redis_stats,
    .scan = redis_scan,
};
