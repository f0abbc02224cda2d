/* agent/net/connection.h: one SPOP connection: it moves bytes between a
 * transport and a session, keeps the NOTIFYs that wait for an answer (a
 * bounded number), and applies back-pressure. It does not know what a message
 * means.
 *
 * Memory: reads and writes go through buffers that all connections of a server
 * share (struct connection_buffers); a connection owns bytes only while a
 * frame is incomplete or the peer does not read. */
#ifndef AGENT_NET_CONNECTION_H
#define AGENT_NET_CONNECTION_H

#include "agent/net/transport.h"
#include "spoe/ack.h"
#include "spoe/session.h"

struct connection;

/* One NOTIFY that waits for its ACK. Lives in its connection from
 * handler.notify() until notify_ack_send(), or until handler.gone(). */
struct notify {
	struct connection *connection;
	void *owner; /* the handler's, untouched by the connection */
	uint64_t stream_id;
	uint64_t frame_id;
	/* private */
	struct notify *next;
	struct notify *prev;
};

enum connection_end {
	CONNECTION_END_EOF,      /* the peer closed or reset it */
	CONNECTION_END_PEER,     /* HAPROXY-DISCONNECT */
	CONNECTION_END_PROTOCOL, /* we disconnected it for a protocol error */
	CONNECTION_END_HEALTHCHECK,
	CONNECTION_END_IDLE,  /* nothing came for idle_timeout_ms */
	CONNECTION_END_HELLO, /* no HELLO within hello_timeout_ms */
	CONNECTION_END_DRAIN, /* we are stopping */
	CONNECTION_END_IO,    /* a socket error */
	CONNECTION_END_MEMORY,
};

/* The name of an end for logs ("eof", "peer", ...); never NULL. */
const char *connection_end_text(enum connection_end end);

struct connection_handler {
	/* A NOTIFY came. It must be answered once with notify_ack_begin() and
	 * notify_ack_send(), now or later. `payload` is valid during the call
	 * and accepted by spoe_message_valid(). */
	void (*notify)(void *cookie, struct notify *n,
	               struct spoe_span payload);
	/* The connection ends before `n` was answered; it is freed after the
	 * call and must not be used any more. */
	void (*gone)(void *cookie, struct notify *n);
	/* HELLO is done. */
	void (*ready)(void *cookie, const struct connection *c);
	/* The connection ended; it is freed after the call. `status` goes with
	 * PEER and PROTOCOL. */
	void (*closed)(void *cookie, struct connection *c,
	               enum connection_end end, enum spoe_status status);
};

struct connection_options {
	struct spoe_session_options session;
	size_t max_in_flight; /* NOTIFYs waiting for an ACK; at least 1 */
	uint64_t hello_timeout_ms;
	uint64_t idle_timeout_ms; /* 0: none */
	const struct connection_handler *handler;
	void *cookie; /* for the handler */
};

/* Scratch space shared by all connections of one loop. */
struct connection_buffers {
	uint8_t *input;
	size_t input_size;
	uint8_t *output; /* where ACKs are built */
	size_t output_size;
};

/* Counters of one loop, added to by its connections. */
struct connection_counters {
	uint64_t bytes_in;
	uint64_t bytes_out;
	uint64_t frames_in;
	uint64_t frames_out;
	uint64_t frames_ignored;
	uint64_t pauses; /* times reading stopped for back-pressure */
};

/* Takes over the connected `fd`. `options`, `buffers` and `counters` must
 * outlive it. NULL when out of memory (then `fd` is still the caller's). */
struct connection *connection_new(struct ev_loop *loop, int fd,
                                  const struct connection_options *options,
                                  struct connection_buffers *buffers,
                                  struct connection_counters *counters);

/* Ends it at once: gone() for each waiting NOTIFY, then closed(), then free. */
void connection_close(struct connection *c, enum connection_end end);

/* Ends it when the last waiting NOTIFY is answered, with DISCONNECT status 0.
 * Frames that come meanwhile are not taken. */
void connection_drain(struct connection *c);

/* Checks the time-outs; call it now and then. May close and free `c`. */
void connection_tick(struct connection *c, uint64_t monotonic_ms);

const struct spoe_session *connection_session(const struct connection *c);

/* NOTIFYs waiting for an ACK. */
size_t connection_in_flight(const struct connection *c);

/* Begins the ACK of `n` in the shared output buffer; nothing else may be begun
 * before notify_ack_send(). Returns a builder that has failed already when the
 * session cannot send any more. */
void notify_ack_begin(struct notify *n, struct spoe_ack *ret_ack);

/* Sends the ACK in one write and forgets `n`. Returns false, and keeps `n`,
 * when the ACK could not be built (too large, or empty): begin another. An ACK
 * that cannot be written closes the connection later, from the loop, never
 * inside this call. */
bool notify_ack_send(struct notify *n, struct spoe_ack *ack);

#endif
