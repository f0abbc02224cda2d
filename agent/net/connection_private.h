/* agent/net/connection_private.h: what the files of a connection share:
 * connection.c (its life and its input), connection_output.c, notify.c (the
 * answers) and server.c (the list). */
#ifndef AGENT_NET_CONNECTION_PRIVATE_H
#define AGENT_NET_CONNECTION_PRIVATE_H

#include "agent/net/address.h"
#include "agent/net/bytes.h"
#include "agent/net/connection.h"

/* In the order a connection goes through them. */
enum connection_phase {
	CONNECTION_OPEN = 0, /* frames are taken */
	CONNECTION_DRAINING, /* the last frames and answers; no more watching */
	CONNECTION_CLOSING,  /* our last frame is being written */
	CONNECTION_LINGERING, /* our side is shut, the peer's EOF is awaited */
	CONNECTION_BROKEN,    /* nothing can be sent: the loop frees it */
};

struct connection {
	struct transport transport;
	ev_watcher later; /* fed, never started: see connection_later() */
	struct spoe_session session;
	const struct connection_options *options;
	struct connection_buffers *buffers;
	struct connection_counters *counters;

	struct address peer; /* with TLS, whose failures name it */
	bool local;          /* on a Unix socket */

	enum connection_phase phase;
	enum connection_end end;     /* from CLOSING on */
	enum spoe_status end_status; /* from CLOSING on */

	struct bytes kept;     /* came, but could not be taken yet */
	struct bytes gathered; /* whole frames that go in one write */
	struct bytes unsent; /* of frames that the kernel did not take whole */
	struct notify_slots slots;

	/* Something happened since the last tick; then the time since when
	 * nothing did is the next tick's. No clock is read on the way. */
	bool touched;
	uint64_t quiet_since_ms;
	unsigned last_looks; /* at the input before a drain's DISCONNECT */
	bool was_ready;      /* ready() was called */
	bool in_call_back;   /* guards against being freed under our feet */

	struct connection *next; /* the server's list */
	struct connection *prev;
};

/* The functions below never free the connection and never call the handler:
 * what follows from them happens in connection_later()'s call-back. */

/* Has the loop look at the connection before it waits again. */
void connection_later(struct connection *c);

/* Ends it with a DISCONNECT (queued by the session, if not already). */
void connection_leave(struct connection *c, enum connection_end end,
                      enum spoe_status status);

/* Ends it without another word. */
void connection_break(struct connection *c, enum connection_end end);

/* After a read or a write: breaks it when `status` says that the socket is at
 * its end. */
void connection_heed(struct connection *c, enum transport_status status);

/* Sends one frame, which is never divided: at once, or in one write with those
 * that may follow before the loop looks at the connection. */
void connection_send(struct connection *c, struct spoe_span frame);

/* Writes what connection_send() has gathered, now. What the kernel does not
 * take is kept and goes before anything else. */
void connection_send_gathered(struct connection *c);

/* One write of what was kept. */
void connection_flush(struct connection *c);

#endif
