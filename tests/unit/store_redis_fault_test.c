/* What becomes of operations when the server is ill, and that it comes right by
 * itself. The servers are real; every wait is for a condition.
 *
 * Time limits are short here, so on a crowded machine an operation may fail
 * that should not have: what a test relies on is asked for until it is so. */
#include "tests/unit/store_redis_rig.h"

enum { TIMEOUT_MS = 100 };

static struct redis_process server;

static atomic_uint downs;
static atomic_uint ups;
static char last_down[512];

static void note_event(enum store_event event, const char *text)
{
	if (event == STORE_EVENT_DOWN) {
		snprintf(last_down, sizeof(last_down), "%s", text);
		downs++;
	} else if (event == STORE_EVENT_UP) {
		ups++;
	}
}

static struct redis_rig *new_rig(const char *address)
{
	struct redis_rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	redis_rig_init(r, &server, address);
	r->redis.timeout_ms = TIMEOUT_MS;
	r->rig.options.report = note_event;
	r->rig.pass = NULL;
	downs = 0;
	ups = 0;
	return r;
}

static int start_with(void **state, const char *config)
{
	const struct redis_setup setup = {.config = config};
	char address[128];
	struct redis_rig *r;

	assert_true(redis_process_start(&server, &setup));
	snprintf(address, sizeof(address), "127.0.0.1:%d", server.port);
	r = new_rig(address);
	rig_open(&r->rig);
	*state = r;
	return 0;
}

static int start(void **state)
{
	return start_with(state, "appendonly yes\nappendfsync always\n");
}

static int finish(void **state)
{
	struct redis_rig *r = *state;

	rig_fini(&r->rig);
	free(r);
	redis_process_fini(&server);
	return 0;
}

/* Claims until it is granted. */
static void claim(struct rig *rig, uint64_t n, uint64_t owner)
{
	const ev_tstamp end = ev_time() + RIG_LIMIT_S;
	struct rig_call c;

	do {
		if (ev_time() > end)
			fail_msg("key %u cannot be claimed", (unsigned)n);
		c = rig_do(rig, rig_claim_op(n, owner, RIG_NOW));
		rig_call_fini(&c);
		rig_turn(rig->loop);
	} while (c.health != REASON_NONE || c.result != RECORD_GRANTED);
}

/* Waits until nobody has the key. */
static void until_free(struct rig *rig, uint64_t n)
{
	rig_until(rig, redis_rig_result(rig, rig_peek_op(n, RIG_NOW)) ==
	                   RECORD_ABSENT);
}

/* --- a server that does not answer --------------------------------------- */

/* Claims and settles while it is frozen: all are told so, the later ones at
 * once; then it thaws, and what it had in its pipe is done. */
static void frozen(void **state)
{
	enum { N = 40 };
	struct rig *rig = *state;
	struct spoe_span response = rig_response(2000, 1);
	struct rig_call calls[N] = {{.answers = 0}};
	struct rig_call c;
	ev_tstamp began;
	double slowest = 0.;

	claim(rig, 1, 11);
	redis_process_freeze(&server);
	for (uint64_t i = 0; i < N / 2; i++)
		rig_submit(rig, &calls[i], rig_claim_op(100 + i, i, RIG_NOW));
	for (uint64_t i = N / 2; i < N; i++)
		rig_submit(
		    rig, &calls[i],
		    rig_settle_op(1, 11, RIG_NOW, RECORD_STORED, response));
	for (unsigned i = 0; i < N; i++) {
		rig_until(rig, calls[i].answers == 1);
		assert_int_not_equal(calls[i].health, REASON_NONE);
	}
	/* Known to be down: nobody is kept waiting any more. */
	assert_false(store_healthy(rig->store));
	for (uint64_t i = 0; i < 20; i++) {
		began = ev_time();
		assert_int_equal(
		    rig_health(rig, rig_claim_op(200 + i, i, RIG_NOW)),
		    REASON_STORE_FAILED);
		if (ev_time() - began > slowest)
			slowest = ev_time() - began;
	}
	print_message("# the slowest refusal took %.1f ms\n", slowest * 1e3);
	assert_true(downs >= 1);
	redis_process_thaw(&server);
	claim(rig, 2, 12);
	assert_true(ups >= 1);
	assert_true(store_healthy(rig->store));
	/* No claim that failed holds its key. */
	for (uint64_t i = 0; i < N / 2; i++)
		until_free(rig, 100 + i);
	for (uint64_t i = 0; i < 20; i++)
		until_free(rig, 200 + i);
	/* A settle that failed may have happened: whole, or not at all. */
	c = redis_rig_persist(rig, rig_peek_op(1, RIG_NOW));
	assert_int_equal(c.result, RECORD_FOUND);
	if (c.found.state == RECORD_STORED)
		assert_true(spoe_span_equal(c.found.response, response));
	else
		assert_int_equal(c.found.state, RECORD_LOCKED);
	rig_call_fini(&c);
	rig_response_free(response);
}

/* It is frozen for longer than the agent believes in its connection. */
static void frozen_for_long(void **state)
{
	struct redis_rig *r = *state;
	struct rig *rig = &r->rig;
	struct store_stats before, after;

	claim(rig, 1, 11);
	store_stats(rig->store, &before);
	redis_process_freeze(&server);
	for (uint64_t i = 0; i < 8; i++)
		assert_int_not_equal(
		    rig_health(rig, rig_claim_op(100 + i, i, RIG_NOW)),
		    REASON_NONE);
	/* It gives the connection up; the greeting of the next one hangs. */
	rig_until(rig, strstr(last_down, "in time") || downs > 1);
	for (int i = 0; i < 600 && !strstr(last_down, "silent"); i++)
		rig_turn(rig->loop);
	redis_process_thaw(&server);
	claim(rig, 2, 12);
	store_stats(rig->store, &after);
	for (uint64_t i = 0; i < 8; i++)
		until_free(rig, 100 + i);
	assert_int_equal(redis_rig_result(rig, rig_claim_op(1, 13, RIG_NOW)),
	                 RECORD_FOUND);
}

/* CLIENT PAUSE: everything is answered, but late. */
static void paused(void **state)
{
	struct rig *rig = *state;
	struct store_stats stats;

	claim(rig, 1, 11);
	assert_true(redis_process_do(&server, "CLIENT PAUSE 1000 ALL"));
	for (uint64_t i = 0; i < 10; i++)
		assert_int_not_equal(
		    rig_health(rig, rig_claim_op(100 + i, i, RIG_NOW)),
		    REASON_NONE);
	claim(rig, 2, 12);
	for (uint64_t i = 0; i < 10; i++)
		until_free(rig, 100 + i);
	store_stats(rig->store, &stats);
	assert_true(stats.time_outs >= 1);
	assert_true(stats.orphans >= 1);
	/* Late replies were nobody else's. */
	assert_int_equal(redis_rig_result(rig, rig_claim_op(1, 13, RIG_NOW)),
	                 RECORD_FOUND);
	assert_int_equal(
	    redis_rig_result(rig, rig_settle_op(2, 13, RIG_NOW, RECORD_NONE,
	                                        RIG_NO_RESPONSE)),
	    RECORD_LOST);
}

static void killed_and_restarted(void **state)
{
	struct rig *rig = *state;
	struct spoe_span response = rig_response(2000, 1);
	struct rig_call c;

	claim(rig, 1, 11);
	claim(rig, 2, 12);
	redis_process_kill(&server);
	assert_int_not_equal(
	    rig_health(rig,
	               rig_settle_op(1, 11, RIG_NOW, RECORD_STORED, response)),
	    REASON_NONE);
	rig_until(rig, rig_health(rig, rig_claim_op(3, 13, RIG_NOW)) ==
	                   REASON_STORE_FAILED);
	assert_false(store_healthy(rig->store));
	assert_true(redis_process_restart(&server));
	claim(rig, 3, 13);
	assert_true(store_healthy(rig->store));
	/* appendfsync always: nothing is forgotten. */
	assert_int_equal(redis_rig_result(rig, rig_claim_op(1, 99, RIG_NOW)),
	                 RECORD_FOUND);
	assert_int_equal(
	    redis_rig_result(
		rig, rig_settle_op(2, 12, RIG_NOW, RECORD_STORED, response)),
	    RECORD_SETTLED);
	c = redis_rig_persist(rig, rig_claim_op(2, 99, RIG_NOW));
	assert_int_equal(c.result, RECORD_FOUND);
	assert_true(spoe_span_equal(c.found.response, response));
	rig_call_fini(&c);
	rig_response_free(response);
}

/* Settles, and looks whether it is so: an answer that was late is asked for
 * again, and then the lock is not there any more. */
static void settle(struct rig *rig, uint64_t n, uint64_t owner,
                   enum record_state state)
{
	struct rig_call c;

	redis_rig_result(
	    rig, rig_settle_op(n, owner, RIG_NOW, state, RIG_NO_RESPONSE));
	c = redis_rig_persist(rig, rig_peek_op(n, RIG_NOW));
	if (state == RECORD_NONE) {
		assert_int_equal(c.result, RECORD_ABSENT);
	} else {
		assert_int_equal(c.result, RECORD_FOUND);
		assert_int_equal(c.found.state, state);
	}
	rig_call_fini(&c);
}

/* It lost its scripts: they are sent again, and nobody notices. */
static void scripts_flushed(void **state)
{
	struct rig *rig = *state;

	for (uint64_t i = 0; i < 5; i++) {
		assert_true(redis_process_do(&server, "SCRIPT FLUSH"));
		claim(rig, i, 11);
		settle(rig, i, 11, RECORD_SEALED);
		claim(rig, 100 + i, 11);
		settle(rig, 100 + i, 11, RECORD_NONE);
	}
}

/* --- a server that refuses ----------------------------------------------- */

static void full(void **state)
{
	struct rig *rig = *state;
	struct rig_call c;

	claim(rig, 1, 11);
	assert_true(redis_process_do(&server, "CONFIG SET maxmemory 1"));
	do {
		c = rig_do(rig, rig_claim_op(2, 12, RIG_NOW));
		rig_call_fini(&c);
	} while (c.health == REASON_STORE_SLOW);
	assert_int_equal(c.health, REASON_STORE_FULL);
	assert_false(store_healthy(rig->store));
	/* What is there can be read, by who claims it as well, and sealed. */
	assert_int_equal(redis_rig_result(rig, rig_claim_op(1, 13, RIG_NOW)),
	                 RECORD_FOUND);
	assert_int_equal(redis_rig_result(rig, rig_peek_op(1, RIG_NOW)),
	                 RECORD_FOUND);
	settle(rig, 1, 11, RECORD_SEALED);
	assert_true(redis_process_do(&server, "CONFIG SET maxmemory 0"));
	claim(rig, 2, 12);
}

/* The server takes no writes for want of replicas, or of a disk. */
static void unwilling(void **state)
{
	struct rig *rig = *state;
	struct rig_call c;

	claim(rig, 1, 11);
	assert_true(
	    redis_process_do(&server, "CONFIG SET min-replicas-to-write 1"));
	do {
		c = rig_do(rig, rig_claim_op(2, 12, RIG_NOW));
		rig_call_fini(&c);
	} while (c.health == REASON_STORE_SLOW);
	assert_int_equal(c.health, REASON_STORE_FAILED);
	assert_int_equal(redis_rig_result(rig, rig_claim_op(1, 13, RIG_NOW)),
	                 RECORD_FOUND);
	assert_true(
	    redis_process_do(&server, "CONFIG SET min-replicas-to-write 0"));
	claim(rig, 2, 12);
}

/* The server has become a replica: nothing can be written there. */
static void read_only(void **state)
{
	struct rig *rig = *state;

	claim(rig, 1, 11);
	assert_true(redis_process_do(&server, "REPLICAOF 127.0.0.1 1"));
	rig_until(rig, rig_health(rig, rig_claim_op(2, 12, RIG_NOW)) ==
	                   REASON_STORE_FAILED);
	rig_until(rig, downs > 0);
	assert_true(redis_process_do(&server, "REPLICAOF NO ONE"));
	claim(rig, 2, 12);
	assert_int_equal(redis_rig_result(rig, rig_claim_op(1, 13, RIG_NOW)),
	                 RECORD_FOUND);
}

/* The user is locked out while the agent runs, and let in again. */
static void locked_out(void **state)
{
	const char *words[] = {"CONFIG", "SET", "requirepass", ""};
	const size_t sizes[] = {6, 3, 11, 0};
	struct rig *rig = *state;

	claim(rig, 1, 11);
	assert_true(redis_process_do(&server, "CONFIG SET requirepass secret"));
	snprintf(server.password, sizeof(server.password), "secret");
	redis_process_ask(&server, "CLIENT KILL TYPE normal SKIPME yes");
	rig_until(rig, rig_health(rig, rig_claim_op(2, 12, RIG_NOW)) ==
	                   REASON_STORE_FAILED);
	rig_until(rig, strstr(last_down, "password is needed"));
	assert_string_equal(redis_process_ask_words(&server, 4, words, sizes),
	                    "OK");
	server.password[0] = '\0';
	claim(rig, 2, 12);
}

/* --- opening -------------------------------------------------------------- */

static int open_fails(struct redis_rig *r, const char *because)
{
	char text[512] = "";

	if (store_open(&r->rig.store, &r->rig.options, text, sizeof(text)) ==
	    0) {
		store_close(r->rig.store);
		r->rig.store = NULL;
		fail_msg("it was opened: %s", because);
	}
	if (!strstr(text, because))
		fail_msg("\"%s\" does not say \"%s\"", text, because);
	assert_null(strstr(text, "hunter2"));
	return 0;
}

static void what_will_not_do_is_refused(void **state)
{
	static const struct {
		const char *config;
		const char *because;
	} rows[] = {
	    {"maxmemory-policy allkeys-lru\n", "noeviction"},
	    {"maxmemory-policy volatile-ttl\n", "noeviction"},
	    {"cluster-enabled yes\n", "cluster"},
	    {"replicaof 127.0.0.1 1\n", "replica"},
	    {"requirepass hunter2\n", "password is needed"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct redis_setup setup = {.config = rows[i].config};
		char address[128];
		struct redis_rig *r;

		/* Asked by us it wants the password, too. */
		if (strstr(rows[i].config, "requirepass")) {
			const struct redis_setup locked = {.password =
			                                       "hunter2"};

			assert_true(redis_process_start(&server, &locked));
		} else {
			assert_true(redis_process_start(&server, &setup));
		}
		snprintf(address, sizeof(address), "unix:%s", server.socket);
		r = new_rig(address);
		r->redis.connect_timeout_ms = 20000;
		open_fails(r, rows[i].because);
		rig_remove(r->rig.directory);
		free(r);
		redis_process_fini(&server);
	}
}

static void passwords(void **state)
{
	const struct redis_setup setup = {.user = "pay", .password = "hunter2"};
	char address[128];
	struct redis_rig *r;

	(void)state;
	assert_true(redis_process_start(&server, &setup));
	snprintf(address, sizeof(address), "localhost:%d", server.port);
	r = new_rig(address);
	r->redis.connect_timeout_ms = 20000;
	r->redis.username = "pay";
	r->redis.password = "hunter3";
	open_fails(r, "user name or password is wrong");
	r->redis.username = "nobody";
	r->redis.password = "hunter2";
	open_fails(r, "user name or password is wrong");
	r->redis.username = "pay";
	r->redis.database = 99;
	open_fails(r, "database cannot be used");
	r->redis.database = 3;
	rig_open(&r->rig);
	claim(&r->rig, 1, 11);
	assert_string_equal(redis_process_ask(&server, "DBSIZE"), "0");
	assert_non_null(strstr(redis_process_ask(&server, "CLIENT LIST"),
	                       "name=store-test"));
	assert_non_null(
	    strstr(redis_process_ask(&server, "INFO keyspace"), "db3:keys=1"));
	rig_fini(&r->rig);
	free(r);
	redis_process_fini(&server);
}

/* The user of README.md has all it needs, and no more. */
static void a_user_of_few_commands(void **state)
{
	const struct redis_setup setup = {.user = NULL};
	char address[128];
	struct redis_rig *r;

	(void)state;
	assert_true(redis_process_start(&server, &setup));
	assert_true(redis_process_do(
	    &server, "ACL SETUSER pay on >hunter2 ~idempotency:* +set +get "
		     "+del +eval +evalsha +ping +info +time +scan +select "
		     "+client|setname +config|get"));
	snprintf(address, sizeof(address), "127.0.0.1:%d", server.port);
	r = new_rig(address);
	r->redis.connect_timeout_ms = 20000;
	r->redis.username = "pay";
	r->redis.password = "hunter2";
	rig_open(&r->rig);
	claim(&r->rig, 1, 11);
	assert_int_equal(
	    redis_rig_result(
		&r->rig,
		rig_settle_op(1, 11, RIG_NOW, RECORD_SEALED, RIG_NO_RESPONSE)),
	    RECORD_SETTLED);
	claim(&r->rig, 2, 11);
	assert_int_equal(
	    redis_rig_result(&r->rig, rig_settle_op(2, 11, RIG_NOW, RECORD_NONE,
	                                            RIG_NO_RESPONSE)),
	    RECORD_SETTLED);
	assert_string_equal(redis_process_ask(&server, "ACL LOG"), "");
	/* Without INFO it cannot be looked at, but used. */
	assert_true(redis_process_do(&server, "ACL SETUSER pay -info -config"));
	redis_process_ask(&server, "CLIENT KILL TYPE normal SKIPME yes");
	claim(&r->rig, 3, 11);
	assert_int_equal(
	    redis_rig_result(&r->rig, rig_claim_op(3, 12, RIG_NOW)),
	    RECORD_FOUND);
	rig_fini(&r->rig);
	free(r);
	redis_process_fini(&server);
}

static void eviction_can_be_allowed(void **state)
{
	const struct redis_setup setup = {.config =
	                                      "maxmemory-policy allkeys-lru\n"};
	char address[128];
	struct redis_rig *r;

	(void)state;
	assert_true(redis_process_start(&server, &setup));
	snprintf(address, sizeof(address), "127.0.0.1:%d", server.port);
	r = new_rig(address);
	r->redis.connect_timeout_ms = 20000;
	r->redis.allow_eviction = true;
	rig_open(&r->rig);
	claim(&r->rig, 1, 11);
	rig_fini(&r->rig);
	free(r);
	redis_process_fini(&server);
}

/* A server that is not there yet is waited for; a tool does not wait. */
static void a_server_may_come_later(void **state)
{
	const struct redis_setup setup = {.user = NULL};
	char address[128];
	struct redis_rig *r;

	(void)state;
	assert_true(redis_process_start(&server, &setup));
	redis_process_kill(&server);
	snprintf(address, sizeof(address), "127.0.0.1:%d", server.port);
	r = new_rig(address);
	r->rig.options.must_exist = true;
	open_fails(r, "cannot be connected to");
	r->rig.options.must_exist = false;
	rig_open(&r->rig);
	assert_true(downs >= 1);
	rig_until(&r->rig, rig_health(&r->rig, rig_claim_op(1, 11, RIG_NOW)) ==
	                       REASON_STORE_FAILED);
	assert_true(redis_process_restart(&server));
	claim(&r->rig, 1, 11);
	assert_true(ups >= 1);
	rig_fini(&r->rig);
	free(r);
	redis_process_fini(&server);
}

#define FAULT(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    FAULT(frozen),
	    FAULT(frozen_for_long),
	    FAULT(paused),
	    FAULT(killed_and_restarted),
	    FAULT(scripts_flushed),
	    FAULT(full),
	    FAULT(unwilling),
	    FAULT(read_only),
	    FAULT(locked_out),
	    cmocka_unit_test(what_will_not_do_is_refused),
	    cmocka_unit_test(passwords),
	    cmocka_unit_test(a_user_of_few_commands),
	    cmocka_unit_test(eviction_can_be_allowed),
	    cmocka_unit_test(a_server_may_come_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
