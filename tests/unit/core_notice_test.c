/* Outcome notices: what is found in a log line, and what is done about it. */
#include "agent/core/notice.h"

#include <stdio.h>

#include "agent/core/policy.h"
#include "tests/unit/core_story.h"

/* @ stands for a ticket, & for another one. */
static struct spoe_span expand(const char *text, char *ret_line, size_t size)
{
	struct ticket ticket = {.policy_id = 77};
	size_t n = 0;

	memset(ticket.record_key, 'r', RECORD_KEY_SIZE);
	for (; *text; text++) {
		memset(ticket.owner, *text == '@' ? 'o' : 'p',
		       RECORD_OWNER_SIZE);
		assert_true(n + TICKET_TEXT_SIZE < size);
		if (*text == '@' || *text == '&') {
			ticket_encode(&ticket, ret_line + n);
			n += TICKET_TEXT_SIZE;
		} else {
			ret_line[n++] = *text;
		}
	}
	return spoe_span(ret_line, n);
}

static enum notice_found read_text(const char *text, struct notice *ret_notice)
{
	char line[2048];

	memset(ret_notice, 0, sizeof(*ret_notice));
	return notice_read(expand(text, line, sizeof(line)), ret_notice);
}

static const struct {
	const char *line;
	enum notice_found found;
	int status;
	char state[3];
	bool retried;
	bool answered;
	enum idem_outcome outcome;
} lines[] = {
    {"idem=@,201,--,0,stored", NOTICE_PRESENT, 201, "--", false, true,
     IDEM_OUTCOME_STORED},
    {"<134>Nov 27 08:00:00 haproxy[1]: x \"POST / HTTP/1.1\" "
     "idem=@,503,SC--,0,-",
     NOTICE_PRESENT, 503, "SC", false, false, IDEM_OUTCOME_ERROR},
    {"x idem=@,-1,CQNN,0,- y", NOTICE_PRESENT, -1, "CQ", false, false,
     IDEM_OUTCOME_ERROR},
    {"idem=@,200,--VN,3,pending\n", NOTICE_PRESENT, 200, "--", true, true,
     IDEM_OUTCOME_PENDING},
    {"[idem=@,0,sH--,+0,error]", NOTICE_PRESENT, 0, "sH", true, true,
     IDEM_OUTCOME_ERROR},
    {"idem=@,504,sH--,+2,-", NOTICE_PRESENT, 504, "sH", true, false,
     IDEM_OUTCOME_ERROR},
    {"idem=@,1,--,0,released", NOTICE_PRESENT, 1, "--", false, true,
     IDEM_OUTCOME_RELEASED},
    {"idem=@,1,--,0,sealed;", NOTICE_PRESENT, 1, "--", false, true,
     IDEM_OUTCOME_SEALED},
    {"idem=@,1,--,0,lost\"", NOTICE_PRESENT, 1, "--", false, true,
     IDEM_OUTCOME_LOST},
    /* A client's own words beside it. */
    {"/?idem=1 idem=@,201,--,0,-", NOTICE_PRESENT, 201, "--", false, false,
     IDEM_OUTCOME_ERROR},
    {"idem=idem=@,201,--,0,-", NOTICE_PRESENT, 201, "--", false, false,
     IDEM_OUTCOME_ERROR},
    {"idem=@,201,--,0,- /?idem=", NOTICE_PRESENT, 201, "--", false, false,
     IDEM_OUTCOME_ERROR},

    /* About no lock. */
    {"", NOTICE_ABSENT, 0, "", false, false, 0},
    {"idem", NOTICE_ABSENT, 0, "", false, false, 0},
    {"a line of another kind", NOTICE_ABSENT, 0, "", false, false, 0},
    {"idem=-,200,--,0,-", NOTICE_ABSENT, 0, "", false, false, 0},
    {"xidem=@,200,--,0,-", NOTICE_ABSENT, 0, "", false, false, 0},
    {"x-idem=@,200,--,0,-", NOTICE_ABSENT, 0, "", false, false, 0},

    /* Cut anywhere. */
    {"idem=", NOTICE_MALFORMED, 0, "", false, false, 0},
    {"idem=-", NOTICE_MALFORMED, 0, "", false, false, 0},
    {"idem=@", NOTICE_MALFORMED, 0, "", false, false, 0},
    {"idem=@,", NOTICE_MALFORMED, 0, "", false, false, 0},
    {"idem=@,20", NOTICE_MALFORMED, 0, "", false, false, 0},
    {"idem=@,201,", NOTICE_MALFORMED, 0, "", false, false, 0},
    {"idem=@,201,-", NOTICE_MALFORMED, 0, "", false, false, 0},
    {"idem=@,201,--,", NOTICE_MALFORMED, 0, "", false, false, 0},
    {"idem=@,201,--,0", NOTICE_MALFORMED, 0, "", false, false, 0},
    {"idem=@,201,--,0,", NOTICE_MALFORMED, 0, "", false, false, 0},
    {"idem=@,201,--,0,pend", NOTICE_MALFORMED, 0, "", false, false, 0},

    /* Not what HAProxy would write. */
    {"idem=x@,201,--,0,-", NOTICE_MALFORMED, 0, "", false, false, 0},
    {"idem=abc,201,--,0,-", NOTICE_MALFORMED, 0, "", false, false, 0},
    {"idem=@,2001,--,0,-", NOTICE_MALFORMED, 0, "", false, false, 0},
    {"idem=@,-2,--,0,-", NOTICE_MALFORMED, 0, "", false, false, 0},
    {"idem=@,2x1,--,0,-", NOTICE_MALFORMED, 0, "", false, false, 0},
    {"idem=@,,--,0,-", NOTICE_MALFORMED, 0, "", false, false, 0},
    {"idem=@,201,-,0,-", NOTICE_MALFORMED, 0, "", false, false, 0},
    {"idem=@,201,-----,0,-", NOTICE_MALFORMED, 0, "", false, false, 0},
    {"idem=@,201,-1,0,-", NOTICE_MALFORMED, 0, "", false, false, 0},
    {"idem=@,201,--,,-", NOTICE_MALFORMED, 0, "", false, false, 0},
    {"idem=@,201,--,+,-", NOTICE_MALFORMED, 0, "", false, false, 0},
    {"idem=@,201,--,-1,-", NOTICE_MALFORMED, 0, "", false, false, 0},
    {"idem=@,201,--,1234567890,-", NOTICE_MALFORMED, 0, "", false, false, 0},
    {"idem=@,201,--,0,pendingly", NOTICE_MALFORMED, 0, "", false, false, 0},
    {"idem=@,201,--,0,pending-", NOTICE_MALFORMED, 0, "", false, false, 0},
    {"idem=@,201,--,0,--", NOTICE_MALFORMED, 0, "", false, false, 0},
    {"idem=@,201,--,0,Stored", NOTICE_MALFORMED, 0, "", false, false, 0},
    {"idem=@ ,201,--,0,-", NOTICE_MALFORMED, 0, "", false, false, 0},

    /* Which of them is HAProxy's? */
    {"idem=@,201,--,0,- idem=@,201,--,0,-", NOTICE_REPEATED, 0, "", false,
     false, 0},
    {"/?idem=&,503,SC,0,- idem=@,201,--,0,pending", NOTICE_REPEATED, 0, "",
     false, false, 0},
};

static void test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct notice notice;

		check_row(lines[i].line,
		          read_text(lines[i].line, &notice) == lines[i].found);
		if (lines[i].found != NOTICE_PRESENT)
			continue;
		check_row(lines[i].line, notice.status == lines[i].status);
		check_row(lines[i].line,
		          memcmp(notice.state, lines[i].state, 2) == 0);
		check_row(lines[i].line, notice.retried == lines[i].retried);
		check_row(lines[i].line, notice.answered == lines[i].answered);
		check_row(lines[i].line, notice.outcome == lines[i].outcome);
		check_row(lines[i].line, notice.ticket.owner[0] == 'o');
		check_row(lines[i].line, notice.ticket.policy_id == 77);
	}
}

/* Cut at any byte, a line is never taken for another notice. */
static void test_every_cut(void **state)
{
	static const char *const outcomes[] = {"-", "pending", "released"};

	(void)state;
	for (size_t i = 0; i < COUNT(outcomes); i++) {
		char text[128], line[512];
		struct spoe_span whole;
		struct notice notice;

		snprintf(text, sizeof(text), "<134>x idem=@,503,SC--,12,%s",
		         outcomes[i]);
		whole = expand(text, line, sizeof(line));
		for (size_t n = 0; n < whole.size; n++)
			assert_int_not_equal(
			    notice_read(spoe_span(line, n), &notice),
			    NOTICE_PRESENT);
		assert_int_equal(notice_read(whole, &notice), NOTICE_PRESENT);
	}
}

enum policy_says { DEPENDS = NOTICE_ACTIONS };

static const struct {
	const char *tail; /* of the token */
	int action;       /* DEPENDS: on the policy */
} decisions[] = {
    {"201,--,0,pending", NOTICE_CONFIRM},
    {"201,--NI,2,pending", NOTICE_CONFIRM},
    {"201,SD,0,pending", NOTICE_SEAL},
    {"201,CD,0,pending", NOTICE_SEAL},
    {"201,cD,0,pending", NOTICE_SEAL},
    {"201,SC,0,pending", NOTICE_SEAL},

    {"201,--,0,stored", NOTICE_NOTHING},
    {"201,SD,0,stored", NOTICE_NOTHING},
    {"503,--,0,released", NOTICE_NOTHING},
    {"503,SC,0,released", NOTICE_NOTHING},
    {"201,--,0,sealed", NOTICE_NOTHING},
    {"201,--,0,lost", NOTICE_NOTHING},
    {"201,--,0,error", NOTICE_SEAL},
    {"201,CD,1,error", NOTICE_SEAL},
    {"503,SC,0,error", NOTICE_SEAL},

    {"503,SC,0,-", NOTICE_RELEASE},
    {"503,sC,0,-", NOTICE_RELEASE},
    {"500,PC,0,-", NOTICE_RELEASE},
    {"500,RC,0,-", NOTICE_RELEASE},
    {"503,sQ,0,-", NOTICE_RELEASE},
    {"-1,CQ,0,-", NOTICE_RELEASE},
    {"-1,CC,0,-", NOTICE_RELEASE},
    {"403,PR,0,-", NOTICE_RELEASE},
    {"400,CR,0,-", NOTICE_RELEASE},
    {"408,cR,0,-", NOTICE_RELEASE},
    {"500,PT,0,-", NOTICE_RELEASE},
    {"-1,CT,0,-", NOTICE_RELEASE},
    {"200,LR,0,-", NOTICE_RELEASE},
    {"200,LC,0,-", NOTICE_RELEASE},
    {"503,SC,1,-", DEPENDS},
    {"503,SC,+0,-", DEPENDS},
    {"403,PR,3,-", DEPENDS},

    {"201,--,0,-", NOTICE_SEAL},
    {"201,--,1,-", NOTICE_SEAL},
    {"201,SD,0,-", NOTICE_SEAL},
    {"201,CD,2,-", NOTICE_SEAL},
    {"201,PL,0,-", NOTICE_SEAL},
    {"201,CL,0,-", NOTICE_SEAL},

    {"504,sH,0,-", DEPENDS},
    {"502,SH,0,-", DEPENDS},
    {"502,PH,0,-", DEPENDS},
    {"-1,CH,0,-", DEPENDS},
    {"504,sR,0,-", DEPENDS},
    {"503,KC,0,-", DEPENDS},
    {"503,UC,0,-", DEPENDS},
    {"503,DC,0,-", DEPENDS},
    {"500,IC,0,-", DEPENDS},
    {"500,XX,0,-", DEPENDS},
};

static void test_decisions(void **state)
{
	static const struct {
		enum policy_on_unknown_outcome says;
		enum notice_action action;
	} policies[] = {
	    {POLICY_UNKNOWN_HOLD, NOTICE_HOLD},
	    {POLICY_UNKNOWN_RELEASE, NOTICE_RELEASE},
	    {POLICY_UNKNOWN_SEAL, NOTICE_SEAL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(decisions); i++) {
		for (size_t p = 0; p < COUNT(policies); p++) {
			const struct policy policy = {.on_unknown_outcome =
			                                  policies[p].says};
			int expected = decisions[i].action;
			struct notice notice;
			char text[128];

			if (expected == DEPENDS)
				expected = (int)policies[p].action;
			snprintf(text, sizeof(text), "idem=@,%s",
			         decisions[i].tail);
			check_row(decisions[i].tail,
			          read_text(text, &notice) == NOTICE_PRESENT);
			check_row(decisions[i].tail,
			          (int)notice_decide(&notice, &policy) ==
			              expected);
		}
	}
}

/* --- and what the exchange asks of the store --- */

static void notice_at(struct story *s, uint64_t at_ms,
                      enum notice_action action)
{
	step(s,
	     (struct exchange_event){
		 .type = EXCHANGE_NOTICE,
		 .policy = &s->policy,
		 .ticket = &s->ticket,
		 .action = action,
	     },
	     at_ms);
	wants(s, true, false, false);
}

static void test_confirm(void **state)
{
	struct story *s = *state;
	const struct record_op *op = &s->x.op;

	notice_at(s, 7, NOTICE_CONFIRM);
	assert_int_equal(op->type, RECORD_OP_SETTLE);
	assert_int_equal(op->now_ms, T + 7);
	assert_memory_equal(op->record_key, s->ticket.record_key,
	                    RECORD_KEY_SIZE);
	assert_memory_equal(op->record.owner, s->ticket.owner,
	                    RECORD_OWNER_SIZE);
	assert_int_equal(op->record.state, RECORD_STORED);
	assert_int_equal(op->record.settled_ms, T + 7);
	assert_int_equal(op->record.expires_ms, T + 7 + RESPONSE_TTL);
	assert_int_equal(op->from, RECORD_PENDING);
	assert_true(op->keep_response);
	answer_at(s, 9, REASON_NONE, RECORD_SETTLED, NULL);
	wants_end(s);
	assert_int_equal(s->x.reply.outcome, IDEM_OUTCOME_STORED);
}

static void test_release(void **state)
{
	struct story *s = *state;

	notice_at(s, 0, NOTICE_RELEASE);
	assert_int_equal(s->x.op.record.state, RECORD_NONE);
	assert_int_equal(s->x.op.from, RECORD_LOCKED);
	assert_false(s->x.op.keep_response);
	answer_at(s, 1, REASON_NONE, RECORD_LOST, NULL);
	wants_end(s);
	assert_int_equal(s->x.reply.outcome, IDEM_OUTCOME_LOST);
	assert_int_equal(s->x.reply.reason, REASON_NOT_OWNER);
}

static void test_seal(void **state)
{
	struct story *s = *state;

	notice_at(s, 0, NOTICE_SEAL);
	assert_int_equal(s->x.op.record.state, RECORD_SEALED);
	assert_int_equal(s->x.op.from, RECORD_NONE);
	assert_false(s->x.op.keep_response);
	assert_int_equal(s->x.op.record.response.size, 0);
	answer_at(s, 1, REASON_STORE_FAILED, RECORD_SETTLED, NULL);
	wants_end(s);
	assert_int_equal(s->x.reply.outcome, IDEM_OUTCOME_ERROR);
	assert_int_equal(s->x.reply.reason, REASON_STORE_FAILED);
}

static void complete_noticed(struct story *s)
{
	s->response.noticed = true;
	s->response.buffer_size = 1000;
	s->response.headers = core_list(&s->headers, "x: 1\n");
	step(s,
	     (struct exchange_event){
		 .type = EXCHANGE_COMPLETE,
		 .policy = &s->policy,
		 .timeout_ms = TIMEOUT,
		 .ticket = &s->ticket,
		 .response = &s->response,
	     },
	     0);
}

static void test_completion_is_pending(void **state)
{
	struct story *s = *state;

	complete_noticed(s);
	assert_int_equal(s->x.op.record.state, RECORD_PENDING);
	assert_true(s->x.op.record.response.size > 0);
	assert_int_equal(s->x.op.record.expires_ms, T + RESPONSE_TTL);
	answer_at(s, 5, REASON_NONE, RECORD_SETTLED, NULL);
	wants_reply(s);
	assert_int_equal(s->x.reply.outcome, IDEM_OUTCOME_PENDING);
	assert_int_equal(s->x.reply.reason, REASON_BODY_UNCONFIRMED);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_every_cut),
	    cmocka_unit_test(test_decisions),
	    STORY(test_confirm),
	    STORY(test_release),
	    STORY(test_seal),
	    STORY(test_completion_is_pending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
