#include "tests/sim/judge.h"

#include <stdarg.h>
#include <stdio.h>

/* The promises of DESIGN.md section 2. */
enum {
	NO_PROMISE = 0,
	ONE_OWNER = 1,
	FENCED = 2,
	EXACT = 3,
	NEVER_NEW = 4,
	KEPT_APART = 5,
};

void judge_init(struct judge *j, const struct policy *policy,
                uint64_t timeout_ms, uint64_t skew_ms, bool blind)
{
	j->policy = policy;
	j->timeout_ms = timeout_ms;
	j->skew_ms = skew_ms;
	j->blind = blind;
	memset(j->records, 0, sizeof(j->records));
	j->n_tickets = 0;
	j->failed = false;
	j->promise = NO_PROMISE;
	j->text[0] = '\0';
}

static void fail(struct judge *j, unsigned promise, const char *format,
                 va_list args)
{
	if (j->failed)
		return;
	j->failed = true;
	j->promise = promise;
	vsnprintf(j->text, sizeof(j->text), format, args);
}

void judge_fail(struct judge *j, unsigned promise, const char *format, ...)
{
	va_list args;

	if (j->blind)
		return;
	va_start(args, format);
	fail(j, promise, format, args);
	va_end(args);
}

/* What even a blind judge sees. */
__attribute__((format(printf, 2, 3))) static void two_owners(struct judge *j,
                                                             const char *format,
                                                             ...)
{
	va_list args;

	va_start(args, format);
	fail(j, ONE_OWNER, format, args);
	va_end(args);
}

unsigned judge_ticket(struct judge *j, const uint8_t *owner, unsigned key,
                      unsigned variant, uint64_t now_ms, uint64_t now_true)
{
	struct judge_ticket *t = &j->tickets[j->n_tickets];

	if (j->n_tickets == JUDGE_TICKETS_MAX)
		return JUDGE_TICKETS_MAX;
	*t = (struct judge_ticket){
	    .key = key,
	    .variant = variant,
	    .claimed_ms = now_ms,
	    .claimed_true = now_true,
	    .granted_true = now_true,
	};
	memcpy(t->owner, owner, sizeof(t->owner));
	return j->n_tickets++;
}

void judge_asks_again(struct judge *j, unsigned ticket, uint64_t now_ms,
                      uint64_t now_true)
{
	struct judge_ticket *t = &j->tickets[ticket];

	t->claimed_ms = now_ms;
	t->claimed_true = now_true;
}

static uint64_t deadline_of(const struct judge *j, const struct judge_ticket *t)
{
	return t->claimed_ms + j->policy->lock_ttl_ms;
}

/* How long a settled record keeps others out. */
static uint64_t kept_life(const struct policy *policy)
{
	return policy->response_ttl_ms + policy->refuse_after_ms;
}

/* How long an unsettled lock does. */
static uint64_t lock_life(const struct policy *policy)
{
	if (policy->on_lock_expiry == POLICY_EXPIRY_HOLD &&
	    kept_life(policy) > policy->lock_ttl_ms)
		return kept_life(policy);
	return policy->lock_ttl_ms;
}

static void settle_times(struct judge_record *record,
                         const struct policy *policy, uint64_t now_ms)
{
	record->settled_ms = now_ms;
	record->forget_ms = now_ms + policy->response_ttl_ms;
	record->expires_ms = now_ms + kept_life(policy);
}

void judge_claim(struct judge *j, unsigned ticket, uint64_t now_true,
                 struct judge_view *ret_view)
{
	struct judge_ticket *t = &j->tickets[ticket];
	struct judge_record *record = &j->records[t->key];

	t->granted_true = now_true;
	*ret_view = (struct judge_view){.record = *record};
	if (record->head_damaged) {
		ret_view->see = JUDGE_SEES_DAMAGE;
	} else if (record->state != RECORD_NONE &&
	           t->claimed_ms < record->expires_ms) {
		ret_view->see = JUDGE_SEES_RECORD;
	} else {
		ret_view->see = JUDGE_SEES_NOTHING;
		*record = (struct judge_record){
		    .state = RECORD_LOCKED,
		    .ticket = ticket,
		    .variant = t->variant,
		    .deadline_ms = deadline_of(j, t),
		    .expires_ms = t->claimed_ms + lock_life(j->policy),
		};
	}
}

/* What is pending is still its owner's. */
static bool owns(const struct judge_record *record, unsigned ticket,
                 uint64_t now_ms)
{
	return (record->state == RECORD_LOCKED ||
	        record->state == RECORD_PENDING) &&
	       record->ticket == ticket && now_ms < record->expires_ms;
}

/* What must become of the record; its own state where nothing may. */
static enum record_state state_after(const struct policy *policy,
                                     enum record_state state,
                                     enum judge_end_of end)
{
	if (end == JUDGE_MAY_HAVE &&
	    policy->on_unknown_outcome == POLICY_UNKNOWN_HOLD)
		return state;
	if (end == JUDGE_MAY_HAVE &&
	    policy->on_unknown_outcome == POLICY_UNKNOWN_RELEASE)
		end = JUDGE_NEVER_RAN;
	switch (end) {
	case JUDGE_NEVER_RAN:
		return state == RECORD_LOCKED ? RECORD_NONE : state;
	case JUDGE_WHOLE:
		return state == RECORD_PENDING ? RECORD_STORED : state;
	case JUDGE_LIE:
		return state;
	case JUDGE_MAY_HAVE:
	case JUDGE_UNRECORDED:
	case JUDGE_BROKEN:
		break;
	}
	return RECORD_SEALED;
}

static bool frees(const struct policy *policy, enum judge_end_of end)
{
	return end == JUDGE_NEVER_RAN ||
	       (end == JUDGE_MAY_HAVE &&
	        policy->on_unknown_outcome == POLICY_UNKNOWN_RELEASE);
}

enum idem_outcome judge_notice(struct judge *j, unsigned ticket,
                               enum judge_end_of end, uint64_t now_ms,
                               uint64_t asked_true)
{
	struct judge_ticket *t = &j->tickets[ticket];
	struct judge_record *record = &j->records[t->key];
	enum record_state state;

	if (frees(j->policy, end))
		t->freed = true;
	if (record->head_damaged)
		return IDEM_OUTCOME_ERROR;
	if (!owns(record, ticket, now_ms))
		return IDEM_OUTCOME_LOST;
	state = state_after(j->policy, record->state, end);
	if (state == record->state)
		return IDEM_OUTCOME_LOST;
	if (state == RECORD_NONE) {
		*record = (struct judge_record){.state = RECORD_NONE};
		return IDEM_OUTCOME_RELEASED;
	}
	t->kept = true;
	t->settled_true = asked_true;
	record->state = state;
	settle_times(record, j->policy, now_ms);
	if (state == RECORD_STORED)
		return IDEM_OUTCOME_STORED;
	record->response_damaged = false;
	return IDEM_OUTCOME_SEALED;
}

void judge_noticed(struct judge *j, unsigned ticket, enum idem_outcome expected,
                   enum idem_outcome outcome)
{
	unsigned promise = FENCED;

	if (outcome == IDEM_OUTCOME_RELEASED)
		promise = ONE_OWNER;
	else if (outcome == IDEM_OUTCOME_STORED)
		promise = EXACT;
	if (outcome != expected)
		judge_fail(j, promise, "a notice of ticket %u: %s, not %s",
		           ticket, idem_outcome_text(outcome),
		           idem_outcome_text(expected));
}

void judge_settle(struct judge *j, unsigned ticket,
                  const struct content *content, bool squeezed, uint64_t now_ms,
                  struct judge_view *ret_view)
{
	struct judge_ticket *t = &j->tickets[ticket];
	struct judge_record *record = &j->records[t->key];

	*ret_view = (struct judge_view){.record = *record};
	t->excused = true;
	if (record->head_damaged) {
		ret_view->see = JUDGE_SEES_DAMAGE;
		return;
	}
	ret_view->owned =
	    record->state == RECORD_LOCKED && owns(record, ticket, now_ms);
	if (!ret_view->owned)
		return;
	if (content == NULL || content->becomes == RECORD_NONE) {
		*record = (struct judge_record){.state = RECORD_NONE};
		return;
	}
	record->state = squeezed ? RECORD_SEALED : content->becomes;
	settle_times(record, j->policy, now_ms);
	record->content = content;
}

/* Whether HAProxy may believe `ticket` to be the only one, by all that it was
 * told before and by true time: no store, no record and no agent's clock is
 * asked here. Clocks only jump back, so nothing may end early. */
static void told_proceed(struct judge *j, unsigned ticket)
{
	struct judge_ticket *t = &j->tickets[ticket];

	for (unsigned i = 0; i < j->n_tickets; i++) {
		const struct judge_ticket *o = &j->tickets[i];
		uint64_t end_true = o->claimed_true + lock_life(j->policy);

		if (i == ticket || o->key != t->key || !o->told || o->freed)
			continue;
		if (o->kept)
			end_true = o->settled_true + kept_life(j->policy);
		else if (o->completing)
			continue;
		if (t->granted_true + j->skew_ms < end_true)
			two_owners(j, "ticket %u proceeds beside %s ticket %u",
			           ticket, o->kept ? "settled" : "running", i);
	}
	t->told = true;
}

static void want(struct judge *j, unsigned promise, enum idem_verdict verdict,
                 enum reason reason, const struct exchange_reply *reply)
{
	if (reply->answer.verdict != verdict)
		judge_fail(j, promise, "verdict %s (%s) instead of %s (%s)",
		           idem_verdict_text(reply->answer.verdict),
		           reason_text(reply->reason),
		           idem_verdict_text(verdict), reason_text(reason));
	else if (reply->answer.reason != reason || reply->reason != reason)
		judge_fail(j, NO_PROMISE, "reason `%s` instead of `%s`",
		           reason_text(reply->reason), reason_text(reason));
}

static void want_proceed(struct judge *j, unsigned ticket,
                         const struct exchange_reply *reply)
{
	const struct judge_ticket *t = &j->tickets[ticket];

	/* Who is told of a record where none is was shown somebody else's. */
	want(j, KEPT_APART, IDEM_PROCEED, REASON_NONE, reply);
	if (memcmp(reply->ticket.owner, t->owner, RECORD_OWNER_SIZE) != 0)
		judge_fail(j, FENCED, "ticket %u carries another owner",
		           ticket);
}

static void want_cached(struct judge *j, const struct judge_record *record,
                        size_t room, uint64_t now_ms,
                        const struct exchange_reply *reply)
{
	const struct content *c = record->content;
	const struct record_response *got = &reply->answer.response;
	uint64_t age_s = 0;

	if (record->response_damaged) {
		want(j, NEVER_NEW, IDEM_ERROR, REASON_RECORD_CORRUPT, reply);
		return;
	}
	if (c->kept_size + c->response.body.size > room) {
		want(j, EXACT, IDEM_UNKNOWN, REASON_REPLAY_TOO_LARGE, reply);
		return;
	}
	want(j, ONE_OWNER, IDEM_CACHED, REASON_NONE, reply);
	if (c->broken && j->policy->unconfirmed != POLICY_UNCONFIRMED_TRUST)
		judge_fail(j, EXACT, "what broke off is replayed");
	if (got->status != c->response.status ||
	    !spoe_span_equal(got->headers, spoe_span(c->kept, c->kept_size)) ||
	    !spoe_span_equal(got->body, c->response.body))
		judge_fail(j, EXACT, "the replay is not what was recorded");
	if (now_ms > record->settled_ms)
		age_s = (now_ms - record->settled_ms) / 1000;
	if ((uint64_t)reply->answer.age_s != age_s)
		judge_fail(j, NO_PROMISE, "the replay's age is wrong");
}

static void want_running(struct judge *j, const struct judge_record *record,
                         uint64_t now_ms, const struct exchange_reply *reply)
{
	const int64_t wait = reply->answer.retry_after_s;

	if (now_ms >= record->deadline_ms && now_ms < record->expires_ms) {
		want(j, ONE_OWNER, IDEM_UNKNOWN, REASON_LOCK_EXPIRED, reply);
		return;
	}
	want(j, ONE_OWNER, IDEM_CONFLICT, REASON_RUNNING, reply);
	if (wait < 1 || wait > (int64_t)j->policy->retry_after_max_s)
		judge_fail(j, NO_PROMISE, "retry after %lld s",
		           (long long)wait);
}

static void want_pending(struct judge *j, const struct judge_record *record,
                         size_t room, uint64_t now_ms,
                         const struct exchange_reply *reply)
{
	if (now_ms < record->deadline_ms)
		want_running(j, record, now_ms, reply);
	else if (j->policy->unconfirmed == POLICY_UNCONFIRMED_TRUST)
		want_cached(j, record, room, now_ms, reply);
	else
		want(j, ONE_OWNER, IDEM_UNKNOWN, REASON_BODY_UNCONFIRMED,
		     reply);
}

static void want_found(struct judge *j, const struct judge_record *record,
                       unsigned variant, size_t room, uint64_t now_ms,
                       const struct exchange_reply *reply)
{
	if (record->variant != variant)
		want(j, ONE_OWNER, IDEM_MISMATCH, REASON_OTHER_REQUEST, reply);
	else if (record->state != RECORD_LOCKED &&
	         record->forget_ms < record->expires_ms &&
	         now_ms >= record->forget_ms)
		want(j, ONE_OWNER, IDEM_UNKNOWN, REASON_LONG_AGO, reply);
	else if (record->state == RECORD_LOCKED)
		want_running(j, record, now_ms, reply);
	else if (record->state == RECORD_PENDING)
		want_pending(j, record, room, now_ms, reply);
	else if (record->state == RECORD_STORED)
		want_cached(j, record, room, now_ms, reply);
	else
		want(j, ONE_OWNER, IDEM_UNKNOWN, REASON_WAS_SEALED, reply);
}

/* A damaged version byte reads as another version. */
static enum reason damage(const struct exchange_reply *reply)
{
	return reply->reason == REASON_RECORD_VERSION ? REASON_RECORD_VERSION
	                                              : REASON_RECORD_CORRUPT;
}

void judge_verdict(struct judge *j, unsigned ticket, enum judge_cause cause,
                   const struct judge_view *view, size_t replay_room,
                   uint64_t now_ms, const struct exchange_reply *reply,
                   bool goes_out)
{
	const struct judge_ticket *t = &j->tickets[ticket];

	if (cause == JUDGE_TIMED_OUT)
		want(j, NEVER_NEW, IDEM_ERROR, REASON_STORE_SLOW, reply);
	else if (cause == JUDGE_FAILED)
		want(j, NEVER_NEW, IDEM_ERROR, REASON_STORE_FAILED, reply);
	else if (cause == JUDGE_HURRIED)
		want(j, ONE_OWNER, IDEM_CONFLICT, REASON_RUNNING, reply);
	else if (view->see == JUDGE_SEES_DAMAGE)
		want(j, NEVER_NEW, IDEM_ERROR, damage(reply), reply);
	else if (view->see == JUDGE_SEES_RECORD)
		want_found(j, &view->record, t->variant, replay_room, now_ms,
		           reply);
	else if (now_ms >= deadline_of(j, t) ||
	         now_ms >= t->claimed_ms + j->timeout_ms)
		want(j, ONE_OWNER, IDEM_ERROR, REASON_STORE_SLOW, reply);
	else
		want_proceed(j, ticket, reply);
	if (reply->answer.verdict == IDEM_PROCEED && goes_out)
		told_proceed(j, ticket);
}

static void want_outcome(struct judge *j, unsigned promise,
                         enum idem_outcome outcome, enum reason reason,
                         const struct exchange_reply *reply)
{
	if (reply->outcome != outcome)
		judge_fail(j, promise, "outcome %s (%s) instead of %s (%s)",
		           idem_outcome_text(reply->outcome),
		           reason_text(reply->reason),
		           idem_outcome_text(outcome), reason_text(reason));
	else if (reply->reason != reason)
		judge_fail(j, NO_PROMISE, "reason `%s` instead of `%s`",
		           reason_text(reply->reason), reason_text(reason));
}

static enum idem_outcome outcome_of(const struct content *content)
{
	if (content->becomes == RECORD_STORED)
		return IDEM_OUTCOME_STORED;
	if (content->becomes == RECORD_PENDING)
		return IDEM_OUTCOME_PENDING;
	return content->becomes == RECORD_SEALED ? IDEM_OUTCOME_SEALED
	                                         : IDEM_OUTCOME_RELEASED;
}

void judge_outcome(struct judge *j, unsigned ticket, enum judge_cause cause,
                   const struct judge_view *view, const struct content *content,
                   bool squeezed, uint64_t asked_true,
                   const struct exchange_reply *reply)
{
	struct judge_ticket *t = &j->tickets[ticket];

	if (cause == JUDGE_TIMED_OUT)
		want_outcome(j, NEVER_NEW, IDEM_OUTCOME_ERROR,
		             REASON_STORE_SLOW, reply);
	else if (cause == JUDGE_FAILED)
		want_outcome(j, NEVER_NEW, IDEM_OUTCOME_ERROR,
		             REASON_STORE_FAILED, reply);
	else if (view->see == JUDGE_SEES_DAMAGE)
		want_outcome(j, NEVER_NEW, IDEM_OUTCOME_ERROR, damage(reply),
		             reply);
	else if (!view->owned)
		want_outcome(j, FENCED, IDEM_OUTCOME_LOST, REASON_NOT_OWNER,
		             reply);
	else if (squeezed)
		want_outcome(j, FENCED, IDEM_OUTCOME_SEALED, REASON_STORE_FULL,
		             reply);
	else
		want_outcome(j, FENCED, outcome_of(content), content->reason,
		             reply);
	if (reply->outcome == IDEM_OUTCOME_STORED ||
	    reply->outcome == IDEM_OUTCOME_PENDING ||
	    reply->outcome == IDEM_OUTCOME_SEALED) {
		t->kept = true;
		t->settled_true = asked_true;
	}
}

void judge_end(struct judge *j)
{
	for (unsigned i = 0; i < KEYS; i++) {
		const struct judge_record *record = &j->records[i];
		const struct judge_ticket *t = &j->tickets[record->ticket];

		if (record->state == RECORD_LOCKED && !t->told && !t->excused)
			judge_fail(j, NO_PROMISE,
			           "ticket %u is locked and nobody knows it",
			           record->ticket);
	}
}
