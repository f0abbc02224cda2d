/* agent/store/redis_node.h: one pipelined connection to one server, on one
 * event loop. It connects by itself, greets the server, looks whether records
 * are safe there, and does so again, with growing pauses, until that works:
 *
 *     waiting -> connecting -> greeting -> ready
 *        ^___________|____________|_________| lost, refused, silent
 *
 * What is sent before it is ready waits. Replies come in the order of the
 * commands, so each is its command's, however late it is; whoever does not
 * want to wait any longer forgets its request, but leaves it here. */
#ifndef AGENT_STORE_REDIS_NODE_H
#define AGENT_STORE_REDIS_NODE_H

#include "agent/store/redis_command.h"
#include "agent/store/redis_confirm.h"
#include "agent/store/redis_info.h"
#include "agent/store/redis_options.h"
#include "agent/store/redis_request.h"

struct ev_loop;
struct redis_node;

enum redis_node_kind {
	REDIS_NODE_DATA,     /* records: looked at closely */
	REDIS_NODE_CLUSTER,  /* the same, of a cluster */
	REDIS_NODE_SENTINEL, /* only spoken to: AUTH and no more */
	REDIS_NODE_SCOUT,    /* the same, of a cluster */
};

struct redis_node_handler {
	/* What was said of the server may be read with redis_node_info(). */
	void (*ready)(void *cookie, struct redis_node *node);
	/* It was ready, or an attempt to make it so has failed; `why` is for
	 * people. Every request of it is done by now. Do not free the node,
	 * but redis_node_move() is fine. */
	void (*down)(void *cookie, struct redis_node *node, const char *why);
	/* It is connected, but answered too late too often, and is not asked
	 * any more but for signs of life; or it does in time again. NULL:
	 * nobody wants to know. */
	void (*slow)(void *cookie, struct redis_node *node, bool slow);
};

/* Calls `slow`, if it is there. */
static inline void redis_node_tell_slow(
    const struct redis_node_handler *handler, void *cookie,
    struct redis_node *node, bool slow)
{
	if (handler->slow)
		handler->slow(cookie, node, slow);
}

struct redis_node_options {
	enum redis_node_kind kind;
	const struct redis_options *redis; /* borrowed */
	const struct redis_node_handler *handler;
	void *cookie;
};

/* A node that begins to connect to `endpoint` (copied) on the next turn of the
 * loop. NULL when out of memory. */
struct redis_node *redis_node_new(struct ev_loop *loop,
                                  const struct redis_node_options *options,
                                  const struct endpoint *endpoint);

/* Requests that it still has are done, without a reply. NULL is fine. */
void redis_node_free(struct redis_node *node);

/* Connects to another server, or anew: at once. What it had sent is done; what
 * waits goes to the new one. `down` is not called. */
void redis_node_move(struct redis_node *node, const struct endpoint *endpoint);

/* Gives this connection up and makes another. */
void redis_node_lose(struct redis_node *node, const char *why);

/* The same, and says that trying again does not mend it. */
void redis_node_refuse(struct redis_node *node, const char *why);

/* The server is not fit any more: takes nothing new, and makes another
 * connection, which greets it again, when all is answered that was sent. */
void redis_node_retire(struct redis_node *node, const char *why);

/* Sends the command, or has it wait until the node is ready. False: it cannot
 * be reached now, or memory is short; nothing has happened. */
bool redis_node_send(struct redis_node *node, struct redis_request *request,
                     const struct redis_command *command);

/* Takes back what was not sent yet: false when it is sent. `done` is not called
 * any more. */
bool redis_node_withdraw(struct redis_node *node,
                         struct redis_request *request);

/* What came of a command: answered in time, or given up. After some of the
 * latter in a row redis_node_send() refuses until it answers in time again. */
void redis_node_worked(struct redis_node *node);
void redis_node_timed_out(struct redis_node *node);

bool redis_node_ready(const struct redis_node *node);
const struct endpoint *redis_node_endpoint(const struct redis_node *node);

const struct redis_options *redis_node_options(const struct redis_node *node);

/* Where its writes are confirmed. */
struct redis_confirm *redis_node_confirm(struct redis_node *node);

/* What the server said of itself when it was greeted last, and may be wrong
 * since: look at it when `ready` is called. */
const struct redis_info *redis_node_info(const struct redis_node *node);

/* Why it was not ready last; "" when it was never not. */
const char *redis_node_failure(const struct redis_node *node);

/* Whether the last failure is one that trying again does not mend: a password,
 * a role, a setting. */
bool redis_node_refused(const struct redis_node *node);

#endif
