#include "tests/sim/content.h"

#include <assert.h>
#include <stdio.h>

enum kind {
	WHOLE,
	EMPTY, /* 204 */
	NOT_KEPT,
	CUT,         /* Content-Length says so */
	CUT_BY_SIZE, /* HAProxy's body_size says so */
	CHUNKED,
	OVER_LIMIT,
	BAD_HEADERS,
	BAD_STATUS,
	KINDS
};

static const struct {
	const char *name;
	const char *value;
	bool kept;
} lines[] = {
    {"content-type", "text/plain", true},
    {"x-request", "17", true},
    {"x-request", "18", true},
    {"set-cookie", "session=secret", false},
    {"www-authenticate", "Basic", false},
    {"keep-alive", "timeout=5", false},
    {"upgrade", "h2c", false},
    {"location", "/payments/17", true},
    {"x-empty", "", true},
};

void content_policy(struct policy *policy, bool seals_errors)
{
	static char cookie[] = "set-cookie", auth[] = "www-authenticate";

	policy->max_body = CONTENT_LIMIT;
	policy_statuses_set(&policy->released, 100, 599, true);
	if (seals_errors)
		policy_statuses_set(&policy->released, 500, 599, false);
	policy_statuses_set(&policy->stored, 200, 499, true);
	policy_statuses_set(&policy->stored, 408, 408, false);
	policy_statuses_set(&policy->stored, 425, 425, false);
	policy_statuses_set(&policy->stored, 429, 429, false);
	policy->drops[0] = cookie;
	policy->drops[1] = auth;
	policy->n_drops = 2;
}

static void put(struct spoe_writer *w, const char *name, const char *value)
{
	bool done = spoe_writer_string(w, spoe_span_of(name)) &&
	            spoe_writer_string(w, spoe_span_of(value));

	assert(done);
}

static void make_headers(struct content *c, struct rng *rng, enum kind kind)
{
	struct spoe_writer raw = spoe_writer(c->raw, sizeof(c->raw));
	struct spoe_writer kept = spoe_writer(c->kept, sizeof(c->kept));
	const bool hop = rng_permille(rng, 300);
	char length[24];
	bool done;

	if (hop)
		put(&raw, "connection", "close, X-Hop");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (rng_permille(rng, 600))
			continue;
		put(&raw, lines[i].name, lines[i].value);
		if (lines[i].kept)
			put(&kept, lines[i].name, lines[i].value);
	}
	put(&raw, "x-hop", "1");
	if (!hop)
		put(&kept, "x-hop", "1");
	snprintf(length, sizeof(length), "%zu",
	         c->response.body.size + (kind == CUT));
	if (kind == CHUNKED)
		put(&raw, "transfer-encoding", "chunked");
	else if (kind != EMPTY)
		put(&raw, "content-length", length);
	done = spoe_writer_u16(&raw, 0) && spoe_writer_u16(&kept, 0);
	assert(done);
	c->response.headers =
	    spoe_span(c->raw, raw.size - (kind == BAD_HEADERS));
	c->kept_size = kept.size;
}

static void make_body(struct content *c, struct rng *rng, enum kind kind,
                      uint64_t stamp)
{
	size_t size = sizeof(stamp) + rng_below(rng, 48);

	if (kind == EMPTY)
		size = 0;
	else if (kind == OVER_LIMIT)
		size = CONTENT_LIMIT + 1 + rng_below(rng, 20);
	else if (rng_permille(rng, 100))
		size = rng_between(rng, 150, CONTENT_LIMIT);
	memset(c->body, rng_permille(rng, 500) ? 'x' : '\0', size);
	if (size > 0)
		memcpy(c->body, &stamp, sizeof(stamp));
	c->response.body = spoe_span(c->body, size);
	c->response.body_size = size + (kind == CUT_BY_SIZE);
}

static uint64_t make_status(struct rng *rng, enum kind kind)
{
	static const uint64_t kept[] = {200, 201, 302, 404, 422};
	static const uint64_t not_kept[] = {500, 503, 408, 425, 429};

	if (kind == EMPTY)
		return 204;
	if (kind == BAD_STATUS)
		return rng_permille(rng, 500) ? 0 : 70000;
	return (kind == NOT_KEPT ? not_kept : kept)[rng_below(rng, 5)];
}

static void expect(struct content *c, const struct policy *policy,
                   enum kind kind, bool noticed)
{
	static const struct {
		enum record_state becomes;
		enum reason reason;
	} rows[KINDS] = {
	    [WHOLE] = {RECORD_STORED, REASON_NONE},
	    [EMPTY] = {RECORD_STORED, REASON_NONE},
	    [NOT_KEPT] = {RECORD_NONE, REASON_STATUS_NOT_KEPT},
	    [CUT] = {RECORD_SEALED, REASON_BODY_CUT},
	    [CUT_BY_SIZE] = {RECORD_SEALED, REASON_BODY_CUT},
	    [CHUNKED] = {RECORD_SEALED, REASON_BODY_UNCONFIRMED},
	    [OVER_LIMIT] = {RECORD_SEALED, REASON_BODY_OVER_LIMIT},
	    [BAD_HEADERS] = {RECORD_SEALED, REASON_BAD_HEADERS},
	    [BAD_STATUS] = {RECORD_SEALED, REASON_BAD_STATUS},
	};
	const bool oversize =
	    kind == CUT || kind == CUT_BY_SIZE || kind == OVER_LIMIT;

	c->becomes = rows[kind].becomes;
	if (kind == NOT_KEPT && c->response.status >= 500 &&
	    !policy_statuses_has(&policy->released, 500))
		c->becomes = RECORD_SEALED;
	c->reason = rows[kind].reason;
	if (oversize && policy->oversize_response == POLICY_OVERSIZE_RELEASE)
		c->becomes = RECORD_NONE;
	if (kind != CHUNKED)
		return;
	if (c->response.headers.size + c->response.body.size >
	    CONTENT_BUFFER / 2) {
		c->reason = REASON_BODY_MAY_BE_CUT;
		if (policy->oversize_response == POLICY_OVERSIZE_RELEASE)
			c->becomes = RECORD_NONE;
	} else if (noticed) {
		c->becomes = RECORD_PENDING;
	} else if (policy->unconfirmed == POLICY_UNCONFIRMED_TRUST) {
		c->becomes = RECORD_STORED;
		c->reason = REASON_NONE;
	}
}

void content_make(struct content *content, struct rng *rng,
                  const struct policy *policy, uint64_t stamp, bool noticed,
                  unsigned broken)
{
	/* Mostly what an upstream does when all is well. */
	enum kind kind =
	    rng_permille(rng, 500) ? WHOLE : (enum kind)rng_below(rng, KINDS);

	content->response = (struct idem_response){
	    .status = make_status(rng, kind),
	    .buffer_size = CONTENT_BUFFER,
	    .noticed = noticed,
	};
	content->broken = kind == CHUNKED && rng_permille(rng, broken);
	make_body(content, rng, kind, stamp);
	make_headers(content, rng, kind);
	expect(content, policy, kind, noticed);
}
