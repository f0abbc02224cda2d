/* agent/store/redis_request.h: commands in flight to one server, in order. */
#ifndef AGENT_STORE_REDIS_REQUEST_H
#define AGENT_STORE_REDIS_REQUEST_H

#include "agent/store/redis_command.h"

/* One command in flight; embed it in what waits for the reply. */
struct redis_request {
	/* Called exactly once, never from within redis_node_send(). `reply` is
	 * borrowed; NULL: there will be none, and the server may have executed
	 * the command if `sent`. May free the request. */
	void (*done)(struct redis_request *request,
	             const struct redisReply *reply);
	bool sent; /* some of it may be on its way */
	/* Say ASKING in front of it, whose reply does not matter; false again
	 * when that has come. */
	bool asking;
	/* private to the node */
	struct redis_request *next;
	char *text; /* not sent yet */
	size_t text_size;
};

/* Formats the command into the request; false when out of memory. */
bool redis_request_say(struct redis_request *request,
                       const struct redis_command *command);

/* Frees the text. */
void redis_request_drop(struct redis_request *request);

/* A queue of them; it points into itself. */
struct redis_requests {
	struct redis_request *first;
	struct redis_request **last;
};

void redis_requests_init(struct redis_requests *list);
void redis_requests_append(struct redis_requests *list,
                           struct redis_request *request);

/* The first one, or NULL. */
struct redis_request *redis_requests_take(struct redis_requests *list);

/* False when it is not there. */
bool redis_requests_remove(struct redis_requests *list,
                           const struct redis_request *request);

/* Moves all of `from` behind what is in `to`. */
void redis_requests_move(struct redis_requests *to,
                         struct redis_requests *from);

/* All are done, without a reply. */
void redis_requests_fail(struct redis_requests *list);

#endif
