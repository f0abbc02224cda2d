/* agent/store/redis_node_private.h: what the files of a node share. */
#ifndef AGENT_STORE_REDIS_NODE_PRIVATE_H
#define AGENT_STORE_REDIS_NODE_PRIVATE_H

#include <ev.h>

#include "agent/net/bytes.h"
#include "agent/net/resolver.h"
#include "agent/net/transport.h"
#include "agent/store/redis_greeting.h"
#include "agent/store/redis_health.h"
#include "agent/store/redis_node.h"

enum { REDIS_NODE_WHY_SIZE = 640 };

enum node_state {
	NODE_WAITING, /* for the next attempt */
	NODE_CONNECTING,
	NODE_GREETING,
	NODE_READY,
};

/* One step of the greeting in flight. */
struct greeting {
	struct redis_request request; /* first */
	struct redis_node *node;
	enum redis_greeting_step step;
};

struct redis_node {
	struct ev_loop *loop;
	struct redis_node_options options;
	struct endpoint endpoint;
	enum node_state state;
	bool hopeful; /* what is sent may wait: this is the first attempt */
	bool refused;
	bool retiring;
	char why[REDIS_NODE_WHY_SIZE];
	double backoff_s;
	unsigned random;
	struct resolver *resolver;  /* while the host is looked up */
	unsigned attempt;           /* which of its addresses is next */
	int fd;                     /* while connecting */
	ev_io connecting;           /* writable: the attempt is over */
	ev_timer timer;             /* of the attempt, or before the next one */
	ev_timer pulse;             /* while ready */
	ev_prepare prepare;         /* writes what a turn has brought */
	ev_idle idle;               /* it has brought something */
	struct transport transport; /* from greeting on */
	struct redisReader *reader;
	struct bytes out;
	struct redis_requests waiting; /* until it is ready */
	struct redis_requests sent;    /* oldest first */
	struct greeting greetings[REDIS_GREETING_STEPS];
	struct redis_info info;
	struct redis_request ping;
	bool pinging;
	ev_tstamp ping_at;
	struct redis_health health;
	struct redis_confirm confirm;
	double quiet_s; /* since something came */
};

/* Writes down why, and ends the connection or the attempt. `refused`: trying
 * again does not mend it. */
void redis_node_end(struct redis_node *node, const char *what, const char *why,
                    bool refused);

/* Starts node->timer. */
void redis_node_wake(struct redis_node *node, double after_s);

/* Puts the request's text on its way. False when memory is short. */
bool redis_node_put(struct redis_node *node, struct redis_request *request);

/* The greeting is over. */
void redis_node_become_ready(struct redis_node *node);

/* redis_node_connect.c: begins an attempt. */
void redis_node_connect(struct redis_node *node);

/* Call-backs of the transport and of node->connecting. */
void redis_node_readable(struct transport *t);
void redis_node_writable(struct transport *t);
void redis_node_connected(struct ev_loop *loop, ev_io *w, int revents);

#endif
