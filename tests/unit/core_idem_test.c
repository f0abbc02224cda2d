/* What a check is answered when a record is there, and the records that locks
 * and settlements write. */
#include "agent/core/idem.h"

#include "agent/core/policy.h"
#include "tests/unit/core_check.h"

enum { HEADERS = 7, BODY = 3 };

static const uint64_t T = 1700000000000; /* the lock was taken */

static struct policy sample_policy(void)
{
	return (struct policy){
	    .id = 77,
	    .lock_ttl_ms = 60000,
	    .response_ttl_ms = 86400000,
	    .retry_after_max_s = 30,
	};
}

static struct idem_request sample_request(void)
{
	struct idem_request request = {
	    .key = spoe_span_of("k-17"),
	    .replay_room = HEADERS + BODY,
	};

	memset(request.record_key, 'r', RECORD_KEY_SIZE);
	memset(request.fingerprint, 'f', RECORD_FINGERPRINT_SIZE);
	return request;
}

enum stored_as { NOTHING, WHOLE, DAMAGED };

/* A response of HEADERS and BODY bytes, encoded. */
static struct spoe_span encoded(enum stored_as as, uint8_t bytes[64])
{
	const struct record_response response = {
	    .status = 201,
	    .headers = spoe_span("\1a\2bc\0\0", HEADERS),
	    .body = spoe_span("x\0y", BODY),
	};
	struct spoe_writer w = spoe_writer(bytes, 64);

	if (as == NOTHING)
		return spoe_span(NULL, 0);
	assert_true(record_encode_response(&w, &response));
	if (as == DAMAGED)
		bytes[w.size / 2] ^= 1;
	return spoe_span(bytes, w.size);
}

static const struct {
	const char *name;
	enum record_state state;
	bool other; /* another request's fingerprint */
	enum stored_as response;
	int64_t now;     /* ms since T */
	int64_t expires; /* ms since T; the deadline is at 60000 */
	size_t room;     /* 0: enough */
	enum idem_verdict verdict;
	enum reason reason;
	int64_t retry_after_s;
} rows[] = {
    {"running", RECORD_LOCKED, false, NOTHING, 0, 60000, 0, IDEM_CONFLICT,
     REASON_RUNNING, 30},
    {"running, 30 s left", RECORD_LOCKED, false, NOTHING, 30000, 60000, 0,
     IDEM_CONFLICT, REASON_RUNNING, 30},
    {"running, 29.999 s left", RECORD_LOCKED, false, NOTHING, 30001, 60000, 0,
     IDEM_CONFLICT, REASON_RUNNING, 30},
    {"running, 29 s left", RECORD_LOCKED, false, NOTHING, 31000, 60000, 0,
     IDEM_CONFLICT, REASON_RUNNING, 29},
    {"running, 1.001 s left", RECORD_LOCKED, false, NOTHING, 58999, 60000, 0,
     IDEM_CONFLICT, REASON_RUNNING, 2},
    {"running, 1 ms left", RECORD_LOCKED, false, NOTHING, 59999, 60000, 0,
     IDEM_CONFLICT, REASON_RUNNING, 1},
    {"running, the clock jumped back", RECORD_LOCKED, false, NOTHING, -3600000,
     60000, 0, IDEM_CONFLICT, REASON_RUNNING, 30},
    {"running, the clock at its start", RECORD_LOCKED, false, NOTHING,
     -1700000000000, 60000, 0, IDEM_CONFLICT, REASON_RUNNING, 30},
    {"ran out on the way", RECORD_LOCKED, false, NOTHING, 60000, 60000, 0,
     IDEM_CONFLICT, REASON_RUNNING, 1},
    {"ran out long before", RECORD_LOCKED, false, NOTHING, 900000, 60000, 0,
     IDEM_CONFLICT, REASON_RUNNING, 1},

    {"held, in time", RECORD_LOCKED, false, NOTHING, 59999, 86400000, 0,
     IDEM_CONFLICT, REASON_RUNNING, 1},
    {"held, at its deadline", RECORD_LOCKED, false, NOTHING, 60000, 86400000, 0,
     IDEM_UNKNOWN, REASON_LOCK_EXPIRED, 0},
    {"held, to its last moment", RECORD_LOCKED, false, NOTHING, 86399999,
     86400000, 0, IDEM_UNKNOWN, REASON_LOCK_EXPIRED, 0},
    {"held, over on the way", RECORD_LOCKED, false, NOTHING, 86400000, 86400000,
     0, IDEM_CONFLICT, REASON_RUNNING, 1},

    {"pending", RECORD_PENDING, false, WHOLE, 50000, 86400000, 0, IDEM_CONFLICT,
     REASON_RUNNING, 10},
    {"pending, past the deadline", RECORD_PENDING, false, WHOLE, 70000,
     86400000, 0, IDEM_UNKNOWN, REASON_BODY_UNCONFIRMED, 0},
    {"pending, at the deadline", RECORD_PENDING, false, WHOLE, 60000, 86400000,
     0, IDEM_UNKNOWN, REASON_BODY_UNCONFIRMED, 0},
    {"pending, 1 ms before", RECORD_PENDING, false, WHOLE, 59999, 86400000, 0,
     IDEM_CONFLICT, REASON_RUNNING, 1},

    {"stored", RECORD_STORED, false, WHOLE, 50000, 86400000, 0, IDEM_CACHED,
     REASON_NONE, 0},
    {"stored, over on the way", RECORD_STORED, false, WHOLE, 86400000, 86400000,
     0, IDEM_CACHED, REASON_NONE, 0},
    {"stored, just fits", RECORD_STORED, false, WHOLE, 50000, 86400000,
     HEADERS + BODY, IDEM_CACHED, REASON_NONE, 0},
    {"stored, one byte too many", RECORD_STORED, false, WHOLE, 50000, 86400000,
     HEADERS + BODY - 1, IDEM_UNKNOWN, REASON_REPLAY_TOO_LARGE, 0},
    {"stored, headers too many", RECORD_STORED, false, WHOLE, 50000, 86400000,
     HEADERS - 1, IDEM_UNKNOWN, REASON_REPLAY_TOO_LARGE, 0},
    {"stored, damaged", RECORD_STORED, false, DAMAGED, 50000, 86400000, 0,
     IDEM_ERROR, REASON_RECORD_CORRUPT, 0},
    {"stored, no response", RECORD_STORED, false, NOTHING, 50000, 86400000, 0,
     IDEM_ERROR, REASON_RECORD_CORRUPT, 0},

    {"sealed", RECORD_SEALED, false, NOTHING, 50000, 86400000, 0, IDEM_UNKNOWN,
     REASON_WAS_SEALED, 0},
    {"no record at all", RECORD_NONE, false, NOTHING, 50000, 86400000, 0,
     IDEM_ERROR, REASON_RECORD_CORRUPT, 0},
    {"no such state", (enum record_state)9, false, NOTHING, 50000, 86400000, 0,
     IDEM_ERROR, REASON_RECORD_CORRUPT, 0},

    {"other, running", RECORD_LOCKED, true, NOTHING, 0, 60000, 0, IDEM_MISMATCH,
     REASON_OTHER_REQUEST, 0},
    {"other, held", RECORD_LOCKED, true, NOTHING, 70000, 86400000, 0,
     IDEM_MISMATCH, REASON_OTHER_REQUEST, 0},
    {"other, pending", RECORD_PENDING, true, WHOLE, 50000, 86400000, 0,
     IDEM_MISMATCH, REASON_OTHER_REQUEST, 0},
    {"other, stored", RECORD_STORED, true, WHOLE, 50000, 86400000, 0,
     IDEM_MISMATCH, REASON_OTHER_REQUEST, 0},
    {"other, too large", RECORD_STORED, true, WHOLE, 50000, 86400000, 1,
     IDEM_MISMATCH, REASON_OTHER_REQUEST, 0},
    {"other, damaged", RECORD_STORED, true, DAMAGED, 50000, 86400000, 0,
     IDEM_MISMATCH, REASON_OTHER_REQUEST, 0},
    {"other, sealed", RECORD_SEALED, true, NOTHING, 50000, 86400000, 0,
     IDEM_MISMATCH, REASON_OTHER_REQUEST, 0},
};

static void test_decide(void **state)
{
	const struct policy policy = sample_policy();

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct idem_request request = sample_request();
		struct idem_answer answer;
		uint8_t bytes[64];
		struct record found = {
		    .state = rows[i].state,
		    .created_ms = T,
		    .deadline_ms = T + 60000,
		    .expires_ms = T + (uint64_t)rows[i].expires,
		    .forget_ms = T + (uint64_t)rows[i].expires,
		    .response = encoded(rows[i].response, bytes),
		};

		if (rows[i].room > 0)
			request.replay_room = rows[i].room;
		memcpy(found.fingerprint, request.fingerprint,
		       RECORD_FINGERPRINT_SIZE);
		found.fingerprint[RECORD_FINGERPRINT_SIZE - 1] ^= rows[i].other;
		memset(&answer, 0xee, sizeof(answer));
		idem_decide(&found, &request, &policy, NULL,
		            T + (uint64_t)rows[i].now, &answer);
		check_row(rows[i].name, answer.verdict == rows[i].verdict);
		check_row(rows[i].name, answer.reason == rows[i].reason);
		check_row(rows[i].name,
		          answer.retry_after_s == rows[i].retry_after_s);
		check_row(rows[i].name, (answer.response.status != 0) ==
		                            (rows[i].verdict == IDEM_CACHED));
	}
}

static const struct {
	const char *name;
	enum record_state state;
	bool other;
	enum stored_as response;
	int64_t now; /* ms since T; forgotten at 86400000, gone a day later */
	enum idem_verdict verdict;
	enum reason reason;
} late[] = {
    {"stored, in time", RECORD_STORED, false, WHOLE, 86399999, IDEM_CACHED,
     REASON_NONE},
    {"stored, forgotten", RECORD_STORED, false, WHOLE, 86400000, IDEM_UNKNOWN,
     REASON_LONG_AGO},
    {"stored, forgotten, damaged", RECORD_STORED, false, DAMAGED, 86400000,
     IDEM_UNKNOWN, REASON_LONG_AGO},
    {"stored, to the end", RECORD_STORED, false, WHOLE, 172799999, IDEM_UNKNOWN,
     REASON_LONG_AGO},
    {"stored, other", RECORD_STORED, true, WHOLE, 86400000, IDEM_MISMATCH,
     REASON_OTHER_REQUEST},
    {"dropped", RECORD_SEALED, false, NOTHING, 86400000, IDEM_UNKNOWN,
     REASON_LONG_AGO},
    {"dropped, the clock jumped back", RECORD_SEALED, false, NOTHING, 86399999,
     IDEM_UNKNOWN, REASON_WAS_SEALED},
    {"dropped, over on the way", RECORD_SEALED, false, NOTHING, 172800000,
     IDEM_UNKNOWN, REASON_LONG_AGO},
    {"dropped, other", RECORD_SEALED, true, NOTHING, 86400000, IDEM_MISMATCH,
     REASON_OTHER_REQUEST},
    {"pending, forgotten", RECORD_PENDING, false, WHOLE, 86400000, IDEM_UNKNOWN,
     REASON_LONG_AGO},
    {"pending, forgotten, trusted", RECORD_PENDING, false, WHOLE, 86400000,
     IDEM_UNKNOWN, REASON_LONG_AGO},
    {"held", RECORD_LOCKED, false, NOTHING, 86400000, IDEM_UNKNOWN,
     REASON_LOCK_EXPIRED},
};

/* A response's life ends before its record's. */
static void test_late(void **state)
{
	struct policy policy = sample_policy();

	(void)state;
	for (size_t i = 0; i < COUNT(late); i++) {
		const struct idem_request request = sample_request();
		struct idem_answer answer;
		uint8_t bytes[64];
		struct record found = {
		    .state = late[i].state,
		    .created_ms = T,
		    .deadline_ms = T + 60000,
		    .expires_ms = T + 172800000,
		    .forget_ms =
			late[i].state == RECORD_LOCKED ? 0 : T + 86400000,
		    .response = encoded(late[i].response, bytes),
		};

		policy.unconfirmed = i % 2 == 0 ? POLICY_UNCONFIRMED_SEAL
		                                : POLICY_UNCONFIRMED_TRUST;
		memcpy(found.fingerprint, request.fingerprint,
		       RECORD_FINGERPRINT_SIZE);
		found.fingerprint[0] ^= late[i].other;
		idem_decide(&found, &request, &policy, NULL,
		            T + (uint64_t)late[i].now, &answer);
		check_row(late[i].name, answer.verdict == late[i].verdict);
		check_row(late[i].name, answer.reason == late[i].reason);
		if (answer.verdict == IDEM_UNKNOWN)
			check_row(late[i].name,
			          answer.expires_s == (T + 172800000) / 1000);
		else if (answer.verdict == IDEM_CACHED)
			check_row(late[i].name,
			          answer.expires_s == (T + 86400000) / 1000);
	}
}

static const struct {
	const char *name;
	uint64_t left_ms;
	uint64_t min_s, max_s;
	int64_t retry_after_s;
} waits[] = {
    {"the policy's maximum", 3600000, 1, 5, 5},
    {"a maximum of one", 3600000, 1, 1, 1},
    {"a maximum of nothing is one", 3600000, 0, 0, 1},
    {"the policy's minimum", 2000, 10, 30, 10},
    {"just the minimum", 10000, 10, 30, 10},
    {"more than the minimum", 10001, 10, 30, 11},
    {"nothing left, and a minimum", 0, 10, 30, 10},
    {"both the same", 3600000, 10, 10, 10},
    {"no maximum to speak of", 3600000, 1, UINT64_MAX, 3600},
    {"a deadline without end", UINT64_MAX, 1, 30, 30},
    {"a deadline without end, unclamped", UINT64_MAX, 1, UINT64_MAX,
     18446744073709552},
};

static void test_retry_after(void **state)
{
	const struct idem_request request = sample_request();

	(void)state;
	for (size_t i = 0; i < COUNT(waits); i++) {
		struct policy policy = sample_policy();
		struct record found = {
		    .state = RECORD_LOCKED,
		    .deadline_ms = waits[i].left_ms,
		    .expires_ms = waits[i].left_ms,
		};
		struct idem_answer answer;

		policy.retry_after_min_s = waits[i].min_s;
		policy.retry_after_max_s = waits[i].max_s;
		memcpy(found.fingerprint, request.fingerprint,
		       RECORD_FINGERPRINT_SIZE);
		idem_decide(&found, &request, &policy, NULL, 0, &answer);
		check_row(waits[i].name,
		          answer.retry_after_s == waits[i].retry_after_s);
		check_row(waits[i].name, (uint64_t)answer.expires_s ==
		                             found.deadline_ms / 1000);
	}
}

static const struct {
	const char *name;
	int64_t now; /* ms since it was settled */
	int64_t age_s;
} ages[] = {
    {"at once", 0, 0},
    {"within the second", 999, 0},
    {"a second", 1000, 1},
    {"an hour and a bit", 3600999, 3600},
    {"the clock jumped back", -1, 0},
    {"the clock jumped back far", -1700000000000, 0},
};

static void test_cached(void **state)
{
	const struct idem_request request = sample_request();
	const struct policy policy = sample_policy();

	(void)state;
	for (size_t i = 0; i < COUNT(ages); i++) {
		uint8_t bytes[64];
		struct record found = {
		    .state = RECORD_STORED,
		    .settled_ms = T,
		    .expires_ms = T + 86400999,
		    .forget_ms = T + 86400999,
		    .response = encoded(WHOLE, bytes),
		};
		struct idem_answer answer;

		memcpy(found.fingerprint, request.fingerprint,
		       RECORD_FINGERPRINT_SIZE);
		idem_decide(&found, &request, &policy, NULL,
		            T + (uint64_t)ages[i].now, &answer);
		check_row(ages[i].name, answer.verdict == IDEM_CACHED);
		check_row(ages[i].name, answer.age_s == ages[i].age_s);
		assert_int_equal(answer.expires_s, T / 1000 + 86400);
		assert_int_equal(answer.response.status, 201);
		assert_int_equal(answer.response.headers.size, HEADERS);
		assert_memory_equal(answer.response.headers.data, "\1a\2bc\0\0",
		                    HEADERS);
		assert_int_equal(answer.response.body.size, BODY);
		assert_memory_equal(answer.response.body.data, "x\0y", BODY);
	}
}

static const struct {
	const char *name;
	enum policy_on_lock_expiry on_expiry;
	uint64_t lock_ttl, response_ttl, refuse_after, now;
	uint64_t deadline, expires;
} locks[] = {
    {"retry", POLICY_EXPIRY_RETRY, 60, 1000, 0, 100, 160, 160},
    {"retry, refused after", POLICY_EXPIRY_RETRY, 60, 1000, 500, 100, 160, 160},
    {"hold", POLICY_EXPIRY_HOLD, 60, 1000, 0, 100, 160, 1100},
    {"hold, refused after", POLICY_EXPIRY_HOLD, 60, 1000, 500, 100, 160, 1600},
    {"hold, responses are shorter", POLICY_EXPIRY_HOLD, 60, 10, 0, 100, 160,
     160},
    {"hold, all is shorter", POLICY_EXPIRY_HOLD, 60, 10, 40, 100, 160, 160},
    {"hold, refused longer", POLICY_EXPIRY_HOLD, 60, 10, 90, 100, 160, 200},
    {"retry, without end", POLICY_EXPIRY_RETRY, UINT64_MAX, 10, 0, 100,
     UINT64_MAX, UINT64_MAX},
    {"hold, without end", POLICY_EXPIRY_HOLD, 60, UINT64_MAX, 0, 100, 160,
     UINT64_MAX},
    {"refused without end", POLICY_EXPIRY_HOLD, 60, 10, UINT64_MAX, 100, 160,
     UINT64_MAX},
};

static void test_lock(void **state)
{
	uint8_t owner[RECORD_OWNER_SIZE];

	(void)state;
	memset(owner, 'o', sizeof(owner));
	for (size_t i = 0; i < COUNT(locks); i++) {
		struct idem_request request = sample_request();
		struct policy policy = sample_policy();
		struct record record;

		policy.on_lock_expiry = locks[i].on_expiry;
		policy.lock_ttl_ms = locks[i].lock_ttl;
		policy.response_ttl_ms = locks[i].response_ttl;
		policy.refuse_after_ms = locks[i].refuse_after;
		request.body_partial = i % 2 == 0;
		request.head = i % 3 == 0;
		idem_lock(&request, &policy, owner, locks[i].now, &record);
		check_row(locks[i].name, record.state == RECORD_LOCKED);
		check_row(locks[i].name, record.created_ms == locks[i].now);
		check_row(locks[i].name,
		          record.deadline_ms == locks[i].deadline);
		check_row(locks[i].name, record.expires_ms == locks[i].expires);
		assert_int_equal(record.settled_ms, 0);
		assert_int_equal(record.forget_ms, 0);
		assert_int_equal(record.policy_id, 77);
		assert_int_equal(record.flags,
		                 (i % 2 == 0 ? RECORD_BODY_PARTIAL : 0) |
		                     (i % 3 == 0 ? RECORD_HEAD_REQUEST : 0));
		assert_memory_equal(record.owner, owner, sizeof(owner));
		assert_memory_equal(record.fingerprint, request.fingerprint,
		                    RECORD_FINGERPRINT_SIZE);
		assert_true(spoe_span_equal(record.key, request.key));
		assert_int_equal(record.response.size, 0);
	}
}

static void test_settle(void **state)
{
	struct policy policy = sample_policy();
	uint8_t owner[RECORD_OWNER_SIZE];
	struct record record;

	(void)state;
	memset(owner, 'o', sizeof(owner));
	idem_settle(RECORD_STORED, &policy, owner, T, &record);
	assert_int_equal(record.state, RECORD_STORED);
	assert_int_equal(record.settled_ms, T);
	assert_int_equal(record.forget_ms, T + 86400000);
	assert_int_equal(record.expires_ms, T + 86400000);
	assert_memory_equal(record.owner, owner, sizeof(owner));

	policy.refuse_after_ms = 1000;
	idem_settle(RECORD_SEALED, &policy, owner, T, &record);
	assert_int_equal(record.state, RECORD_SEALED);
	assert_int_equal(record.forget_ms, T + 86400000);
	assert_int_equal(record.expires_ms, T + 86401000);

	idem_settle(RECORD_NONE, &policy, owner, T, &record);
	assert_int_equal(record.state, RECORD_NONE);
	assert_memory_equal(record.owner, owner, sizeof(owner));

	policy.response_ttl_ms = UINT64_MAX;
	idem_settle(RECORD_SEALED, &policy, owner, T, &record);
	assert_int_equal(record.expires_ms, UINT64_MAX);
}

static void test_admit(void **state)
{
	struct idem_request request = sample_request();
	struct policy policy = sample_policy();

	(void)state;
	assert_int_equal(idem_admit(&request, &policy), REASON_NONE);
	request.body_partial = true;
	assert_int_equal(idem_admit(&request, &policy), REASON_NONE);
	policy.oversize_request = POLICY_OVERSIZE_REJECT;
	assert_int_equal(idem_admit(&request, &policy), REASON_REQUEST_CUT);
	request.body_partial = false;
	assert_int_equal(idem_admit(&request, &policy), REASON_NONE);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_decide),      cmocka_unit_test(test_late),
	    cmocka_unit_test(test_retry_after), cmocka_unit_test(test_cached),
	    cmocka_unit_test(test_lock),        cmocka_unit_test(test_settle),
	    cmocka_unit_test(test_admit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
