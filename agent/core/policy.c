#include "agent/core/policy.h"

#include "agent/core/crc32c.h"

#include <strings.h>

enum { BITS = 64 };

uint32_t policy_id(const char *name)
{
	return crc32c(spoe_span_of(name));
}

bool policy_stores(const struct policy *policy, uint64_t status)
{
	uint64_t bit = status - POLICY_STATUS_MIN;

	if (status < POLICY_STATUS_MIN || status > POLICY_STATUS_MAX)
		return false;
	return policy->stored[bit / BITS] >> bit % BITS & 1;
}

void policy_set_stored(struct policy *policy, unsigned first, unsigned last,
                       bool stored)
{
	if (first < POLICY_STATUS_MIN)
		first = POLICY_STATUS_MIN;
	if (last > POLICY_STATUS_MAX)
		last = POLICY_STATUS_MAX;
	for (unsigned status = first; status <= last; status++) {
		unsigned bit = status - POLICY_STATUS_MIN;
		uint64_t mask = UINT64_C(1) << bit % BITS;

		if (stored)
			policy->stored[bit / BITS] |= mask;
		else
			policy->stored[bit / BITS] &= ~mask;
	}
}

bool policy_drops(const struct policy *policy, struct spoe_span name)
{
	for (size_t i = 0; i < policy->n_drops; i++) {
		const char *drop = policy->drops[i];

		if (strlen(drop) == name.size &&
		    strncasecmp(drop, (const char *)name.data, name.size) == 0)
			return true;
	}
	return false;
}
