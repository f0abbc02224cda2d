/* tests/unit/core_story.h: one exchange and its world, for tests that are told
 * as timed stories. Times are ms since the story began. */
#ifndef TESTS_UNIT_CORE_STORY_H
#define TESTS_UNIT_CORE_STORY_H

#include <stdlib.h>

#include "agent/core/exchange.h"
#include "tests/unit/core_check.h"

enum { TIMEOUT = 1000, LOCK_TTL = 60000, RESPONSE_TTL = 86400000 };

static const uint64_t T = 1700000000000; /* when a story begins */

/* One exchange and what it last wanted. */
struct story {
	struct policy policy;
	struct exchange x;
	struct exchange_todo todo;
	uint8_t owner[RECORD_OWNER_SIZE];
	struct idem_request request;
	struct ticket ticket;
	struct core_list headers;
	struct idem_response response;
	struct keyring *keyring; /* NULL: none */
};

static inline int setup(void **state)
{
	struct story *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -1;
	s->policy = (struct policy){
	    .id = 77,
	    .lock_ttl_ms = LOCK_TTL,
	    .response_ttl_ms = RESPONSE_TTL,
	    .retry_after_max_s = 30,
	    .max_body = 1000,
	};
	policy_statuses_set(&s->policy.released, 100, 599, true);
	policy_statuses_set(&s->policy.stored, 200, 299, true);
	memset(s->owner, 'o', sizeof(s->owner));
	memset(s->request.record_key, 'r', RECORD_KEY_SIZE);
	memset(s->request.fingerprint, 'f', RECORD_FINGERPRINT_SIZE);
	s->request.key = spoe_span_of("k-17");
	s->request.replay_room = 1000;
	memset(s->ticket.record_key, 'r', RECORD_KEY_SIZE);
	memset(s->ticket.owner, 'o', RECORD_OWNER_SIZE);
	s->ticket.policy_id = 77;
	s->response.status = 201;
	s->response.headers =
	    core_list(&s->headers, "x: 1\nconnection: x-hop\nx-hop: 1\n"
	                           "content-length: 3\n");
	s->response.body = spoe_span("x\0y", 3);
	s->response.body_size = 3;
	exchange_init(&s->x);
	*state = s;
	return 0;
}

static inline int teardown(void **state)
{
	struct story *s = *state;

	exchange_fini(&s->x);
	free(s);
	return 0;
}

static inline void step(struct story *s, struct exchange_event event,
                        uint64_t at_ms)
{
	event.now_ms = T + at_ms;
	exchange_step(&s->x, &event, &s->todo);
}

static inline void answer_at(struct story *s, uint64_t at_ms,
                             enum reason health, enum record_result result,
                             const struct record *found)
{
	const struct record_answer answer = {
	    .health = health,
	    .result = result,
	    .found = found,
	};

	step(s,
	     (struct exchange_event){
		 .type = EXCHANGE_ANSWER,
		 .answer = &answer,
		 .keyring = s->keyring,
	     },
	     at_ms);
}

static inline void timeout_at(struct story *s, uint64_t at_ms)
{
	step(s, (struct exchange_event){.type = EXCHANGE_TIMEOUT}, at_ms);
}

static inline void gone_at(struct story *s, uint64_t at_ms)
{
	step(s, (struct exchange_event){.type = EXCHANGE_GONE}, at_ms);
}

/* What an exchange wants, in one word each; wake_ms is 0 where not said. */
static inline void wants(const struct story *s, bool submit, bool reply,
                         bool finished)
{
	assert_int_equal(s->todo.submit, submit);
	assert_int_equal(s->todo.reply, reply);
	assert_int_equal(s->todo.finished, finished);
	assert_int_equal(s->todo.wake_ms, 0);
}

static inline void wants_reply(const struct story *s)
{
	wants(s, false, true, true);
	assert_int_equal(s->x.state, EXCHANGE_DONE);
}

static inline void wants_nothing(const struct story *s)
{
	wants(s, false, false, false);
}

static inline void wants_end(const struct story *s)
{
	wants(s, false, false, true);
	assert_int_equal(s->x.state, EXCHANGE_DONE);
}

#define STORY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif
