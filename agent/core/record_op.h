/* agent/core/record_op.h: what the rules ask of a store and what it answers:
 * plain data between agent/core and agent/store. */
#ifndef AGENT_CORE_RECORD_OP_H
#define AGENT_CORE_RECORD_OP_H

#include "agent/core/record.h"

enum record_op_type {
	/* Insert `record` unless a live one is there:
	 * RECORD_GRANTED or RECORD_FOUND. */
	RECORD_OP_CLAIM,
	/* If record.owner owns the lock: replace its state, its times but
	 * created_ms and deadline_ms, and its response by those of `record`
	 * (RECORD_NONE deletes it); the rest stays: RECORD_SETTLED or
	 * RECORD_LOST. `from` and `keep_response` say more. */
	RECORD_OP_SETTLE,
	/* Look: RECORD_FOUND or RECORD_ABSENT. */
	RECORD_OP_PEEK,
};

struct record_op {
	enum record_op_type type;
	uint8_t record_key[RECORD_KEY_SIZE];
	uint64_t now_ms;
	struct record record; /* spans borrowed until the answer */
	/* SETTLE: what the record must be, else it is lost; RECORD_NONE:
	 * whatever its owner may settle. */
	enum record_state from;
	/* SETTLE: the record's own response stays, byte for byte. */
	bool keep_response;
	/* SETTLE, by an operator: also what has been settled before. */
	bool any_state;
};

/* Whether a settle may change what it found. */
static inline bool record_op_may_settle(const struct record_op *op,
                                        const struct record *found)
{
	if (op->any_state)
		return record_alive(found, op->now_ms) &&
		       memcmp(found->owner, op->record.owner,
		              RECORD_OWNER_SIZE) == 0;
	return (op->from == RECORD_NONE || op->from == found->state) &&
	       record_owned(found, op->record.owner, op->now_ms);
}

/* What a settle makes of what it found. The response may be borrowed from
 * either. */
static inline struct record record_op_settled(const struct record_op *op,
                                              const struct record *found)
{
	struct record record = *found;

	record.state = op->record.state;
	record.expires_ms = op->record.expires_ms;
	record.settled_ms = op->record.settled_ms;
	record.forget_ms = op->record.forget_ms;
	if (!op->keep_response)
		record.response = op->record.response;
	return record;
}

enum record_result {
	RECORD_GRANTED,
	RECORD_FOUND,
	RECORD_SETTLED,
	RECORD_LOST,
	RECORD_ABSENT,
};

struct record_answer {
	/* Health: REASON_NONE when the store worked; then `result` counts. A
	 * failed claim or settle may or may not have happened. */
	enum reason health;
	enum record_result result;
	/* RECORD_FOUND: borrowed during the call-back. */
	const struct record *found;
};

#endif
