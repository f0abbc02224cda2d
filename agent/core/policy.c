#include "agent/core/policy.h"

#include "agent/core/crc32c.h"

#include <strings.h>

enum { BITS = 64 };

uint32_t policy_id(const char *name)
{
	return crc32c(spoe_span_of(name));
}

bool policy_statuses_has(const struct policy_statuses *statuses,
                         uint64_t status)
{
	uint64_t bit = status - POLICY_STATUS_MIN;

	if (status < POLICY_STATUS_MIN || status > POLICY_STATUS_MAX)
		return false;
	return statuses->bits[bit / BITS] >> bit % BITS & 1;
}

void policy_statuses_set(struct policy_statuses *statuses, unsigned first,
                         unsigned last, bool there)
{
	if (first < POLICY_STATUS_MIN)
		first = POLICY_STATUS_MIN;
	if (last > POLICY_STATUS_MAX)
		last = POLICY_STATUS_MAX;
	for (unsigned status = first; status <= last; status++) {
		unsigned bit = status - POLICY_STATUS_MIN;
		uint64_t mask = UINT64_C(1) << bit % BITS;

		if (there)
			statuses->bits[bit / BITS] |= mask;
		else
			statuses->bits[bit / BITS] &= ~mask;
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
