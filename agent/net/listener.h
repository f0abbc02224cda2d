/* agent/net/listener.h: accepts from one listening socket until EAGAIN and
 * hands every new descriptor (non-blocking, close-on-exec) on. */
#ifndef AGENT_NET_LISTENER_H
#define AGENT_NET_LISTENER_H

#include <stdbool.h>

struct ev_loop;
struct listener;

struct listener_handler {
	/* Takes over `fd`. May pause the listener, must not free it. */
	void (*accepted)(void *cookie, int fd);
	/* accept() failed with `error` (an errno value: EMFILE, ...); the
	 * listener rests for a moment and tries again by itself. */
	void (*failed)(void *cookie, int error);
};

/* Takes over `fd`, a listening socket, and makes it non-blocking. NULL when
 * out of memory (then `fd` is still the caller's). `handler` must outlive the
 * listener. */
struct listener *listener_new(struct ev_loop *loop, int fd,
                              const struct listener_handler *handler,
                              void *cookie);

/* Stops or goes on accepting; peers wait in the backlog meanwhile. */
void listener_pause(struct listener *l, bool paused);

/* Closes the socket; NULL is fine. */
void listener_free(struct listener *l);

#endif
