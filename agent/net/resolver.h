/* agent/net/resolver.h: looks a host name up without stopping the loop: in a
 * thread of its own for as long as that takes. */
#ifndef AGENT_NET_RESOLVER_H
#define AGENT_NET_RESOLVER_H

#include <ev.h>

#include "agent/net/endpoint.h"

struct resolver;

enum { RESOLVER_ADDRESSES_MAX = 8 };

struct resolver_answer {
	struct address addresses[RESOLVER_ADDRESSES_MAX];
	size_t n;        /* 0: it was not found */
	const char *why; /* then, for people */
};

/* Begins to look up the host of `endpoint`. `done` is called once, on the loop,
 * when resolver_free() is due; NULL when there is no thread to be had. */
struct resolver *resolver_new(
    struct ev_loop *loop, const struct endpoint *endpoint,
    void (*done)(void *cookie, const struct resolver_answer *answer),
    void *cookie);

/* `done` is not called any more; the thread is left to itself. From within
 * `done`, too. NULL is fine. */
void resolver_free(struct resolver *r);

#endif
