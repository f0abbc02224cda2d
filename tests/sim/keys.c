#include "tests/sim/keys.h"

#include <stdio.h>

static const struct policy everything = {.fingerprint = POLICY_PARTS_ALL};

static bool hash_requests(struct digest *d, struct keys *keys)
{
	const struct spoe_span scopes[2][2] = {
	    {spoe_span_of("shop"), spoe_span_of("alice")},
	    {spoe_span_of("shop"), spoe_span_of("bob")},
	};
	struct digest_request request = {
	    .method = spoe_span_of("POST"),
	    .path = spoe_span_of("/payments"),
	    .body = spoe_span_of("1"),
	    .body_size = 1,
	};

	/* The same two texts in two scopes. */
	for (unsigned i = 0; i < KEYS; i++) {
		snprintf(keys->texts[i], sizeof(keys->texts[i]), "k-%u", i / 2);
		if (!digest_record_key(d, scopes[i % 2], 2,
		                       spoe_span_of(keys->texts[i]),
		                       keys->record_keys[i]))
			return false;
	}
	if (!digest_fingerprint(d, &request, &everything,
	                        keys->fingerprints[0]))
		return false;
	request.body = spoe_span_of("2");
	return digest_fingerprint(d, &request, &everything,
	                          keys->fingerprints[1]);
}

bool keys_init(struct keys *keys)
{
	struct digest *d = digest_new();
	bool done = d != NULL && hash_requests(d, keys);

	digest_free(d);
	return done;
}
