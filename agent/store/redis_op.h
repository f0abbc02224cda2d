/* agent/store/redis_op.h: one operation of the redis driver, and the lists of a
 * client that it is in. Private to redis*.c. */
#ifndef AGENT_STORE_REDIS_OP_H
#define AGENT_STORE_REDIS_OP_H

#include "agent/store/redis_store.h"

/* One operation: in a list of its client while somebody waits for it, and with
 * its node while a reply may come. */
struct redis_op {
	struct redis_request request; /* first */
	/* Replicas are asked, too: with `executed` it has had its own reply,
	 * `result`, and only waits for them. */
	struct redis_confirmation confirmation;
	bool executed;
	enum record_result result;
	struct redis_client *client;
	struct redis_node *node;
	struct store_call *call; /* NULL: nobody waits any more */
	struct redis_ops *list;  /* which it is in; NULL: none */
	struct redis_op *next;
	struct redis_op *prev;
	uint64_t until; /* client->ticks */
	unsigned redirects;
	bool by_script; /* a claim that SET is no use for */
	bool cancelled; /* what it did stays */
	enum record_op_type type;
	enum reason reason; /* in `refused` */
	uint8_t record_key[RECORD_KEY_SIZE];
	uint8_t owner[RECORD_OWNER_SIZE];
};

/* One that is all zero but for its client; NULL when out of memory. */
struct redis_op *redis_op_new(struct redis_client *client);

/* Takes it out of all lists and keeps it for the next. */
void redis_op_free(struct redis_op *op);

/* Behind the last one; it is in no other list then. */
void redis_ops_append(struct redis_ops *list, struct redis_op *op);
void redis_ops_remove(struct redis_op *op);

/* Into client->waiting, in order of the deadlines: one that was put off may be
 * older than the last. */
void redis_ops_wait_again(struct redis_op *op);

#endif
