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

/* A response that cannot be kept whole. */
enum policy_oversize {
	POLICY_OVERSIZE_SEAL,
	POLICY_OVERSIZE_RELEASE,
};

struct policy {
	char name[POLICY_NAME_MAX + 1];
	uint32_t id; /* policy_id(name) */
	uint64_t lock_ttl_ms;
	uint64_t response_ttl_ms; /* responses are replayed this long */
	uint64_t refuse_after_ms; /* and refused so long after it */
	uint64_t retry_after_max_s;
	uint64_t max_body; /* bytes */
	enum policy_on_lock_expiry on_lock_expiry;
	enum policy_unconfirmed unconfirmed;
	enum policy_on_unknown_outcome on_unknown_outcome;
	enum policy_oversize oversize_response;
	/* One bit per status from POLICY_STATUS_MIN: keep the response. */
	uint64_t stored[(POLICY_STATUS_MAX - POLICY_STATUS_MIN + 64) / 64];
	/* Lower-case names that are not replayed; owned, NUL-terminated. */
	char *drops[POLICY_DROPS_MAX];
	size_t n_drops;
};

/* The number that tickets and records carry for a policy's name (CRC-32C). */
uint32_t policy_id(const char *name);

/* Whether a response of `status` is kept; false for no HTTP status. */
bool policy_stores(const struct policy *policy, uint64_t status);

/* Marks the statuses first..last (inclusive, clamped to the table). */
void policy_set_stored(struct policy *policy, unsigned first, unsigned last,
                       bool stored);

/* Whether the policy drops the header `name` (in any case). */
bool policy_drops(const struct policy *policy, struct spoe_span name);

#endif
