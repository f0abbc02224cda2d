/* agent/net/transport.h: one connected stream socket on a libev loop. Knows
 * nothing of what the bytes mean. TCP and Unix sockets. */
#ifndef AGENT_NET_TRANSPORT_H
#define AGENT_NET_TRANSPORT_H

#include <ev.h>

#include "spoe/span.h"

enum transport_status {
	TRANSPORT_OK = 0,
	TRANSPORT_AGAIN, /* nothing now: wait for the call-back */
	TRANSPORT_EOF,   /* the peer closed; ECONNRESET and EPIPE count as it */
	TRANSPORT_ERROR, /* anything else; errno says what */
};

/* Embed it in what owns the connection; fields are private. */
struct transport {
	struct ev_loop *loop;
	int fd;
	ev_io reader;
	ev_io writer;
	void (*readable)(struct transport *t);
	void (*writable)(struct transport *t);
};

/* Takes over the connected, non-blocking `fd` (and sets TCP_NODELAY where it
 * is a TCP socket). Nothing is watched until transport_watch(). */
void transport_init(struct transport *t, struct ev_loop *loop, int fd,
                    void (*readable)(struct transport *t),
                    void (*writable)(struct transport *t));

/* Stops watching and closes the socket. */
void transport_fini(struct transport *t);

/* Which call-backs are wanted from now on; level-triggered. Costs nothing when
 * nothing changes. */
void transport_watch(struct transport *t, bool read, bool write);

/* Whether transport_watch() asked for `readable` last. */
bool transport_reading(const struct transport *t);

/* Reads up to `size` bytes: TRANSPORT_OK with *ret_read > 0, or why not. */
enum transport_status transport_read(struct transport *t, void *buffer,
                                     size_t size, size_t *ret_read);

/* One write of `bytes`; TRANSPORT_OK with *ret_written of them gone, which may
 * be fewer than all. */
enum transport_status transport_write(struct transport *t,
                                      struct spoe_span bytes,
                                      size_t *ret_written);

/* Tells the peer that nothing more will be written; reading goes on. */
void transport_shut(struct transport *t);

#endif
