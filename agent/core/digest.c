#include "agent/core/digest.h"

#include "agent/core/canonical.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>

_Static_assert(RECORD_KEY_SIZE == 32 && RECORD_FINGERPRINT_SIZE == 32,
               "both are SHA-256");

/* What a field is. No tag means two things, so a record key and a fingerprint
 * never hash the same bytes either. Records on disk depend on these. */
enum tag {
	TAG_SCOPE = 's',
	TAG_KEY = 'k',
	TAG_METHOD = 'm',
	TAG_PATH = 'p',
	TAG_QUERY = 'q',
	TAG_BODY = 'b',         /* the whole body */
	TAG_JSON = 'j',         /* its canonical form */
	TAG_DIGEST = 'd',       /* what stands for the body */
	TAG_PARTIAL_BODY = 'c', /* its beginning, and then: */
	TAG_BODY_SIZE = 'n',    /* its advertised size */
};

/* Most fields are shorter than what a call of OpenSSL costs: they are gathered,
 * and hashed together. */
enum {
	GATHERED_MAX = 512,
	FIELD_HEAD = 1 + 8, /* tag and size */
};

struct digest {
	EVP_MD *md;
	EVP_MD_CTX *ctx;
	bool failed;                 /* since start() */
	struct spoe_writer gathered; /* in `bytes` */
	uint8_t bytes[GATHERED_MAX];
};

static void start(struct digest *d)
{
	d->gathered.size = 0;
	d->failed = EVP_DigestInit_ex2(d->ctx, d->md, NULL) != 1;
}

static void hash(struct digest *d, struct spoe_span bytes)
{
	if (!d->failed && bytes.size > 0)
		d->failed =
		    EVP_DigestUpdate(d->ctx, bytes.data, bytes.size) != 1;
}

static void hash_gathered(struct digest *d)
{
	hash(d, spoe_span(d->bytes, d->gathered.size));
	d->gathered.size = 0;
}

static void add_field(struct digest *d, enum tag tag, struct spoe_span bytes)
{
	struct spoe_writer *w = &d->gathered;
	bool done;

	if (w->capacity - w->size < FIELD_HEAD)
		hash_gathered(d);
	done =
	    spoe_writer_u8(w, (uint8_t)tag) && spoe_writer_u64(w, bytes.size);
	assert(done);
	if (spoe_writer_bytes(w, bytes))
		return;
	hash_gathered(d);
	hash(d, bytes);
}

static bool finish(struct digest *d, uint8_t ret_hash[RECORD_KEY_SIZE])
{
	hash_gathered(d);
	return !d->failed && EVP_DigestFinal_ex(d->ctx, ret_hash, NULL) == 1;
}

struct digest *digest_new(void)
{
	struct digest *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->gathered = spoe_writer(d->bytes, sizeof(d->bytes));
	d->md = EVP_MD_fetch(NULL, "SHA256", NULL);
	d->ctx = EVP_MD_CTX_new();
	/* Not only there but working; FIPS and the like may forbid it. */
	if (d->md != NULL && d->ctx != NULL) {
		start(d);
		if (!d->failed)
			return d;
	}
	digest_free(d);
	return NULL;
}

void digest_free(struct digest *d)
{
	if (d == NULL)
		return;
	EVP_MD_CTX_free(d->ctx);
	EVP_MD_free(d->md);
	free(d);
}

bool digest_record_key(struct digest *d, const struct spoe_span *scopes,
                       size_t n_scopes, struct spoe_span key,
                       uint8_t ret_key[RECORD_KEY_SIZE])
{
	assert(n_scopes <= DIGEST_SCOPES_MAX);
	start(d);
	for (size_t i = 0; i < n_scopes; i++)
		add_field(d, TAG_SCOPE, scopes[i]);
	add_field(d, TAG_KEY, key);
	return finish(d, ret_key);
}

static bool digest_counts(const struct digest_request *request,
                          const struct policy *policy)
{
	return request->has_digest &&
	       (policy->fingerprint & POLICY_PART_DIGEST) != 0;
}

bool digest_body_partial(const struct digest_request *request,
                         const struct policy *policy)
{
	return !digest_counts(request, policy) &&
	       (policy->fingerprint & POLICY_PART_BODY) != 0 &&
	       request->body_size > request->body.size;
}

static void add_partial_body(struct digest *d,
                             const struct digest_request *request)
{
	struct spoe_span beginning = request->body;
	uint8_t size[sizeof(request->body_size)];
	struct spoe_writer w = spoe_writer(size, sizeof(size));
	bool done = spoe_writer_u64(&w, request->body_size);

	assert(done);
	if (request->partial_max > 0 && beginning.size > request->partial_max)
		beginning.size = request->partial_max;
	add_field(d, TAG_PARTIAL_BODY, beginning);
	add_field(d, TAG_BODY_SIZE, spoe_span(size, sizeof(size)));
}

static void add_whole_body(struct digest *d, struct spoe_span body,
                           const struct policy *policy)
{
	enum canonical_result result = CANONICAL_NONE;
	uint8_t *bytes;
	size_t size;

	if (policy->fingerprint_body == POLICY_BODY_JSON)
		result = canonical_json(body, policy, &bytes, &size);
	switch (result) {
	case CANONICAL_DONE:
		add_field(d, TAG_JSON, spoe_span(bytes, size));
		free(bytes);
		return;
	case CANONICAL_NONE:
		add_field(d, TAG_BODY, body);
		return;
	case CANONICAL_NO_MEMORY:
		/* Its bytes would make another request of it. */
		d->failed = true;
		return;
	}
}

static void add_body(struct digest *d, const struct digest_request *request,
                     const struct policy *policy)
{
	if (digest_counts(request, policy))
		add_field(d, TAG_DIGEST, request->digest);
	else if (digest_body_partial(request, policy))
		add_partial_body(d, request);
	else if (policy->fingerprint & POLICY_PART_BODY)
		add_whole_body(d, request->body, policy);
}

bool digest_fingerprint(struct digest *d, const struct digest_request *request,
                        const struct policy *policy,
                        uint8_t ret_fingerprint[RECORD_FINGERPRINT_SIZE])
{
	start(d);
	if (policy->fingerprint & POLICY_PART_METHOD)
		add_field(d, TAG_METHOD, request->method);
	if (policy->fingerprint & POLICY_PART_PATH)
		add_field(d, TAG_PATH, request->path);
	if (policy->fingerprint & POLICY_PART_QUERY)
		add_field(d, TAG_QUERY, request->query);
	add_body(d, request, policy);
	return finish(d, ret_fingerprint);
}
