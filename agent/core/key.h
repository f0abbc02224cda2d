/* agent/core/key.h: the Idempotency-Key header's value, validated. */
#ifndef AGENT_CORE_KEY_H
#define AGENT_CORE_KEY_H

#include "agent/core/reason.h"
#include "spoe/span.h"

enum { KEY_MAX = 255 };

struct key {
	uint8_t size; /* 1..KEY_MAX */
	char text[KEY_MAX];
};

/* Reads `raw`, an RFC 8941 string item ("…" with \" and \\ escapes; parameters
 * behind it are refused) or the same text bare; white space around it is
 * dropped. Both forms of one text give the same key. Returns REASON_NONE and
 * fills *ret_key, or the reason it is no key (a REASON_KEY_* row). Source:
 * draft-ietf-httpapi-idempotency-key-header section 2.1, RFC 8941 3.3.3. */
enum reason key_parse(struct spoe_span raw, struct key *ret_key);

static inline struct spoe_span key_span(const struct key *key)
{
	return spoe_span(key->text, key->size);
}

#endif
