/* agent/net/endpoint.h: where to connect to, as people write it:
 *
 *     redis.example:6379    a name is looked up each time
 *     127.0.0.1:6379        [::1]:6379
 *     unix:/run/x.sock      /run/x.sock      @name */
#ifndef AGENT_NET_ENDPOINT_H
#define AGENT_NET_ENDPOINT_H

#include <stdbool.h>

#include "agent/net/address.h"

enum {
	ENDPOINT_HOST_SIZE = 254,
	ENDPOINT_TEXT_SIZE = ENDPOINT_HOST_SIZE + 8,
};

struct endpoint {
	char host[ENDPOINT_HOST_SIZE]; /* as written; "": a Unix socket */
	unsigned port;
	struct address address; /* size 0: `host` has to be looked up */
};

/* Returns 0, or -1 with a text for people. */
int endpoint_parse(const char *text, struct endpoint *ret_endpoint,
                   char *reterr_text, size_t reterr_size);

/* The same from a host (IPv6 without brackets) and a port, as servers name each
 * other. False when they are none. */
bool endpoint_from(const char *host, const char *port,
                   struct endpoint *ret_endpoint);

/* Writes it the way endpoint_parse() reads it. */
void endpoint_format(const struct endpoint *endpoint, char *ret_text,
                     size_t size);

/* Whether both were written alike. */
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);

/* Begins to connect to `address`: a non-blocking, close-on-exec descriptor that
 * is writable when the attempt is over (SO_ERROR says how), or -1 with errno.
 */
int endpoint_connect(const struct address *address);

#endif
