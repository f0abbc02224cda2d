/* agent/messages.h: between the wire's vocabulary and ours: the only file that
 * knows both (DESIGN.md section 4). */
#ifndef AGENT_MESSAGES_H
#define AGENT_MESSAGES_H

#include "agent/core/digest.h"
#include "agent/core/exchange.h"
#include "spoe/ack.h"

enum message_kind {
	MESSAGE_NONE, /* nothing of ours in the NOTIFY */
	MESSAGE_CHECK,
	MESSAGE_COMPLETE,
};

/* idem-check as it came. Spans are borrowed from the payload. */
struct message_check {
	struct spoe_span key; /* the first key that is not empty */
	size_t n_keys;        /* how many are not empty */
	struct spoe_span scopes[DIGEST_SCOPES_MAX];
	size_t n_scopes;
	struct digest_request request;
	struct spoe_span policy; /* empty: none named */
};

/* idem-complete as it came. Spans are borrowed from the payload. */
struct message_complete {
	struct spoe_span ticket;
	struct idem_response response; /* as far as it is in the message */
};

struct message {
	enum message_kind kind;
	enum reason reason; /* REASON_NONE, or why the message is malformed */
	struct message_check check;
	struct message_complete complete;
	/* What we do not know is ignored and counted. */
	size_t unknown_arguments;
	size_t unknown_messages;
	struct spoe_span unknown_name; /* of the first of them */
};

/* Reads the payload of a NOTIFY (one that spoe_message_valid() accepts). The
 * first message of ours counts. */
void messages_read(struct spoe_span payload, struct message *ret_message);

/* Bytes of headers and body that fit one ACK of `session` as `cached`. */
size_t messages_replay_room(const struct spoe_session *session);

/* Appends the variables of `reply`, verdict or outcome first. */
void messages_write(struct spoe_ack *ack, const struct exchange_reply *reply);

/* Appends what answers a NOTIFY that holds nothing of ours: one harmless
 * action, because an empty ACK stalls HAProxy 3.1.0 (HAPROXY.md 1.3). */
void messages_write_nothing(struct spoe_ack *ack);

#endif
