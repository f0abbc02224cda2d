/* tests/unit/store_contract_calls.h: the part of store_contract.h about calls:
 * when they are answered, how often, and by whom when many loops race. */
#ifndef TESTS_STORE_CONTRACT_CALLS_H
#define TESTS_STORE_CONTRACT_CALLS_H

#include <pthread.h>

#include "tests/unit/store_rig.h"

/* --- calls --------------------------------------------------------------- */

static unsigned contract_answers(const struct rig_call *calls, size_t n)
{
	unsigned answers = 0;

	for (size_t i = 0; i < n; i++)
		answers += calls[i].answers;
	return answers;
}

enum { CONTRACT_MANY = 1000 };

static void contract_answers_every_call_once(void **state)
{
	struct rig *rig = *state;
	struct rig_call *calls = calloc(CONTRACT_MANY, sizeof(*calls));

	assert_non_null(calls);
	for (uint64_t i = 0; i < CONTRACT_MANY; i++) {
		rig_submit(rig, &calls[i], rig_claim_op(i, i, RIG_NOW));
		assert_int_equal(calls[i].answers, 0);
	}
	rig_until(rig, contract_answers(calls, CONTRACT_MANY) >= CONTRACT_MANY);
	for (uint64_t i = 0; i < CONTRACT_MANY; i++) {
		assert_int_equal(calls[i].result, RECORD_GRANTED);
		rig_submit(rig, &calls[i],
		           rig_settle_op(i, i, RIG_NOW, RECORD_SEALED,
		                         RIG_NO_RESPONSE));
		assert_int_equal(calls[i].answers, 1);
	}
	rig_until(rig,
	          contract_answers(calls, CONTRACT_MANY) >= 2 * CONTRACT_MANY);
	for (uint64_t i = 0; i < CONTRACT_MANY; i++) {
		assert_int_equal(calls[i].result, RECORD_SETTLED);
		rig_submit(rig, &calls[i], rig_peek_op(i, RIG_NOW));
		assert_int_equal(calls[i].answers, 2);
	}
	rig_until(rig,
	          contract_answers(calls, CONTRACT_MANY) >= 3 * CONTRACT_MANY);
	for (int i = 0; i < 3; i++)
		rig_turn(rig->loop);
	for (uint64_t i = 0; i < CONTRACT_MANY; i++) {
		assert_int_equal(calls[i].result, RECORD_FOUND);
		assert_int_equal(calls[i].answers, 3);
		rig_call_fini(&calls[i]);
	}
	free(calls);
}

static void contract_one_turn_one_owner(void **state)
{
	struct rig *rig = *state;
	struct rig_call *calls = calloc(CONTRACT_MANY, sizeof(*calls));
	uint64_t granted = CONTRACT_MANY;

	assert_non_null(calls);
	for (uint64_t i = 0; i < CONTRACT_MANY; i++)
		rig_submit(rig, &calls[i], rig_claim_op(1, i, RIG_NOW));
	rig_until(rig, contract_answers(calls, CONTRACT_MANY) == CONTRACT_MANY);
	for (uint64_t i = 0; i < CONTRACT_MANY; i++) {
		if (calls[i].result != RECORD_GRANTED)
			continue;
		assert_int_equal(granted, CONTRACT_MANY);
		granted = i;
	}
	assert_int_not_equal(granted, CONTRACT_MANY);
	for (uint64_t i = 0; i < CONTRACT_MANY; i++) {
		uint8_t owner[RECORD_OWNER_SIZE];

		rig_owner(owner, granted);
		if (i != granted)
			assert_memory_equal(calls[i].found.owner, owner,
			                    RECORD_OWNER_SIZE);
		rig_call_fini(&calls[i]);
	}
	free(calls);
}

static void contract_then_again(struct rig_call *c)
{
	uint64_t *left = c->cookie;

	if (--*left > 0)
		rig_submit(c->rig, c, rig_peek_op(*left, RIG_NOW));
	else
		ev_break(c->rig->loop, EVBREAK_ONE);
}

/* The loop does not go to sleep on what a call-back submits. */
static void contract_answers_what_answers_submit(void **state)
{
	struct rig *rig = *state;
	uint64_t left = 500;
	struct rig_call c = {.then = contract_then_again, .cookie = &left};

	rig_submit(rig, &c, rig_peek_op(0, RIG_NOW));
	rig_run(rig);
	assert_int_equal(c.answers, 500);
	assert_int_equal(c.result, RECORD_ABSENT);
}

static void contract_then_release(struct rig_call *c)
{
	unsigned *done = c->cookie;

	if (c->call.op.type == RECORD_OP_SETTLE) {
		assert_int_equal(c->result, RECORD_SETTLED);
		(*done)++;
		ev_break(c->rig->loop, EVBREAK_ONE);
		free(c); /* the last statement: it may */
		return;
	}
	assert_int_equal(c->result, RECORD_GRANTED);
	rig_submit(c->rig, c,
	           rig_settle_op(7, 11, RIG_NOW, RECORD_NONE, RIG_NO_RESPONSE));
}

static void contract_calls_may_be_freed_when_done(void **state)
{
	struct rig *rig = *state;
	unsigned done = 0;

	for (unsigned i = 1; i <= 50; i++) {
		struct rig_call *c = calloc(1, sizeof(*c));

		assert_non_null(c);
		c->then = contract_then_release;
		c->cookie = &done;
		rig_submit(rig, c, rig_claim_op(7, 11, RIG_NOW));
		rig_run(rig);
		assert_int_equal(done, i);
	}
}

/* Cancels calls at every stage of their life, and lets their memory go at
 * once: a sanitizer sees who still touches it. */
static void contract_cancelled_calls_are_left_alone(void **state)
{
	enum { N = 32 };
	struct rig *rig = *state;
	unsigned random = 1;

	for (unsigned round = 0; round < 200; round++) {
		struct rig_call *calls[N];
		struct spoe_span responses[N];

		for (unsigned i = 0; i < N; i++) {
			const uint64_t n = round * N + i / 2;

			responses[i] = rig_response(i * 40, i);
			calls[i] = calloc(1, sizeof(*calls[i]));
			assert_non_null(calls[i]);
			rig_submit(rig, calls[i],
			           i % 2 == 0 ? rig_claim_op(n, n, RIG_NOW)
			                      : rig_settle_op(n, n, RIG_NOW,
			                                      RECORD_STORED,
			                                      responses[i]));
		}
		for (unsigned i = 0; i < N; i++) {
			random = random * 1103515245 + 12345;
			if ((random >> 16) % 8 == 0)
				ev_run(rig->loop, EVRUN_NOWAIT);
			if ((random >> 20) % 16 == 0)
				usleep(20);
			if (calls[i]->answers == 0)
				store_cancel(rig->client, &calls[i]->call);
			else
				assert_int_equal(calls[i]->answers, 1);
			rig_call_fini(calls[i]);
			memset(calls[i], 0xdd, sizeof(*calls[i]));
			free(calls[i]);
			rig_response_free(responses[i]);
		}
	}
	assert_int_equal(rig_claim(rig, 1u << 30, 1), RECORD_GRANTED);
}

static void contract_then_cancel(struct rig_call *c)
{
	struct rig_call *other = c->cookie;

	if (other->answers == 0)
		store_cancel(c->rig->client, &other->call);
	other->cookie = NULL;
}

static void contract_answers_may_cancel_others(void **state)
{
	struct rig *rig = *state;

	for (unsigned round = 0; round < 50; round++) {
		struct rig_call calls[2] = {
		    {.then = contract_then_cancel},
		    {.answers = 0},
		};

		calls[0].cookie = &calls[1];
		for (unsigned i = 0; i < 2; i++) {
			const unsigned kind = (round >> i) % 2;

			rig_submit(rig, &calls[i],
			           kind
			               ? rig_claim_op(round * 2 + i, 1, RIG_NOW)
			               : rig_peek_op(1, RIG_NOW));
		}
		rig_until(rig, calls[0].answers == 1);
		for (int i = 0; i < 3; i++)
			ev_run(rig->loop, EVRUN_NOWAIT);
		assert_true(calls[1].answers <= 1);
		assert_int_equal(calls[0].answers, 1);
		rig_call_fini(&calls[0]);
		rig_call_fini(&calls[1]);
	}
}

static void contract_detached_clients_hear_nothing(void **state)
{
	enum { N = 64 };
	struct rig *rig = *state;
	const unsigned before_turn[] = {0, 1, 2};

	for (unsigned round = 0; round < 60; round++) {
		struct rig_call *calls = calloc(N, sizeof(*calls));

		assert_non_null(calls);
		for (unsigned i = 0; i < N; i++)
			rig_submit(rig, &calls[i],
			           rig_claim_op(round * N + i, 1, RIG_NOW));
		for (unsigned i = 0; i < before_turn[round % 3]; i++)
			ev_run(rig->loop, EVRUN_NOWAIT);
		store_detach(rig->client);
		for (unsigned i = 0; i < N; i++)
			rig_call_fini(&calls[i]);
		free(calls);
		ev_run(rig->loop, EVRUN_NOWAIT);
		rig->client = store_attach(rig->store, rig->loop);
		assert_non_null(rig->client);
	}
	assert_int_equal(rig_claim(rig, 1u << 30, 1), RECORD_GRANTED);
}

/* --- many loops ---------------------------------------------------------- */

enum { CONTRACT_LOOPS = 4, CONTRACT_KEYS = 200 };

struct contract_racer {
	pthread_t thread;
	struct rig rig; /* loop and client of its own */
	uint64_t owner;
	uint64_t now_ms;
	struct rig_call calls[CONTRACT_KEYS];
};

/* No asserts here: cmocka's are for the main thread. */
static void *contract_race(void *cookie)
{
	struct contract_racer *r = cookie;
	const ev_tstamp end = ev_time() + RIG_LIMIT_S;

	for (uint64_t i = 0; i < CONTRACT_KEYS; i++) {
		rig_submit(&r->rig, &r->calls[i],
		           rig_claim_op(i, r->owner, r->now_ms));
		if (i % 16 == r->owner)
			ev_run(r->rig.loop, EVRUN_NOWAIT);
	}
	while (contract_answers(r->calls, CONTRACT_KEYS) < CONTRACT_KEYS &&
	       ev_time() < end)
		rig_turn(r->rig.loop);
	store_rest(r->rig.client);
	return NULL;
}

/* All loops claim the same keys at once: each key gets one owner, and everybody
 * else finds him. */
static void contract_run_race(struct rig *rig, uint64_t now_ms)
{
	struct contract_racer *racers = calloc(CONTRACT_LOOPS, sizeof(*racers));

	assert_non_null(racers);
	rig_pass(rig, now_ms);
	for (uint64_t i = 0; i < CONTRACT_LOOPS; i++) {
		racers[i].owner = i;
		racers[i].now_ms = now_ms;
		racers[i].rig.loop = ev_loop_new(EVFLAG_AUTO);
		racers[i].rig.client =
		    store_attach(rig->store, racers[i].rig.loop);
		assert_non_null(racers[i].rig.client);
	}
	for (unsigned i = 0; i < CONTRACT_LOOPS; i++)
		pthread_create(&racers[i].thread, NULL, contract_race,
		               &racers[i]);
	for (unsigned i = 0; i < CONTRACT_LOOPS; i++)
		pthread_join(racers[i].thread, NULL);
	for (unsigned key = 0; key < CONTRACT_KEYS; key++) {
		uint8_t owner[RECORD_OWNER_SIZE];
		unsigned granted = 0;

		for (unsigned i = 0; i < CONTRACT_LOOPS; i++) {
			const struct rig_call *c = &racers[i].calls[key];

			assert_int_equal(c->answers, 1);
			assert_int_equal(c->health, REASON_NONE);
			if (c->result != RECORD_GRANTED)
				continue;
			granted++;
			rig_owner(owner, i);
		}
		assert_int_equal(granted, 1);
		for (unsigned i = 0; i < CONTRACT_LOOPS; i++) {
			struct rig_call *c = &racers[i].calls[key];

			if (c->result == RECORD_FOUND)
				assert_memory_equal(c->found.owner, owner,
				                    RECORD_OWNER_SIZE);
			rig_call_fini(c);
		}
	}
	for (unsigned i = 0; i < CONTRACT_LOOPS; i++) {
		store_detach(racers[i].rig.client);
		ev_loop_destroy(racers[i].rig.loop);
	}
	free(racers);
}

static void contract_racing_claims_have_one_owner(void **state)
{
	contract_run_race(*state, RIG_NOW);
}

static void contract_racing_takeovers_have_one_owner(void **state)
{
	contract_run_race(*state, RIG_NOW);
	contract_run_race(*state, RIG_NOW + RIG_LOCK_MS);
}

#endif
