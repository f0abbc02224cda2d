/* spoe/session.h: one SPOP connection, agent side: bytes in, events out, bytes
 * out. No I/O, no clock, no allocation. The same bytes give the same events
 * however they were split.
 *
 * The caller owns the input buffer: it keeps what a feed did not consume, puts
 * the bytes that follow behind it, and feeds again. A frame is taken only when
 * it is there whole, so payloads are never copied.
 *
 *     connecting -> ready -> closed
 *
 * Sources: SPOE specification 3.2 to 3.5; what each HAProxy does,
 * HAPROXY.md 1 and 2. */
#ifndef SPOE_SESSION_H
#define SPOE_SESSION_H

#include "spoe/frame.h"

/* Whether AGENT-HELLO announces `pipelining`. */
enum spoe_pipelining {
	/* Only to a peer that announces `async` too (HAProxy 3.0 and older):
	 * the newer engine stalls when large ACKs are pipelined. */
	SPOE_PIPELINING_AUTO = 0,
	SPOE_PIPELINING_ON, /* whenever the peer announces it */
	SPOE_PIPELINING_OFF,
};

struct spoe_session_options {
	uint32_t max_frame_size; /* bytes, SPOE_FRAME_MIN..SPOE_FRAME_MAX */
	enum spoe_pipelining pipelining;
};

enum spoe_event_type {
	SPOE_EVENT_NONE = 0, /* feed more bytes */
	SPOE_EVENT_READY,    /* HELLO done, limits are final */
	SPOE_EVENT_NOTIFY,   /* answer it with an ACK, in any order */
	SPOE_EVENT_IGNORED,  /* an unknown frame was skipped: count it */
	SPOE_EVENT_CLOSE,    /* flush the output, then close */
};

struct spoe_event {
	enum spoe_event_type type;
	union {
		struct {
			uint64_t stream_id;
			uint64_t frame_id;
			/* Accepted by spoe_message_valid(); borrowed from the
			 * bytes fed, until the caller moves them. */
			struct spoe_span payload;
		} notify;
		struct {
			/* What goes, or came, with the DISCONNECT; a code that
			 * came and has no row is SPOE_STATUS_UNKNOWN. */
			enum spoe_status status;
			bool by_peer;     /* HAPROXY-DISCONNECT came first */
			bool healthcheck; /* a health check was answered */
		} close;
	};
};

enum { SPOE_ENGINE_ID_MAX = 64, SPOE_SESSION_OUTPUT_MAX = 256 };

enum spoe_session_state {
	SPOE_SESSION_CONNECTING = 0,
	SPOE_SESSION_READY,
	SPOE_SESSION_CLOSED,
};

/* Fields are for reading only. */
struct spoe_session {
	struct spoe_session_options options;
	enum spoe_session_state state;
	uint32_t max_frame_size; /* negotiated; ours until READY */
	bool pipelining;         /* announced to this peer */
	char engine_id[SPOE_ENGINE_ID_MAX + 1]; /* cut, never NULL */
	/* HELLO and DISCONNECT that wait to be sent. */
	uint8_t output[SPOE_SESSION_OUTPUT_MAX];
	size_t output_size;
};

/* `options` are copied; out-of-range ones are our own mistake (assert). */
void spoe_session_init(struct spoe_session *s,
                       const struct spoe_session_options *options);

/* Takes at most one frame from the front of `in` and says in *ret_event what
 * it was. Returns the bytes consumed: 0 with SPOE_EVENT_NONE when `in` does not
 * hold a whole frame yet. From SPOE_EVENT_CLOSE on everything is consumed and
 * nothing comes of it. Any protocol error queues the DISCONNECT with its
 * status and gives SPOE_EVENT_CLOSE:
 *
 *     TOO_BIG          a length over max_frame_size, seen as soon as its 4
 *                      bytes are there (so `GET ` or a TLS ClientHello ends
 *                      at once); a HELLO longer than the size it offers
 *     INVALID          a frame that does not parse, a first frame that is not
 *                      HELLO (DISCONNECT may come at any time), a second
 *                      HELLO, a frame that only agents send, ids in a HELLO
 *                      or DISCONNECT, an optional HELLO item of another type
 *     NO_VERSION, NO_FRAME_SIZE, NO_CAPABILITIES
 *                      HELLO lacks the item, or it is NULL; capabilities of
 *                      another type
 *     BAD_VERSION      no 2.x among the versions, or not a string
 *     BAD_FRAME_SIZE   under SPOE_FRAME_MIN, or not an unsigned integer
 *     FRAGMENTATION    FIN is clear, or UNSET after HELLO
 *     NO_FRAME_ID      a NOTIFY whose frame-id is 0, "not set" (stream-id 0
 *                      is the first stream of HAProxy 3.0 and older)
 *
 * ABORT means nothing on a frame that is whole (3.2), so it is ignored. */
size_t spoe_session_feed(struct spoe_session *s, struct spoe_span in,
                         struct spoe_event *ret_event);

/* How many bytes, from the front of `in`, the next frame needs to be whole:
 * at least in.size + 1 while a frame is missing bytes, and never more than
 * SPOE_FRAME_PREFIX + max_frame_size. The caller sizes its buffer by this.
 * A length that will be refused needs no more than itself, a closed session
 * nothing. */
size_t spoe_session_wanted(const struct spoe_session *s, struct spoe_span in);

/* Ends the session from our side (drain: SPOE_STATUS_OK, a time-out:
 * SPOE_STATUS_TIMEOUT, no memory: SPOE_STATUS_RESOURCE): queues
 * AGENT-DISCONNECT. Does nothing when closed already. */
void spoe_session_disconnect(struct spoe_session *s, enum spoe_status status);

/* Bytes of our own that wait to be sent: a HELLO, a DISCONNECT, both in that
 * order when the first was not taken, or none. They go before any ACK of what
 * is fed later. Borrowed until the next call that takes `s` non-const. */
struct spoe_span spoe_session_output(const struct spoe_session *s);

/* All of spoe_session_output() was handed to the transport. */
void spoe_session_output_taken(struct spoe_session *s);

#endif
