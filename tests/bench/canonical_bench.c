/* What it costs to compare bodies as canonical JSON instead of byte by byte:
 *
 *     canonical_bench    prints CPU per fingerprint for bodies of some sizes */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "agent/core/canonical.h"
#include "agent/core/digest.h"

enum { ROUNDS = 2000, ITEM_MAX = 160 };

/* A payment with as many items as it takes. */
static struct spoe_span payment(char *body, size_t size)
{
	size_t used = (size_t)snprintf(body, size,
	                               "{\"currency\": \"EUR\", \"total\": "
	                               "1234.50, \"items\": [");
	unsigned n = 0;

	for (; used + ITEM_MAX < size; n++)
		used += (size_t)snprintf(
		    body + used, size - used,
		    "%s{\"sku\": \"A-%u\", \"name\": \"caf\\u00e9 \\\"%u\\\"\","
		    " \"price\": %u.99, \"count\": %u}",
		    n > 0 ? ", " : "", n, n, n, n % 7);
	used += (size_t)snprintf(body + used, size - used, "]}");
	return spoe_span(body, used);
}

/* Or else the bytes would be measured twice. */
static void check(struct spoe_span body, const struct policy *policy)
{
	uint8_t *form;
	size_t size;

	if (canonical_json(body, policy, &form, &size) != CANONICAL_DONE)
		abort();
	free(form);
}

static double cpu_us(struct digest *d, const struct digest_request *request,
                     const struct policy *policy)
{
	uint8_t fingerprint[RECORD_FINGERPRINT_SIZE];
	const clock_t start = clock();

	for (int i = 0; i < ROUNDS; i++) {
		if (!digest_fingerprint(d, request, policy, fingerprint))
			abort();
	}
	return (double)(clock() - start) * 1e6 / CLOCKS_PER_SEC / ROUNDS;
}

int main(void)
{
	static const size_t sizes[] = {500, 2000, 15000};
	const struct policy bytes = {.fingerprint = POLICY_PARTS_ALL};
	struct policy json = bytes;
	struct digest *d = digest_new();
	static char body[16384];

	json.fingerprint_body = POLICY_BODY_JSON;
	if (!d)
		return 1;
	printf("%12s %12s %12s\n", "body bytes", "bytes µs", "json µs");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct digest_request request = {.method =
		                                     spoe_span_of("POST")};

		request.body = payment(body, sizes[i]);
		request.body_size = request.body.size;
		check(request.body, &json);
		printf("%12zu %12.2f %12.2f\n", request.body.size,
		       cpu_us(d, &request, &bytes), cpu_us(d, &request, &json));
	}
	digest_free(d);
	return 0;
}
