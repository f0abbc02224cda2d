#include "agent/store/redis_op.h"

#include <stdlib.h>

void redis_ops_remove(struct redis_op *op)
{
	struct redis_ops *list = op->list;

	if (!list)
		return;
	if (op->prev)
		op->prev->next = op->next;
	else
		list->first = op->next;
	if (op->next)
		op->next->prev = op->prev;
	else
		list->last = op->prev;
	op->list = NULL;
}

void redis_ops_append(struct redis_ops *list, struct redis_op *op)
{
	redis_ops_remove(op);
	op->list = list;
	op->next = NULL;
	op->prev = list->last;
	if (list->last)
		list->last->next = op;
	else
		list->first = op;
	list->last = op;
}

struct redis_op *redis_op_new(struct redis_client *client)
{
	struct redis_op *op = client->spare;

	if (op)
		client->spare = op->next;
	else
		op = malloc(sizeof(*op));
	if (op)
		*op = (struct redis_op){.client = client};
	return op;
}

void redis_op_free(struct redis_op *op)
{
	redis_confirm_remove(&op->confirmation);
	redis_ops_remove(op);
	op->next = op->client->spare;
	op->client->spare = op;
}

void redis_ops_wait_again(struct redis_op *op)
{
	struct redis_ops *list = &op->client->waiting;
	struct redis_op *before = list->last;

	redis_ops_remove(op);
	while (before && before->until > op->until)
		before = before->prev;
	op->list = list;
	op->prev = before;
	op->next = before ? before->next : list->first;
	if (op->next)
		op->next->prev = op;
	else
		list->last = op;
	if (before)
		before->next = op;
	else
		list->first = op;
}
