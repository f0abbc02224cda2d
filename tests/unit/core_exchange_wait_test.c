/* The life of a check that waits for an equal one: how it is woken, how often
 * it looks, and when it ends. */
#include "tests/unit/core_story.h"

enum { WAIT = 5000, LOOK = 20 };

static void check_at(struct story *s, uint64_t at_ms)
{
	s->policy.wait_ms = WAIT;
	step(s,
	     (struct exchange_event){
		 .type = EXCHANGE_CHECK,
		 .policy = &s->policy,
		 .timeout_ms = TIMEOUT,
		 .look_ms = LOOK,
		 .request = &s->request,
		 .owner = s->owner,
	     },
	     at_ms);
}

static void wake_at(struct story *s, uint64_t at_ms)
{
	step(s, (struct exchange_event){.type = EXCHANGE_WAKE}, at_ms);
}

static void hurry_at(struct story *s, uint64_t at_ms)
{
	step(s, (struct exchange_event){.type = EXCHANGE_HURRY}, at_ms);
}

static struct record found_record(const struct story *s,
                                  enum record_state state)
{
	struct record record = {
	    .state = state,
	    .created_ms = T - 10000,
	    .deadline_ms = T + 60000,
	    .forget_ms = T + 600000,
	    .expires_ms = T + 600000,
	    .settled_ms = T,
	};

	memcpy(record.fingerprint, s->request.fingerprint,
	       RECORD_FINGERPRINT_SIZE);
	return record;
}

static void finds_at(struct story *s, uint64_t at_ms, enum record_state state)
{
	const struct record found = found_record(s, state);

	answer_at(s, at_ms, REASON_NONE, RECORD_FOUND, &found);
}

static void waits_until(const struct story *s, uint64_t at_ms)
{
	assert_int_equal(s->x.state, EXCHANGE_WAITING);
	assert_true(s->todo.wait);
	assert_false(s->todo.submit || s->todo.reply || s->todo.finished);
	assert_int_equal(s->todo.wake_ms, T + at_ms);
}

/* x.op is a claim as if it were the first. */
static void claims_at(const struct story *s, uint64_t at_ms)
{
	const struct record_op *op = &s->x.op;

	assert_int_equal(s->x.state, EXCHANGE_CLAIMING);
	assert_true(s->todo.submit);
	assert_false(s->todo.wait || s->todo.reply || s->todo.finished);
	assert_int_equal(s->todo.wake_ms, T + at_ms + TIMEOUT);
	assert_int_equal(op->type, RECORD_OP_CLAIM);
	assert_int_equal(op->now_ms, T + at_ms);
	assert_int_equal(op->record.state, RECORD_LOCKED);
	assert_int_equal(op->record.deadline_ms, T + at_ms + LOCK_TTL);
	assert_memory_equal(op->record.owner, s->owner, RECORD_OWNER_SIZE);
	assert_memory_equal(op->record_key, s->request.record_key,
	                    RECORD_KEY_SIZE);
	assert_true(spoe_span_equal(op->record.key, spoe_span_of("k-17")));
}

static void replied(const struct story *s, enum idem_verdict verdict,
                    enum reason reason)
{
	wants_reply(s);
	assert_false(s->todo.wait);
	assert_int_equal(s->x.reply.answer.verdict, verdict);
	assert_int_equal(s->x.reply.answer.reason, reason);
	assert_int_equal(s->x.reply.reason, reason);
}

static void test_waits_and_is_woken(void **state)
{
	struct story *s = *state;

	check_at(s, 0);
	finds_at(s, 3, RECORD_LOCKED);
	waits_until(s, 3 + LOOK);
	wake_at(s, 7);
	claims_at(s, 7);
	finds_at(s, 9, RECORD_SEALED);
	replied(s, IDEM_UNKNOWN, REASON_WAS_SEALED);
}

static void test_released_is_claimed(void **state)
{
	struct story *s = *state;

	check_at(s, 0);
	finds_at(s, 3, RECORD_LOCKED);
	wake_at(s, 400);
	claims_at(s, 400);
	answer_at(s, 402, REASON_NONE, RECORD_GRANTED, NULL);
	replied(s, IDEM_PROCEED, REASON_NONE);
	assert_memory_equal(s->x.reply.ticket.owner, s->owner,
	                    RECORD_OWNER_SIZE);
}

/* Another waiter was first: this one waits on, in its own time. */
static void test_waits_again(void **state)
{
	struct story *s = *state;

	check_at(s, 0);
	finds_at(s, 3, RECORD_LOCKED);
	wake_at(s, 400);
	finds_at(s, 402, RECORD_LOCKED);
	waits_until(s, 402 + LOOK + LOOK / 2);
	wake_at(s, 410);
	finds_at(s, 411, RECORD_PENDING);
	waits_until(s, 411 + 45);
}

/* Each interval half longer, none over 16 times the first, and the last look is
 * when the time is over. */
static void test_looks_in_growing_intervals(void **state)
{
	struct story *s = *state;
	uint64_t at_ms = 0, last_ms = 0;
	unsigned looks = 0;

	check_at(s, 0);
	for (finds_at(s, 0, RECORD_LOCKED); s->todo.wait; looks++) {
		const uint64_t next_ms = s->todo.wake_ms - T;
		const uint64_t interval_ms = next_ms - at_ms;

		assert_true(next_ms <= WAIT);
		assert_true(interval_ms <= 16 * LOOK);
		assert_true(interval_ms >= last_ms || next_ms == WAIT);
		assert_true(looks > 0 || interval_ms == LOOK);
		last_ms = interval_ms;
		at_ms = next_ms;
		timeout_at(s, at_ms);
		claims_at(s, at_ms);
		finds_at(s, at_ms, RECORD_LOCKED);
	}
	assert_int_equal(at_ms, WAIT);
	replied(s, IDEM_CONFLICT, REASON_RUNNING);
	assert_int_equal(s->x.reply.answer.retry_after_s, 30);
	assert_true(looks > WAIT / (16 * LOOK) && looks < 30);
}

/* What the last look finds is the answer, however long it takes. */
static void test_the_last_look_counts(void **state)
{
	struct story *s = *state;

	check_at(s, 0);
	finds_at(s, 0, RECORD_LOCKED);
	timeout_at(s, WAIT);
	finds_at(s, WAIT + TIMEOUT - 1, RECORD_SEALED);
	replied(s, IDEM_UNKNOWN, REASON_WAS_SEALED);
}

static void test_the_last_look_is_bounded(void **state)
{
	struct story *s = *state;

	check_at(s, 0);
	finds_at(s, 0, RECORD_LOCKED);
	timeout_at(s, WAIT);
	timeout_at(s, WAIT + TIMEOUT);
	wants(s, false, true, false);
	assert_int_equal(s->x.reply.answer.verdict, IDEM_ERROR);
	assert_int_equal(s->x.reply.reason, REASON_STORE_SLOW);
	answer_at(s, WAIT + 9000, REASON_NONE, RECORD_GRANTED, NULL);
	wants(s, true, false, false);
	assert_int_equal(s->x.state, EXCHANGE_RELEASING);
}

/* A grant counts within the time of its own look. */
static void test_a_late_grant_is_given_back(void **state)
{
	struct story *s = *state;

	check_at(s, 0);
	finds_at(s, 0, RECORD_LOCKED);
	wake_at(s, 3000);
	answer_at(s, 3000 + TIMEOUT - 1, REASON_NONE, RECORD_GRANTED, NULL);
	replied(s, IDEM_PROCEED, REASON_NONE);

	exchange_init(&s->x);
	check_at(s, 0);
	finds_at(s, 0, RECORD_LOCKED);
	wake_at(s, 3000);
	answer_at(s, 3000 + TIMEOUT, REASON_NONE, RECORD_GRANTED, NULL);
	wants(s, true, true, false);
	assert_int_equal(s->x.reply.answer.verdict, IDEM_ERROR);
	assert_int_equal(s->x.state, EXCHANGE_RELEASING);
}

static void test_a_failing_look_is_an_error(void **state)
{
	struct story *s = *state;

	check_at(s, 0);
	finds_at(s, 0, RECORD_LOCKED);
	wake_at(s, 100);
	answer_at(s, 101, REASON_STORE_FAILED, RECORD_FOUND, NULL);
	wants(s, true, true, false);
	assert_int_equal(s->x.reply.answer.verdict, IDEM_ERROR);
	assert_int_equal(s->x.state, EXCHANGE_RELEASING);
}

/* Another request is told so at once, at first and later. */
static void test_mismatch_does_not_wait(void **state)
{
	struct story *s = *state;
	struct record found = found_record(s, RECORD_LOCKED);

	found.fingerprint[0] ^= 1;
	check_at(s, 0);
	answer_at(s, 3, REASON_NONE, RECORD_FOUND, &found);
	replied(s, IDEM_MISMATCH, REASON_OTHER_REQUEST);

	exchange_init(&s->x);
	check_at(s, 0);
	finds_at(s, 3, RECORD_LOCKED);
	wake_at(s, 9);
	answer_at(s, 9, REASON_NONE, RECORD_FOUND, &found);
	replied(s, IDEM_MISMATCH, REASON_OTHER_REQUEST);
}

static void test_no_time_no_wait(void **state)
{
	struct story *s = *state;

	check_at(s, 0);
	s->policy.wait_ms = 0;
	exchange_init(&s->x);
	step(s,
	     (struct exchange_event){
		 .type = EXCHANGE_CHECK,
		 .policy = &s->policy,
		 .timeout_ms = TIMEOUT,
		 .look_ms = LOOK,
		 .request = &s->request,
		 .owner = s->owner,
	     },
	     0);
	finds_at(s, 0, RECORD_LOCKED);
	replied(s, IDEM_CONFLICT, REASON_RUNNING);
}

static void test_no_place_is_a_conflict(void **state)
{
	struct story *s = *state;

	check_at(s, 0);
	finds_at(s, 3, RECORD_LOCKED);
	hurry_at(s, 3);
	replied(s, IDEM_CONFLICT, REASON_RUNNING);
	assert_int_equal(s->x.reply.answer.retry_after_s, 30);
}

/* In a hurry it answers what it is about to find, and waits no more. */
static void test_hurry_while_looking(void **state)
{
	struct story *s = *state;

	check_at(s, 0);
	hurry_at(s, 1);
	wants_nothing(s);
	finds_at(s, 3, RECORD_LOCKED);
	replied(s, IDEM_CONFLICT, REASON_RUNNING);

	exchange_init(&s->x);
	check_at(s, 0);
	finds_at(s, 3, RECORD_LOCKED);
	wake_at(s, 7);
	hurry_at(s, 8);
	wants_nothing(s);
	finds_at(s, 9, RECORD_SEALED);
	replied(s, IDEM_UNKNOWN, REASON_WAS_SEALED);
}

static void test_gone_while_waiting(void **state)
{
	struct story *s = *state;

	check_at(s, 0);
	finds_at(s, 3, RECORD_LOCKED);
	gone_at(s, 5);
	wants_end(s);
	assert_false(s->todo.wait);
}

static void test_gone_while_looking_again(void **state)
{
	struct story *s = *state;

	check_at(s, 0);
	finds_at(s, 3, RECORD_LOCKED);
	wake_at(s, 5);
	gone_at(s, 6);
	wants_nothing(s);
	finds_at(s, 7, RECORD_LOCKED);
	wants_end(s);

	exchange_init(&s->x);
	check_at(s, 0);
	finds_at(s, 3, RECORD_LOCKED);
	wake_at(s, 5);
	gone_at(s, 6);
	answer_at(s, 7, REASON_NONE, RECORD_GRANTED, NULL);
	wants(s, true, false, false);
	assert_int_equal(s->x.state, EXCHANGE_RELEASING);
}

/* Who wakes does not know that the waiter looks already, or is done. */
static void test_late_wakes(void **state)
{
	struct story *s = *state;

	check_at(s, 0);
	wake_at(s, 1);
	wants(s, false, false, false);
	finds_at(s, 3, RECORD_LOCKED);
	timeout_at(s, 23);
	wake_at(s, 24);
	wants_nothing(s);
	answer_at(s, 25, REASON_NONE, RECORD_GRANTED, NULL);
	replied(s, IDEM_PROCEED, REASON_NONE);
	wake_at(s, 26);
	wants_nothing(s);
	hurry_at(s, 27);
	wants_nothing(s);
	assert_int_equal(s->x.state, EXCHANGE_DONE);
}

/* A held lock is `unknown` at its end, however long one might wait. */
static void test_a_held_lock_ends(void **state)
{
	struct story *s = *state;
	struct record found = found_record(s, RECORD_LOCKED);

	found.deadline_ms = T + 1000;
	check_at(s, 0);
	answer_at(s, 3, REASON_NONE, RECORD_FOUND, &found);
	timeout_at(s, 1000);
	answer_at(s, 1000, REASON_NONE, RECORD_FOUND, &found);
	replied(s, IDEM_UNKNOWN, REASON_LOCK_EXPIRED);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    STORY(test_waits_and_is_woken),
	    STORY(test_released_is_claimed),
	    STORY(test_waits_again),
	    STORY(test_looks_in_growing_intervals),
	    STORY(test_the_last_look_counts),
	    STORY(test_the_last_look_is_bounded),
	    STORY(test_a_late_grant_is_given_back),
	    STORY(test_a_failing_look_is_an_error),
	    STORY(test_mismatch_does_not_wait),
	    STORY(test_no_time_no_wait),
	    STORY(test_no_place_is_a_conflict),
	    STORY(test_hurry_while_looking),
	    STORY(test_gone_while_waiting),
	    STORY(test_gone_while_looking_again),
	    STORY(test_late_wakes),
	    STORY(test_a_held_lock_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
