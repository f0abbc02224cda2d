#include "agent/core/exchange.h"

#include "agent/core/headers.h"

#include <assert.h>
#include <stdlib.h>

/* A waiter looks so many times its first interval apart, at most. */
enum { LOOK_GROWTH = 16 };

void exchange_init(struct exchange *x)
{
	/* Not the key, a third of it, which a check fills in. */
	memset(x, 0, offsetof(struct exchange, key));
}

void exchange_fini(struct exchange *x)
{
	free(x->response);
	x->response = NULL;
}

static void reply_verdict(struct exchange *x, enum idem_verdict verdict,
                          enum reason reason, struct exchange_todo *todo)
{
	x->reply.answer = (struct idem_answer){
	    .verdict = verdict,
	    .reason = reason,
	};
	x->reply.reason = reason;
	x->replied = true;
	todo->reply = true;
}

static void reply_outcome(struct exchange *x, enum idem_outcome outcome,
                          enum reason reason, struct exchange_todo *todo)
{
	x->reply.outcome = outcome;
	x->reply.reason = reason;
	x->replied = true;
	todo->reply = true;
}

static void reply_error(struct exchange *x, enum reason reason,
                        struct exchange_todo *todo)
{
	if (x->reply.is_check)
		reply_verdict(x, IDEM_ERROR, reason, todo);
	else
		reply_outcome(x, IDEM_OUTCOME_ERROR, reason, todo);
}

static void finish(struct exchange *x, struct exchange_todo *todo)
{
	x->state = EXCHANGE_DONE;
	todo->finished = true;
}

static void submit(struct exchange *x, enum exchange_state state,
                   enum record_op_type type, uint64_t now_ms,
                   struct exchange_todo *todo)
{
	x->state = state;
	x->op.type = type;
	x->op.now_ms = now_ms;
	todo->submit = true;
}

/* Asks for the lock: at first, and whenever a waiter looks again. */
static void claim(struct exchange *x, uint64_t now_ms,
                  struct exchange_todo *todo)
{
	idem_lock(&x->request, x->policy, x->reply.ticket.owner, now_ms,
	          &x->op.record);
	submit(x, EXCHANGE_CLAIMING, RECORD_OP_CLAIM, now_ms, todo);
	todo->wake_ms = now_ms + x->timeout_ms;
	x->late_ms = x->op.record.deadline_ms < todo->wake_ms
	                 ? x->op.record.deadline_ms
	                 : todo->wake_ms;
}

static void check(struct exchange *x, const struct exchange_event *event,
                  struct exchange_todo *todo)
{
	const struct idem_request *request = event->request;
	struct ticket *ticket = &x->reply.ticket;

	assert(request->key.size <= KEY_MAX);
	x->policy = event->policy;
	x->request = *request;
	x->key.size = (uint8_t)request->key.size;
	memcpy(x->key.text, request->key.data, request->key.size);
	x->request.key = key_span(&x->key);

	x->reply.is_check = true;
	memcpy(ticket->record_key, request->record_key, RECORD_KEY_SIZE);
	memcpy(ticket->owner, event->owner, RECORD_OWNER_SIZE);
	ticket->policy_id = x->policy->id;
	ticket->head = request->head;

	memcpy(x->op.record_key, request->record_key, RECORD_KEY_SIZE);
	x->timeout_ms = event->timeout_ms;
	if (x->policy->wait_ms > 0)
		x->wait_until_ms = event->now_ms + x->policy->wait_ms;
	x->look_ms = event->look_ms;
	x->look_max_ms = LOOK_GROWTH * event->look_ms;
	claim(x, event->now_ms, todo);
}

/* Encodes what will be replayed; x->response owns it. False when out of
 * memory. */
static bool encode_response(struct exchange *x,
                            const struct idem_response *response,
                            struct spoe_span *ret_encoded)
{
	/* The filter adds an end mark where there was no list at all. It
	 * writes behind the place of the encoded response, which begins with
	 * the size of what it keeps. */
	const struct spoe_span most =
	    spoe_span(response->headers.data, response->headers.size + 2);
	const size_t capacity = record_response_capacity(most, response->body);
	struct record_response kept = {
	    .status = (uint16_t)response->status,
	    .body = response->body,
	};
	struct spoe_writer headers, out;
	bool done;

	x->response = malloc(capacity + most.size);
	if (x->response == NULL)
		return false;
	headers = spoe_writer(x->response + capacity, most.size);
	done = headers_filter(response->headers, x->policy, &headers);
	kept.headers = spoe_span(headers.data, headers.size);
	out = spoe_writer(x->response, capacity);
	done = done && record_encode_response(&out, &kept);
	assert(done);
	*ret_encoded = spoe_span(out.data, out.size);
	return true;
}

/* `encoded`, in x->response, becomes what the store may see. */
static enum reason encrypt_response(struct exchange *x,
                                    const struct exchange_event *event,
                                    struct spoe_span *encoded)
{
	struct record record = {.response = *encoded};
	struct spoe_writer encrypted;
	enum reason reason;

	memcpy(record.owner, event->ticket->owner, RECORD_OWNER_SIZE);
	reason = keyring_encrypt(event->keyring, event->ticket->record_key,
	                         &record, &encrypted);
	if (reason != REASON_NONE)
		return reason;
	free(x->response);
	x->response = encrypted.data;
	*encoded = spoe_span(encrypted.data, encrypted.size);
	return REASON_NONE;
}

static enum reason keep_response(struct exchange *x,
                                 const struct exchange_event *event,
                                 const struct idem_response *response,
                                 struct spoe_span *ret_encoded)
{
	struct spoe_span encoded;
	enum reason reason = REASON_NONE;

	if (!encode_response(x, response, &encoded))
		return REASON_NO_MEMORY;
	if (keyring_keys(event->keyring) > 0)
		reason = encrypt_response(x, event, &encoded);
	if (reason == REASON_NONE)
		*ret_encoded = encoded;
	return reason;
}

/* What the lock is to become, and the outcome when the store agrees. */
static enum record_state dispose(struct exchange *x,
                                 const struct exchange_event *event,
                                 const struct idem_response *response,
                                 struct spoe_span *ret_encoded)
{
	enum idem_disposition disposition;
	enum reason reason;

	disposition = idem_dispose(response, x->policy, &x->reply.reason);
	if (disposition == IDEM_RELEASE) {
		x->reply.outcome = IDEM_OUTCOME_RELEASED;
		return RECORD_NONE;
	}
	x->reply.outcome = IDEM_OUTCOME_SEALED;
	if (disposition == IDEM_SEAL)
		return RECORD_SEALED;
	/* It was executed: where its response cannot be kept, or not as it has
	 * to be, it must still never run again, and that needs no memory. */
	reason = keep_response(x, event, response, ret_encoded);
	if (reason != REASON_NONE) {
		x->reply.reason = reason;
		return RECORD_SEALED;
	}
	if (disposition == IDEM_PEND) {
		x->reply.outcome = IDEM_OUTCOME_PENDING;
		return RECORD_PENDING;
	}
	x->reply.outcome = IDEM_OUTCOME_STORED;
	return RECORD_STORED;
}

static void complete(struct exchange *x, const struct exchange_event *event,
                     struct exchange_todo *todo)
{
	struct idem_response response = *event->response;
	struct spoe_span encoded = spoe_span(NULL, 0);
	enum record_state state;

	x->policy = event->policy;
	x->reply.ticket = *event->ticket;
	response.head = response.head || event->ticket->head;
	state = dispose(x, event, &response, &encoded);

	memcpy(x->op.record_key, event->ticket->record_key, RECORD_KEY_SIZE);
	idem_settle(state, x->policy, event->ticket->owner, event->now_ms,
	            &x->op.record);
	x->op.record.response = encoded;
	/* What is pending waits for its notice: one completion counts. */
	x->op.from = RECORD_LOCKED;
	submit(x, EXCHANGE_SETTLING, RECORD_OP_SETTLE, event->now_ms, todo);
	x->late_ms = event->now_ms + event->timeout_ms;
	todo->wake_ms = x->late_ms;
}

/* What a notice does to a record; from what, if not from any. Only a lock is
 * released: where a response is pending the request has run, whoever says
 * otherwise. Only a pending record has a response to confirm. */
static const struct {
	enum record_state from;
	enum record_state to;
	enum idem_outcome outcome;
} notices[NOTICE_ACTIONS] = {
    [NOTICE_RELEASE] = {RECORD_LOCKED, RECORD_NONE, IDEM_OUTCOME_RELEASED},
    [NOTICE_SEAL] = {RECORD_NONE, RECORD_SEALED, IDEM_OUTCOME_SEALED},
    [NOTICE_CONFIRM] = {RECORD_PENDING, RECORD_STORED, IDEM_OUTCOME_STORED},
};

static void notice(struct exchange *x, const struct exchange_event *event,
                   struct exchange_todo *todo)
{
	const enum notice_action action = event->action;

	assert(action == NOTICE_RELEASE || action == NOTICE_SEAL ||
	       action == NOTICE_CONFIRM);
	x->policy = event->policy;
	x->replied = true;
	x->reply.ticket = *event->ticket;
	x->reply.outcome = notices[action].outcome;
	memcpy(x->op.record_key, event->ticket->record_key, RECORD_KEY_SIZE);
	idem_settle(notices[action].to, x->policy, event->ticket->owner,
	            event->now_ms, &x->op.record);
	x->op.from = notices[action].from;
	x->op.keep_response = action == NOTICE_CONFIRM;
	submit(x, EXCHANGE_SETTLING, RECORD_OP_SETTLE, event->now_ms, todo);
}

/* Gives back a lock that was, or may have been, granted and that nobody was
 * told of. When this fails too, the lock ends at its deadline. */
static void release(struct exchange *x, uint64_t now_ms,
                    struct exchange_todo *todo)
{
	idem_settle(RECORD_NONE, x->policy, x->reply.ticket.owner, now_ms,
	            &x->op.record);
	x->op.from = RECORD_LOCKED;
	submit(x, EXCHANGE_RELEASING, RECORD_OP_SETTLE, now_ms, todo);
}

static void claim_failed(struct exchange *x, enum reason reason,
                         uint64_t now_ms, struct exchange_todo *todo)
{
	if (!x->replied)
		reply_error(x, reason, todo);
	release(x, now_ms, todo);
}

static void claim_granted(struct exchange *x, uint64_t now_ms,
                          struct exchange_todo *todo)
{
	/* The asker has given up, or is about to; and a lock that ran out on
	 * its way here may have been taken over. */
	if (x->replied || now_ms >= x->late_ms) {
		claim_failed(x, REASON_STORE_SLOW, now_ms, todo);
		return;
	}
	reply_verdict(x, IDEM_PROCEED, REASON_NONE, todo);
	x->reply.answer.expires_s = idem_unix_s(x->op.record.deadline_ms);
	finish(x, todo);
}

/* x->reply.answer is the reply. */
static void reply_answer(struct exchange *x, struct exchange_todo *todo)
{
	x->reply.reason = x->reply.answer.reason;
	x->replied = true;
	todo->reply = true;
	finish(x, todo);
}

/* An answer in time counts, and so does one to the last look. */
static bool may_wait(const struct exchange *x, uint64_t now_ms)
{
	return x->reply.answer.verdict == IDEM_CONFLICT &&
	       now_ms < x->wait_until_ms;
}

static void wait(struct exchange *x, uint64_t deadline_ms, uint64_t now_ms,
                 struct exchange_todo *todo)
{
	const uint64_t left_ms = x->wait_until_ms - now_ms;

	x->state = EXCHANGE_WAITING;
	x->deadline_ms = deadline_ms;
	todo->wait = true;
	todo->wake_ms = now_ms + (x->look_ms < left_ms ? x->look_ms : left_ms);
	x->look_ms += (x->look_ms + 1) / 2;
	if (x->look_ms > x->look_max_ms)
		x->look_ms = x->look_max_ms;
}

static void claim_found(struct exchange *x, const struct exchange_event *event,
                        struct exchange_todo *todo)
{
	const struct record *found = event->answer->found;
	const uint64_t now_ms = event->now_ms;

	if (x->replied) {
		finish(x, todo);
		return;
	}
	idem_decide(found, &x->request, x->policy, event->keyring, now_ms,
	            &x->reply.answer);
	x->response = x->reply.answer.memory;
	if (may_wait(x, now_ms))
		wait(x, found->deadline_ms, now_ms, todo);
	else
		reply_answer(x, todo);
}

static void claim_answered(struct exchange *x,
                           const struct exchange_event *event,
                           struct exchange_todo *todo)
{
	const struct record_answer *answer = event->answer;
	const uint64_t now_ms = event->now_ms;

	if (answer->health != REASON_NONE)
		claim_failed(x, answer->health, now_ms, todo);
	else if (answer->result == RECORD_GRANTED)
		claim_granted(x, now_ms, todo);
	else if (answer->result == RECORD_FOUND && answer->found != NULL)
		claim_found(x, event, todo);
	else
		claim_failed(x, REASON_INTERNAL, now_ms, todo);
}

/* What became of the lock is as it was to be. */
static void reply_settled(struct exchange *x, struct exchange_todo *todo)
{
	const struct record *record = &x->op.record;

	if (record->state == RECORD_STORED || record->state == RECORD_PENDING)
		x->reply.expires_s = idem_unix_s(record->forget_ms);
	else if (record->state == RECORD_SEALED)
		x->reply.expires_s = idem_unix_s(record->expires_ms);
	reply_outcome(x, x->reply.outcome, x->reply.reason, todo);
}

/* There was no room for the response. It was executed all the same, and what
 * says so is smaller. */
static void seal_instead(struct exchange *x, uint64_t now_ms,
                         struct exchange_todo *todo)
{
	x->reply.outcome = IDEM_OUTCOME_SEALED;
	x->reply.reason = REASON_STORE_FULL;
	idem_settle(RECORD_SEALED, x->policy, x->reply.ticket.owner, now_ms,
	            &x->op.record);
	submit(x, EXCHANGE_SETTLING, RECORD_OP_SETTLE, now_ms, todo);
	if (!x->replied)
		todo->wake_ms = x->late_ms;
}

static void settle_answered(struct exchange *x,
                            const struct record_answer *answer, uint64_t now_ms,
                            struct exchange_todo *todo)
{
	const bool wanted = !x->replied;

	if (answer->health == REASON_STORE_FULL &&
	    x->op.record.response.size > 0) {
		seal_instead(x, now_ms, todo);
		return;
	}
	if (answer->health != REASON_NONE)
		reply_error(x, answer->health, todo);
	else if (answer->result == RECORD_SETTLED)
		reply_settled(x, todo);
	else if (answer->result == RECORD_LOST)
		reply_outcome(x, IDEM_OUTCOME_LOST, REASON_NOT_OWNER, todo);
	else
		reply_error(x, REASON_INTERNAL, todo);
	todo->reply = wanted;
	finish(x, todo);
}

static void answered(struct exchange *x, const struct exchange_event *event,
                     struct exchange_todo *todo)
{
	switch (x->state) {
	case EXCHANGE_CLAIMING:
		claim_answered(x, event, todo);
		return;
	case EXCHANGE_SETTLING:
		settle_answered(x, event->answer, event->now_ms, todo);
		return;
	case EXCHANGE_RELEASING:
		finish(x, todo);
		return;
	case EXCHANGE_IDLE:
	case EXCHANGE_WAITING:
	case EXCHANGE_DONE:
		break;
	}
	assert(!"an answer that nobody waits for");
}

static void timed_out(struct exchange *x, uint64_t now_ms,
                      struct exchange_todo *todo)
{
	assert(x->state != EXCHANGE_IDLE);
	if (x->state == EXCHANGE_WAITING)
		claim(x, now_ms, todo);
	else if (!x->replied)
		reply_error(x, REASON_STORE_SLOW, todo);
}

/* What is being looked at now still counts. */
static void hurry(struct exchange *x, uint64_t now_ms,
                  struct exchange_todo *todo)
{
	x->wait_until_ms = 0;
	if (x->state != EXCHANGE_WAITING)
		return;
	idem_conflict(x->deadline_ms, x->policy, now_ms, &x->reply.answer);
	reply_answer(x, todo);
}

static void gone(struct exchange *x, struct exchange_todo *todo)
{
	x->replied = true;
	if (x->state == EXCHANGE_WAITING)
		finish(x, todo);
}

static void untold(struct exchange *x, uint64_t now_ms,
                   struct exchange_todo *todo)
{
	assert(x->state == EXCHANGE_DONE);
	if (x->reply.is_check && x->reply.answer.verdict == IDEM_PROCEED)
		release(x, now_ms, todo);
	else
		finish(x, todo);
}

void exchange_step(struct exchange *x, const struct exchange_event *event,
                   struct exchange_todo *ret_todo)
{
	*ret_todo = (struct exchange_todo){.submit = false};
	switch (event->type) {
	case EXCHANGE_CHECK:
		assert(x->state == EXCHANGE_IDLE);
		check(x, event, ret_todo);
		return;
	case EXCHANGE_COMPLETE:
		assert(x->state == EXCHANGE_IDLE);
		complete(x, event, ret_todo);
		return;
	case EXCHANGE_NOTICE:
		assert(x->state == EXCHANGE_IDLE);
		notice(x, event, ret_todo);
		return;
	case EXCHANGE_ANSWER:
		answered(x, event, ret_todo);
		return;
	case EXCHANGE_TIMEOUT:
		timed_out(x, event->now_ms, ret_todo);
		return;
	case EXCHANGE_WAKE:
		if (x->state == EXCHANGE_WAITING)
			claim(x, event->now_ms, ret_todo);
		return;
	case EXCHANGE_HURRY:
		hurry(x, event->now_ms, ret_todo);
		return;
	case EXCHANGE_GONE:
		gone(x, ret_todo);
		return;
	case EXCHANGE_UNTOLD:
		untold(x, event->now_ms, ret_todo);
		return;
	}
	assert(!"an event of no known type");
}
