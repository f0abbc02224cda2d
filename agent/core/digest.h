/* agent/core/digest.h: the two hashes that identify a request. SHA-256 over
 * fields that are each led by a tag and a 64-bit length, so that no two
 * different lists of fields hash the same bytes. */
#ifndef AGENT_CORE_DIGEST_H
#define AGENT_CORE_DIGEST_H

#include "agent/core/policy.h"
#include "agent/core/record.h"

enum { DIGEST_SCOPES_MAX = 8 };

struct digest; /* a reusable hashing context; one per thread */

/* NULL when out of memory or when OpenSSL has no SHA-256. */
struct digest *digest_new(void);
void digest_free(struct digest *d);

/* The record key of `key` in the scope that `scopes` name, in order (at most
 * DIGEST_SCOPES_MAX; an empty part counts as a part). False when OpenSSL
 * fails (3.0 allocates a little per hash); the next one may work again. */
bool digest_record_key(struct digest *d, const struct spoe_span *scopes,
                       size_t n_scopes, struct spoe_span key,
                       uint8_t ret_key[RECORD_KEY_SIZE]);

/* What makes two requests the same. */
struct digest_request {
	struct spoe_span method;
	struct spoe_span path;
	struct spoe_span query;
	struct spoe_span body;
	uint64_t body_size;      /* advertised or available, bytes */
	bool has_digest;         /* `digest` stands for the body */
	struct spoe_span digest; /* any bytes */
	/* So many bytes of a partial body count; 0: all that are there. Where
	 * HAProxy cuts depends on the headers in front, and those may differ
	 * when the request is repeated. */
	size_t partial_max;
};

/* True when HAProxy had only a part of the body, and it counts: no digest
 * replaces it, and the policy compares bodies. */
bool digest_body_partial(const struct digest_request *request,
                         const struct policy *policy);

/* The fingerprint of `request`: the parts of it that the policy compares; a
 * partial body adds its advertised size and is marked. False when OpenSSL
 * fails, or there is no memory for the canonical form of a body. */
bool digest_fingerprint(struct digest *d, const struct digest_request *request,
                        const struct policy *policy,
                        uint8_t ret_fingerprint[RECORD_FINGERPRINT_SIZE]);

#endif
