#include <assert.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include "agent/clock.h"
#include "agent/core/digest.h"
#include "agent/log.h"
#include "agent/messages.h"
#include "agent/meter.h"
#include "agent/service_private.h"

/* How often the time-outs of exchanges are looked at: their resolution. */
static const double TICK_S = 0.02;

uint64_t service_now_ms(struct service *s)
{
	const struct clock_moment moment = clock_moment();

	s->now_us = moment.monotonic_us;
	return moment.now_ms;
}

/* The next owner token; NULL when OpenSSL has no randomness to give. */
static const uint8_t *service_owner(struct service *s)
{
	if (s->random_left == 0) {
		if (RAND_bytes(s->random, sizeof(s->random)) != 1)
			return NULL;
		s->random_left = sizeof(s->random);
	}
	s->random_left -= RECORD_OWNER_SIZE;
	return s->random + s->random_left;
}

static struct pending_list *list_of(struct pending *p)
{
	return p->waiting ? &p->service->waiting : &p->service->live;
}

void service_list_append(struct pending *p)
{
	struct pending_list *list = list_of(p);

	p->next = NULL;
	p->prev = list->last;
	if (list->last)
		list->last->next = p;
	else
		list->first = p;
	list->last = p;
}

void service_list_remove(struct pending *p)
{
	struct pending_list *list = list_of(p);

	if (p->prev)
		p->prev->next = p->next;
	else
		list->first = p->next;
	if (p->next)
		p->next->prev = p->prev;
	else
		list->last = p->prev;
}

static void on_store_done(struct store_call *call,
                          const struct record_answer *answer);

/* NULL when the bound on exchanges is reached or memory is short. */
static struct pending *pending_new(struct service *s, struct notify *n,
                                   enum reason *ret_reason)
{
	struct pending *p = s->spare;

	*ret_reason = REASON_OVERLOADED;
	if (s->exchanges == SERVICE_EXCHANGES_MAX)
		return NULL;
	*ret_reason = REASON_NO_MEMORY;
	if (p)
		s->spare = p->next;
	else
		p = malloc(sizeof(*p));
	if (!p)
		return NULL;
	exchange_init(&p->exchange);
	p->call.done = on_store_done;
	p->service = s;
	p->config = config_ref(s->config);
	p->notify = n;
	p->wake_ms = 0;
	p->late = false;
	p->response_size = 0;
	service_wait_init(p);
	n->owner = p;
	service_list_append(p);
	s->exchanges++;
	return p;
}

static void pending_free(struct pending *p)
{
	struct service *s = p->service;

	service_wait_fini(p);
	exchange_fini(&p->exchange);
	config_unref(p->config);
	if (p->late)
		counter_sub(&s->counters.late, 1);
	s->responses_size -= p->response_size;
	s->exchanges--;
	service_list_remove(p);
	p->next = s->spare;
	s->spare = p;
}

/* Answers a check that needs no exchange; `policy` may be NULL. */
static void reply_verdict(struct service *s, struct notify *n,
                          const struct policy *policy,
                          enum idem_verdict verdict, enum reason reason)
{
	struct exchange_reply reply = {
	    .is_check = true,
	    .answer = {.verdict = verdict, .reason = reason},
	};

	service_reply(s, n, policy, &reply, NULL);
}

/* Answers a completion that needs no exchange. */
static void reply_outcome(struct service *s, struct notify *n,
                          enum reason reason)
{
	struct exchange_reply reply = {
	    .outcome = IDEM_OUTCOME_ERROR,
	    .reason = reason,
	};

	service_reply(s, n, NULL, &reply, NULL);
}

/* Sends the exchange's reply, if somebody waits for it; false when it cannot go
 * out. */
static bool pending_reply(struct pending *p)
{
	struct service *s = p->service;
	struct exchange *x = &p->exchange;
	struct notify *n = p->notify;

	if (!n)
		return true;
	/* Unless it is tracked, `n` is not ours any more. */
	p->notify = NULL;
	n->owner = NULL;
	if (p->waited && x->reply.answer.verdict == IDEM_CONFLICT)
		counter_add(&s->counters.waits_over, 1);
	if (!service_reply(s, n, x->policy, &x->reply, x->op.record_key))
		return false;
	if (service_reply_grants(&x->reply)) {
		p->notify = n;
		n->owner = p;
	}
	return true;
}

/* The reply does not go out: what it granted is given back. */
static void pending_untold(struct pending *p)
{
	const struct exchange_event event = {
	    .type = EXCHANGE_UNTOLD,
	    .now_ms = service_now_ms(p->service),
	};

	service_step(p, &event);
}

/* Carries out what the exchange says. May free `p`. */
static void pending_do(struct pending *p, const struct exchange_todo *todo)
{
	struct service *s = p->service;
	struct exchange *x = &p->exchange;

	if (todo->reply && !pending_reply(p) && todo->finished) {
		pending_untold(p);
		return;
	}
	p->wake_ms = todo->wait ? 0 : todo->wake_ms;
	if (p->wake_ms && !ev_is_active(&s->tick))
		ev_timer_again(s->loop, &s->tick);
	if (x->state == EXCHANGE_RELEASING && todo->submit)
		counter_add(&s->counters.given_back, 1);
	if (todo->submit) {
		if (x->state == EXCHANGE_CLAIMING)
			service_wait_look(p);
		p->call.op = x->op;
		p->asked_us = s->now_us;
		store_submit(s->store, &p->call);
	}
	/* Else told() or gone() is to follow. */
	if (todo->finished && !p->notify)
		pending_free(p);
	else if (todo->wait)
		service_wait_begin(p, todo->wake_ms);
}

void service_step(struct pending *p, const struct exchange_event *event)
{
	struct exchange_todo todo;

	exchange_step(&p->exchange, event, &todo);
	pending_do(p, &todo);
}

static void on_store_done(struct store_call *call,
                          const struct record_answer *answer)
{
	struct pending *p =
	    (struct pending *)((char *)call - offsetof(struct pending, call));
	struct service *s = p->service;
	struct exchange_event event = {
	    .type = EXCHANGE_ANSWER,
	    .now_ms = service_now_ms(s),
	    .answer = answer,
	    /* The one in force: it may have been encrypted with a key that
	     * came after the request. */
	    .keyring = p->service->config->keyring,
	};

	meter_count(s->meter, &call->op, answer, s->now_us - p->asked_us);
	waiters_heed(s->waiters, &call->op, answer);
	service_step(p, &event);
}

/* The store has had its time; its answer is awaited all the same. */
static void be_late(struct pending *p, const struct exchange_event *event)
{
	if (!p->late)
		counter_add(&p->service->counters.late, 1);
	p->late = true;
	service_step(p, event);
}

/* The list is in the order in which the store was asked, and so, but for a
 * reload, of time-outs: the first that is not due ends the walk. */
static void on_tick(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct service *s = timer->data;
	uint64_t now_ms = service_now_ms(s);
	bool waiting = false;
	struct pending *p;
	struct pending *next;

	(void)loop;
	(void)revents;
	for (p = s->live.first; p && !waiting; p = next) {
		struct exchange_event event = {.type = EXCHANGE_TIMEOUT,
		                               .now_ms = now_ms};

		next = p->next;
		if (p->wake_ms && p->wake_ms > now_ms)
			waiting = true;
		else if (p->wake_ms)
			be_late(p, &event);
	}
	if (!waiting)
		ev_timer_stop(s->loop, &s->tick);
}

/* What the key, the policy and the hashes of a check come to: REASON_NONE, or
 * why it is invalid (or, REASON_INTERNAL, an error). */
static enum reason prepare_check(struct service *s, const struct message *m,
                                 struct key *ret_key,
                                 const struct policy **ret_policy,
                                 struct idem_request *ret_request)
{
	const struct message_check *check = &m->check;
	enum reason reason = m->reason;

	if (reason == REASON_NONE && check->n_keys > 1)
		reason = REASON_KEY_REPEATED;
	if (reason == REASON_NONE)
		reason = key_parse(check->key, ret_key);
	if (reason != REASON_NONE)
		return reason;
	*ret_policy = config_policy(s->config, check->policy);
	if (!*ret_policy)
		return REASON_NO_POLICY;
	ret_request->key = key_span(ret_key);
	ret_request->body_partial =
	    digest_body_partial(&check->request, *ret_policy);
	ret_request->head =
	    spoe_span_equal(check->request.method, spoe_span_of("HEAD"));
	if (!digest_record_key(s->digest, check->scopes, check->n_scopes,
	                       ret_request->key, ret_request->record_key) ||
	    !digest_fingerprint(s->digest, &check->request, *ret_policy,
	                        ret_request->fingerprint))
		return REASON_INTERNAL;
	return idem_admit(ret_request, *ret_policy);
}

static void start_check(struct service *s, struct notify *n,
                        const struct policy *policy,
                        const struct idem_request *request)
{
	struct exchange_event event = {
	    .type = EXCHANGE_CHECK,
	    .now_ms = service_now_ms(s),
	    .policy = policy,
	    .timeout_ms = s->config->answer_timeout_ms,
	    .look_ms = s->config->wait_interval_ms,
	    .request = request,
	    .owner = service_owner(s),
	};
	enum reason reason = REASON_INTERNAL;
	struct pending *p = NULL;

	if (event.owner)
		p = pending_new(s, n, &reason);
	if (!p) {
		reply_verdict(s, n, policy, IDEM_ERROR, reason);
		return;
	}
	service_step(p, &event);
}

static void take_check(struct service *s, struct notify *n,
                       const struct message *m)
{
	struct key key;
	const struct policy *policy = NULL;
	struct idem_request request = {
	    .replay_room =
		messages_replay_room(connection_session(n->connection)),
	};
	enum reason reason;

	if (m->reason == REASON_NONE && m->check.n_keys == 0) {
		reply_verdict(s, n, NULL, IDEM_MISSING, REASON_NONE);
		return;
	}
	reason = prepare_check(s, m, &key, &policy, &request);
	if (reason == REASON_NONE)
		start_check(s, n, policy, &request);
	else if (reason == REASON_INTERNAL)
		reply_verdict(s, n, policy, IDEM_ERROR, reason);
	else
		reply_verdict(s, n, policy, IDEM_INVALID, reason);
}

/* The policy of a ticket; "default", with a word about it, when it is gone. */
static const struct policy *ticket_policy(struct service *s,
                                          const struct ticket *ticket)
{
	const struct policy *policy =
	    config_policy_by_id(s->config, ticket->policy_id);

	if (policy->id != ticket->policy_id)
		log_event(LOG_POLICY_GONE);
	return policy;
}

static void start_complete(struct service *s, struct notify *n,
                           const struct ticket *ticket,
                           const struct idem_response *response)
{
	size_t size = response->headers.size + response->body.size;
	struct exchange_event event = {
	    .type = EXCHANGE_COMPLETE,
	    .now_ms = service_now_ms(s),
	    .policy = ticket_policy(s, ticket),
	    .timeout_ms = s->config->answer_timeout_ms,
	    .ticket = ticket,
	    .response = response,
	    .keyring = s->config->keyring,
	};
	enum reason reason = REASON_OVERLOADED;
	struct pending *p = NULL;

	if (s->responses_size + size <= SERVICE_RESPONSES_MAX)
		p = pending_new(s, n, &reason);
	if (!p) {
		reply_outcome(s, n, reason);
		return;
	}
	p->response_size = size;
	s->responses_size += size;
	service_step(p, &event);
}

/* HAProxy offers tune.bufsize - 4 as its largest frame. */
static size_t buffer_size(const struct notify *n)
{
	return connection_session(n->connection)->max_frame_size;
}

static void take_complete(struct service *s, struct notify *n,
                          const struct message *m)
{
	struct idem_response response = m->complete.response;
	struct ticket ticket;

	if (m->reason != REASON_NONE) {
		reply_outcome(s, n, m->reason);
		return;
	}
	if (!ticket_decode(m->complete.ticket, &ticket)) {
		reply_outcome(s, n, REASON_BAD_TICKET);
		return;
	}
	response.noticed = s->noticed;
	response.buffer_size = buffer_size(n);
	start_complete(s, n, &ticket, &response);
}

static void count_unknown(struct service *s, const struct message *m)
{
	char name[64];

	if (m->unknown_arguments + m->unknown_messages == 0)
		return;
	counter_add(&s->counters.unknown_arguments, m->unknown_arguments);
	counter_add(&s->counters.unknown_messages, m->unknown_messages);
	snprintf(name, sizeof(name), "%.*s", (int)m->unknown_name.size,
	         (const char *)m->unknown_name.data);
	log_event(m->unknown_arguments ? LOG_UNKNOWN_ARGUMENT
	                               : LOG_UNKNOWN_MESSAGE,
	          LOG_TEXT("name", name));
}

void service_notify(struct service *s, struct notify *n,
                    struct spoe_span payload)
{
	struct message message;
	struct spoe_ack ack;

	n->owner = NULL;
	messages_read(payload, &message);
	count_unknown(s, &message);
	switch (message.kind) {
	case MESSAGE_CHECK:
		message.check.request.partial_max = buffer_size(n) / 2;
		take_check(s, n, &message);
		break;
	case MESSAGE_COMPLETE:
		take_complete(s, n, &message);
		break;
	case MESSAGE_NONE:
		notify_ack_begin(n, &ack);
		messages_write_nothing(&ack);
		notify_ack_send(n, &ack);
		break;
	}
}

void service_gone(struct service *s, struct notify *n)
{
	struct pending *p = n->owner;

	if (!p)
		return;
	assert(p->notify == n);
	p->notify = NULL;
	if (p->exchange.state == EXCHANGE_DONE) {
		pending_untold(p);
		return;
	}
	if (p->waited)
		counter_add(&s->counters.waits_gone, 1);
	service_step(p, &(struct exchange_event){
			    .type = EXCHANGE_GONE,
			    .now_ms = service_now_ms(s),
			});
}

void service_told(struct service *s, struct notify *n)
{
	struct pending *p = n->owner;

	(void)s;
	assert(p->notify == n && p->exchange.state == EXCHANGE_DONE);
	pending_free(p);
}

struct service *service_new(struct ev_loop *loop, struct store_client *store,
                            struct waiters *waiters, struct meter *meter,
                            struct config *config)
{
	struct service *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->digest = digest_new();
	s->waiters_client = waiters_attach(waiters, loop);
	if (!s->digest || !s->waiters_client) {
		waiters_detach(s->waiters_client);
		digest_free(s->digest);
		free(s);
		return NULL;
	}
	s->loop = loop;
	s->store = store;
	s->waiters = waiters;
	s->meter = meter;
	s->config = config_ref(config);
	s->noticed = config->n_notices_listen > 0;
	ev_timer_init(&s->tick, on_tick, 0., TICK_S);
	s->tick.data = s;
	return s;
}

void service_free(struct service *s)
{
	if (!s)
		return;
	ev_timer_stop(s->loop, &s->tick);
	while (s->live.first) {
		store_cancel(s->store, &s->live.first->call);
		pending_free(s->live.first);
	}
	while (s->waiting.first)
		pending_free(s->waiting.first);
	while (s->spare) {
		struct pending *p = s->spare;

		s->spare = p->next;
		free(p);
	}
	waiters_detach(s->waiters_client);
	digest_free(s->digest);
	config_unref(s->config);
	free(s);
}

void service_set_config(struct service *s, struct config *config)
{
	struct config *old = s->config;

	s->config = config_ref(config);
	config_unref(old);
}

size_t service_exchanges(const struct service *s)
{
	return s->exchanges;
}

const struct service_counters *service_counters(const struct service *s)
{
	return &s->counters;
}
