/* The wire's vocabulary against ours: every argument, every wrong type, every
 * verdict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "agent/messages.h"
#include "spoe/message.h"
#include "tests/support/spop_client.h"

struct payload {
	uint8_t data[8192];
	struct spoe_writer w;
};

static void payload_init(struct payload *p)
{
	p->w = spoe_writer(p->data, sizeof(p->data));
}

static struct spoe_span payload_span(const struct payload *p)
{
	struct spoe_span span = spoe_span(p->data, p->w.size);

	assert_true(spoe_message_valid(span));
	return span;
}

static void assert_span(struct spoe_span span, const char *text)
{
	assert_int_equal(span.size, strlen(text));
	assert_memory_equal(span.data, text, span.size);
}

static void write_number(struct payload *p, const char *name, int64_t number)
{
	struct spoe_data data = spoe_data_int64(number);

	assert_true(spoe_data_write_kv(&p->w, name, &data));
}

static void test_check_arguments(void **state)
{
	struct payload p;
	struct message m;

	(void)state;
	payload_init(&p);
	spop_write_message(&p.w, "idem-check", 11);
	spop_write_text(&p.w, "key", "k-1");
	spop_write_text(&p.w, "key", NULL);
	spop_write_text(&p.w, "scope", "host");
	spop_write_text(&p.w, "scope", NULL);
	spop_write_text(&p.w, "method", "POST");
	spop_write_text(&p.w, "path", "/pay");
	spop_write_text(&p.w, "query", "a=1");
	spop_write_text(&p.w, "body", "{}");
	write_number(&p, "body_size", 77);
	spop_write_text(&p.w, "digest", "sha-256=x");
	spop_write_text(&p.w, "policy", "payments");
	messages_read(payload_span(&p), &m);
	assert_int_equal(m.kind, MESSAGE_CHECK);
	assert_int_equal(m.reason, REASON_NONE);
	assert_int_equal(m.check.n_keys, 1);
	assert_span(m.check.key, "k-1");
	assert_int_equal(m.check.n_scopes, 2);
	assert_span(m.check.scopes[0], "host");
	assert_span(m.check.scopes[1], "");
	assert_span(m.check.request.method, "POST");
	assert_span(m.check.request.path, "/pay");
	assert_span(m.check.request.query, "a=1");
	assert_span(m.check.request.body, "{}");
	assert_int_equal(m.check.request.body_size, 77);
	assert_true(m.check.request.has_digest);
	assert_span(m.check.request.digest, "sha-256=x");
	assert_span(m.check.policy, "payments");
	assert_int_equal(m.unknown_arguments + m.unknown_messages, 0);
}

static void test_complete_arguments(void **state)
{
	struct payload p;
	struct message m;

	(void)state;
	payload_init(&p);
	spop_write_message(&p.w, "idem-complete", 4);
	spop_write_text(&p.w, "ticket", "T");
	write_number(&p, "status", 201);
	spop_write_text(&p.w, "headers", "");
	spop_write_text(&p.w, "body", "hello");
	messages_read(payload_span(&p), &m);
	assert_int_equal(m.kind, MESSAGE_COMPLETE);
	assert_int_equal(m.reason, REASON_NONE);
	assert_span(m.complete.ticket, "T");
	assert_int_equal(m.complete.response.status, 201);
	assert_span(m.complete.response.body, "hello");
	/* Not given: as large as what is there. */
	assert_int_equal(m.complete.response.body_size, 5);
}

static void test_absent_samples_are_absent(void **state)
{
	static const char *const names[] = {"key",    "method",   "path",
	                                    "query",  "body",     "digest",
	                                    "policy", "body_size"};
	struct payload p;
	struct message m;

	(void)state;
	payload_init(&p);
	spop_write_message(&p.w, "idem-check", 8);
	for (size_t i = 0; i < 8; i++)
		spop_write_text(&p.w, names[i], NULL);
	messages_read(payload_span(&p), &m);
	assert_int_equal(m.reason, REASON_NONE);
	assert_int_equal(m.check.n_keys, 0);
	assert_int_equal(m.check.request.body_size, 0);
	assert_false(m.check.request.has_digest);
}

static void test_an_empty_digest_does_not_replace_the_body(void **state)
{
	struct payload p;
	struct message m;

	(void)state;
	payload_init(&p);
	spop_write_message(&p.w, "idem-check", 1);
	spop_write_text(&p.w, "digest", "");
	messages_read(payload_span(&p), &m);
	assert_false(m.check.request.has_digest);
}

static void test_two_keys_are_counted(void **state)
{
	struct payload p;
	struct message m;

	(void)state;
	payload_init(&p);
	spop_write_message(&p.w, "idem-check", 3);
	spop_write_text(&p.w, "key", "");
	spop_write_text(&p.w, "key", "a");
	spop_write_text(&p.w, "key", "b");
	messages_read(payload_span(&p), &m);
	assert_int_equal(m.check.n_keys, 2);
	assert_span(m.check.key, "a");
}

/* Every argument of every message, given as a boolean, is refused. */
static void test_wrong_types(void **state)
{
	static const struct {
		const char *message;
		const char *name;
	} rows[] = {
	    {"idem-check", "key"},       {"idem-check", "scope"},
	    {"idem-check", "method"},    {"idem-check", "path"},
	    {"idem-check", "query"},     {"idem-check", "body"},
	    {"idem-check", "body_size"}, {"idem-check", "digest"},
	    {"idem-check", "policy"},    {"idem-complete", "ticket"},
	    {"idem-complete", "status"}, {"idem-complete", "headers"},
	    {"idem-complete", "body"},   {"idem-complete", "body_size"},
	};
	struct spoe_data boolean = {.type = SPOE_TYPE_BOOL, .boolean = true};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct payload p;
		struct message m;

		payload_init(&p);
		spop_write_message(&p.w, rows[i].message, 1);
		spoe_data_write_kv(&p.w, rows[i].name, &boolean);
		messages_read(payload_span(&p), &m);
		assert_int_equal(m.reason, REASON_BAD_ARGUMENT);
	}
}

static void test_negative_sizes_are_refused(void **state)
{
	struct payload p;
	struct message m;

	(void)state;
	payload_init(&p);
	spop_write_message(&p.w, "idem-check", 1);
	write_number(&p, "body_size", -1);
	messages_read(payload_span(&p), &m);
	assert_int_equal(m.reason, REASON_BAD_ARGUMENT);
}

static void test_repeated_arguments(void **state)
{
	struct payload p;
	struct message m;

	(void)state;
	payload_init(&p);
	spop_write_message(&p.w, "idem-check", 2);
	spop_write_text(&p.w, "path", "/a");
	spop_write_text(&p.w, "path", "/b");
	messages_read(payload_span(&p), &m);
	assert_int_equal(m.reason, REASON_REPEATED_ARGUMENT);
}

static void test_too_many_scopes(void **state)
{
	struct payload p;
	struct message m;

	(void)state;
	payload_init(&p);
	spop_write_message(&p.w, "idem-check", DIGEST_SCOPES_MAX + 1);
	for (size_t i = 0; i <= DIGEST_SCOPES_MAX; i++)
		spop_write_text(&p.w, "scope", "s");
	messages_read(payload_span(&p), &m);
	assert_int_equal(m.reason, REASON_TOO_MANY_SCOPES);
}

static void test_unknown_names_are_counted(void **state)
{
	struct payload p;
	struct message m;

	(void)state;
	payload_init(&p);
	spop_write_message(&p.w, "other", 1);
	spop_write_text(&p.w, "x", "y");
	spop_write_message(&p.w, "idem-check", 2);
	spop_write_text(&p.w, "colour", "red");
	spop_write_text(&p.w, "key", "k");
	/* A second message of ours is one too many. */
	spop_write_message(&p.w, "idem-complete", 0);
	messages_read(payload_span(&p), &m);
	assert_int_equal(m.kind, MESSAGE_CHECK);
	assert_int_equal(m.reason, REASON_NONE);
	assert_span(m.check.key, "k");
	assert_int_equal(m.unknown_messages, 2);
	assert_int_equal(m.unknown_arguments, 1);
	assert_span(m.unknown_name, "other");
}

static void test_nothing_of_ours(void **state)
{
	struct message m;

	(void)state;
	messages_read(spoe_span(NULL, 0), &m);
	assert_int_equal(m.kind, MESSAGE_NONE);
}

/* A session as it is after HELLO with `max_frame_size`. */
static struct spoe_session ready_session(uint32_t max_frame_size)
{
	struct spoe_session_options options = {.max_frame_size =
	                                           max_frame_size};
	struct spoe_session s;

	spoe_session_init(&s, &options);
	s.state = SPOE_SESSION_READY;
	s.max_frame_size = max_frame_size;
	return s;
}

/* Writes `reply` as an ACK and reads it back as HAProxy would. */
static bool round_trip(const struct spoe_session *s,
                       const struct exchange_reply *reply, uint8_t *buffer,
                       size_t size, struct spop_reply *ret_reply)
{
	struct spoe_ack ack;
	struct spoe_reader r;
	struct spoe_frame_head head;
	size_t sent;

	assert_true(spoe_ack_begin(&ack, s, 9, 1, spoe_writer(buffer, size)));
	messages_write(&ack, reply);
	sent = spoe_ack_finish(&ack);
	if (sent == 0)
		return false;
	assert_true(sent <= spoe_ack_capacity(s));
	r = spoe_reader(
	    spoe_span(buffer + SPOE_FRAME_PREFIX, sent - SPOE_FRAME_PREFIX));
	assert_true(spoe_frame_head_read(&r, &head));
	assert_int_equal(head.type, SPOE_FRAME_ACK);
	assert_true(spop_read_actions(spoe_span(r.at, r.left), ret_reply));
	return true;
}

static void test_every_verdict_comes_first(void **state)
{
	struct spoe_session s = ready_session(16380);
	uint8_t buffer[16384];

	(void)state;
	for (int v = 0; v < IDEM_VERDICTS; v++) {
		struct exchange_reply reply = {
		    .is_check = true,
		    .answer = {.verdict = (enum idem_verdict)v,
		               .reason = REASON_RUNNING,
		               .retry_after_s = 3,
		               .age_s = 4,
		               .expires_s = 5,
		               .response = {.status = 201}},
		};
		struct spop_reply got;

		assert_true(
		    round_trip(&s, &reply, buffer, sizeof(buffer), &got));
		assert_string_equal(got.first, "verdict");
		assert_string_equal(got.verdict,
		                    idem_verdict_text(reply.answer.verdict));
		assert_string_equal(got.reason, reason_text(REASON_RUNNING));
		assert_int_equal(strlen(got.ticket),
		                 v == IDEM_PROCEED ? TICKET_TEXT_SIZE : 0);
		assert_int_equal(got.retry_after, v == IDEM_CONFLICT ? 3 : -1);
		assert_int_equal(got.status, v == IDEM_CACHED ? 201 : -1);
		assert_int_equal(got.age, v == IDEM_CACHED ? 4 : -1);
		assert_int_equal(got.expires, 5);
	}
}

static void test_every_outcome_comes_first(void **state)
{
	struct spoe_session s = ready_session(16380);
	uint8_t buffer[16384];

	(void)state;
	for (int o = 0; o < IDEM_OUTCOMES; o++) {
		struct exchange_reply reply = {
		    .outcome = (enum idem_outcome)o,
		    .expires_s = o % 2 == 0 ? 5 : 0,
		};
		struct spop_reply got;

		assert_true(
		    round_trip(&s, &reply, buffer, sizeof(buffer), &got));
		assert_string_equal(got.first, "outcome");
		assert_string_equal(got.outcome, idem_outcome_text(o));
		assert_int_equal(got.expires, o % 2 == 0 ? 5 : -1);
	}
}

/* A replay of exactly messages_replay_room() bytes fits, whatever the frame
 * size; the largest numbers included. */
static void test_the_replay_room_is_enough(void **state)
{
	static const uint32_t sizes[] = {256,   1000,   4096,
	                                 16380, 262140, 1 << 20};
	uint8_t *buffer = malloc((1 << 20) + 64);
	uint8_t *body = calloc(1, 1 << 20);

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct spoe_session s = ready_session(sizes[i]);
		size_t room = messages_replay_room(&s);
		struct exchange_reply reply = {
		    .is_check = true,
		    .answer = {.verdict = IDEM_CACHED,
		               .age_s = INT64_MAX,
		               .expires_s = INT64_MAX},
		};
		struct spop_reply got;

		reply.answer.response.status = 599;
		reply.answer.response.headers = spoe_span(body, room / 3);
		reply.answer.response.body = spoe_span(body, room - room / 3);
		assert_true(
		    round_trip(&s, &reply, buffer, (1 << 20) + 64, &got));
		assert_int_equal(got.headers.size + got.body.size, room);
	}
	free(body);
	free(buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_check_arguments),
	    cmocka_unit_test(test_complete_arguments),
	    cmocka_unit_test(test_absent_samples_are_absent),
	    cmocka_unit_test(test_an_empty_digest_does_not_replace_the_body),
	    cmocka_unit_test(test_two_keys_are_counted),
	    cmocka_unit_test(test_wrong_types),
	    cmocka_unit_test(test_negative_sizes_are_refused),
	    cmocka_unit_test(test_repeated_arguments),
	    cmocka_unit_test(test_too_many_scopes),
	    cmocka_unit_test(test_unknown_names_are_counted),
	    cmocka_unit_test(test_nothing_of_ours),
	    cmocka_unit_test(test_every_verdict_comes_first),
	    cmocka_unit_test(test_every_outcome_comes_first),
	    cmocka_unit_test(test_the_replay_room_is_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
