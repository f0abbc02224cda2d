/* What becomes of a response: by its status, and by whether its body is known
 * to be whole. */
#include "agent/core/idem.h"

#include "agent/core/policy.h"
#include "tests/unit/core_check.h"

enum {
	MAX_BODY = 1000,
	BUFFER = 200,
	HALF = BUFFER / 2,
	END = 2, /* of a list of headers */
};

static void fill_policy(struct policy *policy)
{
	*policy = (struct policy){.max_body = MAX_BODY};
	policy_statuses_set(&policy->released, 100, 599, true);
	policy_statuses_set(&policy->stored, 200, 499, true);
	policy_statuses_set(&policy->stored, 408, 408, false);
	policy_statuses_set(&policy->stored, 425, 425, false);
	policy_statuses_set(&policy->stored, 429, 429, false);
}

/* The statuses of DESIGN.md section 4, each with a whole body. */
static void test_statuses(void **state)
{
	struct policy policy;

	(void)state;
	fill_policy(&policy);
	for (uint64_t status = 0; status < 1000; status++) {
		struct idem_response response = {.status = status};
		enum idem_disposition expected = IDEM_RELEASE;
		enum reason expected_reason = REASON_STATUS_NOT_KEPT;
		struct core_list buffer;
		enum reason reason;

		response.headers = core_list(&buffer, "content-length: 0\n");
		if (status < 100 || status > 599) {
			expected = IDEM_SEAL;
			expected_reason = REASON_BAD_STATUS;
		} else if (status >= 200 && status < 500 && status != 408 &&
		           status != 425 && status != 429) {
			expected = IDEM_STORE;
			expected_reason = REASON_NONE;
		}
		assert_int_equal(idem_dispose(&response, &policy, &reason),
		                 expected);
		assert_int_equal(reason, expected_reason);
	}
}

/* Statuses are the policy's, not ours. */
static void test_statuses_of_policy(void **state)
{
	struct policy policy = {.max_body = MAX_BODY};
	struct idem_response response = {.status = 503};
	struct core_list buffer;
	enum reason reason;

	(void)state;
	response.headers = core_list(&buffer, "content-length: 0\n");
	policy_statuses_set(&policy.stored, 503, 503, true);
	policy_statuses_set(&policy.released, 200, 299, true);
	policy_statuses_set(&policy.released, 503, 503, true);
	assert_int_equal(idem_dispose(&response, &policy, &reason), IDEM_STORE);
	response.status = 200;
	assert_int_equal(idem_dispose(&response, &policy, &reason),
	                 IDEM_RELEASE);
	assert_int_equal(reason, REASON_STATUS_NOT_KEPT);
	/* In neither list: it counts as executed. */
	response.status = 500;
	assert_int_equal(idem_dispose(&response, &policy, &reason), IDEM_SEAL);
	assert_int_equal(reason, REASON_STATUS_NOT_KEPT);
}

static const struct {
	const char *name;
	uint64_t status;
	const char *headers;
	size_t body;
	uint64_t body_size;
	bool head;
	enum idem_disposition disposition; /* unconfirmed = seal */
	enum reason reason;
	enum idem_disposition trusted; /* unconfirmed = trust */
} bodies[] = {
    {"length equals body", 200, "content-length: 5\n", 5, 5, false, IDEM_STORE,
     REASON_NONE, IDEM_STORE},
    {"length and body of nothing", 200, "content-length: 0\n", 0, 0, false,
     IDEM_STORE, REASON_NONE, IDEM_STORE},
    {"repeated length", 200, "content-length: 5\ncontent-length: 5\n", 5, 5,
     false, IDEM_STORE, REASON_NONE, IDEM_STORE},
    {"size not told", 200, "content-length: 5\n", 5, 0, false, IDEM_STORE,
     REASON_NONE, IDEM_STORE},
    {"length at the limit", 200, "content-length: 1000\n", 1000, 1000, false,
     IDEM_STORE, REASON_NONE, IDEM_STORE},

    {"cut at the buffer", 200, "content-length: 500\n", 100, 500, false,
     IDEM_SEAL, REASON_BODY_CUT, IDEM_SEAL},
    {"cut, size not told", 200, "content-length: 500\n", 100, 100, false,
     IDEM_SEAL, REASON_BODY_CUT, IDEM_SEAL},
    {"cut, one byte missing", 200, "content-length: 6\n", 5, 5, false,
     IDEM_SEAL, REASON_BODY_CUT, IDEM_SEAL},
    {"cut, nothing came", 200, "content-length: 5\n", 0, 0, false, IDEM_SEAL,
     REASON_BODY_CUT, IDEM_SEAL},
    {"cut inside a chunk", 200, "transfer-encoding: chunked\n", 100, 101, false,
     IDEM_SEAL, REASON_BODY_CUT, IDEM_SEAL},
    {"cut and over the limit", 200, "", 1001, 5000, false, IDEM_SEAL,
     REASON_BODY_CUT, IDEM_SEAL},
    {"an error that is cut", 404, "content-length: 6\n", 5, 6, false, IDEM_SEAL,
     REASON_BODY_CUT, IDEM_SEAL},

    {"over the limit", 200, "content-length: 1001\n", 1001, 1001, false,
     IDEM_SEAL, REASON_BODY_OVER_LIMIT, IDEM_SEAL},
    {"over the limit, chunked", 200, "", 1001, 1001, false, IDEM_SEAL,
     REASON_BODY_OVER_LIMIT, IDEM_SEAL},

    {"no length", 200, "", 5, 5, false, IDEM_SEAL, REASON_BODY_UNCONFIRMED,
     IDEM_STORE},
    {"chunked", 200, "transfer-encoding: chunked\n", 5, 5, false, IDEM_SEAL,
     REASON_BODY_UNCONFIRMED, IDEM_STORE},
    {"chunked, with a length", 200,
     "transfer-encoding: chunked\ncontent-length: 5\n", 5, 5, false, IDEM_SEAL,
     REASON_BODY_UNCONFIRMED, IDEM_STORE},
    {"no length, no body", 200, "", 0, 0, false, IDEM_SEAL,
     REASON_BODY_UNCONFIRMED, IDEM_STORE},
    {"no length, half a buffer", 200, "", HALF - END, HALF - END, false,
     IDEM_SEAL, REASON_BODY_UNCONFIRMED, IDEM_STORE},
    {"no length, more than half", 200, "", HALF - END + 1, HALF - END + 1,
     false, IDEM_SEAL, REASON_BODY_MAY_BE_CUT, IDEM_SEAL},
    {"no length, more than half with headers", 200, "x: 1\n", HALF - END,
     HALF - END, false, IDEM_SEAL, REASON_BODY_MAY_BE_CUT, IDEM_SEAL},
    {"no length, a buffer full", 200, "", BUFFER, BUFFER, false, IDEM_SEAL,
     REASON_BODY_MAY_BE_CUT, IDEM_SEAL},

    {"lengths that differ", 200, "content-length: 5\ncontent-length: 6\n", 5, 5,
     false, IDEM_SEAL, REASON_BODY_UNCONFIRMED, IDEM_SEAL},
    {"a length that is no number", 200, "content-length: five\n", 5, 5, false,
     IDEM_SEAL, REASON_BODY_UNCONFIRMED, IDEM_SEAL},
    {"a length that does not fit", 200,
     "content-length: 18446744073709551616\n", 0, 0, false, IDEM_SEAL,
     REASON_BODY_UNCONFIRMED, IDEM_SEAL},
    {"more body than length", 200, "content-length: 4\n", 5, 5, false,
     IDEM_SEAL, REASON_BODY_UNCONFIRMED, IDEM_SEAL},

    {"204", 204, "", 0, 0, false, IDEM_STORE, REASON_NONE, IDEM_STORE},
    {"304", 304, "", 0, 0, false, IDEM_STORE, REASON_NONE, IDEM_STORE},
    {"304 with the length it would have", 304, "content-length: 500\n", 0, 500,
     false, IDEM_STORE, REASON_NONE, IDEM_STORE},
    {"304 with lengths that differ", 304,
     "content-length: 5\ncontent-length: 6\n", 0, 0, false, IDEM_STORE,
     REASON_NONE, IDEM_STORE},
    {"204 with a body", 204, "", 5, 5, false, IDEM_SEAL,
     REASON_BODY_UNCONFIRMED, IDEM_SEAL},
    {"204 with a body and its length", 204, "content-length: 5\n", 5, 5, false,
     IDEM_SEAL, REASON_BODY_UNCONFIRMED, IDEM_SEAL},
    {"205 is like any other", 205, "", 0, 0, false, IDEM_SEAL,
     REASON_BODY_UNCONFIRMED, IDEM_STORE},

    {"HEAD", 200, "", 0, 0, true, IDEM_STORE, REASON_NONE, IDEM_STORE},
    {"HEAD with a length", 200, "content-length: 500\n", 0, 0, true, IDEM_STORE,
     REASON_NONE, IDEM_STORE},
    {"HEAD with a length and a size", 200, "content-length: 5000\n", 0, 5000,
     true, IDEM_STORE, REASON_NONE, IDEM_STORE},
    {"HEAD with a body", 200, "content-length: 5\n", 5, 5, true, IDEM_SEAL,
     REASON_BODY_UNCONFIRMED, IDEM_SEAL},

    {"not kept, whatever its body", 500, "content-length: 6\n", 5, 6, false,
     IDEM_RELEASE, REASON_STATUS_NOT_KEPT, IDEM_RELEASE},
    {"429 with a large body", 429, "", 5000, 6000, false, IDEM_RELEASE,
     REASON_STATUS_NOT_KEPT, IDEM_RELEASE},
};

static void test_bodies(void **state)
{
	static const uint8_t bytes[10000];
	struct policy policy;

	(void)state;
	fill_policy(&policy);
	for (size_t i = 0; i < COUNT(bodies); i++) {
		struct core_list buffer;
		struct idem_response response = {
		    .status = bodies[i].status,
		    .headers = core_list(&buffer, bodies[i].headers),
		    .body = spoe_span(bytes, bodies[i].body),
		    .body_size = bodies[i].body_size,
		    .head = bodies[i].head,
		    .buffer_size = BUFFER,
		};
		enum reason reason;

		policy.unconfirmed = POLICY_UNCONFIRMED_SEAL;
		check_row(bodies[i].name,
		          idem_dispose(&response, &policy, &reason) ==
		              bodies[i].disposition);
		check_row(bodies[i].name, reason == bodies[i].reason);

		policy.unconfirmed = POLICY_UNCONFIRMED_TRUST;
		check_row(bodies[i].name,
		          idem_dispose(&response, &policy, &reason) ==
		              bodies[i].trusted);
		check_row(bodies[i].name,
		          reason == (bodies[i].trusted == IDEM_STORE
		                         ? REASON_NONE
		                         : bodies[i].reason));
	}
}

/* With a notice to come, only what nobody vouches for by itself waits for it;
 * and of that only what HAProxy certainly had room for. */
static void test_noticed(void **state)
{
	static const uint8_t bytes[10000];
	struct policy policy;

	(void)state;
	fill_policy(&policy);
	for (size_t i = 0; i < 2 * COUNT(bodies); i++) {
		const bool trust = i >= COUNT(bodies);
		const size_t row = i % COUNT(bodies);
		struct core_list buffer;
		struct idem_response response = {
		    .status = bodies[row].status,
		    .headers = core_list(&buffer, bodies[row].headers),
		    .body = spoe_span(bytes, bodies[row].body),
		    .body_size = bodies[row].body_size,
		    .head = bodies[row].head,
		    .buffer_size = BUFFER,
		    .noticed = true,
		};
		enum idem_disposition without = bodies[row].disposition;
		enum reason reason;

		policy.unconfirmed =
		    trust ? POLICY_UNCONFIRMED_TRUST : POLICY_UNCONFIRMED_SEAL;
		if (trust)
			without = bodies[row].trusted;
		/* What could be trusted is what is pending. */
		if (bodies[row].trusted == IDEM_STORE &&
		    bodies[row].disposition == IDEM_SEAL)
			without = IDEM_PEND;
		check_row(bodies[row].name,
		          idem_dispose(&response, &policy, &reason) == without);
		if (without == IDEM_PEND)
			check_row(bodies[row].name,
			          reason == REASON_BODY_UNCONFIRMED);
	}
}

/* `release` is for what is or may be too large, not for what nobody vouches
 * for. */
static void test_oversize_release(void **state)
{
	static const uint8_t bytes[10000];
	struct policy policy;

	(void)state;
	fill_policy(&policy);
	policy.oversize_response = POLICY_OVERSIZE_RELEASE;
	for (size_t i = 0; i < COUNT(bodies); i++) {
		struct core_list buffer;
		struct idem_response response = {
		    .status = bodies[i].status,
		    .headers = core_list(&buffer, bodies[i].headers),
		    .body = spoe_span(bytes, bodies[i].body),
		    .body_size = bodies[i].body_size,
		    .head = bodies[i].head,
		    .buffer_size = BUFFER,
		};
		bool oversize = bodies[i].reason == REASON_BODY_CUT ||
		                bodies[i].reason == REASON_BODY_OVER_LIMIT ||
		                bodies[i].reason == REASON_BODY_MAY_BE_CUT;
		enum reason reason;

		check_row(
		    bodies[i].name,
		    idem_dispose(&response, &policy, &reason) ==
			(oversize ? IDEM_RELEASE : bodies[i].disposition));
		check_row(bodies[i].name, reason == bodies[i].reason);
	}
}

static const struct {
	const char *name;
	uint64_t status;
	struct spoe_span headers;
	enum idem_disposition disposition;
	enum reason reason;
} messages[] = {
    {"headers that are cut",
     204,
     {(const uint8_t *)"\1a\1b", 4},
     IDEM_SEAL,
     REASON_BAD_HEADERS},
    {"headers that are cut, of an error",
     500,
     {(const uint8_t *)"\1a\1b", 4},
     IDEM_SEAL,
     REASON_BAD_HEADERS},
    {"no headers", 204, {NULL, 0}, IDEM_STORE, REASON_NONE},
    {"no status", 0, {NULL, 0}, IDEM_SEAL, REASON_BAD_STATUS},
    {"a status too large", 600, {NULL, 0}, IDEM_SEAL, REASON_BAD_STATUS},
    {"a status that wraps",
     204 + 65536,
     {NULL, 0},
     IDEM_SEAL,
     REASON_BAD_STATUS},
};

static void test_messages(void **state)
{
	struct policy policy;

	(void)state;
	fill_policy(&policy);
	/* Not even this releases what cannot be read. */
	policy.oversize_response = POLICY_OVERSIZE_RELEASE;
	policy.unconfirmed = POLICY_UNCONFIRMED_TRUST;
	for (size_t i = 0; i < COUNT(messages); i++) {
		struct idem_response response = {
		    .status = messages[i].status,
		    .headers = messages[i].headers,
		};
		enum reason reason;

		check_row(messages[i].name,
		          idem_dispose(&response, &policy, &reason) ==
		              messages[i].disposition);
		check_row(messages[i].name, reason == messages[i].reason);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_statuses),
	    cmocka_unit_test(test_statuses_of_policy),
	    cmocka_unit_test(test_bodies),
	    cmocka_unit_test(test_noticed),
	    cmocka_unit_test(test_oversize_release),
	    cmocka_unit_test(test_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
