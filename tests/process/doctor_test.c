/* doctor finds what is planted: one mistake at a time in files that are right,
 * and finds nothing in those. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/cli/cli.h"
#include "agent/cli/cli_doctor.h"
#include "tests/support/agent_process.h"
#include "tests/support/command.h"
#include "tests/support/redis_process.h"
#include "tests/support/spop_client.h"

static const char *const texts[] = {
#define CLI_FINDING(name, severity, text, advice) [CLI_FINDING_##name] = (text),
#include "agent/cli/finding.def"
#undef CLI_FINDING
};

enum { FILE_MAX = 1 << 16 };

struct stage {
	struct agent_process agent;
	struct command command;
	char haproxy[128];
	char environment[128];
};

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* Copies a file of haproxy/, with each `old` in it made `new` (NULL: as it is).
 */
static void copy(struct stage *s, const char *name, const char *old,
                 const char *new)
{
	char *text = calloc(1, FILE_MAX), path[512], *rest = text, *at;
	FILE *f;

	assert_non_null(text);
	snprintf(path, sizeof(path), HAPROXY_DIR "/%s", name);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_in_range(fread(text, 1, FILE_MAX - 1, f), 1, FILE_MAX - 2);
	fclose(f);
	snprintf(path, sizeof(path), "%s/%s", s->agent.directory, name);
	f = fopen(path, "w");
	assert_non_null(f);
	if (old && !strstr(text, old))
		fail_msg("%s: no %s", name, old);
	for (; old && (at = strstr(rest, old)); rest = at + strlen(old))
		fprintf(f, "%.*s%s", (int)(at - rest), rest, new);
	fputs(rest, f);
	assert_int_equal(fclose(f), 0);
	free(text);
}

static const char *const files[] = {"haproxy.cfg", "idempotency.spoe.conf",
                                    "idempotency.lua"};

static void copy_all(struct stage *s)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		copy(s, files[i], NULL, NULL);
}

static void write_environment(struct stage *s, const char *extra)
{
	char text[1024];

	snprintf(text, sizeof(text),
	         "# of HAProxy\nIDEMPOTENCY_DIR=\"%s\"\n"
	         "export IDEMPOTENCY_AGENT='unix@%s'\n%s\n",
	         s->agent.directory, s->agent.socket, extra);
	write_text(s->environment, text);
}

static void doctor(struct stage *s)
{
	COMMAND_RUN(&s->command, "doctor", "--haproxy", s->haproxy,
	            "--haproxy-environment", s->environment);
}

static int set_up(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	*state = s;
	if (!s || !agent_process_init(&s->agent))
		return -1;
	s->command.config = s->agent.config;
	snprintf(s->haproxy, sizeof(s->haproxy), "%s/haproxy.cfg",
	         s->agent.directory);
	snprintf(s->environment, sizeof(s->environment), "%s/environment",
	         s->agent.directory);
	copy_all(s);
	write_environment(s, "");
	return 0;
}

static int tear_down(void **state)
{
	struct stage *s = *state;
	bool well = agent_process_fini(&s->agent);

	free(s);
	return well ? 0 : -1;
}

static void started(struct stage *s, const char *agent_options,
                    const char *extra)
{
	char options[256];

	/* Without it the rig's own is longer than HAProxy waits. */
	snprintf(options, sizeof(options), "answer-timeout = 1s\n%s",
	         agent_options);
	assert_true(agent_process_configure(&s->agent, options, extra));
	assert_true(agent_process_start(&s->agent));
}

static void expect(struct stage *s, enum cli_finding finding)
{
	if (!strstr(s->command.output, texts[finding]))
		fail_msg("not found: %s\n%s", texts[finding],
		         s->command.output);
}

/* Nothing but what depends on the machine. */
static void expect_health(struct stage *s)
{
	if (s->command.status != CLI_DONE ||
	    !strstr(s->command.output, "0 problem(s)"))
		fail_msg("status %d\n%s%s", s->command.status,
		         s->command.output, s->command.errors);
}

static void test_nothing_is_wrong_with_our_files(void **state)
{
	struct stage *s = *state;

	started(s, "", "");
	doctor(s);
	expect_health(s);
	assert_non_null(strstr(s->command.output, "somebody listens"));
	assert_non_null(strstr(s->command.output, "the store opens"));
}

static void test_mistakes_in_haproxys_files(void **state)
{
	static const struct {
		enum cli_finding finding;
		const char *file;
		const char *old;
		const char *new;
	} rows[] = {
	    {CLI_FINDING_NO_ENGINE, "haproxy.cfg", "filter spoe", "#"},
	    {CLI_FINDING_SPOE_UNREADABLE, "haproxy.cfg",
	     "config \"$IDEM_DIR/idempotency.spoe.conf", "config \"/no.conf"},
	    {CLI_FINDING_NO_CHECK, "haproxy.cfg",
	     "http-request send-spoe-group", "#"},
	    {CLI_FINDING_NO_COMPLETE, "haproxy.cfg",
	     "http-response send-spoe-group", "#"},
	    {CLI_FINDING_NO_REQUEST_BODY, "haproxy.cfg",
	     "http-request wait-for-body", "#"},
	    {CLI_FINDING_NO_RESPONSE_BODY, "haproxy.cfg",
	     "http-response wait-for-body", "#"},
	    {CLI_FINDING_NO_REPLAY, "haproxy.cfg", "lua-load-per-thread", "#"},
	    {CLI_FINDING_LUA_UNREADABLE, "haproxy.cfg", "/idempotency.lua",
	     "/gone/idempotency.lua"},
	    {CLI_FINDING_NO_BACKEND, "haproxy.cfg", "backend spoa-idempotency",
	     "backend agents"},
	    {CLI_FINDING_WRONG_SERVER, "haproxy.cfg", "\"${IDEMPOTENCY_AGENT-",
	     "\"${NO_SUCH-"},
	    {CLI_FINDING_BUFFER_OVER_FRAME, "haproxy.cfg", "BUFSIZE-16384",
	     "BUFSIZE-33554432"},
	    {CLI_FINDING_LOCK_TOO_SHORT, "haproxy.cfg",
	     "IDEMPOTENCY_SERVER_TIMEOUT-30s", "IDEMPOTENCY_SERVER_TIMEOUT-3m"},
	    {CLI_FINDING_TIMEOUT_TOO_SHORT, "haproxy.cfg",
	     "IDEMPOTENCY_AGENT_TIMEOUT-2s", "IDEMPOTENCY_AGENT_TIMEOUT-1000"},
	    {CLI_FINDING_NO_TIMEOUT, "idempotency.spoe.conf",
	     "timeout processing", "#"},
	    {CLI_FINDING_IDLE_TOO_LONG, "idempotency.spoe.conf",
	     "timeout idle  1m", "timeout idle 1h"},
	    {CLI_FINDING_TOO_MANY_FRAMES, "idempotency.spoe.conf",
	     "max-waiting-frames 64", "max-waiting-frames 65"},
	    {CLI_FINDING_NO_PREFIX, "idempotency.spoe.conf",
	     "option var-prefix idem", "option var-prefix other"},
	    {CLI_FINDING_NO_ARGUMENT, "idempotency.spoe.conf",
	     " body=", " another="},
	    {CLI_FINDING_NO_SCOPE, "idempotency.spoe.conf",
	     "	args scope=", "	args # "},
	};
	struct stage *s = *state;

	started(s, "", "");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		copy_all(s);
		copy(s, rows[i].file, rows[i].old, rows[i].new);
		doctor(s);
		expect(s, rows[i].finding);
	}
	unlink(s->haproxy);
	doctor(s);
	expect(s, CLI_FINDING_HAPROXY_UNREADABLE);
	assert_int_equal(s->command.status, CLI_PROBLEMS);
}

static void test_notices(void **state)
{
	struct stage *s = *state;

	started(s, "", "[notices]\nlisten = 127.0.0.1:0");
	doctor(s);
	expect(s, CLI_FINDING_NO_NOTICE_LOG);
	/* Any port is not a port that HAProxy could be told. */
	write_environment(s, "IDEMPOTENCY_NOTICES=127.0.0.1:0");
	doctor(s);
	expect_health(s);
	copy(s, "haproxy.cfg", "(txn.idem.error)] idem=%[",
	     "(txn.idem.error)] %[");
	doctor(s);
	expect(s, CLI_FINDING_NO_NOTICE_TOKEN);
}

/* Where: the servers, not the directory of a store that is not used. How large
 * Redis may be is no matter of max-size. */
static void test_the_store_is_redis(void **state)
{
	static const struct redis_setup setup = {.user = NULL};
	struct stage *s = *state;
	struct redis_process redis;
	char text[256];

	assert_true(redis_process_start(&redis, &setup));
	assert_string_equal(
	    redis_process_ask(&redis, "SETRANGE filler 2000000 x"), "2000001");
	snprintf(text, sizeof(text),
	         "max-size = 1M\ndriver = redis\n[redis]\nservers = unix:%.95s",
	         redis.socket);
	started(s, "", text);
	doctor(s);
	expect_health(s);
	snprintf(text, sizeof(text), "redis unix:%.95s: the store opens",
	         redis.socket);
	if (!strstr(s->command.output, text) ||
	    strstr(s->command.output, s->agent.store) ||
	    strstr(s->command.output, texts[CLI_FINDING_STORE_FULL]))
		fail_msg("%s", s->command.output);
	redis_process_fini(&redis);
}

static void test_the_store(void **state)
{
	struct stage *s = *state;
	char path[128];

	assert_true(
	    agent_process_configure(&s->agent, "answer-timeout = 1s", ""));
	doctor(s);
	expect(s, CLI_FINDING_STORE_CLOSED);
	expect(s, CLI_FINDING_NOBODY_LISTENS);
	expect(s, CLI_FINDING_ADMIN_CLOSED);
	assert_true(agent_process_start(&s->agent));
	assert_int_equal(chmod(s->agent.store, 0750), 0);
	doctor(s);
	expect(s, CLI_FINDING_STORE_OPEN_TO_OTHERS);
	assert_int_equal(chmod(s->agent.store, 0700), 0);
	agent_process_signal(&s->agent, SIGTERM);
	assert_int_equal(agent_process_wait(&s->agent), 0);
	snprintf(path, sizeof(path), "%s/data.mdb", s->agent.store);
	write_text(path, "this is no store");
	doctor(s);
	expect(s, CLI_FINDING_STORE_CLOSED);
}

static void test_records_that_need_somebody(void **state)
{
	struct stage *s = *state;
	struct spop_client client;
	struct spop_check check = {.key = "k", .scope = "h"};
	struct spop_reply reply = {.verdict = "conflict"};

	started(s, "",
	        "[policy default]\nlock-ttl = 2s\non-lock-expiry = hold");
	assert_true(spop_client_open(&client, s->agent.socket, "pipelining"));
	assert_true(spop_client_check(&client, &check, &reply));
	assert_string_equal(reply.verdict, "proceed");
	do {
		usleep(50000);
		assert_true(spop_client_check(&client, &check, &reply));
	} while (strcmp(reply.verdict, "conflict") == 0);
	doctor(s);
	expect(s, CLI_FINDING_LOCK_HELD);
	spop_client_close(&client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST(test_nothing_is_wrong_with_our_files),
	    TEST(test_mistakes_in_haproxys_files),
	    TEST(test_notices),
	    TEST(test_the_store_is_redis),
	    TEST(test_the_store),
	    TEST(test_records_that_need_somebody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
