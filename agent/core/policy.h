/* agent/core/policy.h: a named set of rules, chosen per request. Immutable
 * once configured; config.c fills it from a [policy NAME] section. */
#ifndef AGENT_CORE_POLICY_H
#define AGENT_CORE_POLICY_H

#include "spoe/span.h"

enum {
	POLICY_NAME_MAX = 32,
	POLICY_STATUS_MIN = 100,
	POLICY_STATUS_MAX = 599,
	POLICY_DROPS_MAX = 32,
	POLICY_EXCLUDED_MAX = 16,
};

/* Whose rules a policy follows where it does not say otherwise. */
enum policy_preset {
	POLICY_PRESET_IETF,
	POLICY_PRESET_STRIPE_V1,
};

/* What a lock past its deadline means to the next request. */
enum policy_on_lock_expiry {
	POLICY_EXPIRY_RETRY, /* it may take the lock over */
	POLICY_EXPIRY_HOLD,  /* `unknown` until the record expires */
};

/* A response whose body cannot be known to be whole. */
enum policy_unconfirmed {
	POLICY_UNCONFIRMED_SEAL,
	POLICY_UNCONFIRMED_TRUST, /* store it when much smaller than a buffer */
};

/* A request that HAProxy's notice says may have run, and that has no response.
 */
enum policy_on_unknown_outcome {
	POLICY_UNKNOWN_HOLD,    /* its lock lasts to its deadline */
	POLICY_UNKNOWN_RELEASE, /* its lock ends */
	POLICY_UNKNOWN_SEAL,    /* never run again */
};

/* A request whose body HAProxy does not have whole. */
enum policy_oversize_request {
	POLICY_OVERSIZE_PARTIAL, /* its beginning and its size count */
	POLICY_OVERSIZE_REJECT,
};

/* How whole bodies are compared. */
enum policy_fingerprint_body {
	POLICY_BODY_BYTES,
	POLICY_BODY_JSON, /* in canonical form, what has one */
};

/* What makes two requests the same; bits of policy.fingerprint. */
enum {
	POLICY_PART_METHOD = 1u << 0,
	POLICY_PART_PATH = 1u << 1,
	POLICY_PART_QUERY = 1u << 2,
	POLICY_PART_BODY = 1u << 3,
	POLICY_PART_DIGEST = 1u << 4, /* in the body's stead */
	POLICY_PARTS_ALL = (1u << 5) - 1,
};

/* A set of HTTP statuses: one bit for each from POLICY_STATUS_MIN. */
struct policy_statuses {
	uint64_t bits[(POLICY_STATUS_MAX - POLICY_STATUS_MIN + 64) / 64];
};

/* A response that cannot be kept whole. */
enum policy_oversize {
	POLICY_OVERSIZE_SEAL,
	POLICY_OVERSIZE_RELEASE,
};

struct policy {
	char name[POLICY_NAME_MAX + 1];
	uint32_t id; /* policy_id(name) */
	enum policy_preset preset;
	uint64_t lock_ttl_ms;
	uint64_t response_ttl_ms; /* responses are replayed this long */
	uint64_t refuse_after_ms; /* and refused so long after it */
	uint64_t retry_after_min_s;
	uint64_t retry_after_max_s;
	uint64_t wait_ms;  /* for a request that runs; 0: no time */
	uint64_t max_body; /* bytes */
	enum policy_on_lock_expiry on_lock_expiry;
	enum policy_unconfirmed unconfirmed;
	enum policy_on_unknown_outcome on_unknown_outcome;
	enum policy_oversize oversize_response;
	enum policy_oversize_request oversize_request;
	unsigned fingerprint; /* POLICY_PART_* */
	enum policy_fingerprint_body fingerprint_body;
	/* Members of JSON that do not count: pointers (RFC 6901); owned. */
	char *excluded[POLICY_EXCLUDED_MAX];
	size_t n_excluded;
	/* Keep the response; else free the lock; in neither: seal it. */
	struct policy_statuses stored;
	struct policy_statuses released;
	/* Lower-case names that are not replayed; owned, NUL-terminated. */
	char *drops[POLICY_DROPS_MAX];
	size_t n_drops;
};

/* The number that tickets and records carry for a policy's name (CRC-32C). */
uint32_t policy_id(const char *name);

/* False for no HTTP status. */
bool policy_statuses_has(const struct policy_statuses *statuses,
                         uint64_t status);

/* Adds or takes away first..last (inclusive, clamped to the table). */
void policy_statuses_set(struct policy_statuses *statuses, unsigned first,
                         unsigned last, bool there);

/* Whether the policy drops the header `name` (in any case). */
bool policy_drops(const struct policy *policy, struct spoe_span name);

#endif
