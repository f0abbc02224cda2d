/* tests/unit/store_contract_model.h: the part of store_contract.h that compares
 * a store with a table. */
#ifndef TESTS_STORE_CONTRACT_MODEL_H
#define TESTS_STORE_CONTRACT_MODEL_H

#include "tests/unit/store_rig.h"

struct contract_model {
	enum record_state state;
	uint64_t owner;
	uint64_t expires_ms;
	uint64_t forget_ms;
	unsigned response; /* its seed; 0: none */
};

static enum record_result contract_expect(struct contract_model *m,
                                          const struct record_op *op,
                                          uint64_t owner, unsigned response)
{
	const bool alive =
	    m->state != RECORD_NONE && op->now_ms < m->expires_ms;

	if (op->type == RECORD_OP_PEEK)
		return alive ? RECORD_FOUND : RECORD_ABSENT;
	if (op->type == RECORD_OP_CLAIM) {
		if (alive)
			return RECORD_FOUND;
		*m = (struct contract_model){RECORD_LOCKED, owner,
		                             op->record.expires_ms, 0, 0};
		return RECORD_GRANTED;
	}
	if (!alive || m->owner != owner ||
	    (m->state != RECORD_LOCKED && m->state != RECORD_PENDING) ||
	    (op->from != RECORD_NONE && op->from != m->state))
		return RECORD_LOST;
	if (op->keep_response)
		response = m->response;
	*m = (struct contract_model){op->record.state, owner,
	                             op->record.expires_ms,
	                             op->record.forget_ms, response};
	return RECORD_SETTLED;
}

/* The response of a forgotten record may be gone, and not a moment earlier. */
static void contract_compare(struct contract_model *m, const struct rig_call *c,
                             const struct spoe_span *responses)
{
	uint8_t owner[RECORD_OWNER_SIZE];

	if (m->response != 0 && c->found.response.size == 0 &&
	    m->forget_ms < m->expires_ms && rig_clock >= m->forget_ms) {
		m->response = 0;
		m->state = RECORD_SEALED;
	}
	rig_owner(owner, m->owner);
	assert_int_equal(c->found.state, m->state);
	assert_int_equal(c->found.expires_ms, m->expires_ms);
	assert_int_equal(c->found.forget_ms, m->forget_ms);
	assert_memory_equal(c->found.owner, owner, RECORD_OWNER_SIZE);
	assert_true(spoe_span_equal(c->found.response, responses[m->response]));
}

static unsigned contract_random(unsigned *random, unsigned below)
{
	*random = *random * 1103515245 + 12345;
	return (*random >> 16) % below;
}

/* Thousands of operations on few keys while time goes by (and back, and the
 * store removes what has expired): every answer is what a table would give. */
static void contract_agrees_with_a_model(void **state)
{
	enum { KEYS = 12, RESPONSES = 8 };
	static const enum record_state states[] = {
	    RECORD_NONE, RECORD_STORED, RECORD_PENDING, RECORD_SEALED};
	struct rig *rig = *state;
	struct contract_model models[KEYS] = {{.state = RECORD_NONE}};
	struct spoe_span responses[RESPONSES] = {RIG_NO_RESPONSE};
	uint64_t now_ms = RIG_NOW;
	unsigned random = 42;

	for (unsigned i = 1; i < RESPONSES; i++)
		responses[i] = rig_response(i * i * 100, i);
	for (int i = 0; i < 4000; i++) {
		const uint64_t n = contract_random(&random, KEYS);
		const uint64_t owner = contract_random(&random, 3);
		const unsigned kind = contract_random(&random, 10);
		unsigned response = contract_random(&random, RESPONSES);
		enum record_state to = states[contract_random(&random, 4)];
		struct record_op op = rig_peek_op(n, now_ms);
		enum record_result expected;
		struct rig_call c;

		if (to != RECORD_STORED && to != RECORD_PENDING)
			response = 0;
		if (kind < 4)
			op = rig_claim_op(n, owner, now_ms);
		else if (kind < 8)
			op = rig_settle_op(n, owner, now_ms, to,
			                   responses[response]);
		else if (kind == 8)
			op = rig_confirm_op(n, owner, now_ms);
		if (op.type == RECORD_OP_SETTLE) {
			op.record.forget_ms = now_ms + rig->shortest_ms +
			                      contract_random(&random, 200000);
			op.record.expires_ms = now_ms + rig->shortest_ms +
			                       contract_random(&random, 200000);
		}
		expected = contract_expect(&models[n], &op, owner, response);
		c = rig_do(rig, op);
		assert_int_equal(c.health, REASON_NONE);
		assert_int_equal(c.result, expected);
		if (expected == RECORD_FOUND)
			contract_compare(&models[n], &c, responses);
		rig_call_fini(&c);
		now_ms += contract_random(&random, 4000);
		if (contract_random(&random, 50) == 0 && !rig->forgets)
			now_ms -= 1000;
		/* What it removes must not be missed: it is behind. */
		rig_clock = now_ms - 2000;
	}
	for (unsigned i = 1; i < RESPONSES; i++)
		rig_response_free(responses[i]);
}

#endif
