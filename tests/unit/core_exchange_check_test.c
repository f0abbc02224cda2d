/* The life of a check: every order of answer, time-out and departure. */
#include "tests/unit/core_story.h"

static void check_at(struct story *s, uint64_t at_ms)
{
	step(s,
	     (struct exchange_event){
		 .type = EXCHANGE_CHECK,
		 .policy = &s->policy,
		 .timeout_ms = TIMEOUT,
		 .request = &s->request,
		 .owner = s->owner,
	     },
	     at_ms);
}

static void replied_verdict(const struct story *s, enum idem_verdict verdict,
                            enum reason reason)
{
	assert_true(s->x.reply.is_check);
	assert_int_equal(s->x.reply.answer.verdict, verdict);
	assert_int_equal(s->x.reply.answer.reason, reason);
	assert_int_equal(s->x.reply.reason, reason);
}

/* x.op gives the lock of this story back. */
static void gives_back(const struct story *s, uint64_t at_ms)
{
	const struct record_op *op = &s->x.op;

	assert_int_equal(s->x.state, EXCHANGE_RELEASING);
	assert_int_equal(op->type, RECORD_OP_SETTLE);
	assert_int_equal(op->now_ms, T + at_ms);
	assert_int_equal(op->record.state, RECORD_NONE);
	assert_memory_equal(op->record.owner, s->owner, RECORD_OWNER_SIZE);
	assert_memory_equal(op->record_key, s->request.record_key,
	                    RECORD_KEY_SIZE);
}

static struct record found_record(const struct story *s,
                                  enum record_state state)
{
	struct record record = {
	    .state = state,
	    .created_ms = T - 10000,
	    .deadline_ms = T + 5000,
	    .expires_ms = T + 5000,
	};

	memcpy(record.fingerprint, s->request.fingerprint,
	       RECORD_FINGERPRINT_SIZE);
	return record;
}

static void test_check_submits_a_claim(void **state)
{
	struct story *s = *state;
	const struct record_op *op = &s->x.op;
	char key[] = "k-17";

	s->request.key = spoe_span_of(key);
	check_at(s, 0);
	memset(key, '!', 4); /* the request was copied */

	assert_true(s->todo.submit);
	assert_false(s->todo.reply || s->todo.finished);
	assert_int_equal(s->todo.wake_ms, T + TIMEOUT);
	assert_int_equal(s->x.state, EXCHANGE_CLAIMING);
	assert_int_equal(op->type, RECORD_OP_CLAIM);
	assert_int_equal(op->now_ms, T);
	assert_memory_equal(op->record_key, s->request.record_key,
	                    RECORD_KEY_SIZE);
	assert_int_equal(op->record.state, RECORD_LOCKED);
	assert_int_equal(op->record.deadline_ms, T + LOCK_TTL);
	assert_memory_equal(op->record.owner, s->owner, RECORD_OWNER_SIZE);
	assert_true(spoe_span_equal(op->record.key, spoe_span_of("k-17")));
}

static void test_granted_is_proceed(void **state)
{
	struct story *s = *state;
	const struct ticket *ticket = &s->x.reply.ticket;

	s->request.head = true;
	check_at(s, 0);
	answer_at(s, 5, REASON_NONE, RECORD_GRANTED, NULL);
	wants_reply(s);
	replied_verdict(s, IDEM_PROCEED, REASON_NONE);
	assert_int_equal(s->x.reply.answer.expires_s, (T + LOCK_TTL) / 1000);
	assert_memory_equal(ticket->record_key, s->request.record_key,
	                    RECORD_KEY_SIZE);
	assert_memory_equal(ticket->owner, s->owner, RECORD_OWNER_SIZE);
	assert_int_equal(ticket->policy_id, 77);
	assert_true(ticket->head);
}

static void test_found_is_decided(void **state)
{
	struct story *s = *state;
	struct record found = found_record(s, RECORD_LOCKED);

	check_at(s, 0);
	answer_at(s, 1000, REASON_NONE, RECORD_FOUND, &found);
	wants_reply(s);
	replied_verdict(s, IDEM_CONFLICT, REASON_RUNNING);
	assert_int_equal(s->x.reply.answer.retry_after_s, 4);
}

static void test_found_is_another(void **state)
{
	struct story *s = *state;
	struct record found = found_record(s, RECORD_LOCKED);

	found.fingerprint[0] ^= 1;
	check_at(s, 0);
	answer_at(s, 5, REASON_NONE, RECORD_FOUND, &found);
	wants_reply(s);
	replied_verdict(s, IDEM_MISMATCH, REASON_OTHER_REQUEST);
}

/* Every way a store can fail: an error, and the lock that may be there is
 * given back. */
static void test_failed_claim(void **state)
{
	static const enum reason healths[] = {
	    REASON_STORE_FAILED,   REASON_STORE_FULL, REASON_STORE_SLOW,
	    REASON_RECORD_CORRUPT, REASON_NO_MEMORY,  REASON_RECORD_VERSION,
	};
	static const enum record_result results[] = {
	    RECORD_GRANTED, RECORD_FOUND,  RECORD_SETTLED,
	    RECORD_LOST,    RECORD_ABSENT,
	};
	struct story *s = *state;
	const struct record found = found_record(s, RECORD_STORED);

	for (size_t i = 0; i < COUNT(healths) * COUNT(results); i++) {
		enum reason health = healths[i % COUNT(healths)];

		exchange_init(&s->x);
		check_at(s, 0);
		/* The result says nothing then, whatever it is. */
		answer_at(s, 5, health, results[i / COUNT(healths)], &found);
		wants(s, true, true, false);
		replied_verdict(s, IDEM_ERROR, health);
		gives_back(s, 5);
		answer_at(s, 9, health, RECORD_LOST, NULL);
		wants_end(s);
	}
}

/* An answer that no claim can have is a failure too, never "new". */
static void test_absurd_claim_answer(void **state)
{
	static const enum record_result results[] = {
	    RECORD_SETTLED, RECORD_LOST, RECORD_ABSENT,
	    RECORD_FOUND, /* without a record */
	};
	struct story *s = *state;

	for (size_t i = 0; i < COUNT(results); i++) {
		exchange_init(&s->x);
		check_at(s, 0);
		answer_at(s, 5, REASON_NONE, results[i], NULL);
		wants(s, true, true, false);
		replied_verdict(s, IDEM_ERROR, REASON_INTERNAL);
		gives_back(s, 5);
	}
}

static void test_slow_claim_granted_late(void **state)
{
	struct story *s = *state;

	check_at(s, 0);
	timeout_at(s, TIMEOUT);
	wants(s, false, true, false);
	replied_verdict(s, IDEM_ERROR, REASON_STORE_SLOW);
	answer_at(s, 5000, REASON_NONE, RECORD_GRANTED, NULL);
	wants(s, true, false, false);
	gives_back(s, 5000);
	answer_at(s, 5005, REASON_NONE, RECORD_SETTLED, NULL);
	wants_end(s);
}

static void test_slow_claim_found_late(void **state)
{
	struct story *s = *state;
	const struct record found = found_record(s, RECORD_LOCKED);

	check_at(s, 0);
	timeout_at(s, TIMEOUT);
	answer_at(s, 5000, REASON_NONE, RECORD_FOUND, &found);
	wants_end(s);
	replied_verdict(s, IDEM_ERROR, REASON_STORE_SLOW);
}

static void test_slow_claim_failed_late(void **state)
{
	struct story *s = *state;

	check_at(s, 0);
	timeout_at(s, TIMEOUT);
	answer_at(s, 5000, REASON_STORE_FAILED, RECORD_GRANTED, NULL);
	wants(s, true, false, false);
	gives_back(s, 5000);
}

/* Who asked has given up by then, even if no time-out was delivered: a busy
 * machine may show the answer first. */
static void test_granted_too_late(void **state)
{
	struct story *s = *state;

	check_at(s, 0);
	answer_at(s, TIMEOUT - 1, REASON_NONE, RECORD_GRANTED, NULL);
	replied_verdict(s, IDEM_PROCEED, REASON_NONE);

	exchange_init(&s->x);
	check_at(s, 0);
	answer_at(s, TIMEOUT, REASON_NONE, RECORD_GRANTED, NULL);
	wants(s, true, true, false);
	replied_verdict(s, IDEM_ERROR, REASON_STORE_SLOW);
	gives_back(s, TIMEOUT);
}

/* A lock that ran out before its grant was read may have a new owner. */
static void test_granted_after_its_deadline(void **state)
{
	struct story *s = *state;

	s->policy.lock_ttl_ms = TIMEOUT / 2;
	check_at(s, 0);
	answer_at(s, TIMEOUT / 2 - 1, REASON_NONE, RECORD_GRANTED, NULL);
	replied_verdict(s, IDEM_PROCEED, REASON_NONE);

	exchange_init(&s->x);
	check_at(s, 0);
	answer_at(s, TIMEOUT / 2, REASON_NONE, RECORD_GRANTED, NULL);
	wants(s, true, true, false);
	replied_verdict(s, IDEM_ERROR, REASON_STORE_SLOW);
	gives_back(s, TIMEOUT / 2);
}

static void test_gone_then_granted(void **state)
{
	struct story *s = *state;

	check_at(s, 0);
	gone_at(s, 3);
	wants_nothing(s);
	answer_at(s, 5, REASON_NONE, RECORD_GRANTED, NULL);
	wants(s, true, false, false);
	gives_back(s, 5);
	answer_at(s, 9, REASON_NONE, RECORD_SETTLED, NULL);
	wants_end(s);
}

/* The asker is gone, which showed when he was told. */
static void test_granted_and_untold(void **state)
{
	struct story *s = *state;

	check_at(s, 0);
	answer_at(s, 5, REASON_NONE, RECORD_GRANTED, NULL);
	replied_verdict(s, IDEM_PROCEED, REASON_NONE);
	step(s, (struct exchange_event){.type = EXCHANGE_UNTOLD}, 5);
	gives_back(s, 5);
}

static void test_found_and_untold(void **state)
{
	struct story *s = *state;

	check_at(s, 0);
	answer_at(s, 5, REASON_STORE_FAILED, RECORD_GRANTED, NULL);
	gives_back(s, 5);
	answer_at(s, 6, REASON_NONE, RECORD_LOST, NULL);
	step(s, (struct exchange_event){.type = EXCHANGE_UNTOLD}, 6);
	wants(s, false, false, true);
}

static void test_found_late(void **state)
{
	struct story *s = *state;
	const struct record found = found_record(s, RECORD_LOCKED);

	check_at(s, 0);
	answer_at(s, TIMEOUT + 1, REASON_NONE, RECORD_FOUND, &found);
	wants_reply(s);
	replied_verdict(s, IDEM_CONFLICT, REASON_RUNNING);
}

static void test_gone_then_found(void **state)
{
	struct story *s = *state;
	const struct record found = found_record(s, RECORD_LOCKED);

	check_at(s, 0);
	gone_at(s, 3);
	answer_at(s, 5, REASON_NONE, RECORD_FOUND, &found);
	wants_end(s);
}

static void test_gone_then_timeout(void **state)
{
	struct story *s = *state;

	check_at(s, 0);
	gone_at(s, 3);
	timeout_at(s, TIMEOUT);
	wants_nothing(s);
	answer_at(s, 5000, REASON_NONE, RECORD_GRANTED, NULL);
	gives_back(s, 5000);
}

/* While a lock is being given back nothing else counts. */
static void test_late_events_while_releasing(void **state)
{
	struct story *s = *state;

	check_at(s, 0);
	answer_at(s, 5, REASON_STORE_FAILED, RECORD_GRANTED, NULL);
	timeout_at(s, TIMEOUT);
	wants_nothing(s);
	gone_at(s, TIMEOUT + 1);
	wants_nothing(s);
	gives_back(s, 5);
	answer_at(s, 2000, REASON_STORE_FAILED, RECORD_SETTLED, NULL);
	wants_end(s);
}

static void test_late_events_when_done(void **state)
{
	struct story *s = *state;

	check_at(s, 0);
	answer_at(s, 5, REASON_NONE, RECORD_GRANTED, NULL);
	timeout_at(s, TIMEOUT);
	wants_nothing(s);
	gone_at(s, TIMEOUT + 1);
	wants_nothing(s);
	replied_verdict(s, IDEM_PROCEED, REASON_NONE);
}

static void test_clock_jumps_back_during_claim(void **state)
{
	struct story *s = *state;
	const struct record found = found_record(s, RECORD_LOCKED);

	check_at(s, 3600000);
	answer_at(s, 0, REASON_NONE, RECORD_GRANTED, NULL);
	replied_verdict(s, IDEM_PROCEED, REASON_NONE);

	exchange_init(&s->x);
	check_at(s, 3600000);
	answer_at(s, 0, REASON_NONE, RECORD_FOUND, &found);
	replied_verdict(s, IDEM_CONFLICT, REASON_RUNNING);
	assert_int_equal(s->x.reply.answer.retry_after_s, 5);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    STORY(test_check_submits_a_claim),
	    STORY(test_granted_is_proceed),
	    STORY(test_found_is_decided),
	    STORY(test_found_is_another),
	    STORY(test_failed_claim),
	    STORY(test_absurd_claim_answer),
	    STORY(test_slow_claim_granted_late),
	    STORY(test_slow_claim_found_late),
	    STORY(test_slow_claim_failed_late),
	    STORY(test_granted_too_late),
	    STORY(test_granted_after_its_deadline),
	    STORY(test_gone_then_granted),
	    STORY(test_granted_and_untold),
	    STORY(test_found_and_untold),
	    STORY(test_found_late),
	    STORY(test_gone_then_found),
	    STORY(test_gone_then_timeout),
	    STORY(test_late_events_while_releasing),
	    STORY(test_late_events_when_done),
	    STORY(test_clock_jumps_back_during_claim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
