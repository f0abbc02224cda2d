/* The life of a completion: what is asked of the store, and every order of
 * answer, time-out and departure. */
#include "tests/unit/core_story.h"

static void complete_at(struct story *s, uint64_t at_ms)
{
	step(s,
	     (struct exchange_event){
		 .type = EXCHANGE_COMPLETE,
		 .policy = &s->policy,
		 .timeout_ms = TIMEOUT,
		 .ticket = &s->ticket,
		 .response = &s->response,
	     },
	     at_ms);
}

static void replied_outcome(const struct story *s, enum idem_outcome outcome,
                            enum reason reason)
{
	assert_false(s->x.reply.is_check);
	assert_int_equal(s->x.reply.outcome, outcome);
	assert_int_equal(s->x.reply.reason, reason);
}

/* What an op carries when a response is kept: less what is not replayed. */
static void check_encoded(const struct story *s, const char *headers)
{
	struct record_response response;
	struct core_list expected;

	assert_int_equal(
	    record_decode_response(s->x.op.record.response, &response),
	    REASON_NONE);
	assert_int_equal(response.status, s->response.status);
	assert_true(
	    spoe_span_equal(response.headers, core_list(&expected, headers)));
	assert_true(spoe_span_equal(response.body, s->response.body));
}

static void test_complete_stores(void **state)
{
	struct story *s = *state;
	const struct record_op *op = &s->x.op;

	complete_at(s, 0);
	assert_true(s->todo.submit);
	assert_false(s->todo.reply || s->todo.finished);
	assert_int_equal(s->todo.wake_ms, T + TIMEOUT);
	assert_int_equal(s->x.state, EXCHANGE_SETTLING);
	assert_int_equal(op->type, RECORD_OP_SETTLE);
	assert_int_equal(op->now_ms, T);
	assert_memory_equal(op->record_key, s->ticket.record_key,
	                    RECORD_KEY_SIZE);
	assert_int_equal(op->record.state, RECORD_STORED);
	assert_int_equal(op->record.settled_ms, T);
	assert_int_equal(op->record.expires_ms, T + RESPONSE_TTL);
	assert_memory_equal(op->record.owner, s->ticket.owner,
	                    RECORD_OWNER_SIZE);
	check_encoded(s, "x: 1\n");

	answer_at(s, 5, REASON_NONE, RECORD_SETTLED, NULL);
	wants_reply(s);
	replied_outcome(s, IDEM_OUTCOME_STORED, REASON_NONE);
	assert_int_equal(s->x.reply.expires_s, (T + RESPONSE_TTL) / 1000);
}

static void test_complete_stores_without_headers(void **state)
{
	struct story *s = *state;

	s->response.status = 204;
	s->response.headers = spoe_span(NULL, 0);
	s->response.body = spoe_span(NULL, 0);
	s->response.body_size = 0;
	complete_at(s, 0);
	assert_int_equal(s->x.op.record.state, RECORD_STORED);
	check_encoded(s, "");
}

static void test_complete_releases(void **state)
{
	struct story *s = *state;

	s->response.status = 500;
	complete_at(s, 0);
	assert_int_equal(s->x.op.type, RECORD_OP_SETTLE);
	assert_int_equal(s->x.op.record.state, RECORD_NONE);
	assert_int_equal(s->x.op.record.response.size, 0);
	assert_memory_equal(s->x.op.record.owner, s->ticket.owner,
	                    RECORD_OWNER_SIZE);
	answer_at(s, 5, REASON_NONE, RECORD_SETTLED, NULL);
	wants_reply(s);
	replied_outcome(s, IDEM_OUTCOME_RELEASED, REASON_STATUS_NOT_KEPT);
	assert_int_equal(s->x.reply.expires_s, 0);
}

static void test_complete_seals(void **state)
{
	struct story *s = *state;

	s->response.body_size = 4;
	s->policy.refuse_after_ms = 5000;
	complete_at(s, 0);
	assert_int_equal(s->x.op.record.state, RECORD_SEALED);
	assert_int_equal(s->x.op.record.expires_ms, T + RESPONSE_TTL + 5000);
	assert_int_equal(s->x.op.record.response.size, 0);
	answer_at(s, 5, REASON_NONE, RECORD_SETTLED, NULL);
	wants_reply(s);
	replied_outcome(s, IDEM_OUTCOME_SEALED, REASON_BODY_CUT);
	assert_int_equal(s->x.reply.expires_s,
	                 (T + RESPONSE_TTL + 5000) / 1000);
}

/* The ticket remembers the method: a response message does not say it. */
static void test_complete_of_head(void **state)
{
	struct story *s = *state;

	s->response.body = spoe_span(NULL, 0);
	complete_at(s, 0);
	assert_int_equal(s->x.op.record.state, RECORD_SEALED);

	exchange_init(&s->x);
	s->ticket.head = true;
	complete_at(s, 0);
	assert_int_equal(s->x.op.record.state, RECORD_STORED);
}

static void test_complete_lost(void **state)
{
	struct story *s = *state;

	complete_at(s, 0);
	answer_at(s, 5, REASON_NONE, RECORD_LOST, NULL);
	wants_reply(s);
	replied_outcome(s, IDEM_OUTCOME_LOST, REASON_NOT_OWNER);
}

static void test_complete_fails(void **state)
{
	struct story *s = *state;

	complete_at(s, 0);
	answer_at(s, 5, REASON_STORE_FAILED, RECORD_SETTLED, NULL);
	wants_reply(s);
	replied_outcome(s, IDEM_OUTCOME_ERROR, REASON_STORE_FAILED);
}

/* It was executed: when there is no room for the response there may be some to
 * say so. */
static void test_complete_without_room(void **state)
{
	struct story *s = *state;

	complete_at(s, 0);
	answer_at(s, 5, REASON_STORE_FULL, RECORD_SETTLED, NULL);
	assert_true(s->todo.submit);
	assert_false(s->todo.reply || s->todo.finished);
	assert_int_equal(s->todo.wake_ms, T + TIMEOUT);
	assert_int_equal(s->x.op.type, RECORD_OP_SETTLE);
	assert_int_equal(s->x.op.record.state, RECORD_SEALED);
	assert_int_equal(s->x.op.record.response.size, 0);
	assert_int_equal(s->x.op.from, RECORD_LOCKED);
	assert_int_equal(s->x.op.now_ms, T + 5);

	answer_at(s, 6, REASON_NONE, RECORD_SETTLED, NULL);
	wants_reply(s);
	replied_outcome(s, IDEM_OUTCOME_SEALED, REASON_STORE_FULL);
	assert_int_equal(s->x.reply.expires_s, (T + 5 + RESPONSE_TTL) / 1000);
}

static void test_complete_without_any_room(void **state)
{
	struct story *s = *state;

	complete_at(s, 0);
	answer_at(s, 5, REASON_STORE_FULL, RECORD_SETTLED, NULL);
	/* Nobody is told twice. */
	timeout_at(s, TIMEOUT);
	assert_true(s->todo.reply);
	replied_outcome(s, IDEM_OUTCOME_ERROR, REASON_STORE_SLOW);
	answer_at(s, TIMEOUT + 1, REASON_STORE_FULL, RECORD_SETTLED, NULL);
	assert_false(s->todo.reply || s->todo.submit);
	assert_true(s->todo.finished);
}

static void test_absurd_settle_answer(void **state)
{
	static const enum record_result results[] = {
	    RECORD_GRANTED, RECORD_FOUND, RECORD_ABSENT};
	struct story *s = *state;

	for (size_t i = 0; i < COUNT(results); i++) {
		exchange_fini(&s->x);
		exchange_init(&s->x);
		complete_at(s, 0);
		answer_at(s, 5, REASON_NONE, results[i], NULL);
		wants_reply(s);
		replied_outcome(s, IDEM_OUTCOME_ERROR, REASON_INTERNAL);
	}
}

/* The settle lives on: what it carries stays until the store answers. */
static void test_slow_settle(void **state)
{
	struct story *s = *state;

	complete_at(s, 0);
	timeout_at(s, TIMEOUT);
	wants(s, false, true, false);
	replied_outcome(s, IDEM_OUTCOME_ERROR, REASON_STORE_SLOW);
	check_encoded(s, "x: 1\n");
	answer_at(s, 5000, REASON_NONE, RECORD_SETTLED, NULL);
	wants_end(s);
	replied_outcome(s, IDEM_OUTCOME_ERROR, REASON_STORE_SLOW);
}

static void test_gone_while_settling(void **state)
{
	struct story *s = *state;

	complete_at(s, 0);
	gone_at(s, 3);
	wants_nothing(s);
	timeout_at(s, TIMEOUT);
	wants_nothing(s);
	check_encoded(s, "x: 1\n");
	answer_at(s, 5000, REASON_NONE, RECORD_SETTLED, NULL);
	wants_end(s);
}

/* The agent stops: the store's call is cancelled, then the exchange goes. */
static void test_ended_midway(void **state)
{
	struct story *s = *state;

	complete_at(s, 0);
	exchange_fini(&s->x);
	exchange_fini(&s->x);
	assert_null(s->x.response);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    STORY(test_complete_stores),
	    STORY(test_complete_stores_without_headers),
	    STORY(test_complete_releases),
	    STORY(test_complete_seals),
	    STORY(test_complete_of_head),
	    STORY(test_complete_lost),
	    STORY(test_complete_fails),
	    STORY(test_complete_without_room),
	    STORY(test_complete_without_any_room),
	    STORY(test_absurd_settle_answer),
	    STORY(test_slow_settle),
	    STORY(test_gone_while_settling),
	    STORY(test_ended_midway),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
