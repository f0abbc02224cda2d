/* agent/net/server.h: the SPOP connections of one event loop. */
#ifndef AGENT_NET_SERVER_H
#define AGENT_NET_SERVER_H

#include "agent/net/connection.h"

struct server;

/* `options` are copied (the handler they point to is not); their handler's
 * call-backs get options->cookie. NULL when out of memory. */
struct server *server_new(struct ev_loop *loop,
                          const struct connection_options *options);

/* Closes every connection (gone() and closed() are called); NULL is fine. Not
 * inside a call-back of a connection. */
void server_free(struct server *s);

/* Takes over the connected, non-blocking `fd` in any case. With `tls` (NULL:
 * none) it speaks TLS, as a server. False when out of memory: then `fd` is
 * closed. */
bool server_adopt(struct server *s, int fd, struct tls *tls);

/* Drains every connection, and every one that is adopted from now on;
 * call-backs go on until server_connections() is 0. */
void server_drain(struct server *s);

size_t server_connections(const struct server *s);

/* NOTIFYs waiting for an ACK, over all connections. */
size_t server_in_flight(const struct server *s);

const struct connection_counters *server_counters(const struct server *s);

#endif
