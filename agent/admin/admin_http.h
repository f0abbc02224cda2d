/* agent/admin/admin_http.h: HTTP on one listening socket, by libmicrohttpd, in
 * an event loop of ours: GET and HEAD, a bounded number of connections, and
 * none that says nothing for long. */
#ifndef AGENT_ADMIN_ADMIN_HTTP_H
#define AGENT_ADMIN_ADMIN_HTTP_H

#include <ev.h>
#include <stdbool.h>
#include <stdio.h>

struct admin_http;

enum {
	ADMIN_HTTP_CONNECTIONS_MAX = 64,
	ADMIN_HTTP_IDLE_S = 10,
	ADMIN_HTTP_POLICY_SIZE = 320,
};

struct admin_http_reply {
	unsigned status; /* 200 at first */
	const char *type;
	/* Content-Security-Policy; "" at first: nothing may be loaded */
	char policy[ADMIN_HTTP_POLICY_SIZE];
};

/* Writes the answer to GET `path` into `body`; false: there is nothing. */
typedef bool admin_http_answer(void *cookie, const char *path, FILE *body,
                               struct admin_http_reply *ret_reply);

/* Takes over `fd`, a listening socket, in any case. NULL when out of memory or
 * descriptors. */
struct admin_http *admin_http_new(struct ev_loop *loop, int fd,
                                  admin_http_answer *answer, void *cookie);

/* Closes the socket and the connections. NULL is fine. */
void admin_http_free(struct admin_http *h);

#endif
