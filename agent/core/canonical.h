/* agent/core/canonical.h: a JSON text in the one form that all its spellings
 * have: RFC 8785 (JCS), with members sorted by UTF-16 code units and the
 * shortest numbers and strings.
 *
 * Two texts have one form only if they mean the same to whoever reads them.
 * What a reader may take in different ways has none, and is to be compared byte
 * by byte: text that is not strict JSON in UTF-8, names given twice, U+0000,
 * numbers that a double does not hold as they are written (but integers up to
 * 64 bits keep all their digits), nesting deeper than CANONICAL_DEPTH_MAX, more
 * than CANONICAL_TEXT_MAX bytes, and anything but an object or an array. */
#ifndef AGENT_CORE_CANONICAL_H
#define AGENT_CORE_CANONICAL_H

#include "agent/core/policy.h"

enum {
	CANONICAL_TEXT_MAX = 256 << 10,
	CANONICAL_DEPTH_MAX = 64,
};

enum canonical_result {
	CANONICAL_DONE,
	CANONICAL_NONE, /* it has no such form */
	CANONICAL_NO_MEMORY,
};

/* The form of `text` without the members that the policy excludes.
 * CANONICAL_DONE: free *ret_bytes. */
enum canonical_result canonical_json(struct spoe_span text,
                                     const struct policy *policy,
                                     uint8_t **ret_bytes, size_t *ret_size);

#endif
