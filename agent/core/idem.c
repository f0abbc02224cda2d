#include "agent/core/idem.h"

#include "agent/core/headers.h"
#include "agent/core/keyring.h"
#include "agent/core/policy.h"

#include <assert.h>
#include <stdlib.h>

enum { MS_PER_S = 1000 };

static const char *const verdict_texts[IDEM_VERDICTS] = {
#define IDEM_VERDICT(name, text, help) [IDEM_##name] = text,
#include "agent/core/verdict.def"
#undef IDEM_VERDICT
};

static const char *const outcome_texts[IDEM_OUTCOMES] = {
#define IDEM_OUTCOME(name, text, help) [IDEM_OUTCOME_##name] = text,
#include "agent/core/outcome.def"
#undef IDEM_OUTCOME
};

const char *idem_verdict_text(enum idem_verdict verdict)
{
	assert(verdict < IDEM_VERDICTS);
	return verdict_texts[verdict];
}

const char *idem_outcome_text(enum idem_outcome outcome)
{
	assert(outcome < IDEM_OUTCOMES);
	return outcome_texts[outcome];
}

static void answer(struct idem_answer *ret_answer, enum idem_verdict verdict,
                   enum reason reason)
{
	*ret_answer = (struct idem_answer){
	    .verdict = verdict,
	    .reason = reason,
	};
}

int64_t idem_unix_s(uint64_t ms)
{
	return (int64_t)(ms / MS_PER_S);
}

static void answer_unknown(struct idem_answer *ret_answer,
                           const struct record *found, enum reason reason)
{
	answer(ret_answer, IDEM_UNKNOWN, reason);
	ret_answer->expires_s = idem_unix_s(found->expires_ms);
}

/* What is left of the lock, rounded up: who waits that long finds it gone. */
static int64_t retry_after_s(uint64_t deadline_ms, const struct policy *policy,
                             uint64_t now_ms)
{
	uint64_t left_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 0;
	uint64_t left_s = left_ms / MS_PER_S + (left_ms % MS_PER_S != 0);

	if (left_s < policy->retry_after_min_s)
		left_s = policy->retry_after_min_s;
	if (left_s > policy->retry_after_max_s)
		left_s = policy->retry_after_max_s;
	return left_s < 1 ? 1 : (int64_t)left_s;
}

void idem_conflict(uint64_t deadline_ms, const struct policy *policy,
                   uint64_t now_ms, struct idem_answer *ret_answer)
{
	answer(ret_answer, IDEM_CONFLICT, REASON_RUNNING);
	ret_answer->retry_after_s = retry_after_s(deadline_ms, policy, now_ms);
	ret_answer->expires_s = idem_unix_s(deadline_ms);
}

static void decide_running(const struct record *found,
                           const struct policy *policy, uint64_t now_ms,
                           struct idem_answer *ret_answer)
{
	/* Only a held lock is there after its deadline. One to be taken over
	 * that ran out while its record was on the way: ask once more. */
	if (found->state == RECORD_LOCKED && now_ms >= found->deadline_ms &&
	    record_alive(found, now_ms)) {
		answer_unknown(ret_answer, found, REASON_LOCK_EXPIRED);
		return;
	}
	idem_conflict(found->deadline_ms, policy, now_ms, ret_answer);
}

/* There is a response, but it cannot be replayed. What is as it will ever be is
 * unknown; the rest may be better next time. */
static void answer_closed(struct idem_answer *ret_answer,
                          const struct record *found, enum reason reason)
{
	if (reason == REASON_RESPONSE_KEY_MISSING ||
	    reason == REASON_RESPONSE_CHANGED ||
	    reason == REASON_RESPONSE_PLAIN ||
	    reason == REASON_REPLAY_TOO_LARGE)
		answer_unknown(ret_answer, found, reason);
	else
		answer(ret_answer, IDEM_ERROR, reason);
}

static bool has_room(const struct idem_request *request,
                     const struct record_response *response)
{
	const size_t room = request->replay_room;

	return response->headers.size <= room &&
	       response->body.size <= room - response->headers.size;
}

static void decide_stored(const struct record *found,
                          const struct idem_request *request,
                          const struct keyring *keyring, uint64_t now_ms,
                          struct idem_answer *ret_answer)
{
	struct record_response response;
	uint8_t *memory;
	enum reason reason = keyring_decode_response(
	    keyring, request->record_key, found, &memory, &response);

	if (reason == REASON_NONE && !has_room(request, &response))
		reason = REASON_REPLAY_TOO_LARGE;
	if (reason != REASON_NONE) {
		free(memory);
		answer_closed(ret_answer, found, reason);
		return;
	}
	answer(ret_answer, IDEM_CACHED, REASON_NONE);
	if (now_ms > found->settled_ms)
		ret_answer->age_s =
		    (int64_t)((now_ms - found->settled_ms) / MS_PER_S);
	ret_answer->expires_s = idem_unix_s(found->forget_ms);
	ret_answer->response = response;
	ret_answer->memory = memory;
}

/* Past its deadline a pending record is what the policy makes of a response
 * that nobody confirmed. */
static void decide_pending(const struct record *found,
                           const struct idem_request *request,
                           const struct policy *policy,
                           const struct keyring *keyring, uint64_t now_ms,
                           struct idem_answer *ret_answer)
{
	if (now_ms < found->deadline_ms)
		decide_running(found, policy, now_ms, ret_answer);
	else if (policy->unconfirmed == POLICY_UNCONFIRMED_TRUST)
		decide_stored(found, request, keyring, now_ms, ret_answer);
	else
		answer_unknown(ret_answer, found, REASON_BODY_UNCONFIRMED);
}

enum reason idem_admit(const struct idem_request *request,
                       const struct policy *policy)
{
	if (request->body_partial &&
	    policy->oversize_request == POLICY_OVERSIZE_REJECT)
		return REASON_REQUEST_CUT;
	return REASON_NONE;
}

void idem_decide(const struct record *found, const struct idem_request *request,
                 const struct policy *policy, const struct keyring *keyring,
                 uint64_t now_ms, struct idem_answer *ret_answer)
{
	if (memcmp(found->fingerprint, request->fingerprint,
	           RECORD_FINGERPRINT_SIZE) != 0) {
		answer(ret_answer, IDEM_MISMATCH, REASON_OTHER_REQUEST);
		return;
	}
	if (record_forgotten(found, now_ms)) {
		answer_unknown(ret_answer, found, REASON_LONG_AGO);
		return;
	}
	switch (found->state) {
	case RECORD_LOCKED:
		decide_running(found, policy, now_ms, ret_answer);
		return;
	case RECORD_PENDING:
		decide_pending(found, request, policy, keyring, now_ms,
		               ret_answer);
		return;
	case RECORD_STORED:
		decide_stored(found, request, keyring, now_ms, ret_answer);
		return;
	case RECORD_SEALED:
		answer_unknown(ret_answer, found, REASON_WAS_SEALED);
		return;
	case RECORD_NONE:
		break;
	}
	answer(ret_answer, IDEM_ERROR, REASON_RECORD_CORRUPT);
}

/* Late enough is enough: a sum that does not fit never comes round to the
 * past. */
static uint64_t later(uint64_t now_ms, uint64_t ttl_ms)
{
	return ttl_ms > UINT64_MAX - now_ms ? UINT64_MAX : now_ms + ttl_ms;
}

/* How long a record lives from now on that nothing ends before. */
static uint64_t kept_ms(const struct policy *policy, uint64_t now_ms)
{
	return later(later(now_ms, policy->response_ttl_ms),
	             policy->refuse_after_ms);
}

void idem_lock(const struct idem_request *request, const struct policy *policy,
               const uint8_t owner[RECORD_OWNER_SIZE], uint64_t now_ms,
               struct record *ret_record)
{
	const uint64_t deadline_ms = later(now_ms, policy->lock_ttl_ms);

	*ret_record = (struct record){.state = RECORD_LOCKED};
	ret_record->policy_id = policy->id;
	ret_record->created_ms = now_ms;
	ret_record->deadline_ms = deadline_ms;
	ret_record->expires_ms = deadline_ms;
	if (policy->on_lock_expiry == POLICY_EXPIRY_HOLD &&
	    kept_ms(policy, now_ms) > deadline_ms)
		ret_record->expires_ms = kept_ms(policy, now_ms);
	if (request->body_partial)
		ret_record->flags |= RECORD_BODY_PARTIAL;
	if (request->head)
		ret_record->flags |= RECORD_HEAD_REQUEST;
	ret_record->key = request->key;
	memcpy(ret_record->fingerprint, request->fingerprint,
	       RECORD_FINGERPRINT_SIZE);
	memcpy(ret_record->owner, owner, RECORD_OWNER_SIZE);
}

void idem_settle(enum record_state state, const struct policy *policy,
                 const uint8_t owner[RECORD_OWNER_SIZE], uint64_t now_ms,
                 struct record *ret_record)
{
	*ret_record = (struct record){.state = state};
	memcpy(ret_record->owner, owner, RECORD_OWNER_SIZE);
	if (state == RECORD_NONE)
		return;
	ret_record->policy_id = policy->id;
	ret_record->forget_ms = later(now_ms, policy->response_ttl_ms);
	ret_record->expires_ms = kept_ms(policy, now_ms);
	ret_record->settled_ms = now_ms;
}

static enum idem_disposition not_kept(const struct policy *policy)
{
	return policy->oversize_response == POLICY_OVERSIZE_RELEASE
	           ? IDEM_RELEASE
	           : IDEM_SEAL;
}

static bool status_has_no_body(uint64_t status)
{
	return status < 200 || status == 204 || status == 304;
}

/* Whether HAProxy would have had room for more of the response. What a chunked
 * one has beyond the buffer shows nowhere, not even in a notice. */
static bool clearly_fits(const struct idem_response *response)
{
	const uint64_t half = response->buffer_size / 2;

	return response->headers.size <= half &&
	       response->body.size <= half - response->headers.size;
}

/* A body whose end nothing vouches for, or that contradicts its message. One
 * that may be larger than the buffer is as good as one that is. */
static enum idem_disposition dispose_unconfirmed(
    const struct idem_response *response, const struct policy *policy,
    bool contradicted, enum reason *ret_reason)
{
	*ret_reason = REASON_BODY_UNCONFIRMED;
	if (contradicted)
		return IDEM_SEAL;
	if (!clearly_fits(response)) {
		*ret_reason = REASON_BODY_MAY_BE_CUT;
		return not_kept(policy);
	}
	if (response->noticed)
		return IDEM_PEND;
	if (policy->unconfirmed == POLICY_UNCONFIRMED_SEAL)
		return IDEM_SEAL;
	*ret_reason = REASON_NONE;
	return IDEM_STORE;
}

static enum idem_disposition dispose_body(const struct idem_response *response,
                                          const struct policy *policy,
                                          enum reason *ret_reason)
{
	const uint64_t size = response->body.size;
	bool no_body = response->head || status_has_no_body(response->status);
	enum headers_length found;
	uint64_t length = 0;

	if (no_body && size == 0)
		return IDEM_STORE;
	if (response->body_size > size) {
		*ret_reason = REASON_BODY_CUT;
		return not_kept(policy);
	}
	if (size > policy->max_body) {
		*ret_reason = REASON_BODY_OVER_LIMIT;
		return not_kept(policy);
	}
	found = headers_content_length(response->headers, &length);
	if (found == HEADERS_LENGTH_VALID && length > size) {
		*ret_reason = REASON_BODY_CUT;
		return not_kept(policy);
	}
	if (found == HEADERS_LENGTH_VALID && length == size && !no_body)
		return IDEM_STORE;
	return dispose_unconfirmed(response, policy,
	                           no_body || found != HEADERS_LENGTH_NONE,
	                           ret_reason);
}

enum idem_disposition idem_dispose(const struct idem_response *response,
                                   const struct policy *policy,
                                   enum reason *ret_reason)
{
	*ret_reason = REASON_NONE;
	if (response->status < POLICY_STATUS_MIN ||
	    response->status > POLICY_STATUS_MAX) {
		*ret_reason = REASON_BAD_STATUS;
		return IDEM_SEAL;
	}
	if (!headers_valid(response->headers)) {
		*ret_reason = REASON_BAD_HEADERS;
		return IDEM_SEAL;
	}
	if (!policy_statuses_has(&policy->stored, response->status)) {
		*ret_reason = REASON_STATUS_NOT_KEPT;
		return policy_statuses_has(&policy->released, response->status)
		           ? IDEM_RELEASE
		           : IDEM_SEAL;
	}
	return dispose_body(response, policy, ret_reason);
}
