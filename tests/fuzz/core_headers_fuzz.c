/* Any bytes at all, as a header list: nothing is read outside, and what is
 * left of a valid list is a valid list from which nothing more is taken. */
#include <assert.h>
#include <stdlib.h>

#include "agent/core/headers.h"
#include "agent/core/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count(struct spoe_span list)
{
	struct spoe_reader at = spoe_reader(list);
	struct spoe_span name, value;
	size_t n = 0;

	while (headers_next(&at, &name, &value)) {
		assert(name.size > 0);
		n++;
	}
	return n;
}

/* The filtered list, on the heap. */
static struct spoe_writer filter(struct spoe_span list)
{
	static char cookie[] = "set-cookie";
	const struct policy policy = {.drops = {cookie}, .n_drops = 1};
	struct spoe_writer w =
	    spoe_writer(malloc(list.size + 2), list.size + 2);
	bool done;

	assert(w.data != NULL);
	done = headers_filter(list, &policy, &w);
	assert(done && w.size <= w.capacity);
	return w;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct spoe_span list = spoe_span(data, size);
	struct spoe_writer once, twice;
	uint64_t length;

	headers_content_length(list, &length);
	once = filter(list);
	assert(count(spoe_span(once.data, once.size)) <= count(list));
	if (headers_valid(list)) {
		assert(headers_valid(spoe_span(once.data, once.size)));
		twice = filter(spoe_span(once.data, once.size));
		assert(spoe_span_equal(spoe_span(once.data, once.size),
		                       spoe_span(twice.data, twice.size)));
		assert(headers_content_length(spoe_span(once.data, once.size),
		                              &length) == HEADERS_LENGTH_NONE);
		free(twice.data);
	}
	free(once.data);
	return 0;
}
