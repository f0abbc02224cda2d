/* tests/unit/store_contract.h: the rules of agent/store/store.h as tests that
 * every driver has to pass. A test file of a driver fills a list with
 *
 *     static const struct CMUnitTest tests[] = {STORE_CONTRACT_TESTS(setup)};
 *
 * where `setup` opens a fresh store: it allocates a struct rig, into *state. */
#ifndef TESTS_STORE_CONTRACT_H
#define TESTS_STORE_CONTRACT_H

#include "tests/unit/store_contract_calls.h"
#include "tests/unit/store_contract_model.h"

/* --- what a record is ---------------------------------------------------- */

static void contract_claims_once(void **state)
{
	struct rig *rig = *state;
	const struct record_op op = rig_claim_op(1, 11, RIG_NOW);
	struct rig_call c;

	assert_int_equal(rig_result(rig, op), RECORD_GRANTED);
	c = rig_do(rig, rig_claim_op(1, 12, RIG_NOW + 5));
	assert_int_equal(c.health, REASON_NONE);
	assert_int_equal(c.result, RECORD_FOUND);
	assert_int_equal(c.found.state, RECORD_LOCKED);
	assert_int_equal(c.found.flags, op.record.flags);
	assert_int_equal(c.found.policy_id, op.record.policy_id);
	assert_int_equal(c.found.created_ms, op.record.created_ms);
	assert_int_equal(c.found.deadline_ms, op.record.deadline_ms);
	assert_int_equal(c.found.expires_ms, op.record.expires_ms);
	assert_int_equal(c.found.settled_ms, 0);
	assert_memory_equal(c.found.fingerprint, op.record.fingerprint,
	                    RECORD_FINGERPRINT_SIZE);
	assert_memory_equal(c.found.owner, op.record.owner, RECORD_OWNER_SIZE);
	assert_true(spoe_span_equal(c.found.key, op.record.key));
	assert_int_equal(c.found.response.size, 0);
	rig_call_fini(&c);
}

static void contract_keeps_responses_exactly(void **state)
{
	static const size_t sizes[] = {0,    1,    100,   500,    1900,   1990,
	                               2000, 2048, 4040,  4096,   10000,  65536,
	                               100,  3000, 65537, 262144, 1048576};
	struct rig *rig = *state;

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct spoe_span response = rig_response(sizes[i], i);
		struct rig_call c;

		assert_int_equal(rig_claim(rig, i, i), RECORD_GRANTED);
		assert_int_equal(rig_settle(rig, i, i, RECORD_STORED, response),
		                 RECORD_SETTLED);
		c = rig_do(rig, rig_claim_op(i, 99, RIG_NOW));
		assert_int_equal(c.result, RECORD_FOUND);
		assert_true(spoe_span_equal(c.found.response, response));
		rig_call_fini(&c);
		c = rig_do(rig, rig_peek_op(i, RIG_NOW));
		assert_int_equal(c.result, RECORD_FOUND);
		assert_true(spoe_span_equal(c.found.response, response));
		rig_call_fini(&c);
		rig_response_free(response);
	}
}

static void contract_settling_changes_only_the_end(void **state)
{
	struct rig *rig = *state;
	const struct record_op claim = rig_claim_op(1, 11, RIG_NOW);
	struct record_op settle =
	    rig_settle_op(1, 11, RIG_NOW + 7, RECORD_SEALED, RIG_NO_RESPONSE);
	struct rig_call c;

	/* None of these is what a settle is about. */
	settle.record.flags = 0;
	settle.record.policy_id = 1;
	settle.record.created_ms = 1;
	settle.record.deadline_ms = 1;
	settle.record.key = spoe_span("other", 5);
	settle.record.forget_ms = RIG_NOW + 8;
	assert_int_equal(rig_result(rig, claim), RECORD_GRANTED);
	assert_int_equal(rig_result(rig, settle), RECORD_SETTLED);
	c = rig_do(rig, rig_peek_op(1, RIG_NOW));
	assert_int_equal(c.result, RECORD_FOUND);
	assert_int_equal(c.found.state, RECORD_SEALED);
	assert_int_equal(c.found.settled_ms, RIG_NOW + 7);
	assert_int_equal(c.found.forget_ms, RIG_NOW + 8);
	assert_int_equal(c.found.expires_ms, RIG_NOW + 7 + RIG_KEEP_MS);
	assert_int_equal(c.found.flags, claim.record.flags);
	assert_int_equal(c.found.policy_id, claim.record.policy_id);
	assert_int_equal(c.found.created_ms, claim.record.created_ms);
	assert_int_equal(c.found.deadline_ms, claim.record.deadline_ms);
	assert_memory_equal(c.found.fingerprint, claim.record.fingerprint,
	                    RECORD_FINGERPRINT_SIZE);
	assert_memory_equal(c.found.owner, claim.record.owner,
	                    RECORD_OWNER_SIZE);
	assert_true(spoe_span_equal(c.found.key, claim.record.key));
	rig_call_fini(&c);
}

static void contract_keys_of_any_length(void **state)
{
	struct rig *rig = *state;
	char text[255];

	memset(text, 'k', sizeof(text));
	for (size_t size = 0; size <= sizeof(text); size += 15) {
		struct record_op op = rig_claim_op(size, 1, RIG_NOW);
		struct rig_call c;

		op.record.key = spoe_span(text, size);
		assert_int_equal(rig_result(rig, op), RECORD_GRANTED);
		assert_int_equal(
		    rig_settle(rig, size, 1, RECORD_SEALED, RIG_NO_RESPONSE),
		    RECORD_SETTLED);
		c = rig_do(rig, rig_peek_op(size, RIG_NOW));
		assert_true(spoe_span_equal(c.found.key, op.record.key));
		rig_call_fini(&c);
	}
}

/* --- who may settle ------------------------------------------------------ */

static void contract_only_the_owner_settles(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(rig_settle(rig, 1, 11, RECORD_SEALED, RIG_NO_RESPONSE),
	                 RECORD_LOST);
	assert_int_equal(rig_claim(rig, 1, 11), RECORD_GRANTED);
	assert_int_equal(rig_settle(rig, 1, 12, RECORD_SEALED, RIG_NO_RESPONSE),
	                 RECORD_LOST);
	assert_int_equal(rig_settle(rig, 1, 12, RECORD_NONE, RIG_NO_RESPONSE),
	                 RECORD_LOST);
	assert_int_equal(rig_settle(rig, 1, 11, RECORD_SEALED, RIG_NO_RESPONSE),
	                 RECORD_SETTLED);
	/* Settled is settled, for the owner too. */
	assert_int_equal(rig_settle(rig, 1, 11, RECORD_NONE, RIG_NO_RESPONSE),
	                 RECORD_LOST);
	assert_int_equal(rig_claim(rig, 1, 13), RECORD_FOUND);
}

static void contract_released_keys_are_free(void **state)
{
	struct rig *rig = *state;

	for (uint64_t owner = 1; owner < 20; owner++) {
		assert_int_equal(rig_claim(rig, 1, owner), RECORD_GRANTED);
		assert_int_equal(
		    rig_settle(rig, 1, owner - 1, RECORD_NONE, RIG_NO_RESPONSE),
		    RECORD_LOST);
		assert_int_equal(
		    rig_settle(rig, 1, owner, RECORD_NONE, RIG_NO_RESPONSE),
		    RECORD_SETTLED);
		assert_int_equal(rig_result(rig, rig_peek_op(1, RIG_NOW)),
		                 RECORD_ABSENT);
	}
}

static void contract_pending_is_confirmed_by_its_owner(void **state)
{
	struct rig *rig = *state;
	struct spoe_span response = rig_response(700, 1);
	struct rig_call c;

	for (uint64_t n = 0; n < 3; n++) {
		assert_int_equal(rig_claim(rig, n, 11), RECORD_GRANTED);
		assert_int_equal(
		    rig_settle(rig, n, 11, RECORD_PENDING, response),
		    RECORD_SETTLED);
		assert_int_equal(rig_claim(rig, n, 12), RECORD_FOUND);
		assert_int_equal(
		    rig_settle(rig, n, 12, RECORD_STORED, response),
		    RECORD_LOST);
	}
	assert_int_equal(rig_settle(rig, 0, 11, RECORD_STORED, response),
	                 RECORD_SETTLED);
	assert_int_equal(rig_settle(rig, 1, 11, RECORD_SEALED, RIG_NO_RESPONSE),
	                 RECORD_SETTLED);
	assert_int_equal(rig_settle(rig, 2, 11, RECORD_NONE, RIG_NO_RESPONSE),
	                 RECORD_SETTLED);
	c = rig_do(rig, rig_peek_op(0, RIG_NOW));
	assert_int_equal(c.found.state, RECORD_STORED);
	assert_true(spoe_span_equal(c.found.response, response));
	rig_call_fini(&c);
	c = rig_do(rig, rig_peek_op(1, RIG_NOW));
	assert_int_equal(c.found.state, RECORD_SEALED);
	assert_int_equal(c.found.response.size, 0);
	rig_call_fini(&c);
	assert_int_equal(rig_result(rig, rig_peek_op(2, RIG_NOW)),
	                 RECORD_ABSENT);
	rig_response_free(response);
}

/* A notice confirms with the response that is there, whatever its size. */
static void contract_confirming_keeps_the_response(void **state)
{
	static const size_t sizes[] = {0,    1,    100,   1900,  2000,
	                               4096, 4100, 65536, 262144};
	struct rig *rig = *state;

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct spoe_span response = rig_response(sizes[i], i);
		struct record_op op = rig_confirm_op(i, 11, RIG_NOW + 9);
		struct rig_call c;

		assert_int_equal(rig_claim(rig, i, 11), RECORD_GRANTED);
		assert_int_equal(
		    rig_settle(rig, i, 11, RECORD_PENDING, response),
		    RECORD_SETTLED);
		assert_int_equal(rig_result(rig, op), RECORD_SETTLED);
		assert_int_equal(rig_result(rig, op), RECORD_LOST);
		c = rig_do(rig, rig_peek_op(i, RIG_NOW + 9));
		assert_int_equal(c.found.state, RECORD_STORED);
		assert_int_equal(c.found.settled_ms, RIG_NOW + 9);
		assert_int_equal(c.found.expires_ms, RIG_NOW + 9 + RIG_KEEP_MS);
		assert_true(spoe_span_equal(c.found.response, response));
		rig_call_fini(&c);
		rig_response_free(response);
	}
}

/* What a settle wants to find is what it finds, or it is lost. */
static void contract_settles_from_a_state(void **state)
{
	static const enum record_state from[] = {RECORD_LOCKED, RECORD_PENDING};
	struct rig *rig = *state;
	struct spoe_span response = rig_response(300, 1);
	uint64_t n = 0;

	for (unsigned found = 0; found < 2; found++) {
		for (unsigned wanted = 0; wanted < 2; wanted++, n++) {
			struct record_op op = rig_settle_op(
			    n, 11, RIG_NOW, RECORD_NONE, RIG_NO_RESPONSE);
			const enum record_result expected =
			    found == wanted ? RECORD_SETTLED : RECORD_LOST;

			op.from = from[wanted];
			assert_int_equal(rig_claim(rig, n, 11), RECORD_GRANTED);
			if (from[found] == RECORD_PENDING)
				assert_int_equal(rig_settle(rig, n, 11,
				                            RECORD_PENDING,
				                            response),
				                 RECORD_SETTLED);
			assert_int_equal(rig_result(rig, op), expected);
			assert_int_equal(
			    rig_result(rig, rig_peek_op(n, RIG_NOW)),
			    expected == RECORD_SETTLED ? RECORD_ABSENT
						       : RECORD_FOUND);
		}
	}
	rig_response_free(response);
}

/* An operator's settle ends any record of that owner, and of nobody else. */
static void contract_operators_end_any_record(void **state)
{
	static const enum record_state states[] = {
	    RECORD_LOCKED, RECORD_PENDING, RECORD_STORED, RECORD_SEALED};
	struct rig *rig = *state;
	struct spoe_span response = rig_response(300, 1);

	for (unsigned i = 0; i < 4; i++) {
		const bool whole =
		    states[i] == RECORD_PENDING || states[i] == RECORD_STORED;
		struct record_op op =
		    rig_settle_op(i, 12, RIG_NOW, RECORD_NONE, RIG_NO_RESPONSE);

		op.any_state = true;
		assert_int_equal(rig_result(rig, op), RECORD_LOST);
		assert_int_equal(rig_claim(rig, i, 11), RECORD_GRANTED);
		if (states[i] != RECORD_LOCKED)
			assert_int_equal(
			    rig_settle(rig, i, 11, states[i],
			               whole ? response : RIG_NO_RESPONSE),
			    RECORD_SETTLED);
		assert_int_equal(rig_result(rig, op), RECORD_LOST);
		op =
		    rig_settle_op(i, 11, RIG_NOW, RECORD_NONE, RIG_NO_RESPONSE);
		op.any_state = true;
		assert_int_equal(rig_result(rig, op), RECORD_SETTLED);
		assert_int_equal(rig_result(rig, rig_peek_op(i, RIG_NOW)),
		                 RECORD_ABSENT);
	}
	rig_response_free(response);
}

/* Nobody else confirms, nothing that is only locked, and not what is over. */
static void contract_confirms_for_the_owner_only(void **state)
{
	struct rig *rig = *state;
	struct spoe_span response = rig_response(300, 1);
	struct rig_call c;

	assert_int_equal(rig_result(rig, rig_confirm_op(1, 11, RIG_NOW)),
	                 RECORD_LOST);
	assert_int_equal(rig_claim(rig, 1, 11), RECORD_GRANTED);
	assert_int_equal(rig_result(rig, rig_confirm_op(1, 11, RIG_NOW)),
	                 RECORD_LOST);
	assert_int_equal(rig_settle(rig, 1, 11, RECORD_PENDING, response),
	                 RECORD_SETTLED);
	assert_int_equal(rig_result(rig, rig_confirm_op(1, 12, RIG_NOW)),
	                 RECORD_LOST);
	if (!rig->forgets)
		assert_int_equal(
		    rig_result(rig,
		               rig_confirm_op(1, 11, RIG_NOW + RIG_KEEP_MS)),
		    RECORD_LOST);
	c = rig_do(rig, rig_peek_op(1, RIG_NOW));
	assert_int_equal(c.found.state, RECORD_PENDING);
	assert_true(spoe_span_equal(c.found.response, response));
	rig_call_fini(&c);
	assert_int_equal(rig_settle(rig, 1, 11, RECORD_SEALED, RIG_NO_RESPONSE),
	                 RECORD_SETTLED);
	assert_int_equal(rig_result(rig, rig_confirm_op(1, 11, RIG_NOW)),
	                 RECORD_LOST);
	rig_response_free(response);
}

/* --- time ---------------------------------------------------------------- */

static void contract_expired_locks_can_be_taken_over(void **state)
{
	const uint64_t end = RIG_NOW + RIG_LOCK_MS;
	struct rig *rig = *state;

	assert_int_equal(rig_claim(rig, 1, 11), RECORD_GRANTED);
	assert_int_equal(rig_result(rig, rig_peek_op(1, end - 1)),
	                 RECORD_FOUND);
	assert_int_equal(rig_result(rig, rig_claim_op(1, 12, end - 1)),
	                 RECORD_FOUND);
	assert_int_equal(rig_result(rig, rig_peek_op(1, end)), RECORD_ABSENT);
	assert_int_equal(rig_result(rig, rig_claim_op(1, 13, end)),
	                 RECORD_GRANTED);
	/* The first owner's answer comes late, and changes nothing. */
	assert_int_equal(
	    rig_result(
		rig, rig_settle_op(1, 11, end, RECORD_SEALED, RIG_NO_RESPONSE)),
	    RECORD_LOST);
	assert_int_equal(
	    rig_result(
		rig, rig_settle_op(1, 13, end, RECORD_SEALED, RIG_NO_RESPONSE)),
	    RECORD_SETTLED);
}

static void contract_expired_owners_lose(void **state)
{
	const uint64_t end = RIG_NOW + RIG_LOCK_MS;
	struct rig *rig = *state;

	assert_int_equal(rig_claim(rig, 1, 11), RECORD_GRANTED);
	assert_int_equal(
	    rig_result(
		rig, rig_settle_op(1, 11, end, RECORD_SEALED, RIG_NO_RESPONSE)),
	    RECORD_LOST);
	if (rig->forgets)
		return;
	/* The clock went back: the lock is there again, and his. */
	assert_int_equal(rig_claim(rig, 1, 12), RECORD_FOUND);
	assert_int_equal(
	    rig_result(rig, rig_settle_op(1, 11, end - 1, RECORD_SEALED,
	                                  RIG_NO_RESPONSE)),
	    RECORD_SETTLED);
}

static void contract_responses_are_forgotten_in_time(void **state)
{
	struct rig *rig = *state;
	struct spoe_span response = rig_response(3000, 1);
	const uint64_t end = RIG_NOW + RIG_KEEP_MS;
	struct rig_call c;

	assert_int_equal(rig_claim(rig, 1, 11), RECORD_GRANTED);
	assert_int_equal(rig_settle(rig, 1, 11, RECORD_STORED, response),
	                 RECORD_SETTLED);
	assert_int_equal(rig_result(rig, rig_claim_op(1, 12, end - 1)),
	                 RECORD_FOUND);
	assert_int_equal(rig_result(rig, rig_claim_op(1, 12, end)),
	                 RECORD_GRANTED);
	c = rig_do(rig, rig_peek_op(1, end));
	assert_int_equal(c.result, RECORD_FOUND);
	assert_int_equal(c.found.state, RECORD_LOCKED);
	assert_int_equal(c.found.response.size, 0);
	rig_call_fini(&c);
	rig_response_free(response);
}

/* --- scan, stats, reopening ---------------------------------------------- */

struct contract_scan {
	size_t n;
	size_t limit;
	bool ordered;
	uint8_t last[RECORD_KEY_SIZE];
	uint64_t states[RECORD_SEALED + 1];
};

static bool contract_visit(void *cookie, const uint8_t *record_key,
                           const struct record *record)
{
	struct contract_scan *s = cookie;

	if (s->n > 0 && memcmp(s->last, record_key, RECORD_KEY_SIZE) >= 0)
		s->ordered = false;
	memcpy(s->last, record_key, RECORD_KEY_SIZE);
	s->states[record->state]++;
	s->n++;
	return s->n < s->limit;
}

static void contract_scan_all(struct rig *rig, const uint8_t *after,
                              struct contract_scan *s, size_t limit)
{
	char text[256] = "";

	*s = (struct contract_scan){.limit = limit, .ordered = true};
	if (store_scan(rig->store, after, contract_visit, s, text,
	               sizeof(text)) != 0)
		fail_msg("%s", text);
	assert_true(s->ordered);
}

static void contract_scans_in_order(void **state)
{
	struct rig *rig = *state;
	struct contract_scan all, page;
	uint8_t after[RECORD_KEY_SIZE];
	size_t n = 0;

	contract_scan_all(rig, NULL, &all, 1000);
	assert_int_equal(all.n, 0);
	for (uint64_t i = 0; i < 100; i++) {
		/* Long expired, but nobody has removed them yet. */
		const uint64_t now = RIG_NOW - 1000;

		assert_int_equal(rig_result(rig, rig_claim_op(i, 1, now)),
		                 RECORD_GRANTED);
		if (i % 3 == 0)
			assert_int_equal(rig_settle(rig, i, 1, RECORD_SEALED,
			                            RIG_NO_RESPONSE),
			                 RECORD_SETTLED);
	}
	contract_scan_all(rig, NULL, &all, 1000);
	assert_int_equal(all.n, 100);
	assert_int_equal(all.states[RECORD_SEALED], 34);
	assert_int_equal(all.states[RECORD_LOCKED], 66);
	do {
		contract_scan_all(rig, n == 0 ? NULL : after, &page, 7);
		memcpy(after, page.last, sizeof(after));
		n += page.n;
	} while (page.n == 7);
	assert_int_equal(n, 100);
	assert_memory_equal(after, all.last, RECORD_KEY_SIZE);
}

static uint64_t contract_records(struct rig *rig)
{
	struct store_stats stats;

	store_stats(rig->store, &stats);
	return stats.records;
}

static void contract_counts(void **state)
{
	struct rig *rig = *state;
	struct store_stats stats;

	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(rig_claim(rig, i, 1), RECORD_GRANTED);
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(rig_claim(rig, i, 2), RECORD_FOUND);
	for (uint64_t i = 0; i < 5; i++)
		assert_int_equal(
		    rig_settle(rig, i, 1, RECORD_SEALED, RIG_NO_RESPONSE),
		    RECORD_SETTLED);
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(
		    rig_settle(rig, i, 1, RECORD_SEALED, RIG_NO_RESPONSE),
		    RECORD_LOST);
	assert_int_equal(rig_settle(rig, 9, 1, RECORD_NONE, RIG_NO_RESPONSE),
	                 RECORD_SETTLED);
	/* A store elsewhere tells now and then what it holds. */
	rig_until(rig, contract_records(rig) == 9);
	store_stats(rig->store, &stats);
	assert_int_equal(stats.claims_granted, 10);
	assert_int_equal(stats.claims_found, 10);
	assert_int_equal(stats.settles_done, 6);
	assert_int_equal(stats.settles_lost, 3);
	assert_int_equal(stats.failures, 0);
	assert_int_equal(stats.records, 9);
	assert_true(stats.bytes_used > 0);
	assert_true(stats.bytes_size >= stats.bytes_used);
	assert_true(store_healthy(rig->store));
}

static void contract_survives_closing(void **state)
{
	struct rig *rig = *state;
	struct spoe_span response = rig_response(5000, 1);
	struct rig_call c;

	assert_int_equal(rig_claim(rig, 1, 11), RECORD_GRANTED);
	assert_int_equal(rig_claim(rig, 2, 12), RECORD_GRANTED);
	assert_int_equal(rig_settle(rig, 1, 11, RECORD_STORED, response),
	                 RECORD_SETTLED);
	rig_close(rig);
	rig_open(rig);
	c = rig_do(rig, rig_claim_op(1, 13, RIG_NOW));
	assert_int_equal(c.result, RECORD_FOUND);
	assert_true(spoe_span_equal(c.found.response, response));
	rig_call_fini(&c);
	assert_int_equal(rig_settle(rig, 2, 12, RECORD_NONE, RIG_NO_RESPONSE),
	                 RECORD_SETTLED);
	assert_int_equal(rig_claim(rig, 3, 13), RECORD_GRANTED);
	rig_response_free(response);
}

static int contract_teardown(void **state)
{
	struct rig *rig = *state;

	rig_fini(rig);
	free(rig);
	return 0;
}

#define STORE_CONTRACT_TEST(test, setup) \
	cmocka_unit_test_setup_teardown(test, setup, contract_teardown)

#define STORE_CONTRACT_TESTS(setup)                                            \
	STORE_CONTRACT_TEST(contract_claims_once, setup),                      \
	    STORE_CONTRACT_TEST(contract_keeps_responses_exactly, setup),      \
	    STORE_CONTRACT_TEST(contract_settling_changes_only_the_end,        \
	                        setup),                                        \
	    STORE_CONTRACT_TEST(contract_keys_of_any_length, setup),           \
	    STORE_CONTRACT_TEST(contract_only_the_owner_settles, setup),       \
	    STORE_CONTRACT_TEST(contract_released_keys_are_free, setup),       \
	    STORE_CONTRACT_TEST(contract_pending_is_confirmed_by_its_owner,    \
	                        setup),                                        \
	    STORE_CONTRACT_TEST(contract_confirming_keeps_the_response,        \
	                        setup),                                        \
	    STORE_CONTRACT_TEST(contract_settles_from_a_state, setup),         \
	    STORE_CONTRACT_TEST(contract_operators_end_any_record, setup),     \
	    STORE_CONTRACT_TEST(contract_confirms_for_the_owner_only, setup),  \
	    STORE_CONTRACT_TEST(contract_expired_locks_can_be_taken_over,      \
	                        setup),                                        \
	    STORE_CONTRACT_TEST(contract_expired_owners_lose, setup),          \
	    STORE_CONTRACT_TEST(contract_responses_are_forgotten_in_time,      \
	                        setup),                                        \
	    STORE_CONTRACT_TEST(contract_answers_every_call_once, setup),      \
	    STORE_CONTRACT_TEST(contract_one_turn_one_owner, setup),           \
	    STORE_CONTRACT_TEST(contract_answers_what_answers_submit, setup),  \
	    STORE_CONTRACT_TEST(contract_calls_may_be_freed_when_done, setup), \
	    STORE_CONTRACT_TEST(contract_cancelled_calls_are_left_alone,       \
	                        setup),                                        \
	    STORE_CONTRACT_TEST(contract_answers_may_cancel_others, setup),    \
	    STORE_CONTRACT_TEST(contract_detached_clients_hear_nothing,        \
	                        setup),                                        \
	    STORE_CONTRACT_TEST(contract_racing_claims_have_one_owner, setup), \
	    STORE_CONTRACT_TEST(contract_racing_takeovers_have_one_owner,      \
	                        setup),                                        \
	    STORE_CONTRACT_TEST(contract_agrees_with_a_model, setup),          \
	    STORE_CONTRACT_TEST(contract_batches_agree_with_a_model, setup),   \
	    STORE_CONTRACT_TEST(contract_scans_in_order, setup),               \
	    STORE_CONTRACT_TEST(contract_counts, setup),                       \
	    STORE_CONTRACT_TEST(contract_survives_closing, setup)

#endif
