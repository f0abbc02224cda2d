/* tests/sim/judge.h: who knows what must come true. The judge keeps its own,
 * plain idea of every record, from what was asked of the store and when, never
 * from what the store or the core say; and it compares what HAProxy is told
 * with it, and with what HAProxy was told before. */
#ifndef TESTS_SIM_JUDGE_H
#define TESTS_SIM_JUDGE_H

#include "agent/core/exchange.h"
#include "tests/sim/content.h"
#include "tests/sim/keys.h"

enum { JUDGE_TICKETS_MAX = 160, JUDGE_TEXT_MAX = 160 };

/* What a record is known to be. */
struct judge_record {
	enum record_state state;
	unsigned ticket; /* its owner's */
	unsigned variant;
	uint64_t deadline_ms;
	uint64_t expires_ms;
	uint64_t settled_ms;
	uint64_t forget_ms; /* not locked: from then on nothing is replayed */
	const struct content *content; /* stored */
	bool head_damaged;
	bool response_damaged;
};

/* A lock that was asked for, and what HAProxy knows of it. */
struct judge_ticket {
	uint8_t owner[RECORD_OWNER_SIZE];
	unsigned key;
	unsigned variant;
	uint64_t claimed_ms;   /* by the agent's clock */
	uint64_t claimed_true; /* by the clock nobody has */
	uint64_t granted_true; /* the store carried it out */
	bool told;             /* proceed */
	bool completing;       /* its response is on the way */
	bool freed;            /* a notice may have released it */
	bool excused;          /* it may stay locked, untold */
	bool kept;             /* `stored` or `sealed` was told, */
	uint64_t settled_true; /* and asked for then */
};

enum judge_see { JUDGE_SEES_NOTHING, JUDGE_SEES_RECORD, JUDGE_SEES_DAMAGE };

/* What a claim must see, or a settle must find itself to be. */
struct judge_view {
	enum judge_see see;
	struct judge_record record;
	bool owned; /* a settle: it is the lock's owner */
};

/* How a transaction ended, in truth. */
enum judge_end_of {
	JUDGE_NEVER_RAN,  /* the upstream did not see the request */
	JUDGE_MAY_HAVE,   /* nobody knows */
	JUDGE_UNRECORDED, /* there was a response, and no record of it */
	JUDGE_WHOLE,      /* what is pending is whole */
	JUDGE_BROKEN,     /* it is not */
	JUDGE_LIE,        /* no HAProxy has said that: nothing may change */
};

/* Why a reply is sent. */
enum judge_cause {
	JUDGE_ANSWERED,
	JUDGE_FAILED,
	JUDGE_TIMED_OUT,
	JUDGE_HURRIED,
};

struct judge {
	const struct policy *policy;
	uint64_t timeout_ms;
	uint64_t skew_ms; /* between any two agents, at most */
	/* Believe only what HAProxy is told: the records are not looked at. */
	bool blind;
	struct judge_record records[KEYS];
	struct judge_ticket tickets[JUDGE_TICKETS_MAX];
	unsigned n_tickets;
	bool failed;
	unsigned promise; /* the broken one of DESIGN.md section 2, or 0 */
	char text[JUDGE_TEXT_MAX];
};

/* `timeout_ms`: the time that a check has. */
void judge_init(struct judge *j, const struct policy *policy,
                uint64_t timeout_ms, uint64_t skew_ms, bool blind);

/* Notes that something must not be; the first one counts. */
__attribute__((format(printf, 3, 4))) void judge_fail(struct judge *j,
                                                      unsigned promise,
                                                      const char *format, ...);

/* The number of a new ticket, or JUDGE_TICKETS_MAX when there are enough. */
unsigned judge_ticket(struct judge *j, const uint8_t *owner, unsigned key,
                      unsigned variant, uint64_t now_ms, uint64_t now_true);

/* The lock is asked for again. */
void judge_asks_again(struct judge *j, unsigned ticket, uint64_t now_ms,
                      uint64_t now_true);

/* The store carries out a claim at now_true. */
void judge_claim(struct judge *j, unsigned ticket, uint64_t now_true,
                 struct judge_view *ret_view);

/* The store carries out a settle at now_ms; `content` is NULL for a lock that
 * is given back, and `squeezed`: there was no room for it. */
void judge_settle(struct judge *j, unsigned ticket,
                  const struct content *content, bool squeezed, uint64_t now_ms,
                  struct judge_view *ret_view);

/* The store carries out at now_ms what a notice says, which was asked for at
 * asked_true: what must have become of it. */
enum idem_outcome judge_notice(struct judge *j, unsigned ticket,
                               enum judge_end_of end, uint64_t now_ms,
                               uint64_t asked_true);

/* That, and what did. */
void judge_noticed(struct judge *j, unsigned ticket, enum idem_outcome expected,
                   enum idem_outcome outcome);

/* HAProxy is told the verdict at now_ms, if it `goes_out`. */
void judge_verdict(struct judge *j, unsigned ticket, enum judge_cause cause,
                   const struct judge_view *view, size_t replay_room,
                   uint64_t now_ms, const struct exchange_reply *reply,
                   bool goes_out);

/* HAProxy is told the outcome of what was asked at asked_true. */
void judge_outcome(struct judge *j, unsigned ticket, enum judge_cause cause,
                   const struct judge_view *view, const struct content *content,
                   bool squeezed, uint64_t asked_true,
                   const struct exchange_reply *reply);

/* Nothing more will happen: no lock is left that nobody was told of. */
void judge_end(struct judge *j);

#endif
