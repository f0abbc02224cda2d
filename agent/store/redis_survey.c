#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "agent/store/redis_store.h"

static const double EVERY_S = 1.;

/* One INFO in flight. */
struct question {
	struct redis_request request; /* first */
	struct redis_client *client;
};

static void publish(struct redis_client *client)
{
	struct redis_holdings *h = &redis_store_of(client)->holdings;
	const struct redis_info *sum = &client->survey.sum;

	h->records = sum->keys;
	h->bytes_used = sum->used_memory;
	h->bytes_size = sum->max_memory > sum->used_memory ? sum->max_memory
	                                                   : sum->used_memory;
}

static void add(struct redis_info *sum, const struct redis_info *info)
{
	sum->keys += info->keys;
	sum->used_memory += info->used_memory;
	sum->max_memory += info->max_memory;
}

static void on_info(struct redis_request *request,
                    const struct redisReply *reply)
{
	struct question *q = (struct question *)request;
	struct redis_client *client = q->client;
	struct redis_info info = {.known = false};

	free(q);
	client->survey.waiting--;
	if (!reply || reply->type != REDIS_REPLY_STRING) {
		client->survey.spoilt = true;
	} else {
		redis_info_read(&info,
		                spoe_span(reply->str, (size_t)reply->len),
		                redis_store_of(client)->redis->database);
		add(&client->survey.sum, &info);
	}
	if (client->survey.waiting == 0 && !client->survey.spoilt)
		publish(client);
}

static bool ask(struct redis_client *client, struct redis_node *node)
{
	struct question *q = calloc(1, sizeof(*q));
	struct redis_command command = {.n = 0};

	if (!q)
		return false;
	q->client = client;
	q->request.done = on_info;
	redis_command_add_text(&command, "INFO");
	if (redis_node_ready(node) &&
	    redis_node_send(node, &q->request, &command)) {
		client->survey.waiting++;
		return true;
	}
	free(q);
	return false;
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct redis_client *client = w->data;
	struct redis_topology *topology = client->topology;
	struct redis_node *node;

	(void)loop;
	(void)revents;
	if (client->survey.waiting > 0)
		return;
	client->survey.sum = (struct redis_info){.known = false};
	client->survey.spoilt = false;
	for (size_t i = 0; (node = topology->driver->node(topology, i)); i++)
		if (!ask(client, node))
			client->survey.spoilt = true;
}

void redis_survey_start(struct redis_client *client)
{
	ev_timer_init(&client->survey.timer, on_timer, EVERY_S, EVERY_S);
	client->survey.timer.data = client;
	ev_timer_start(client->loop, &client->survey.timer);
}

void redis_survey_stop(struct redis_client *client)
{
	ev_timer_stop(client->loop, &client->survey.timer);
}
