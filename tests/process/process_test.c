/* The whole process: start, serve, reload, drain, die, come back. */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <lmdb.h>

#include "tests/process/rig.h"

static void expect_verdict(struct spop_client *c, const char *key,
                           const char *verdict, struct spop_reply *ret_reply)
{
	struct spop_check check = {.key = key, .scope = "host"};

	assert_true(spop_client_check(c, &check, ret_reply));
	assert_string_equal(ret_reply->verdict, verdict);
}

/* `res.hdrs_bin` with Content-Length: 5 and one header to see again. */
static const uint8_t HEADERS[] =
    "\016content-length\0015\003x-a\001b\000"; /* ends with the literal's NUL */

static void expect_outcome(struct spop_client *c, const char *ticket,
                           const char *outcome)
{
	struct spop_complete complete = {
	    .ticket = ticket,
	    .status = 201,
	    .headers = spoe_span(HEADERS, sizeof(HEADERS)),
	    .body = spoe_span("he\0lo", 5),
	};
	struct spop_reply reply;

	assert_true(spop_client_complete(c, &complete, &reply));
	assert_string_equal(reply.outcome, outcome);
}

/* A lock may be seen until it is given back. */
static void expect_given_back(struct spop_client *c, const char *key)
{
	const struct spop_check check = {.key = key, .scope = "host"};
	struct spop_reply reply;

	for (int i = 0; i < 3000; i++) {
		assert_true(spop_client_check(c, &check, &reply));
		if (strcmp(reply.verdict, "conflict") != 0 &&
		    strcmp(reply.verdict, "error") != 0)
			break;
		usleep(10000);
	}
	assert_string_equal(reply.verdict, "proceed");
}

static void execute_once(struct spop_client *c, const char *key)
{
	struct spop_reply reply;

	expect_verdict(c, key, "proceed", &reply);
	expect_outcome(c, reply.ticket, "stored");
}

static void expect_replay(struct spop_client *c, const char *key)
{
	static const uint8_t kept[] = "\003x-a\001b\000";
	struct spop_reply reply;

	expect_verdict(c, key, "cached", &reply);
	assert_int_equal(reply.status, 201);
	assert_int_equal(reply.body.size, 5);
	assert_memory_equal(reply.body.data, "he\0lo", 5);
	assert_int_equal(reply.headers.size, sizeof(kept));
	assert_memory_equal(reply.headers.data, kept, sizeof(kept));
	assert_true(reply.age >= 0);
	assert_true(reply.expires > 0);
}

static void test_a_request_is_executed_once(void **state)
{
	struct agent_process *a = rig_started(state, "", "");
	struct spop_client *c = rig_opened(a);
	struct spop_check other = {.key = "k", .scope = "host", .body = "x"};
	struct spop_reply reply;

	expect_verdict(c, "k", "proceed", &reply);
	assert_int_equal(strlen(reply.ticket), 72);
	expect_verdict(c, "\"k\"", "conflict", &(struct spop_reply){0});
	expect_outcome(c, reply.ticket, "stored");
	expect_outcome(c, reply.ticket, "lost");
	expect_replay(c, "k");
	assert_true(spop_client_check(c, &other, &reply));
	assert_string_equal(reply.verdict, "mismatch");
	other.scope = "elsewhere";
	assert_true(spop_client_check(c, &other, &reply));
	assert_string_equal(reply.verdict, "proceed");
	rig_closed(c);
}

static void test_messages_that_are_no_use(void **state)
{
	struct agent_process *a = rig_started(state, "", "");
	struct spop_client *c = rig_opened(a);
	struct spop_reply reply;
	struct spop_check check = {.key = "k", .policy = "no-such"};
	struct spop_complete complete = {.ticket = "nonsense", .status = 200};

	expect_verdict(c, NULL, "missing", &reply);
	expect_verdict(c, "", "missing", &reply);
	expect_verdict(c, "\"\"", "invalid", &reply);
	assert_string_equal(reply.reason, "the key is empty");
	expect_verdict(c, "\"open", "invalid", &reply);
	assert_true(spop_client_check(c, &check, &reply));
	assert_string_equal(reply.verdict, "invalid");
	assert_string_equal(reply.reason, "no such policy");
	assert_true(spop_client_complete(c, &complete, &reply));
	assert_string_equal(reply.outcome, "error");
	rig_closed(c);
}

/* kill -9 loses nothing that was answered, in either durability. */
static void killed_and_back(void **state, const char *durability)
{
	struct agent_process *a = rig_started(state, "", durability);
	struct spop_client *c = rig_opened(a);
	struct spop_reply reply;

	execute_once(c, "done");
	expect_verdict(c, "running", "proceed", &reply);
	agent_process_signal(a, SIGKILL);
	assert_int_equal(agent_process_wait(a), -1);
	rig_closed(c);

	assert_true(agent_process_start(a));
	c = rig_opened(a);
	expect_replay(c, "done");
	expect_verdict(c, "running", "conflict", &(struct spop_reply){0});
	/* The ticket outlives the process that gave it. */
	expect_outcome(c, reply.ticket, "stored");
	expect_replay(c, "running");
	rig_closed(c);
}

static void test_kill_9_with_durability_commit(void **state)
{
	killed_and_back(state, "durability = commit");
}

static void test_kill_9_with_durability_none(void **state)
{
	killed_and_back(state, "durability = none");
}

static void test_sigterm_drains(void **state)
{
	struct agent_process *a = rig_started(state, "", "");
	struct spop_client *c = rig_opened(a);
	struct spoe_frame_head head;
	struct spoe_span payload;
	struct spoe_reader r;
	struct spoe_span name;
	struct spoe_data value;

	execute_once(c, "k");
	agent_process_signal(a, SIGTERM);
	assert_true(agent_process_notified(a, "STOPPING=1"));
	assert_true(spop_client_receive(c, &head, &payload));
	assert_int_equal(head.type, SPOE_FRAME_AGENT_DISCONNECT);
	r = spoe_reader(payload);
	assert_true(spoe_data_read_kv(&r, &name, &value));
	assert_true(spoe_span_equal(name, spoe_span_of("status-code")));
	assert_int_equal(value.uint, 0);
	rig_closed(c);
	assert_int_equal(agent_process_wait(a), 0);
	assert_true(agent_process_said(a, "event=stopped"));
}

static void test_sighup_reloads_policies(void **state)
{
	struct agent_process *a = rig_started(state, "", "");
	struct spop_client *c = rig_opened(a);
	struct spop_check check = {.key = "k", .policy = "payments"};
	struct spop_reply reply;

	assert_true(spop_client_check(c, &check, &reply));
	assert_string_equal(reply.verdict, "invalid");
	assert_true(agent_process_configure(a, "", "[policy payments]\n"));
	agent_process_signal(a, SIGHUP);
	assert_true(agent_process_notified(a, "RELOADING=1"));
	assert_true(agent_process_notified(a, "READY=1"));
	for (int i = 0; i < 3000; i++) {
		assert_true(spop_client_check(c, &check, &reply));
		if (strcmp(reply.verdict, "invalid") != 0)
			break;
		usleep(10000);
	}
	assert_string_equal(reply.verdict, "proceed");
	rig_closed(c);
}

static void test_a_bad_reload_changes_nothing(void **state)
{
	struct agent_process *a = rig_started(state, "", "[policy payments]\n");
	struct spop_client *c = rig_opened(a);
	struct spop_check check = {.key = "k", .policy = "payments"};
	struct spop_reply reply;

	assert_true(agent_process_configure(a, "bogus = 1", ""));
	agent_process_signal(a, SIGHUP);
	assert_true(agent_process_said(a, "event=reload-failed"));
	assert_true(agent_process_said(a, "bogus"));
	assert_true(spop_client_check(c, &check, &reply));
	assert_string_equal(reply.verdict, "proceed");
	rig_closed(c);
}

static void test_a_reload_says_what_needs_a_restart(void **state)
{
	struct agent_process *a = rig_started(state, "threads = 1", "");

	assert_true(agent_process_configure(a, "threads = 2", ""));
	agent_process_signal(a, SIGHUP);
	assert_true(agent_process_said(a, "event=restart-needed"));
	assert_true(agent_process_said(a, "[agent] threads"));
	/* As long as it is not restarted, every reload says so. */
	assert_true(agent_process_configure(
	    a, "threads = 2", "[policy default]\nlock-ttl = 9m\n"));
	agent_process_signal(a, SIGHUP);
	assert_true(agent_process_said_times(a, "event=restart-needed", 2));
}

static void test_sigusr1_logs_the_counters(void **state)
{
	struct agent_process *a = rig_started(state, "", "");
	struct spop_client *c = rig_opened(a);

	execute_once(c, "k");
	expect_replay(c, "k");
	agent_process_signal(a, SIGUSR1);
	assert_true(agent_process_said(a, "proceed=1 cached=1"));
	assert_true(agent_process_said(a, "store=lmdb granted=1"));
	rig_closed(c);
}

static void test_systemd_hands_over_the_socket(void **state)
{
	struct agent_process *a = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char other[sizeof(address.sun_path)];
	struct spop_client c;

	snprintf(other, sizeof(other), "%s/activated", a->directory);
	memcpy(address.sun_path, other, sizeof(other));
	a->listen_fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(
	    bind(a->listen_fd, (struct sockaddr *)&address, sizeof(address)),
	    0);
	assert_int_equal(listen(a->listen_fd, 16), 0);
	rig_started(state, "", "");
	close(a->listen_fd);
	assert_true(spop_client_open(&c, other, RIG_CAPABILITIES));
	execute_once(&c, "k");
	spop_client_close(&c);
	/* The configured socket was not opened. */
	assert_int_equal(access(a->socket, F_OK), -1);
}

static void test_the_watchdog_is_fed(void **state)
{
	struct agent_process *a = *state;

	a->watchdog = true;
	rig_started(state, "threads = 2", "");
	assert_true(agent_process_notified(a, "WATCHDOG=1"));
	assert_true(agent_process_notified(a, "WATCHDOG=1"));
}

/* One key, many connections on four threads: one of them proceeds. */
static void test_one_proceeds(void **state)
{
	enum { CLIENTS = 40, ROUNDS = 10 };
	struct agent_process *a = rig_started(state, "threads = 4", "");
	static struct spop_client clients[CLIENTS];
	int proceeded = 0;

	for (int i = 0; i < CLIENTS; i++)
		assert_true(
		    spop_client_open(&clients[i], a->socket, RIG_CAPABILITIES));
	for (int round = 0; round < ROUNDS; round++) {
		char key[16];
		struct spop_check check = {.key = key};

		snprintf(key, sizeof(key), "k%d", round);
		for (int i = 0; i < CLIENTS; i++)
			assert_true(
			    spop_client_send_check(&clients[i], &check));
		for (int i = 0; i < CLIENTS; i++) {
			struct spop_reply reply;

			assert_true(spop_client_reply(&clients[i], &reply));
			if (strcmp(reply.verdict, "proceed") == 0)
				proceeded++;
			else
				assert_string_equal(reply.verdict, "conflict");
		}
	}
	assert_int_equal(proceeded, ROUNDS);
	for (int i = 0; i < CLIENTS; i++)
		spop_client_close(&clients[i]);
}

static void test_connections_beyond_the_limit_wait(void **state)
{
	struct agent_process *a = rig_started(state, "max-connections = 2", "");
	struct spop_client *first = rig_opened(a);
	struct spop_client *second = rig_opened(a);
	struct spop_client third;

	assert_true(spop_client_connect(&third, a->socket));
	assert_true(agent_process_said(a, "event=connections-full"));
	rig_closed(first);
	assert_true(spop_client_hello(&third, RIG_CAPABILITIES));
	execute_once(&third, "k");
	spop_client_close(&third);
	rig_closed(second);
}

static MDB_txn *hold_the_store(struct agent_process *a, MDB_env **ret_env)
{
	MDB_txn *txn = NULL;

	assert_int_equal(mdb_env_create(ret_env), 0);
	mdb_env_set_maxdbs(*ret_env, 8);
	assert_int_equal(mdb_env_open(*ret_env, a->store, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(*ret_env, NULL, 0, &txn), 0);
	return txn;
}

/* Another process keeps the store's write lock: whoever must write is told
 * `error` in time, replays go on, and a lock that was granted too late is given
 * back (promises 1 and 4). */
static void test_a_stuck_store_is_an_error(void **state)
{
	struct agent_process *a = rig_started(state, "", "");
	struct spop_client *c = rig_opened(a);
	struct spop_reply reply;
	MDB_env *env;
	MDB_txn *txn;

	execute_once(c, "old");
	assert_true(agent_process_configure(a, "answer-timeout = 100ms", ""));
	agent_process_signal(a, SIGHUP);
	assert_true(agent_process_said(a, "event=reloaded"));
	txn = hold_the_store(a, &env);
	expect_verdict(c, "new", "error", &reply);
	assert_string_equal(reply.reason, "the store did not answer in time");
	expect_replay(c, "old");
	mdb_txn_abort(txn);
	mdb_env_close(env);
	expect_given_back(c, "new");
	rig_closed(c);
}

/* The asker goes away while its claim waits: nobody was told, nobody holds the
 * lock. */
static void test_a_lock_nobody_was_told_of_is_given_back(void **state)
{
	struct agent_process *a = rig_started(state, "", "");
	struct spop_client *c = rig_opened(a);
	struct spop_check check = {.key = "k", .scope = "host"};
	struct spop_reply reply;
	MDB_env *env;
	MDB_txn *txn = hold_the_store(a, &env);

	assert_true(spop_client_send_check(c, &check));
	/* It was read when a later frame of the same connection is answered. */
	expect_verdict(c, NULL, "missing", &reply);
	rig_closed(c);
	c = rig_opened(a);
	mdb_txn_abort(txn);
	mdb_env_close(env);
	expect_given_back(c, check.key);
	rig_closed(c);
}

/* HAProxy was killed while it waited, which shows when the first is told. */
static void test_locks_of_who_was_killed_are_given_back(void **state)
{
	enum { N = 40 };
	struct agent_process *a = rig_started(state, "", "durability = none");
	struct spop_client *c = rig_opened(a);
	struct spop_check check = {.scope = "host"};
	char key[16];

	check.key = key;
	agent_process_signal(a, SIGSTOP);
	for (int i = 0; i < N; i++) {
		snprintf(key, sizeof(key), "key-%d", i);
		assert_true(spop_client_send_check(c, &check));
	}
	rig_closed(c);
	agent_process_signal(a, SIGCONT);
	c = rig_opened(a);
	for (int i = 0; i < N; i++) {
		snprintf(key, sizeof(key), "key-%d", i);
		expect_given_back(c, key);
	}
	rig_closed(c);
}

/* Waits until the agent has closed its end. */
static void expect_hang_up(struct spop_client *c)
{
	struct pollfd p = {.fd = c->fd};

	assert_int_equal(poll(&p, 1, SPOP_CLIENT_TIMEOUT_MS), 1);
	assert_true(p.revents & POLLHUP);
}

/* Many answers come in one turn of the loop for a peer that does not take
 * them: the first finds the socket broken, the others the session closed. */
static void test_a_peer_that_takes_no_answer(void **state)
{
	enum { ROUNDS = 20, CHECKS = 20 };
	struct agent_process *a = rig_started(state, "", "");
	struct spop_client *c;

	for (int round = 0; round < ROUNDS; round++) {
		c = rig_opened(a);
		/* Writing to us fails from now on; reading from us does not. */
		assert_int_equal(shutdown(c->fd, SHUT_RD), 0);
		for (int i = 0; i < CHECKS; i++) {
			char key[32];
			struct spop_check check = {.key = key};

			snprintf(key, sizeof(key), "k-%d-%d", round, i);
			if (!spop_client_send_check(c, &check))
				break; /* it has hung up already */
		}
		expect_hang_up(c);
		rig_closed(c);
	}
	c = rig_opened(a);
	execute_once(c, "k");
	expect_replay(c, "k");
	rig_closed(c);
}

static void test_locks_end_and_old_tickets_are_lost(void **state)
{
	/* The second lock is long: what is shown does not depend on speed. */
	struct agent_process *a =
	    rig_started(state, "answer-timeout = 2900ms",
	                "durability = none\n"
	                "[policy short]\nlock-ttl = 3s\n");
	struct spop_client *c = rig_opened(a);
	struct spop_check check = {.key = "k", .policy = "short"};
	struct spop_reply first;
	struct spop_reply second;

	assert_true(spop_client_check(c, &check, &first));
	assert_string_equal(first.verdict, "proceed");
	check.policy = NULL;
	assert_true(spop_client_check(c, &check, &second));
	while (strcmp(second.verdict, "conflict") == 0) {
		usleep(10000);
		assert_true(spop_client_check(c, &check, &second));
	}
	assert_string_equal(second.verdict, "proceed");
	assert_string_not_equal(first.ticket, second.ticket);
	expect_outcome(c, first.ticket, "lost");
	expect_outcome(c, second.ticket, "stored");
	rig_closed(c);
}

static void test_the_command_line(void **state)
{
	struct agent_process *a = *state;
	const char *version[] = {"spoa-idempotency", "--version", NULL};
	const char *help[] = {"spoa-idempotency", "--help", NULL};
	const char *sample[] = {"spoa-idempotency", "--print-sample", NULL};
	const char *print[] = {"spoa-idempotency", "-c", a->config,
	                       "--print-config", NULL};
	const char *check[] = {"spoa-idempotency", "-c", a->config, "--check",
	                       NULL};
	const char *wrong[] = {"spoa-idempotency", "--bogus", NULL};

	assert_true(agent_process_configure(a, "threads = 3", ""));
	assert_int_equal(agent_process_run(a, version), 0);
	assert_true(agent_process_said(a, "spoa-idempotency 0."));
	assert_int_equal(agent_process_run(a, help), 0);
	assert_true(agent_process_said(a, "--check"));
	assert_int_equal(agent_process_run(a, sample), 0);
	assert_true(agent_process_said(a, "[policy default]"));
	assert_int_equal(agent_process_run(a, print), 0);
	assert_true(agent_process_said(a, "threads = 3"));
	assert_int_equal(agent_process_run(a, check), 0);
	assert_true(agent_process_said(a, "the configuration is valid"));
	assert_int_equal(agent_process_run(a, wrong), 2);
	assert_true(agent_process_configure(a, "threads = many", ""));
	assert_int_equal(agent_process_run(a, check), 2);
	assert_true(agent_process_said(a, "conf:3:"));
}

static void test_a_store_that_cannot_open_is_said(void **state)
{
	struct agent_process *a = *state;
	const char *run[] = {"spoa-idempotency", "-c", a->config, NULL};
	FILE *f = fopen(a->store, "w"); /* a file where a directory should be */

	assert_non_null(f);
	fclose(f);
	assert_true(agent_process_configure(a, "", ""));
	assert_int_equal(agent_process_run(a, run), 1);
	assert_true(agent_process_said(a, "event=start-failed"));
	assert_true(agent_process_said(a, a->store));
}

static void test_an_address_in_use_is_said(void **state)
{
	struct agent_process *a = rig_started(state, "", "");
	struct agent_process second = *a;
	const char *run[] = {"spoa-idempotency", "-c", a->config, NULL};

	assert_int_equal(agent_process_run(&second, run), 1);
	assert_true(agent_process_said(a, "event=start-failed"));
	assert_true(agent_process_said(a, a->socket));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RIG_TEST(test_a_request_is_executed_once),
	    RIG_TEST(test_messages_that_are_no_use),
	    RIG_TEST(test_kill_9_with_durability_commit),
	    RIG_TEST(test_kill_9_with_durability_none),
	    RIG_TEST(test_sigterm_drains),
	    RIG_TEST(test_sighup_reloads_policies),
	    RIG_TEST(test_a_bad_reload_changes_nothing),
	    RIG_TEST(test_a_reload_says_what_needs_a_restart),
	    RIG_TEST(test_sigusr1_logs_the_counters),
	    RIG_TEST(test_systemd_hands_over_the_socket),
	    RIG_TEST(test_the_watchdog_is_fed),
	    RIG_TEST(test_one_proceeds),
	    RIG_TEST(test_connections_beyond_the_limit_wait),
	    RIG_TEST(test_a_stuck_store_is_an_error),
	    RIG_TEST(test_a_lock_nobody_was_told_of_is_given_back),
	    RIG_TEST(test_locks_of_who_was_killed_are_given_back),
	    RIG_TEST(test_a_peer_that_takes_no_answer),
	    RIG_TEST(test_locks_end_and_old_tickets_are_lost),
	    RIG_TEST(test_the_command_line),
	    RIG_TEST(test_a_store_that_cannot_open_is_said),
	    RIG_TEST(test_an_address_in_use_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
