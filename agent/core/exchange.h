/* agent/core/exchange.h: the life of one NOTIFY, or of one outcome notice, as a
 * state machine: one event in, a list of things to do out; the caller does
 * them. Time is a field of the event.
 *
 *     idle -> claiming -> done              (check)
 *               |  \-> releasing -> done    (granted, but nobody is there)
 *             waiting                       (somebody else's runs)
 *     idle -> settling -> done              (completion, notice)
 *
 * A check is answered within its time even when the store is not: at
 * EXCHANGE_TIMEOUT it replies `error` and lives on until the store answers. A
 * lock that was granted after its time, or after the asker went away, or whose
 * reply did not go out, is told to nobody: the exchange gives it back.
 *
 * A check that finds an equal one running may wait for it (policy.wait_ms). It
 * looks again when it is woken, in growing intervals, and when its time is
 * over; what it finds then is its answer. So a reply comes within wait_ms and
 * the time of one operation, and a lock that ends meanwhile is claimed like any
 * other: of many that wait, one gets it, and the others wait on.
 *
 * A completion whose response finds no room in the store seals the lock: it was
 * executed, and to say so takes less.
 *
 * A notice has nobody to reply to: what
 * became of it is in exchange.reply when it is finished. */
#ifndef AGENT_CORE_EXCHANGE_H
#define AGENT_CORE_EXCHANGE_H

#include "agent/core/idem.h"
#include "agent/core/key.h"
#include "agent/core/keyring.h"
#include "agent/core/notice.h"
#include "agent/core/policy.h"
#include "agent/core/record_op.h"
#include "agent/core/ticket.h"

enum exchange_event_type {
	EXCHANGE_CHECK,    /* first event of a check */
	EXCHANGE_COMPLETE, /* first event of a completion */
	EXCHANGE_NOTICE,   /* first event of a notice */
	EXCHANGE_ANSWER,   /* the store answered exchange.op */
	EXCHANGE_TIMEOUT,  /* todo.wake_ms has come */
	EXCHANGE_WAKE,     /* the lock that is waited for was settled */
	EXCHANGE_HURRY,    /* no more waiting: no place, or no time */
	EXCHANGE_GONE,     /* the asker went away: no reply is possible */
	EXCHANGE_UNTOLD,   /* the last reply did not go out; before the free */
};

struct exchange_event {
	enum exchange_event_type type;
	uint64_t now_ms; /* Unix time; it had better not go back meanwhile */
	const struct policy
	    *policy; /* CHECK, COMPLETE, NOTICE: outlives the exchange */
	uint64_t timeout_ms; /* CHECK, COMPLETE: the store's time, above 0 */
	uint64_t look_ms;    /* CHECK: the first interval, above 0 */
	const struct idem_request *request; /* CHECK: copied */
	const uint8_t *owner;        /* CHECK: RECORD_OWNER_SIZE random */
	const struct ticket *ticket; /* COMPLETE, NOTICE: copied */
	const struct idem_response *response; /* COMPLETE: copied */
	enum notice_action action; /* NOTICE: RELEASE, SEAL or CONFIRM */
	const struct record_answer *answer; /* ANSWER */
	const struct keyring *keyring; /* COMPLETE, ANSWER: NULL: no keys */
};

struct exchange_todo {
	bool submit;      /* hand exchange.op to the store */
	bool wait;        /* until WAKE, TIMEOUT or HURRY */
	bool reply;       /* send the answer or the outcome in an ACK */
	bool finished;    /* the exchange may be freed */
	uint64_t wake_ms; /* Unix time of EXCHANGE_TIMEOUT; 0: not wanted */
};

/* The reply, valid while todo.reply is being carried out. */
struct exchange_reply {
	bool is_check;
	/* check: spans borrowed from the event's answer */
	struct idem_answer answer;
	struct ticket ticket; /* IDEM_PROCEED */
	/* completion */
	enum idem_outcome outcome;
	/* Unix time until when it is replayed (stored, pending) or refused
	 * (sealed); 0: does not apply */
	int64_t expires_s;
	enum reason reason; /* of either */
};

enum exchange_state {
	EXCHANGE_IDLE = 0,
	EXCHANGE_CLAIMING,
	EXCHANGE_WAITING,
	EXCHANGE_SETTLING,
	EXCHANGE_RELEASING,
	EXCHANGE_DONE,
};

/* Fields are for reading only. */
struct exchange {
	enum exchange_state state;
	bool replied; /* or nobody is there to be replied to */
	const struct policy *policy;
	uint64_t late_ms; /* from then on a grant, or a reply, is too late */
	uint64_t timeout_ms;
	uint64_t wait_until_ms;
	uint64_t look_ms;     /* the next interval */
	uint64_t look_max_ms; /* and the longest */
	uint64_t deadline_ms; /* of the lock that is waited for */
	struct record_op op;
	struct exchange_reply reply;
	uint8_t *response; /* what is stored or replayed; owned, or NULL */
	struct idem_request request; /* its key borrows `key` */
	struct key key;              /* of a check; nothing else sets it */
};

void exchange_init(struct exchange *x);

/* Frees what the exchange owns. The store must not hold x->op any more. */
void exchange_fini(struct exchange *x);

/* Takes one event. An event that does not fit the state is our own mistake
 * (assert), except TIMEOUT, WAKE, HURRY and GONE, which may come late. */
void exchange_step(struct exchange *x, const struct exchange_event *event,
                   struct exchange_todo *ret_todo);

#endif
