/* tests/unit/store_contract_model.h: the part of store_contract.h that compares
 * a store with a table. */
#ifndef TESTS_STORE_CONTRACT_MODEL_H
#define TESTS_STORE_CONTRACT_MODEL_H

#include "tests/unit/store_contract_calls.h"

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

enum { MODEL_KEYS = 1024, MODEL_RESPONSES = 8, MODEL_BATCH = 64 };

struct contract_play {
	struct rig *rig;
	uint64_t now_ms;
	unsigned random;
	struct spoe_span responses[MODEL_RESPONSES];
	struct contract_model models[MODEL_KEYS];
	struct rig_call calls[MODEL_BATCH];
	enum record_result expected[MODEL_BATCH];
};

static struct contract_play *contract_begin(struct rig *rig)
{
	struct contract_play *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->rig = rig;
	p->now_ms = RIG_NOW;
	p->random = 42;
	for (unsigned i = 1; i < MODEL_RESPONSES; i++)
		p->responses[i] = rig_response(i * i * 100, i);
	return p;
}

static void contract_end(struct contract_play *p)
{
	for (unsigned i = 1; i < MODEL_RESPONSES; i++)
		rig_response_free(p->responses[i]);
	free(p);
}

/* Whether it depends on the store's leisure if a pending record can still be
 * settled: when its response is gone, it is sealed. */
static bool contract_forgotten(const struct contract_model *m, uint64_t now_ms)
{
	return m->state == RECORD_PENDING && m->response != 0 &&
	       m->forget_ms < m->expires_ms && now_ms >= m->forget_ms;
}

/* Some operation on a key, and what a table would answer. */
static struct record_op contract_play_op(struct contract_play *p, uint64_t n,
                                         enum record_result *ret_expected)
{
	static const enum record_state states[] = {
	    RECORD_NONE, RECORD_STORED, RECORD_PENDING, RECORD_SEALED};
	const uint64_t owner = contract_random(&p->random, 3);
	const unsigned kind = contract_random(&p->random, 10);
	unsigned response = contract_random(&p->random, MODEL_RESPONSES);
	enum record_state to = states[contract_random(&p->random, 4)];
	struct record_op op = rig_peek_op(n, p->now_ms);

	if (to != RECORD_STORED && to != RECORD_PENDING)
		response = 0;
	if (kind < 4)
		op = rig_claim_op(n, owner, p->now_ms);
	else if (kind < 8)
		op = rig_settle_op(n, owner, p->now_ms, to,
		                   p->responses[response]);
	else if (kind == 8)
		op = rig_confirm_op(n, owner, p->now_ms);
	if (op.type == RECORD_OP_SETTLE &&
	    contract_forgotten(&p->models[n], p->now_ms))
		op = rig_peek_op(n, p->now_ms);
	if (op.type == RECORD_OP_SETTLE) {
		op.record.forget_ms = p->now_ms + p->rig->shortest_ms +
		                      contract_random(&p->random, 200000);
		op.record.expires_ms = p->now_ms + p->rig->shortest_ms +
		                       contract_random(&p->random, 200000);
	}
	*ret_expected = contract_expect(&p->models[n], &op, owner, response);
	return op;
}

/* `n` operations at once, on as many of the first `keys` keys. */
static void contract_play_batch(struct contract_play *p, unsigned keys,
                                unsigned n)
{
	const uint64_t first = contract_random(&p->random, keys);

	for (unsigned i = 0; i < n; i++)
		rig_submit(p->rig, &p->calls[i],
		           contract_play_op(p, (first + i * 5) % keys,
		                            &p->expected[i]));
	rig_until(p->rig, contract_answers(p->calls, n) == n);
	for (unsigned i = 0; i < n; i++) {
		struct rig_call *c = &p->calls[i];

		assert_int_equal(c->health, REASON_NONE);
		assert_int_equal(c->result, p->expected[i]);
		if (c->result == RECORD_FOUND)
			contract_compare(&p->models[(first + i * 5) % keys], c,
			                 p->responses);
		rig_call_fini(c);
		*c = (struct rig_call){.answers = 0};
	}
}

static void contract_pass(struct contract_play *p)
{
	p->now_ms += contract_random(&p->random, 4000);
	if (contract_random(&p->random, 50) == 0 && !p->rig->forgets)
		p->now_ms -= 1000;
	/* What it removes must not be missed: it is behind. */
	rig_clock = p->now_ms - 2000;
}

/* Thousands of operations on few keys while time goes by (and back, and the
 * store removes what has expired): every answer is what a table would give. */
static void contract_agrees_with_a_model(void **state)
{
	struct contract_play *p = contract_begin(*state);

	for (int i = 0; i < 4000; i++) {
		contract_play_batch(p, 12, 1);
		contract_pass(p);
	}
	contract_end(p);
}

/* And on many keys, many at once: in each other's way in one transaction. */
static void contract_batches_agree_with_a_model(void **state)
{
	struct contract_play *p = contract_begin(*state);

	for (int i = 0; i < 600; i++) {
		contract_play_batch(
		    p, MODEL_KEYS,
		    1 + contract_random(&p->random, MODEL_BATCH));
		contract_pass(p);
	}
	contract_end(p);
}

#endif
