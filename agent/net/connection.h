/* agent/net/connection.h: one SPOP connection: it moves bytes between a
 * transport and a session, keeps the NOTIFYs that wait for an answer (a
 * bounded number), and applies back-pressure. It does not know what a message
 * means.
 *
 *     open -> (draining) -> closing -> lingering -> freed
 *
 * Closing: our last frame (DISCONNECT, or the HELLO of a health check) is being
 * written. Lingering: we have shut down our side and wait, not for long, for
 * the peer to close its own; a plain close would turn what it sent meanwhile
 * into a reset, which destroys our last frame.
 *
 * Memory: reads and writes go through buffers that all connections of a server
 * share (struct connection_buffers); a connection owns bytes only while a
 * frame is incomplete, no slot is free, answers gather, or the peer does not
 * read. */
#ifndef AGENT_NET_CONNECTION_H
#define AGENT_NET_CONNECTION_H

#include "agent/counter.h"
#include "agent/net/notify.h"
#include "agent/net/transport.h"
#include "spoe/session.h"

struct connection;

/* The rows of agent/net/connection_end.def. */
enum connection_end {
#define CONNECTION_END(name, text, help) CONNECTION_END_##name,
#include "agent/net/connection_end.def"
#undef CONNECTION_END
};

enum {
	CONNECTION_ENDS = 0
#define CONNECTION_END(name, text, help) +1
#include "agent/net/connection_end.def"
#undef CONNECTION_END
};

/* The name of an end for logs ("eof", "peer", ...); never NULL. */
const char *connection_end_text(enum connection_end end);

/* Called from the loop. May answer NOTIFYs and drain connections; must not
 * close a connection, nor free the server. */
struct connection_handler {
	/* A NOTIFY came. It must be answered once with notify_ack_begin() and
	 * notify_ack_send(), now or later. `payload` is valid during the call
	 * and accepted by spoe_message_valid(). */
	void (*notify)(void *cookie, struct notify *n,
	               struct spoe_span payload);
	/* The connection ends before `n` was answered; it is freed after the
	 * call and must not be used any more. */
	void (*gone)(void *cookie, struct notify *n);
	/* The socket has taken the ACK of `n`, which was sent with
	 * notify_ack_send_tracked(); `n` is freed after the call. */
	void (*told)(void *cookie, struct notify *n);
	/* HELLO is done. */
	void (*ready)(void *cookie, const struct connection *c);
	/* The connection ended; it is freed after the call. `status` goes with
	 * PEER and PROTOCOL. */
	void (*closed)(void *cookie, struct connection *c,
	               enum connection_end end, enum spoe_status status);
};

/* What the limits on gathering should be, for HAProxy should not see a frame in
 * pieces (HAPROXY.md 1.2): with the headers of TLS, TCP and IP still one packet
 * of an Ethernet; over a Unix socket, where a write of 32 KiB is one message of
 * the kernel's, half of the buffer that HAProxy reads into. */
enum {
	CONNECTION_GATHER_PACKET = 1380,
	CONNECTION_GATHER_LOCAL = 8192,
};

struct connection_options {
	struct spoe_session_options session;
	size_t max_in_flight; /* NOTIFYs waiting for an ACK; at least 1 */
	/* Bytes of whole frames that may go in one write, to a peer on the
	 * network and to one on a Unix socket. A larger frame goes alone;
	 * 0: every one does. */
	size_t gather_packet;
	size_t gather_local;
	/* From the accept to the whole HELLO. 0: no limit */
	uint64_t hello_timeout_ms;
	/* Without a byte, and with no NOTIFY waiting. 0: no limit */
	uint64_t idle_timeout_ms;
	const struct connection_handler *handler;
	void *cookie; /* for the handler */
};

/* Scratch space shared by all connections of one loop; its owner frees both. */
struct connection_buffers {
	uint8_t *input;
	size_t input_size; /* at least 1 */
	/* Where ACKs are built; NULL at first. Connections grow it with
	 * realloc() to the largest ACK that one of them may send. */
	uint8_t *output;
	size_t output_size;
};

/* Counters of one loop, added to by its connections. */
struct connection_counters {
	atomic_uint_least64_t bytes_in;
	atomic_uint_least64_t bytes_out;
	atomic_uint_least64_t frames_in;
	atomic_uint_least64_t frames_out;
	atomic_uint_least64_t frames_ignored;
	atomic_uint_least64_t
	    pauses; /* times reading stopped for back-pressure */
};

/* Takes over the connected `fd`; with `tls` (NULL: none) it speaks TLS, as a
 * server. `options`, `buffers` and `counters` must outlive it. NULL when out of
 * memory (then `fd` is still the caller's). */
struct connection *connection_new(struct ev_loop *loop, int fd, struct tls *tls,
                                  const struct connection_options *options,
                                  struct connection_buffers *buffers,
                                  struct connection_counters *counters);

/* Ends it at once: gone() for each waiting NOTIFY, then closed(), then free.
 * Not inside one of its own call-backs. */
void connection_close(struct connection *c, enum connection_end end);

/* Ends it with DISCONNECT status 0 as soon as no NOTIFY waits for its answer
 * and no byte to be read. It is not watched for more: it looks at what came
 * when the last answer is out, and only a few times. Never frees it inside the
 * call. */
void connection_drain(struct connection *c);

/* Checks the time-outs; call it now and then, with a clock that never goes
 * back: a time-out is late by up to two calls. May close and free `c`. */
void connection_tick(struct connection *c, uint64_t monotonic_ms);

const struct spoe_session *connection_session(const struct connection *c);

/* Whether ready() was called. */
bool connection_was_ready(const struct connection *c);

/* NOTIFYs waiting for an ACK. */
size_t connection_in_flight(const struct connection *c);

/* In closed(), with CONNECTION_END_IO and CONNECTION_END_TLS: what was wrong.
 */
const char *connection_failure(const struct connection *c);

/* Where the peer of a connection with TLS is, as address_format() writes it. */
void connection_peer(const struct connection *c, char *ret_text, size_t size);

/* Whether one more NOTIFY may wait for long. On a connection with pipelining
 * some places stay free, or frames that others wait for would not get through
 * behind those that wait for them. */
bool connection_crowded(const struct connection *c);

#endif
