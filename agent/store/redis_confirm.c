#include "agent/store/redis_confirm.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>

#include "agent/store/redis_node.h"

static bool say(struct redis_confirm *c);

void redis_confirm_remove(struct redis_confirmation *confirmation)
{
	struct redis_confirm *c = confirmation->confirm;

	if (!c)
		return;
	if (confirmation->prev)
		confirmation->prev->next = confirmation->next;
	else
		c->first = confirmation->next;
	if (confirmation->next)
		confirmation->next->prev = confirmation->prev;
	confirmation->confirm = NULL;
}

static struct redis_confirmation *first_covered(const struct redis_confirm *c)
{
	struct redis_confirmation *each = c->first;

	while (each && !each->covered)
		each = each->next;
	return each;
}

static void cover_all(struct redis_confirm *c)
{
	for (struct redis_confirmation *each = c->first; each;
	     each = each->next)
		each->covered = true;
}

/* Tells those that the WAIT covered. What they do may add others, which it did
 * not: they wait for the next one, for `flying` is still set. */
static void tell(struct redis_confirm *c, bool confirmed)
{
	struct redis_confirmation *each;

	while ((each = first_covered(c))) {
		redis_confirm_remove(each);
		each->done(each, confirmed);
	}
}

static void on_reply(struct redis_request *request,
                     const struct redisReply *reply)
{
	struct redis_confirm *c = (struct redis_confirm *)request;
	const uint64_t wanted = redis_node_options(c->node)->wait_replicas;

	tell(c, reply && reply->type == REDIS_REPLY_INTEGER &&
	            (uint64_t)reply->integer >= wanted);
	c->flying = false;
	while (c->first && !say(c)) {
		cover_all(c);
		c->flying = true;
		tell(c, false);
		c->flying = false;
	}
}

/* Asks for all that is there. */
static bool say(struct redis_confirm *c)
{
	const struct redis_options *options = redis_node_options(c->node);
	struct redis_command command = {.n = 0};
	char replicas[24];
	char timeout[24];

	snprintf(replicas, sizeof(replicas), "%" PRIu64,
	         options->wait_replicas);
	snprintf(timeout, sizeof(timeout), "%" PRIu64,
	         options->wait_timeout_ms);
	redis_command_add_text(&command, "WAIT");
	redis_command_add_text(&command, replicas);
	redis_command_add_text(&command, timeout);
	c->request.done = on_reply;
	if (!redis_node_send(c->node, &c->request, &command))
		return false;
	c->flying = true;
	cover_all(c);
	return true;
}

bool redis_confirm_add(struct redis_confirm *c,
                       struct redis_confirmation *confirmation)
{
	confirmation->covered = false;
	confirmation->confirm = c;
	confirmation->prev = NULL;
	confirmation->next = c->first;
	if (c->first)
		c->first->prev = confirmation;
	c->first = confirmation;
	if (c->flying || say(c))
		return true;
	redis_confirm_remove(confirmation);
	return false;
}
