/* agent/net/notify.h: the NOTIFYs of a connection that wait for their ACK. */
#ifndef AGENT_NET_NOTIFY_H
#define AGENT_NET_NOTIFY_H

#include "spoe/ack.h"

struct connection;

/* One NOTIFY that waits for its ACK. Lives in its connection from
 * handler.notify() until notify_ack_send(), or until handler.gone() (or
 * handler.told(): see notify_ack_send_tracked()). Its address is its identity:
 * stream and frame ids may repeat. */
struct notify {
	struct connection *connection;
	void *owner; /* the handler's, NULL at first */
	uint64_t stream_id;
	uint64_t frame_id;
	/* private */
	struct notify *next;
	struct notify *prev;
};

/* Begins the ACK of `n` in the shared output buffer; nothing else may be begun
 * before notify_ack_send(). Returns a builder that has failed already when the
 * session cannot send any more, or there is no memory for the buffer; then
 * gone() follows, from the loop. */
void notify_ack_begin(struct notify *n, struct spoe_ack *ret_ack);

/* Sends the ACK, alone or with others (connection_send()), and forgets `n`.
 * Returns false, and keeps `n`, when the ACK could not be built (too large, or
 * empty, or its builder failed from the start): begin another, or leave it to
 * gone(). An ACK that cannot be written closes the connection later, from the
 * loop, never inside this call. */
bool notify_ack_send(struct notify *n, struct spoe_ack *ack);

/* The same, but keeps `n` until the socket has taken the ACK, or may have: then
 * told() follows (also when the ACK only waits behind what a slow peer has not
 * read yet); or until it is certain that it never will: then gone() does. Both
 * from the loop. */
bool notify_ack_send_tracked(struct notify *n, struct spoe_ack *ack);

/* --- for the connection --- */

struct notify_list {
	struct notify *first;
	struct notify *last;
};

/* Memory for NOTIFYs: grows in small steps, is used again, and is given back
 * as a whole. All zero is an empty one. */
struct notify_slots {
	struct notify_list waiting; /* in the order they came */
	struct notify_list sent;    /* tracked; the ACK is to be written */
	struct notify_list written; /* tracked; told() is to follow */
	struct notify *spare;       /* linked by next */
	struct notify_chunk *chunks;
	size_t in_flight; /* those that wait */
};

/* A slot at the end of those that wait; NULL when out of memory. */
struct notify *notify_take(struct notify_slots *slots, struct connection *c);

/* What was sent is written. */
void notify_slots_written(struct notify_slots *slots);

/* Takes the first out of one of the lists of `slots`: its slot is free. */
void notify_release_first(struct notify_slots *slots, struct notify_list *list);

/* All lists are empty. */
void notify_slots_fini(struct notify_slots *slots);

#endif
