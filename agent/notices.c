#include "agent/notices.h"

#include <assert.h>
#include <stdlib.h>

#include "agent/clock.h"
#include "agent/core/exchange.h"
#include "agent/log.h"
#include "agent/meter.h"
#include "agent/store/store.h"
#include "agent/waiters.h"

/* A notice from its line until the store has answered. */
struct settling {
	struct exchange exchange;
	struct store_call call;
	struct notices *notices;
	struct config *config; /* a reference: the exchange borrows a policy */
	uint64_t asked_us;     /* when the store was, monotonic */
	struct settling *next; /* all that live, or all that are spare */
	struct settling *prev;
};

struct notices {
	struct store_client *store;
	struct waiters *waiters;
	struct meter *meter;
	struct config *config;
	struct settling *first;
	struct settling *spare;
	size_t busy;
	struct notices_counters counters;
};

static const char *const texts[NOTICES_COUNTERS] = {
#define NOTICES_COUNTER(name, text) [NOTICES_##name] = text,
#include "agent/notices.def"
#undef NOTICES_COUNTER
};

const char *notices_counter_text(enum notices_counter counter)
{
	assert(counter < NOTICES_COUNTERS);
	return texts[counter];
}

static void count(struct notices *n, enum notices_counter counter)
{
	counter_add(&n->counters.counts[counter], 1);
}

/* Counts and logs what became of a notice. */
static void end(struct notices *n, const struct exchange *x)
{
	static const enum notices_counter counters[IDEM_OUTCOMES] = {
	    [IDEM_OUTCOME_STORED] = NOTICES_CONFIRMED,
	    [IDEM_OUTCOME_RELEASED] = NOTICES_RELEASED,
	    [IDEM_OUTCOME_SEALED] = NOTICES_SEALED,
	    [IDEM_OUTCOME_LOST] = NOTICES_LOST,
	    [IDEM_OUTCOME_ERROR] = NOTICES_FAILED,
	};
	const enum idem_outcome outcome = x->reply.outcome;
	enum log_event event = outcome == IDEM_OUTCOME_ERROR
	                           ? LOG_OUTCOME_NOTICE_ERROR
	                           : LOG_OUTCOME_NOTICE;

	assert(outcome != IDEM_OUTCOME_PENDING);
	count(n, counters[outcome]);
	log_record(event, "outcome", idem_outcome_text(outcome),
	           reason_text(x->reply.reason), x->op.record_key);
}

static void on_store_done(struct store_call *call,
                          const struct record_answer *answer);

/* NULL when there are too many or memory is short. */
static struct settling *settling_new(struct notices *n)
{
	struct settling *s = n->spare;

	if (n->busy == NOTICES_BUSY_MAX)
		return NULL;
	if (s)
		n->spare = s->next;
	else
		s = malloc(sizeof(*s));
	if (!s)
		return NULL;
	exchange_init(&s->exchange);
	s->call.done = on_store_done;
	s->notices = n;
	s->config = config_ref(n->config);
	s->prev = NULL;
	s->next = n->first;
	if (s->next)
		s->next->prev = s;
	n->first = s;
	n->busy++;
	return s;
}

static void settling_free(struct settling *s)
{
	struct notices *n = s->notices;

	exchange_fini(&s->exchange);
	config_unref(s->config);
	if (s->prev)
		s->prev->next = s->next;
	else
		n->first = s->next;
	if (s->next)
		s->next->prev = s->prev;
	s->next = n->spare;
	n->spare = s;
	n->busy--;
}

static void step(struct settling *s, const struct exchange_event *event)
{
	struct notices *n = s->notices;
	struct exchange_todo todo;

	exchange_step(&s->exchange, event, &todo);
	if (todo.submit) {
		s->call.op = s->exchange.op;
		store_submit(n->store, &s->call);
	}
	if (todo.finished) {
		end(n, &s->exchange);
		settling_free(s);
	}
}

static void on_store_done(struct store_call *call,
                          const struct record_answer *answer)
{
	struct settling *s =
	    (struct settling *)((char *)call - offsetof(struct settling, call));
	const struct clock_moment moment = clock_moment();
	const struct exchange_event event = {
	    .type = EXCHANGE_ANSWER,
	    .now_ms = moment.now_ms,
	    .answer = answer,
	};

	meter_count(s->notices->meter, &call->op, answer,
	            moment.monotonic_us - s->asked_us);
	waiters_heed(s->notices->waiters, &call->op, answer);
	step(s, &event);
}

static void settle(struct notices *n, const struct notice *notice,
                   enum notice_action action)
{
	struct settling *s = settling_new(n);
	const struct clock_moment moment = clock_moment();
	struct exchange_event event = {
	    .type = EXCHANGE_NOTICE,
	    .now_ms = moment.now_ms,
	    .ticket = &notice->ticket,
	    .action = action,
	};

	if (!s) {
		count(n, NOTICES_OVERLOADED);
		return;
	}
	event.policy = config_policy_by_id(s->config, notice->ticket.policy_id);
	s->asked_us = moment.monotonic_us;
	step(s, &event);
}

static void act(struct notices *n, const struct notice *notice)
{
	const enum notice_action action = notice_decide(
	    notice, config_policy_by_id(n->config, notice->ticket.policy_id));

	if (action == NOTICE_NOTHING)
		count(n, NOTICES_SETTLED_BEFORE);
	else if (action == NOTICE_HOLD)
		count(n, NOTICES_HELD);
	else
		settle(n, notice, action);
}

void notices_line(struct notices *n, struct spoe_span line)
{
	struct notice notice;

	count(n, NOTICES_LINES);
	switch (notice_read(line, &notice)) {
	case NOTICE_PRESENT:
		act(n, &notice);
		break;
	case NOTICE_MALFORMED:
		count(n, NOTICES_MALFORMED);
		break;
	case NOTICE_REPEATED:
		count(n, NOTICES_REPEATED);
		break;
	case NOTICE_ABSENT:
		break;
	}
}

void notices_dropped(struct notices *n, uint64_t lines)
{
	counter_add(&n->counters.counts[NOTICES_DROPPED], lines);
	log_event(LOG_NOTICES_DROPPED, LOG_INT("lines", lines));
}

struct notices *notices_new(struct store_client *store, struct waiters *waiters,
                            struct meter *meter, struct config *config)
{
	struct notices *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->store = store;
	n->waiters = waiters;
	n->meter = meter;
	n->config = config_ref(config);
	return n;
}

void notices_free(struct notices *n)
{
	if (!n)
		return;
	while (n->first) {
		store_cancel(n->store, &n->first->call);
		settling_free(n->first);
	}
	while (n->spare) {
		struct settling *s = n->spare;

		n->spare = s->next;
		free(s);
	}
	config_unref(n->config);
	free(n);
}

void notices_set_config(struct notices *n, struct config *config)
{
	struct config *old = n->config;

	n->config = config_ref(config);
	config_unref(old);
}

size_t notices_busy(const struct notices *n)
{
	return n->busy;
}

const struct notices_counters *notices_counters(const struct notices *n)
{
	return &n->counters;
}
