/* agent/core/idem.h: the rules of idempotency as pure functions: what a check
 * is answered, what becomes of a response. No I/O, no clock, no logging; time
 * is a parameter (DESIGN.md sections 2 to 4). */
#ifndef AGENT_CORE_IDEM_H
#define AGENT_CORE_IDEM_H

#include "agent/core/record.h"

struct keyring;
struct policy;

enum idem_verdict {
#define IDEM_VERDICT(name, text, help) IDEM_##name,
#include "agent/core/verdict.def"
#undef IDEM_VERDICT
	IDEM_VERDICTS
};

enum idem_outcome {
#define IDEM_OUTCOME(name, text, help) IDEM_OUTCOME_##name,
#include "agent/core/outcome.def"
#undef IDEM_OUTCOME
	IDEM_OUTCOMES
};

/* The texts of the tables; never NULL. */
const char *idem_verdict_text(enum idem_verdict verdict);
const char *idem_outcome_text(enum idem_outcome outcome);

/* A record's time as variables and headers have it: whole seconds. */
int64_t idem_unix_s(uint64_t ms);

/* What a check asks, hashed and validated. */
struct idem_request {
	uint8_t record_key[RECORD_KEY_SIZE];
	uint8_t fingerprint[RECORD_FINGERPRINT_SIZE];
	struct spoe_span key; /* canonical text, 1..255 bytes, borrowed */
	bool body_partial;    /* the fingerprint covers a part of the body */
	bool head;            /* the method is HEAD */
	/* Bytes of headers and body that fit one ACK to the asker. */
	size_t replay_room;
};

/* The answer to a check; which fields are set depends on the verdict
 * (DESIGN.md section 4, "Variables set"). */
struct idem_answer {
	enum idem_verdict verdict;
	enum reason reason;
	int64_t retry_after_s; /* conflict: at least 1 */
	int64_t age_s;         /* cached: 0 or more */
	/* Unix time until when this holds: the lock's deadline (proceed,
	 * conflict), the end of the replays (cached), of the refusals
	 * (unknown); 0: not known. */
	int64_t expires_s;
	/* cached: borrowed from the record, or from `memory` when it had been
	 * encrypted, which is NULL or the caller's to free */
	struct record_response response;
	uint8_t *memory;
};

/* Why the policy refuses the request before any look-up (IDEM_INVALID), or
 * REASON_NONE. */
enum reason idem_admit(const struct idem_request *request,
                       const struct policy *policy);

/* Answers a request for which the store found a live record. Mismatch comes
 * before conflict. A record that cannot be read is IDEM_ERROR; one whose
 * response `keyring` (NULL: no keys) does not open, or that does not fit
 * request->replay_room, is IDEM_UNKNOWN. `policy` bounds Retry-After.
 * A clock behind the record's times only makes waits longer. */
void idem_decide(const struct record *found, const struct idem_request *request,
                 const struct policy *policy, const struct keyring *keyring,
                 uint64_t now_ms, struct idem_answer *ret_answer);

/* The answer to a request whose first one runs until deadline_ms. */
void idem_conflict(uint64_t deadline_ms, const struct policy *policy,
                   uint64_t now_ms, struct idem_answer *ret_answer);

/* Fills the record that a claim for `request` inserts: a lock of `owner` from
 * now_ms for the policy's lock-ttl. The record borrows request->key. */
void idem_lock(const struct idem_request *request, const struct policy *policy,
               const uint8_t owner[RECORD_OWNER_SIZE], uint64_t now_ms,
               struct record *ret_record);

/* Fills the record that a settle puts in the place of owner's lock at now_ms:
 * stored or sealed for the policy's response-ttl and refuse-after, or
 * RECORD_NONE. The caller adds the response. */
void idem_settle(enum record_state state, const struct policy *policy,
                 const uint8_t owner[RECORD_OWNER_SIZE], uint64_t now_ms,
                 struct record *ret_record);

/* The upstream's response as HAProxy handed it over. */
struct idem_response {
	uint64_t status;
	struct spoe_span headers; /* res.hdrs_bin */
	struct spoe_span body;    /* what HAProxy had buffered */
	uint64_t body_size;       /* advertised or available, bytes */
	bool head;                /* the answer to a HEAD request */
	uint64_t buffer_size;     /* HAProxy's buffer, about, bytes */
	bool noticed; /* HAProxy will say how the transaction ended */
};

enum idem_disposition { IDEM_STORE, IDEM_PEND, IDEM_RELEASE, IDEM_SEAL };

/* What becomes of a response, and why. A body that is not known to be whole is
 * never IDEM_STORE unless the policy trusts it (DESIGN.md section 4, "Is the
 * body whole?"), and one that contradicts its message not even then; a message
 * that cannot be read is IDEM_SEAL. IDEM_PEND keeps a body of which a notice
 * will tell; one that may be more than HAProxy had room for is not pending
 * either, for a notice would not tell it from a whole one. */
enum idem_disposition idem_dispose(const struct idem_response *response,
                                   const struct policy *policy,
                                   enum reason *ret_reason);

#endif
