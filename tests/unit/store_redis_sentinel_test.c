/* Redis with sentinels: the rules of store.h, and what a fail-over does. */
#include "tests/unit/store_contract.h"
#include "tests/unit/store_redis_sentinel_rig.h"

/* One group for all tests; who is master changes. */
static struct redis_sentinels group;
static struct endpoint sentinels[REDIS_SENTINELS];

static int start(void **state)
{
	static const struct redis_setup setup = {.password = "secret"};
	static const struct redis_setup of_sentinels = {
	    .password = "other",
	    .config = "requirepass other\nsentinel sentinel-pass other",
	};

	(void)state;
	return redis_sentinels_start(&group, &setup, &of_sentinels) ? 0 : -1;
}

static int finish(void **state)
{
	(void)state;
	redis_sentinels_fini(&group);
	return 0;
}

static struct redis_process *master_now(void)
{
	struct redis_process *master = NULL;

	for (int i = 0; !master && i < 600; i++) {
		master = redis_sentinels_master(&group, 0);
		if (!master)
			redis_process_pause();
	}
	assert_non_null(master);
	return master;
}

/* A rig whose store is not open yet. */
static struct redis_rig *new_rig(void)
{
	struct redis_rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	redis_sentinel_rig_init(r, &group, master_now(), false, "other",
	                        sentinels);
	r->redis.wait_timeout_ms = 5 * 1000;
	assert_true(redis_process_do(r->server, "FLUSHALL"));
	return r;
}

static int open_sentinel(void **state)
{
	struct redis_rig *r = new_rig();

	rig_open(&r->rig);
	*state = r;
	return 0;
}

static int open_waiting(void **state)
{
	struct redis_rig *r = new_rig();

	r->redis.wait_replicas = 1;
	rig_open(&r->rig);
	*state = r;
	return 0;
}

/* --- what is wrong is told at start --- */

static void expect_no_start(struct redis_rig *r, const char *why)
{
	char text[512] = "";
	struct store *store = NULL;

	if (store_open(&store, &r->rig.options, text, sizeof(text)) == 0)
		fail_msg("it opened");
	if (!strstr(text, why))
		fail_msg("%s", text);
	r->rig.loop = NULL;
	rig_remove(r->rig.path);
	rig_remove(r->rig.directory);
	free(r);
}

static void mistakes_are_told_at_start(void **state)
{
	struct redis_rig *r = new_rig();

	(void)state;
	r->redis.sentinel_master = "nobody";
	expect_no_start(r, "knows no master called \"nobody\"");
	r = new_rig();
	r->redis.sentinel_password = "wrong";
	expect_no_start(r, "password");
	r = new_rig();
	r->redis.password = "wrong";
	expect_no_start(r, "password");
}

/* --- wait-replicas --- */

/* More replicas than there are: nothing is granted, and nothing stays
 * locked. */
static void too_few_replicas_are_an_error(void **state)
{
	struct redis_rig *r = new_rig();
	struct rig *rig = &r->rig;
	void *of_rig = r;

	(void)state;
	r->redis.wait_replicas = REDIS_REPLICAS + 1;
	r->redis.wait_timeout_ms = 20;
	rig_open(rig);
	assert_int_equal(rig_health(rig, rig_claim_op(1, 11, RIG_NOW)),
	                 REASON_STORE_UNCONFIRMED);
	/* It was locked, and is given back. */
	rig_until(rig,
	          rig_result(rig, rig_peek_op(1, RIG_NOW)) == RECORD_ABSENT);
	/* A burst: one answer each, none of them granted. */
	for (uint64_t i = 0; i < 20; i++)
		assert_int_equal(
		    rig_health(rig, rig_claim_op(100 + i, i, RIG_NOW)),
		    REASON_STORE_UNCONFIRMED);
	contract_teardown(&of_rig);
}

/* What is found needs nobody's confirmation. */
static void what_is_found_is_not_waited_for(void **state)
{
	struct redis_rig *r = new_rig();
	struct rig *rig = &r->rig;
	void *of_rig = r;

	(void)state;
	rig_open(rig);
	assert_int_equal(rig_claim(rig, 1, 11), RECORD_GRANTED);
	rig_close(rig);
	r->redis.wait_replicas = REDIS_REPLICAS + 1;
	r->redis.wait_timeout_ms = 20;
	rig_open(rig);
	assert_int_equal(rig_claim(rig, 1, 12), RECORD_FOUND);
	assert_int_equal(rig_settle(rig, 1, 12, RECORD_SEALED, RIG_NO_RESPONSE),
	                 RECORD_LOST);
	assert_int_equal(
	    rig_health(rig, rig_settle_op(1, 11, RIG_NOW, RECORD_SEALED,
	                                  RIG_NO_RESPONSE)),
	    REASON_STORE_UNCONFIRMED);
	contract_teardown(&of_rig);
}

/* --- fail-over --- */

enum { FIRST_KEY = 1000 };

/* Claims fresh keys one after the other and notes which were granted. */
struct load {
	struct rig *rig;
	uint64_t granted[4096];
	size_t n_granted;
	size_t errors;
	uint64_t next;
	double first_error;
	double last_error;
};

static void claim_one(struct load *l)
{
	struct rig_call c =
	    rig_do(l->rig, rig_claim_op(l->next, l->next, RIG_NOW));

	if (c.health != REASON_NONE) {
		l->last_error = ev_time();
		if (l->errors++ == 0)
			l->first_error = l->last_error;
		/* An answer at once breaks the loop before it looks at
		 * anything. */
		rig_turn(l->rig->loop);
	} else {
		assert_int_equal(c.result, RECORD_GRANTED);
		assert_true(l->n_granted < 4096);
		l->granted[l->n_granted++] = l->next;
	}
	l->next++;
	rig_call_fini(&c);
}

/* Granted by the old master, and granted again by the new one. */
static size_t count_doubles(struct load *l, size_t n)
{
	size_t doubles = 0;

	for (size_t i = 0; i < n; i++)
		if (rig_claim(l->rig, l->granted[i], 999999) == RECORD_GRANTED)
			doubles++;
	return doubles;
}

static void replicas_are_in_sync(struct redis_process *master)
{
	char text[32];

	snprintf(text, sizeof(text), "connected_slaves:%d", REDIS_REPLICAS);
	assert_true(redis_process_wait(master, text, "INFO replication"));
	assert_true(redis_process_wait(master, "2", "WAIT 2 1000"));
}

/* Kills the master under load; returns how many locks were granted twice. */
static size_t fail_over(uint64_t wait_replicas, bool cut_off, struct load *l)
{
	struct redis_rig *r = new_rig();
	struct redis_process *old = master_now();
	struct redis_process *other;
	void *of_rig = r;
	size_t doubles;
	size_t granted;

	replicas_are_in_sync(old);
	*l = (struct load){.rig = &r->rig, .next = FIRST_KEY};
	r->redis.timeout_ms = 500;
	r->redis.wait_timeout_ms = 100;
	r->redis.wait_replicas = wait_replicas;
	r->rig.pass = NULL;
	rig_open(&r->rig);
	for (int i = 0; i < 200; i++)
		claim_one(l);
	/* What is written from now on reaches no replica: what a master does
	 * that was cut off from them, or dies before it has sent. */
	if (cut_off) {
		for (int i = 0; i <= REDIS_REPLICAS; i++)
			if (&group.servers[i] != old)
				redis_process_freeze(&group.servers[i]);
		/* Frozen they do not connect again. */
		redis_process_ask(old, "CLIENT KILL TYPE replica");
		for (int i = 0; i < 10; i++)
			claim_one(l);
	}
	redis_process_kill(old);
	for (int i = 0; cut_off && i <= REDIS_REPLICAS; i++)
		if (&group.servers[i] != old)
			redis_process_thaw(&group.servers[i]);
	while (l->n_granted < 400) {
		claim_one(l);
		if (ev_time() - l->first_error > 120. && l->errors > 0)
			fail_msg("no master for two minutes");
	}
	other = redis_sentinels_wait_other(&group, old);
	assert_non_null(other);
	doubles = count_doubles(l, l->n_granted);
	print_message("wait-replicas %llu%s: %zu errors in %.2f s of %zu "
	              "claims, %zu granted twice\n",
	              (unsigned long long)wait_replicas,
	              cut_off ? ", replicas cut off" : "", l->errors,
	              l->last_error - l->first_error, l->errors + l->n_granted,
	              doubles);
	/* The old one comes back as a replica, and nobody follows it. */
	assert_true(redis_process_restart(old));
	assert_true(redis_process_wait(old, "role:slave", "INFO replication"));
	assert_true(redis_process_wait(old, "master_link_status:up",
	                               "INFO replication"));
	granted = l->n_granted;
	rig_until(&r->rig, (claim_one(l), l->n_granted > granted));
	contract_teardown(&of_rig);
	return doubles;
}

static void a_fail_over_is_followed(void **state)
{
	static struct load l;

	(void)state;
	assert_int_equal(fail_over(1, false, &l), 0);
	assert_true(l.errors > 0);
}

/* The window that the manual speaks of: what no replica has is forgotten. */
static void without_waiting_locks_can_be_lost(void **state)
{
	static struct load l;

	(void)state;
	assert_true(fail_over(0, true, &l) > 0);
}

static void with_waiting_none_is(void **state)
{
	static struct load l;

	(void)state;
	assert_int_equal(fail_over(1, true, &l), 0);
	/* They were refused instead. */
	assert_true(l.errors >= 10);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    STORE_CONTRACT_TESTS(open_sentinel),
	    STORE_CONTRACT_TEST(contract_claims_once, open_waiting),
	    STORE_CONTRACT_TEST(contract_only_the_owner_settles, open_waiting),
	    STORE_CONTRACT_TEST(contract_answers_every_call_once, open_waiting),
	    STORE_CONTRACT_TEST(contract_one_turn_one_owner, open_waiting),
	    STORE_CONTRACT_TEST(contract_answers_what_answers_submit,
	                        open_waiting),
	    STORE_CONTRACT_TEST(contract_calls_may_be_freed_when_done,
	                        open_waiting),
	    STORE_CONTRACT_TEST(contract_cancelled_calls_are_left_alone,
	                        open_waiting),
	    STORE_CONTRACT_TEST(contract_answers_may_cancel_others,
	                        open_waiting),
	    STORE_CONTRACT_TEST(contract_detached_clients_hear_nothing,
	                        open_waiting),
	    STORE_CONTRACT_TEST(contract_racing_claims_have_one_owner,
	                        open_waiting),
	    STORE_CONTRACT_TEST(contract_agrees_with_a_model, open_waiting),
	    cmocka_unit_test(mistakes_are_told_at_start),
	    cmocka_unit_test(too_few_replicas_are_an_error),
	    cmocka_unit_test(what_is_found_is_not_waited_for),
	    cmocka_unit_test(a_fail_over_is_followed),
	    cmocka_unit_test(without_waiting_locks_can_be_lost),
	    cmocka_unit_test(with_waiting_none_is),
	};

	return cmocka_run_group_tests_name("redis, Sentinel", tests, start,
	                                   finish);
}
