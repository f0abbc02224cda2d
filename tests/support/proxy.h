/* tests/support/proxy.h: stands between a client and a server on loopback, in a
 * thread of its own, and does to their bytes what networks do: holds them back,
 * cuts them off anywhere, breaks them into pieces. */
#ifndef TESTS_SUPPORT_PROXY_H
#define TESTS_SUPPORT_PROXY_H

#include <stdbool.h>
#include <stddef.h>

struct proxy;

enum proxy_way { PROXY_TO_SERVER, PROXY_TO_CLIENT };

/* Listens on a free port of 127.0.0.1 and forwards to the Unix socket at
 * `path`. NULL when that cannot be. */
struct proxy *proxy_new(const char *path);
void proxy_free(struct proxy *p);

int proxy_port(const struct proxy *p);

/* After `bytes` more that way, of whatever connection, that connection is reset
 * on both sides; once. */
void proxy_cut(struct proxy *p, enum proxy_way way, size_t bytes);

/* Whether that has happened. */
bool proxy_has_cut(struct proxy *p);

/* While it is held, nothing is forwarded that way. */
void proxy_hold(struct proxy *p, enum proxy_way way, bool hold);

/* Every byte in a packet of its own, both ways. */
void proxy_crumble(struct proxy *p, bool crumble);

/* New connections are reset at once. */
void proxy_refuse(struct proxy *p, bool refuse);

/* Connections accepted so far. */
size_t proxy_connections(struct proxy *p);

#endif
