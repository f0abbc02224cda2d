/* agent/net/transport.h: one connected stream socket on a libev loop, TCP or
 * Unix, with TLS if wanted. Knows nothing of what the bytes mean.
 *
 * A client with TLS:
 *
 *     tls_new_client(&tls, &options, ...)    once, at start
 *     transport_init(&t, loop, fd, ...)      fd: connect() is done
 *     transport_secure(&t, tls, "redis.example")
 *
 * and then all is as without it: the first reads and writes say
 * TRANSPORT_AGAIN until the handshake is over, and a refused certificate is
 * TRANSPORT_ERROR with its text in transport_failure(). What a time limit on
 * the handshake is, the owner decides. */
#ifndef AGENT_NET_TRANSPORT_H
#define AGENT_NET_TRANSPORT_H

#include <ev.h>

#include "spoe/span.h"

struct tls;
struct tls_session;

enum transport_status {
	TRANSPORT_OK = 0,
	TRANSPORT_AGAIN, /* nothing now: wait for the call-back */
	TRANSPORT_EOF,   /* the peer closed; ECONNRESET and EPIPE count as it */
	TRANSPORT_ERROR, /* anything else; transport_failure() says what, and
	                  * errno (EPROTO: TLS) */
};

/* Embed it in what owns the connection; fields are private. */
struct transport {
	struct ev_loop *loop;
	int fd;
	ev_io reader;
	ev_io writer;
	void (*readable)(struct transport *t);
	void (*writable)(struct transport *t);
	bool wants_read;
	bool wants_write;
	bool shutting;           /* close_notify waits for the socket */
	int error;               /* errno of the last TRANSPORT_ERROR */
	struct tls_session *tls; /* NULL: none */
};

/* Takes over the connected, non-blocking `fd` (and sets TCP_NODELAY where it
 * is a TCP socket). Nothing is watched until transport_watch(). */
void transport_init(struct transport *t, struct ev_loop *loop, int fd,
                    void (*readable)(struct transport *t),
                    void (*writable)(struct transport *t));

/* Has every byte from now on go through TLS; before the first one. With a
 * client's `tls`, `server_name` is the host name or IP address that the peer's
 * certificate must be for (NULL: for any; the CA alone counts); a name is sent
 * to the peer, too (SNI). A server's takes none. Takes a reference of `tls`.
 * False when out of memory: nothing has changed. */
bool transport_secure(struct transport *t, struct tls *tls,
                      const char *server_name);

/* Whether the peer is on a Unix socket. */
bool transport_is_local(const struct transport *t);

/* Stops watching and closes the socket. */
void transport_fini(struct transport *t);

/* Which call-backs are wanted from now on; level-triggered: `readable` comes
 * while a read would not say TRANSPORT_AGAIN (and now and then without cause),
 * `writable` likewise. Costs nothing when nothing changes. */
void transport_watch(struct transport *t, bool read, bool write);

/* Whether transport_watch() asked for `readable` last. */
bool transport_reading(const struct transport *t);

/* Reads up to `size` bytes: TRANSPORT_OK with *ret_read > 0, or why not. */
enum transport_status transport_read(struct transport *t, void *buffer,
                                     size_t size, size_t *ret_read);

/* One write of `bytes`; TRANSPORT_OK with *ret_written of them gone, which may
 * be fewer than all. With TLS it is all of them; and after TRANSPORT_AGAIN the
 * next write must begin with the same bytes. */
enum transport_status transport_write(struct transport *t,
                                      struct spoe_span bytes,
                                      size_t *ret_written);

/* Tells the peer that nothing more will be written; reading goes on. */
void transport_shut(struct transport *t);

/* Why the last TRANSPORT_ERROR was, for people. */
const char *transport_failure(const struct transport *t);

/* Whether that was a failure of TLS, and not of the socket. */
bool transport_tls_failed(const struct transport *t);

#endif
