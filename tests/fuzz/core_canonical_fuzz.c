/* Any bytes at all, as a JSON text: nothing is read or written outside, and
 * what has a canonical form is its own form once it is in it. */
#include <assert.h>
#include <stdlib.h>

#include "agent/core/canonical.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char member[] = "/a", inner[] = "/b/c";
	const struct policy policy = {
	    .excluded = {member, inner},
	    /* Every other text is taken as it is. */
	    .n_excluded = size % 2 == 0 ? 0 : 2,
	};
	uint8_t *form, *again;
	size_t form_size, again_size;

	if (canonical_json(spoe_span(data, size), &policy, &form, &form_size) !=
	    CANONICAL_DONE)
		return 0;
	if (form_size <= CANONICAL_TEXT_MAX) {
		enum canonical_result result = canonical_json(
		    spoe_span(form, form_size), &policy, &again, &again_size);

		/* 1e20 becomes an integer that is too large for us. */
		assert(result != CANONICAL_NO_MEMORY);
		if (result == CANONICAL_DONE) {
			assert(spoe_span_equal(spoe_span(form, form_size),
			                       spoe_span(again, again_size)));
			free(again);
		}
	}
	free(form);
	return 0;
}
