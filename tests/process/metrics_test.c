/* The metrics of the real process: what they say is what was done. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "tests/process/admin_rig.h"

/* --- the numbers --- */

static void test_requests_are_counted_as_they_were(void **state)
{
	struct agent_process *a =
	    rig_started(state, "threads = 2", "[policy pay]\n");
	struct spop_client *c = rig_opened(a);
	struct spop_client *other = rig_opened(a);

	for (int i = 0; i < 7; i++) {
		char key[16];

		snprintf(key, sizeof(key), "k%d", i);
		execute(i % 2 ? c : other, key, "pay");
	}
	for (int i = 0; i < 3; i++)
		ask(c, "k1", "pay");
	ask(other, "running", NULL);
	ask(other, "running", NULL);
	ask(other, NULL, NULL);
	ask(other, "k", "no-such");
	complete(c, "no ticket", 200);

	expect_sample(a, P "verdicts_total{policy=\"pay\",verdict=\"proceed\"}",
	              7);
	expect_sample(a, P "verdicts_total{policy=\"pay\",verdict=\"cached\"}",
	              3);
	expect_sample(
	    a, P "verdicts_total{policy=\"default\",verdict=\"proceed\"}", 1);
	expect_sample(
	    a, P "verdicts_total{policy=\"default\",verdict=\"conflict\"}", 1);
	expect_sample(
	    a, P "verdicts_total{policy=\"default\",verdict=\"error\"}", 0);
	expect_sample(
	    a, P "verdicts_total{policy=\"(none)\",verdict=\"missing\"}", 1);
	expect_sample(
	    a, P "verdicts_total{policy=\"(none)\",verdict=\"invalid\"}", 1);
	expect_sample(a, P "outcomes_total{outcome=\"stored\"}", 7);
	expect_sample(a, P "outcomes_total{outcome=\"error\"}", 1);
	/* Each asked the store once. */
	expect_sample(a,
	              P "store_operations_total{operation=\"claim\","
	                "result=\"granted\"}",
	              8);
	expect_sample(a,
	              P "store_operations_total{operation=\"claim\","
	                "result=\"found\"}",
	              4);
	expect_sample(a,
	              P "store_operations_total{operation=\"settle\","
	                "result=\"settled\"}",
	              7);
	expect_sample(a,
	              P "store_operation_duration_seconds_count{"
	                "operation=\"claim\",health=\"ok\"}",
	              12);
	expect_sample(a,
	              P "store_operation_duration_seconds_bucket{"
	                "operation=\"settle\",health=\"ok\",le=\"+Inf\"}",
	              7);
	expect_sample(a, P "store_commit_operations_sum", 15);
	/* HELLO, and a frame for each message; and what was answered. */
	expect_sample(a, P "frames_total{direction=\"in\"}", 24);
	expect_sample(a, P "frames_total{direction=\"out\"}", 24);
	rig_closed(c);
	rig_closed(other);
}

static void test_records_are_counted_by_state(void **state)
{
	/* A lock lives longer than an answer may take, and that is long enough
	 * for a disk that others use as well. */
	struct agent_process *a = rig_started(
	    state, "answer-timeout = 1s",
	    "[policy held]\nlock-ttl = 1500ms\non-lock-expiry = hold\n");
	struct spop_client *c = rig_opened(a);
	struct spop_reply reply;

	execute(c, "stored", NULL);
	execute(c, "stored too", NULL);
	ask(c, "locked", NULL);
	ask(c, "held", "held");
	reply = ask(c, "sealed", NULL);
	/* Nobody tells how long it is. */
	assert_true(spop_client_complete(
	    c,
	    &(struct spop_complete){.ticket = reply.ticket,
	                            .status = 200,
	                            .body = spoe_span("x", 1)},
	    &(struct spop_reply){0}));
	expect_sample_soon(a, P "store_records{state=\"held\"}", 1);
	expect_sample_soon(a, P "store_records{state=\"locked\"}", 1);
	expect_sample_soon(a, P "store_records{state=\"stored\"}", 2);
	expect_sample_soon(a, P "store_records{state=\"sealed\"}", 1);
	expect_sample_soon(a, P "store_records{state=\"pending\"}", 0);
	expect_sample_soon(a, P "store_records{state=\"unreadable\"}", 0);
	assert_true(value_of(a, P "store_response_bytes{state=\"stored\"}") >
	            12);
	expect_sample_soon(a, P "store_entries", 5);
	assert_true(value_of(a, P "store_oldest_lock_age_seconds") >= .1);
	rig_closed(c);
}

static void test_connections_are_counted(void **state)
{
	struct agent_process *a = rig_started(state, "", "");
	struct spop_client *c = rig_opened(a);
	struct spop_client silent;
	struct spop_client rude;
	struct pollfd p;

	assert_true(spop_client_connect(&silent, a->socket));
	/* The agent counts behind its answer, which we have. */
	expect_sample_soon(a, P "connections{state=\"ready\"}", 1);
	expect_sample_soon(a, P "connections{state=\"hello\"}", 1);
	expect_sample_soon(a, P "engines", 1);
	assert_true(spop_client_connect(&rude, a->socket));
	/* A frame of four bytes, of no type that there is. */
	assert_int_equal(send(rude.fd, "\0\0\0\4\377\377\377\377", 8, 0), 8);
	p = (struct pollfd){.fd = rude.fd, .events = POLLIN};
	assert_int_equal(poll(&p, 1, SPOP_CLIENT_TIMEOUT_MS), 1);
	spop_client_close(&rude);
	expect_sample_soon(a, P "connections_closed_total{end=\"protocol\"}",
	                   1);
	expect_sample_soon(a,
	                   P "protocol_errors_total{status=\"invalid frame "
	                     "received\"}",
	                   1);
	expect_sample(a, P "connections_opened_total", 3);
	spop_client_close(&silent);
	rig_closed(c);
	expect_sample_soon(a, P "connections{state=\"ready\"}", 0);
	expect_sample_soon(a, P "connections_closed_total{end=\"eof\"}", 2);
	expect_sample_soon(a, P "engines", 0);
}

static void test_reloads_are_counted(void **state)
{
	struct agent_process *a = rig_started(state, "", "");

	assert_true(agent_process_configure(a, "bogus = 1", ""));
	agent_process_signal(a, SIGHUP);
	expect_sample_soon(a, P "reloads_total{result=\"failed\"}", 1);
	assert_true(agent_process_configure(a, "max-connections = 77",
	                                    "[policy new]\n"));
	agent_process_signal(a, SIGHUP);
	expect_sample_soon(a, P "reloads_total{result=\"done\"}", 1);
	expect_sample(a, P "connections_limit", 77);
	expect_sample(a, P "verdicts_total{policy=\"new\",verdict=\"proceed\"}",
	              0);
}

/* Every row is there that its store knows, once and in good form. */
static void expect_promtool_content(struct agent_process *a)
{
	struct http_reply reply = got(a, "/metrics");
	char path[160];
	FILE *promtool;

	assert_int_equal(reply.status, 200);
	assert_non_null(
	    strstr(reply.head, "Content-Type: text/plain; version=0.0.4"));
	snprintf(path, sizeof(path), "promtool check metrics 2>&1");
	promtool = popen(path, "w");
	assert_non_null(promtool);
	fputs(reply.body, promtool);
	assert_int_equal(pclose(promtool), 0);
	http_client_free(&reply);
}

static void expect_rows(struct agent_process *a, const char *other_store)
{
	static const struct {
		const char *name;
		const char *where;
	} rows[] = {
#define METRIC(id, name, kind, unit, labels, where, help) {name, #where},
#include "agent/metrics.def"
#undef METRIC
	};
	struct http_reply reply = got(a, "/metrics");

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const bool wanted = strcmp(rows[i].where, other_store) != 0 &&
		                    !strstr(rows[i].name, "certificate_expiry");
		char head[128];

		snprintf(head, sizeof(head), "\n# TYPE %s ", rows[i].name);
		if ((strstr(reply.body, head) != NULL) != wanted)
			fail_msg("%s is%s there", rows[i].name,
			         wanted ? " not" : "");
	}
	http_client_free(&reply);
}

static void test_promtool_likes_the_metrics(void **state)
{
	struct agent_process *a = rig_started(state, "", "");
	struct spop_client *c = rig_opened(a);

	execute(c, "k", NULL);
	assert_true(http_client_becomes(a->admin, "/readyz", 200));
	expect_sample_soon(a, P "store_records{state=\"stored\"}", 1);
	expect_promtool_content(a);
	expect_rows(a, "REDIS");
	rig_closed(c);
}

static void test_with_redis(void **state)
{
	struct redis_process r;
	const struct redis_setup setup = {.user = NULL};
	struct agent_process *a = *state;
	struct spop_client *c;
	char extra[256];
	double before;

	assert_true(redis_process_start(&r, &setup));
	snprintf(extra, sizeof(extra),
	         "driver = redis\n[redis]\nservers = unix:%s\n", r.socket);
	rig_started(state, "", extra);
	c = rig_opened(a);
	execute(c, "k", NULL);
	expect_promtool_content(a);
	expect_rows(a, "LMDB");
	/* The server has its scripts now: a claim and a settle. Looks whether
	 * it is there do not count. */
	before = value_of(a, P "store_round_trips_total");
	execute(c, "other", NULL);
	expect_sample(a, P "store_round_trips_total", before + 2);
	expect_sample_soon(a, P "store_entries", 2);
	rig_closed(c);
	redis_process_fini(&r);
}

struct asking {
	struct agent_process *agent;
	atomic_bool stop;
	int answers;
};

static void *ask_on(void *cookie)
{
	struct asking *asking = cookie;

	while (!asking->stop) {
		struct http_reply reply = got(asking->agent, "/metrics");

		asking->answers += reply.status == 200;
		http_client_free(&reply);
	}
	return NULL;
}

/* While requests run, somebody reads the numbers all the time: for the
 * sanitizer of threads. None is lost. */
static void test_asked_under_load(void **state)
{
	struct agent_process *a =
	    rig_started(state, "threads = 2", "durability = none\n");
	struct asking asking = {.agent = a};
	struct spop_client *c = rig_opened(a);
	pthread_t thread;
	int requests = 0;

	assert_int_equal(pthread_create(&thread, NULL, ask_on, &asking), 0);
	for (; requests < 500; requests++) {
		char key[16];

		snprintf(key, sizeof(key), "k%d", requests);
		execute(c, key, NULL);
	}
	agent_process_signal(a, SIGHUP);
	asking.stop = true;
	pthread_join(thread, NULL);
	assert_true(asking.answers > 0);
	expect_sample(a, P "outcomes_total{outcome=\"stored\"}", requests);
	rig_closed(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RIG_TEST(test_requests_are_counted_as_they_were),
	    RIG_TEST(test_records_are_counted_by_state),
	    RIG_TEST(test_connections_are_counted),
	    RIG_TEST(test_reloads_are_counted),
	    RIG_TEST(test_promtool_likes_the_metrics),
	    RIG_TEST(test_asked_under_load),
	    RIG_TEST(test_with_redis),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
