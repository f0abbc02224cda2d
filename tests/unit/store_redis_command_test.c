/* What is said to a server and what its replies mean; no server is needed. */
#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/store/redis_greeting.h"
#include "agent/store/redis_health.h"
#include "agent/store/redis_orphans.h"

static struct redis_dialect dialect;

static struct record_op op_of(enum record_op_type type)
{
	struct record_op op = {
	    .type = type,
	    .now_ms = 1000,
	    .record = {.state = RECORD_LOCKED,
	               .expires_ms = 61000,
	               .key = spoe_span("k", 1)},
	};

	memset(op.record_key, 0xab, sizeof(op.record_key));
	memset(op.record.owner, 0x11, sizeof(op.record.owner));
	return op;
}

static void assert_arg(const struct redis_command *c, int i, const char *text)
{
	assert_true(i < c->n);
	assert_int_equal(c->sizes[i], strlen(text));
	assert_memory_equal(c->args[i], text, c->sizes[i]);
}

#define AB  "abababababababababababababababab"
#define KEY "idempotency:{v1:" AB AB "}"

/* --- commands ------------------------------------------------------------ */

static void keys_go_there_and_back(void **state)
{
	static const char *const others[] = {
	    "idempotency:{v1:" AB AB, /* no end */
	    "idempotency:{v1:" AB AB "}x",  "idempotency:{v2:" AB AB "}",
	    "idempotence:{v1:" AB AB "}",   "",
	    "idempotency:{v1:" AB AB "ab}", "idempotency:{v1:}",
	};
	char key[REDIS_KEY_SIZE] = "";
	uint8_t record_key[RECORD_KEY_SIZE];
	uint8_t again[RECORD_KEY_SIZE];
	char upper[] = KEY;
	size_t size;

	(void)state;
	for (unsigned i = 0; i < sizeof(record_key); i++)
		record_key[i] = (uint8_t)(i * 37);
	size = redis_command_key(&dialect, record_key, key);
	assert_int_equal(size, strlen(key));
	assert_true(
	    redis_command_record_key(&dialect, spoe_span_of(key), again));
	assert_memory_equal(again, record_key, sizeof(again));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(redis_command_record_key(
		    &dialect, spoe_span_of(others[i]), again));
	upper[20] = 'A';
	assert_false(
	    redis_command_record_key(&dialect, spoe_span_of(upper), again));
}

static void the_longest_prefix_fits(void **state)
{
	struct redis_dialect longest;
	char prefix[REDIS_PREFIX_MAX + 1];
	char key[REDIS_KEY_SIZE];
	const struct record_op op = op_of(RECORD_OP_PEEK);

	(void)state;
	memset(prefix, 'p', REDIS_PREFIX_MAX);
	prefix[REDIS_PREFIX_MAX] = '\0';
	redis_dialect_init(&longest, prefix);
	assert_true(redis_command_key(&longest, op.record_key, key) <
	            REDIS_KEY_SIZE);
	assert_int_equal(strlen(key), REDIS_PREFIX_MAX + 6 + 64);
}

static void a_claim_is_one_set(void **state)
{
	const struct record_op op = op_of(RECORD_OP_CLAIM);
	struct redis_command c;
	struct record record;
	size_t size;

	(void)state;
	redis_command_op(&c, &dialect, &op, REDIS_HOW_SET);
	assert_int_equal(c.n, 7);
	assert_arg(&c, 0, "SET");
	assert_arg(&c, 1, KEY);
	assert_int_equal(record_decode_head(spoe_span(c.args[2], c.sizes[2]),
	                                    &record, &size),
	                 REASON_NONE);
	assert_memory_equal(record.owner, op.record.owner, RECORD_OWNER_SIZE);
	assert_arg(&c, 3, "NX");
	assert_arg(&c, 4, "GET");
	assert_arg(&c, 5, "PX");
	assert_arg(&c, 6, "60000");
}

static void an_old_server_runs_a_script(void **state)
{
	const struct record_op op = op_of(RECORD_OP_CLAIM);
	struct redis_command c;

	(void)state;
	redis_command_op(&c, &dialect, &op, 0);
	assert_int_equal(c.n, 6);
	assert_arg(&c, 0, "EVALSHA");
	assert_int_equal(c.sizes[1], 40);
	assert_arg(&c, 2, "1");
	assert_arg(&c, 3, KEY);
	assert_arg(&c, 5, "60000");
	redis_command_op(&c, &dialect, &op, REDIS_HOW_EVAL);
	assert_arg(&c, 0, "EVAL");
	assert_arg(&c, 1, redis_script_text(REDIS_SCRIPT_CLAIM));
}

static void times_to_live_have_bounds(void **state)
{
	static const struct {
		uint64_t expires_ms;
		const char *ttl;
	} rows[] = {
	    {1001, "1"},
	    {1000, "1"}, /* a server takes no 0 */
	    {0, "1"},
	    {UINT64_MAX, "1125899906842624"},
	    {1000 + (UINT64_C(1) << 50), "1125899906842624"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct record_op op = op_of(RECORD_OP_CLAIM);
		struct redis_command c;

		op.record.expires_ms = rows[i].expires_ms;
		redis_command_op(&c, &dialect, &op, REDIS_HOW_SET);
		assert_arg(&c, 6, rows[i].ttl);
	}
}

static void a_settle_says_what_it_must_find(void **state)
{
	struct record_op op = op_of(RECORD_OP_SETTLE);
	struct redis_command c;

	(void)state;
	op.record.state = RECORD_STORED;
	op.record.response = spoe_span("\0\1", 2);
	redis_command_op(&c, &dialect, &op, 0);
	assert_int_equal(c.n, 11);
	assert_int_equal(c.sizes[4], RECORD_OWNER_SIZE);
	assert_int_equal(c.sizes[5], 0);
	assert_arg(&c, 6, "\2");
	assert_int_equal(c.sizes[7], 24);
	assert_arg(&c, 8, "60000");
	assert_memory_equal(c.args[9], "\0\0\0\2", 4);
	assert_memory_equal(c.args[10], "\0\1", 2);
	op.from = RECORD_PENDING;
	op.keep_response = true;
	redis_command_op(&c, &dialect, &op, 0);
	assert_int_equal(c.n, 9);
	assert_arg(&c, 5, "\3");
	op.any_state = true;
	op.record.state = RECORD_NONE;
	redis_command_op(&c, &dialect, &op, 0);
	assert_int_equal(c.n, 6);
	assert_arg(&c, 5, "any");
}

/* --- replies ------------------------------------------------------------- */

static enum reason health_of(const struct record_op *op,
                             const struct redisReply *reply,
                             enum record_result *ret_result)
{
	struct record_answer answer;
	struct record record;

	redis_command_answer(op, reply, &record, &answer);
	*ret_result = answer.result;
	return answer.health;
}

/* No reply but the right one is "new": types, error codes, numbers. */
static void only_nil_grants(void **state)
{
	static char text[] = "x";
	static const char *const errors[] = {
	    "LOADING Redis is loading the dataset in memory",
	    "READONLY You can't write against a read only replica.",
	    "OOM command not allowed when used memory > 'maxmemory'.",
	    "MISCONF Redis is configured to save RDB snapshots",
	    "NOAUTH Authentication required.",
	    "WRONGPASS invalid",
	    "NOPERM no",
	    "CLUSTERDOWN Hash slot not served",
	    "MASTERDOWN Link is down",
	    "TRYAGAIN Multiple keys",
	    "BUSY Redis is busy running a script",
	    "NOSCRIPT No matching script.",
	    "MOVED 1 127.0.0.1:1",
	    "NOREPLICAS Not enough good replicas to write.",
	    "ERR syntax error",
	    "WRONGTYPE Operation against a key",
	    "",
	    "UNKILLABLE"};
	struct record_op op = op_of(RECORD_OP_CLAIM);
	struct redisReply reply = {.type = REDIS_REPLY_NIL, .str = text};
	enum record_result result;

	(void)state;
	assert_int_equal(health_of(&op, &reply, &result), REASON_NONE);
	assert_int_equal(result, RECORD_GRANTED);
	for (int type = REDIS_REPLY_STRING; type <= REDIS_REPLY_ERROR; type++) {
		reply.type = type;
		reply.len = 1;
		if (type != REDIS_REPLY_NIL)
			assert_int_not_equal(health_of(&op, &reply, &result),
			                     REASON_NONE);
	}
	reply.type = REDIS_REPLY_ERROR;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		char error[80];

		snprintf(error, sizeof(error), "%s", errors[i]);
		reply.str = error;
		reply.len = (unsigned)strlen(error);
		for (op.type = RECORD_OP_CLAIM; op.type <= RECORD_OP_PEEK;
		     op.type++)
			assert_int_equal(health_of(&op, &reply, &result),
			                 i == 2 ? REASON_STORE_FULL
			                        : REASON_STORE_FAILED);
	}
}

static void settles_are_answered_by_numbers(void **state)
{
	static const struct {
		long long number;
		enum reason health;
		enum record_result result;
	} rows[] = {
	    {0, REASON_NONE, RECORD_LOST},
	    {1, REASON_NONE, RECORD_SETTLED},
	    {2, REASON_RECORD_VERSION, RECORD_GRANTED},
	    {3, REASON_RECORD_CORRUPT, RECORD_GRANTED},
	    {4, REASON_STORE_FAILED, RECORD_GRANTED},
	    {-1, REASON_STORE_FAILED, RECORD_GRANTED},
	};
	const struct record_op op = op_of(RECORD_OP_SETTLE);
	struct redisReply reply = {.type = REDIS_REPLY_INTEGER};
	enum record_result result;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		reply.integer = rows[i].number;
		assert_int_equal(health_of(&op, &reply, &result),
		                 rows[i].health);
		if (rows[i].health == REASON_NONE)
			assert_int_equal(result, rows[i].result);
	}
	reply.type = REDIS_REPLY_NIL;
	assert_int_equal(health_of(&op, &reply, &result), REASON_STORE_FAILED);
}

/* Cut anywhere, or with a bit turned, a record is damaged, never another one.
 */
static void damaged_records_are_seen(void **state)
{
	uint8_t bytes[RECORD_HEAD_MAX + 64];
	uint8_t response_bytes[64];
	struct spoe_writer w = spoe_writer(bytes, sizeof(bytes));
	struct spoe_writer r =
	    spoe_writer(response_bytes, sizeof(response_bytes));
	struct record_op op = op_of(RECORD_OP_PEEK);
	struct redisReply reply = {.type = REDIS_REPLY_STRING,
	                           .str = (char *)bytes};
	enum record_result result;

	(void)state;
	assert_true(record_encode_response(
	    &r, &(struct record_response){.status = 201,
	                                  .headers = spoe_span("\0\0", 2),
	                                  .body = spoe_span("done", 4)}));
	op.record.state = RECORD_STORED;
	op.record.response = spoe_span(r.data, r.size);
	assert_true(record_encode_head(&w, &op.record));
	assert_true(spoe_writer_bytes(&w, op.record.response));
	for (size_t size = 0; size <= w.size + 1; size++) {
		reply.len = size;
		assert_int_equal(health_of(&op, &reply, &result),
		                 size == w.size ? REASON_NONE
		                                : REASON_RECORD_CORRUPT);
	}
	reply.len = w.size;
	for (size_t bit = 8; bit < 8 * w.size; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(health_of(&op, &reply, &result),
		                 REASON_RECORD_CORRUPT);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	bytes[0] = RECORD_VERSION + 1;
	assert_int_equal(health_of(&op, &reply, &result),
	                 REASON_RECORD_VERSION);
}

static void errors_have_codes(void **state)
{
	char text[] = "OOM";
	struct redisReply reply = {
	    .type = REDIS_REPLY_ERROR, .str = text, .len = 3};

	(void)state;
	assert_true(redis_command_error_is(&reply, "OOM"));
	assert_false(redis_command_error_is(&reply, "OO"));
	assert_false(redis_command_error_is(&reply, "OOMS"));
	reply.type = REDIS_REPLY_STATUS;
	assert_false(redis_command_error_is(&reply, "OOM"));
	assert_int_equal(redis_command_error(&reply), REDIS_ERROR_NONE);
}

/* --- what a server says of itself ----------------------------------------- */

static bool accepts(const char *text, struct redis_info *ret_info, bool cluster,
                    bool allow, char *ret_why)
{
	const struct redis_info_wanted wanted = {.cluster = cluster,
	                                         .allow_eviction = allow};

	*ret_info = (struct redis_info){.known = false};
	ret_why[0] = '\0';
	redis_info_read(ret_info, spoe_span_of(text), 3);
	return redis_info_accept(ret_info, &wanted, ret_why, 300);
}

#define GOOD "# Server\r\nredis_version:7.0.15\r\nrole:master\r\nloading:0\r\n"

static void info_is_judged(void **state)
{
	static const struct {
		const char *text;
		bool cluster, allow;
		const char *why; /* NULL: accepted */
	} rows[] = {
	    {GOOD, false, false, NULL},
	    {GOOD "maxmemory_policy:noeviction\r\n", false, false, NULL},
	    {GOOD "maxmemory_policy:allkeys-lru\r\n", false, false, "drop"},
	    {GOOD "maxmemory_policy:volatile-lru\r\n", false, false, "drop"},
	    {GOOD "maxmemory_policy:allkeys-lru\r\n", false, true, NULL},
	    {GOOD "loading:1\r\n", false, false, "loading"},
	    {GOOD "role:slave\r\n", false, false, "replica"},
	    {GOOD "cluster_enabled:1\r\n", false, false, "cluster"},
	    {GOOD "cluster_enabled:1\r\n", true, false, NULL},
	    {GOOD "cluster_enabled:0\r\n", true, false, "cluster"},
	    {"redis_version:4.0.14\r\n", false, false, "too old"},
	    {"redis_version:5.0.0\r\n", false, false, NULL},
	    {"", false, false, NULL},
	    {"nonsense\r\n:\r\nrole\r\n\r\n#\r\n", false, false, NULL},
	};
	struct redis_info info;
	char why[300];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const bool accepted = accepts(
		    rows[i].text, &info, rows[i].cluster, rows[i].allow, why);

		assert_int_equal(accepted, !rows[i].why);
		if (rows[i].why && !strstr(why, rows[i].why))
			fail_msg("row %zu: %s", i, why);
	}
}

static void versions_decide_how_to_claim(void **state)
{
	static const struct {
		const char *text;
		bool set;
	} rows[] = {
	    {"redis_version:7.0.0\r\n", true},
	    {"redis_version:6.2.14\r\n", false},
	    {"redis_version:7.2.4\r\nvalkey_version:8.0.1\r\n", true},
	    {"redis_version:255.255.255\r\n", true},
	    {"redis_version:unstable\r\n", false},
	    {"", false},
	};
	struct redis_info info;
	char why[300];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		accepts(rows[i].text, &info, false, false, why);
		assert_int_equal(redis_info_set_nx_get(&info), rows[i].set);
	}
	accepts(rows[2].text, &info, false, false, why);
	assert_string_equal(info.version_text, "Valkey 8.0.1");
}

static void the_right_database_counts(void **state)
{
	struct redis_info info;
	char why[300];

	(void)state;
	accepts(GOOD "db0:keys=7,expires=1\r\ndb3:keys=42,expires=42\r\n"
	             "db33:keys=9\r\nused_memory:1000\r\nmaxmemory:2000\r\n",
	        &info, false, false, why);
	assert_int_equal(info.keys, 42);
	assert_int_equal(info.used_memory, 1000);
	assert_int_equal(info.max_memory, 2000);
}

/* INFO cut anywhere is read without harm, and what is not there is not known.
 */
static void info_can_be_cut(void **state)
{
	static const char text[] = GOOD "maxmemory_policy:noeviction\r\n"
					"db3:keys=42,expires=42\r\n";
	struct redis_info info = {.known = false};

	(void)state;
	for (size_t size = 0; size < sizeof(text); size++) {
		char *copy = malloc(size + 1);

		assert_non_null(copy);
		memcpy(copy, text, size);
		redis_info_read(&info, spoe_span(copy, size), 3);
		free(copy);
	}
}

static void warnings_say_what_is_lost(void **state)
{
	const struct redis_info_wanted wanted = {.allow_eviction = true,
	                                         .now_ms = 1000000};
	char text[REDIS_INFO_WARNING_SIZE];
	struct redis_info info = {.known = false};

	(void)state;
	redis_info_warning(&info, &wanted, text);
	assert_non_null(strstr(text, "INFO is forbidden"));
	info.known = true;
	redis_info_warning(&info, &wanted, text);
	assert_string_equal(text, "");
	info.saves_known = true;
	redis_info_warning(&info, &wanted, text);
	assert_non_null(strstr(text, "nothing on disk"));
	info.saves = true;
	redis_info_warning(&info, &wanted, text);
	assert_non_null(strstr(text, "snapshot"));
	info.append_only = true;
	info.server_ms = 1001900;
	redis_info_warning(&info, &wanted, text);
	assert_string_equal(text, "");
	info.server_ms = 993000;
	redis_info_warning(&info, &wanted, text);
	assert_non_null(strstr(text, "7 s apart"));
	snprintf(info.eviction, sizeof(info.eviction), "allkeys-lfu");
	redis_info_warning(&info, &wanted, text);
	assert_non_null(strstr(text, "allkeys-lfu"));
}

/* --- health and orphans ----------------------------------------------------
 */

static void health_needs_some_failures_in_a_row(void **state)
{
	struct redis_health h = {.down = false};

	(void)state;
	for (int i = 1; i < REDIS_HEALTH_FAILURES; i++)
		assert_false(redis_health_failed(&h));
	assert_false(redis_health_worked(&h));
	for (int i = 1; i < REDIS_HEALTH_FAILURES; i++)
		assert_false(redis_health_failed(&h));
	assert_false(h.down);
	assert_true(redis_health_failed(&h));
	assert_true(h.down);
	assert_false(redis_health_failed(&h));
	assert_true(redis_health_worked(&h));
	assert_false(h.down);
}

static struct redis_orphan orphan_of(uint32_t n, uint64_t due_ms)
{
	struct redis_orphan orphan = {.due_ms = due_ms,
	                              .tries = REDIS_ORPHANS_TRIES};

	memcpy(orphan.record_key, &n, sizeof(n));
	return orphan;
}

static void orphans_are_bounded(void **state)
{
	struct redis_orphans o = {.ring = NULL};
	struct redis_orphan orphan = orphan_of(0, 0);

	(void)state;
	assert_false(redis_orphans_take(&o, 0, &orphan));
	for (uint32_t i = 0; i < REDIS_ORPHANS_MAX; i++) {
		orphan = orphan_of(i, 0);
		assert_true(redis_orphans_add(&o, &orphan));
	}
	assert_false(redis_orphans_add(&o, &orphan));
	for (uint32_t i = 0; i < REDIS_ORPHANS_MAX; i++) {
		uint32_t n;

		assert_true(redis_orphans_take(&o, 0, &orphan));
		memcpy(&n, orphan.record_key, sizeof(n));
		assert_int_equal(n, i);
	}
	assert_int_equal(o.n, 0);
	redis_orphans_clear(&o);
}

static void orphans_wait_until_they_are_due(void **state)
{
	struct redis_orphans o = {.ring = NULL};
	struct redis_orphan orphan;
	unsigned taken = 0;

	(void)state;
	for (uint32_t i = 0; i < 100; i++) {
		orphan = orphan_of(i, i % 2 ? 1000 : 2000);
		assert_true(redis_orphans_add(&o, &orphan));
	}
	while (redis_orphans_take(&o, 1000, &orphan)) {
		assert_int_equal(orphan.due_ms, 1000);
		taken++;
	}
	assert_int_equal(taken, 50);
	assert_int_equal(o.n, 50);
	redis_orphans_clear(&o);
}

static void orphans_are_tried_some_times(void **state)
{
	struct redis_orphan orphan = orphan_of(1, 0);
	uint64_t due_ms = 0;
	int tries = 1;

	(void)state;
	while (redis_orphans_again(&orphan, 0)) {
		assert_true(orphan.due_ms > due_ms);
		due_ms = orphan.due_ms;
		tries++;
	}
	assert_int_equal(tries, REDIS_ORPHANS_TRIES);
	assert_int_equal(due_ms, 8000);
}

static int init(void **state)
{
	(void)state;
	redis_dialect_init(&dialect, "idempotency");
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_go_there_and_back),
	    cmocka_unit_test(the_longest_prefix_fits),
	    cmocka_unit_test(a_claim_is_one_set),
	    cmocka_unit_test(an_old_server_runs_a_script),
	    cmocka_unit_test(times_to_live_have_bounds),
	    cmocka_unit_test(a_settle_says_what_it_must_find),
	    cmocka_unit_test(only_nil_grants),
	    cmocka_unit_test(settles_are_answered_by_numbers),
	    cmocka_unit_test(damaged_records_are_seen),
	    cmocka_unit_test(errors_have_codes),
	    cmocka_unit_test(info_is_judged),
	    cmocka_unit_test(versions_decide_how_to_claim),
	    cmocka_unit_test(the_right_database_counts),
	    cmocka_unit_test(info_can_be_cut),
	    cmocka_unit_test(warnings_say_what_is_lost),
	    cmocka_unit_test(health_needs_some_failures_in_a_row),
	    cmocka_unit_test(orphans_are_bounded),
	    cmocka_unit_test(orphans_wait_until_they_are_due),
	    cmocka_unit_test(orphans_are_tried_some_times),
	};

	return cmocka_run_group_tests(tests, init, NULL);
}
