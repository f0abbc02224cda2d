/* tests/sim/content.h: an upstream's response, and what must become of it: by
 * construction, not by asking agent/core. */
#ifndef TESTS_SIM_CONTENT_H
#define TESTS_SIM_CONTENT_H

#include "agent/core/idem.h"
#include "agent/core/policy.h"
#include "tests/sim/rng.h"

enum {
	CONTENT_HEADERS_MAX = 256,
	CONTENT_BODY_MAX = 400,
	CONTENT_LIMIT = 320, /* a policy's max_body */
	CONTENT_BUFFER = 300,
};

struct content {
	struct idem_response response; /* borrows the arrays below */
	enum record_state becomes;
	enum reason reason;
	bool broken; /* it broke off: only the end of the transaction tells */
	size_t kept_size;
	uint8_t raw[CONTENT_HEADERS_MAX];
	uint8_t kept[CONTENT_HEADERS_MAX]; /* what of `raw` is replayed */
	uint8_t body[CONTENT_BODY_MAX];
};

/* Makes up a response; its body tells it from all others of the schedule. Of
 * the chunked ones so many permille break off; `noticed`: a notice tells. */
void content_make(struct content *content, struct rng *rng,
                  const struct policy *policy, uint64_t stamp, bool noticed,
                  unsigned broken);

/* Fills what content_make() counts on: the statuses and the drop list. */
void content_policy(struct policy *policy, bool seals_errors);

#endif
