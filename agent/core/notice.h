/* agent/core/notice.h: outcome notices: what HAProxy's log line says of the end
 * of a transaction, and what that means for its lock (DESIGN.md section 4). The
 * line has, somewhere, the token
 *
 *     idem=<ticket>,<status>,<termination state>,<retries>,<outcome or ->
 *
 * A line may be cut anywhere, and holds what clients have sent. */
#ifndef AGENT_CORE_NOTICE_H
#define AGENT_CORE_NOTICE_H

#include "agent/core/idem.h"
#include "agent/core/ticket.h"

struct notice {
	struct ticket ticket;
	int status;    /* -1 or 0: there was none */
	char state[2]; /* of the termination state, the first two letters */
	bool retried;  /* by HAProxy, on this server or another */
	/* What HAProxy knows of the completion, if `answered`. */
	bool answered;
	enum idem_outcome outcome;
};

enum notice_found {
	NOTICE_ABSENT,    /* the line is about no ticket */
	NOTICE_PRESENT,   /* *ret_notice is filled */
	NOTICE_MALFORMED, /* a token that is none, or is cut off */
	NOTICE_REPEATED,  /* several tokens: who knows which is HAProxy's */
};

/* Looks for the token in the whole line. Reads each byte a bounded number of
 * times. */
enum notice_found notice_read(struct spoe_span line, struct notice *ret_notice);

/* What to do about the lock. */
enum notice_action {
	NOTICE_NOTHING, /* all is settled */
	NOTICE_HOLD,    /* nothing, and the lock stays until its deadline */
	NOTICE_RELEASE,
	NOTICE_SEAL,
	NOTICE_CONFIRM, /* what is pending becomes stored */
	NOTICE_ACTIONS
};

/* The rules of agent/core/notice_rule.def, and where they leave it to the
 * policy, its on-unknown-outcome. */
enum notice_action notice_decide(const struct notice *notice,
                                 const struct policy *policy);

#endif
