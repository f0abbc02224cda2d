/* The operator's commands, beside a running agent and without one. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/cli/cli.h"
#include "tests/support/agent_process.h"
#include "tests/support/command.h"
#include "tests/support/spop_client.h"

struct stage {
	struct agent_process agent;
	struct spop_client client;
	struct command command;
};

static int set_up(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	*state = s;
	if (!s || !agent_process_init(&s->agent))
		return -1;
	s->command.config = s->agent.config;
	return 0;
}

static int tear_down(void **state)
{
	struct stage *s = *state;
	bool well = agent_process_fini(&s->agent);

	free(s);
	return well ? 0 : -1;
}

/* An agent, and a client of it. */
static struct stage *started_with(void **state, const char *agent_options,
                                  const char *extra)
{
	struct stage *s = *state;

	assert_true(agent_process_configure(&s->agent, agent_options, extra));
	assert_true(agent_process_start(&s->agent));
	assert_true(
	    spop_client_open(&s->client, s->agent.socket, "pipelining"));
	return s;
}

static struct stage *started(void **state, const char *extra)
{
	return started_with(state, "", extra);
}

static void stopped(struct stage *s)
{
	spop_client_close(&s->client);
	agent_process_signal(&s->agent, SIGTERM);
	assert_int_equal(agent_process_wait(&s->agent), 0);
}

static struct spop_reply checked(struct stage *s, const char *key,
                                 const char *scope, const char *verdict)
{
	struct spop_check check = {.key = key, .scope = scope};
	struct spop_reply reply;

	assert_true(spop_client_check(&s->client, &check, &reply));
	assert_string_equal(reply.verdict, verdict);
	return reply;
}

static void completed(struct stage *s, const char *ticket, int64_t status,
                      const char *outcome)
{
	static const uint8_t headers[] =
	    "\016content-length\0015\007x-token\003abc\004date\003now\0";
	struct spop_complete complete = {
	    .ticket = ticket,
	    .status = status,
	    .headers = spoe_span(headers, sizeof(headers)),
	    .body = spoe_span("he\0lo", 5),
	};
	struct spop_reply reply;

	assert_true(spop_client_complete(&s->client, &complete, &reply));
	assert_string_equal(reply.outcome, outcome);
}

static void executed(struct stage *s, const char *key, const char *scope)
{
	struct spop_reply reply = checked(s, key, scope, "proceed");

	completed(s, reply.ticket, 201, "stored");
}

#define EXPECT_OUTPUT(s, text) \
	assert_non_null(strstr((s)->command.output, text))
#define EXPECT_NO_OUTPUT(s, text) assert_null(strstr((s)->command.output, text))
#define EXPECT_ERROR(s, text)     assert_non_null(strstr((s)->command.errors, text))
#define RUN(s, expected, ...)                                    \
	do {                                                     \
		COMMAND_RUN(&(s)->command, __VA_ARGS__);         \
		if ((s)->command.status != (expected))           \
			print_error("%s", (s)->command.errors);  \
		assert_int_equal((s)->command.status, expected); \
	} while (0)

static void test_show_says_what_is_there_and_no_secrets(void **state)
{
	struct stage *s = started(state, "");

	executed(s, "paid-1", "shop.example");
	RUN(s, CLI_DONE, "show", "paid-1");
	EXPECT_OUTPUT(s, "stored: its response is replayed");
	EXPECT_OUTPUT(s, "key          paid-1");
	EXPECT_OUTPUT(s, "policy       default");
	EXPECT_OUTPUT(s, "status       201");
	EXPECT_OUTPUT(s, "date: now");
	EXPECT_OUTPUT(s, "x-token: (hidden");
	EXPECT_OUTPUT(s, "5 B (hidden");
	EXPECT_NO_OUTPUT(s, "abc");
	EXPECT_NO_OUTPUT(s, "lo\n");

	RUN(s, CLI_DONE, "show", "\"paid-1\"", "--body", "--secrets");
	EXPECT_OUTPUT(s, "x-token: abc");
	EXPECT_OUTPUT(s, "he\\u0000lo");
	RUN(s, CLI_DONE, "show", "paid-1", "--body=3", "--json");
	EXPECT_OUTPUT(s, "\"state\":\"stored\"");
	EXPECT_OUTPUT(s, "\"body\":\"he\\u0000\"");
	EXPECT_OUTPUT(s, "[\"x-token\",null]");
	stopped(s);
	/* And without an agent. */
	RUN(s, CLI_DONE, "show", "paid-1", "--scope", "shop.example");
	EXPECT_OUTPUT(s, "stored");
}

static void test_show_finds_by_scope_and_in_any(void **state)
{
	struct stage *s = started(state, "");

	executed(s, "k", "one.example");
	checked(s, "k", "two.example", "proceed");
	RUN(s, CLI_DONE, "show", "k");
	EXPECT_OUTPUT(s, "state        stored");
	EXPECT_OUTPUT(s, "state        locked");
	RUN(s, CLI_DONE, "show", "k", "--scope", "two.example");
	EXPECT_NO_OUTPUT(s, "state        stored");
	RUN(s, CLI_NOT_FOUND, "show", "k", "--scope", "three.example");
	RUN(s, CLI_NOT_FOUND, "show", "other");
	EXPECT_ERROR(s, "no such record");
	/* Which of the two is to be released must be said. */
	RUN(s, CLI_USAGE, "release", "k", "--yes");
	EXPECT_ERROR(s, "--record-key");
	stopped(s);
}

static void test_release_lets_the_next_one_run(void **state)
{
	struct stage *s = started(state, "");
	struct spop_reply first = checked(s, "stuck", "h", "proceed");

	checked(s, "stuck", "h", "conflict");
	RUN(s, CLI_UNCHANGED, "release", "stuck");
	EXPECT_ERROR(s, "--yes");
	checked(s, "stuck", "h", "conflict");
	RUN(s, CLI_DONE, "release", "stuck", "--yes");
	EXPECT_OUTPUT(s, "released");
	checked(s, "stuck", "h", "proceed");
	/* The answer of the one that was released comes late. */
	completed(s, first.ticket, 201, "lost");
	checked(s, "stuck", "h", "conflict");

	executed(s, "done", "h");
	RUN(s, CLI_UNCHANGED, "release", "done", "--yes");
	EXPECT_ERROR(s, "only a lock can be released");
	checked(s, "done", "h", "cached");
	stopped(s);
}

static void test_seal_keeps_it_from_running_again(void **state)
{
	struct stage *s = started(state, "");
	struct spop_reply first = checked(s, "ran", "h", "proceed");

	RUN(s, CLI_DONE, "seal", "ran", "--yes");
	checked(s, "ran", "h", "unknown");
	completed(s, first.ticket, 201, "lost");
	RUN(s, CLI_UNCHANGED, "seal", "ran", "--yes");
	RUN(s, CLI_UNCHANGED, "release", "ran", "--yes");
	RUN(s, CLI_DONE, "show", "ran");
	EXPECT_OUTPUT(s, "sealed");
	stopped(s);
}

static void test_a_held_lock_is_released(void **state)
{
	struct stage *s = started_with(
	    state, "answer-timeout = 2s",
	    "[policy default]\nlock-ttl = 3s\non-lock-expiry = hold");
	struct spop_reply reply = {.verdict = "conflict"};

	checked(s, "k", "h", "proceed");
	while (strcmp(reply.verdict, "conflict") == 0) {
		struct spop_check check = {.key = "k", .scope = "h"};

		usleep(50000);
		assert_true(spop_client_check(&s->client, &check, &reply));
	}
	assert_string_equal(reply.verdict, "unknown");
	RUN(s, CLI_DONE, "list", "--state", "held");
	EXPECT_OUTPUT(s, "held");
	RUN(s, CLI_DONE, "release", "k", "--yes");
	checked(s, "k", "h", "proceed");
	stopped(s);
}

static void test_forget_removes_any_record(void **state)
{
	struct stage *s = started(state, "");
	struct spop_reply reply;

	executed(s, "stored", "h");
	reply = checked(s, "sealed", "h", "proceed");
	RUN(s, CLI_DONE, "seal", "sealed", "--yes");
	RUN(s, CLI_DONE, "forget", "sealed", "--yes");
	RUN(s, CLI_UNCHANGED, "forget", "stored");
	checked(s, "stored", "h", "cached");
	RUN(s, CLI_DONE, "forget", "stored", "--yes");
	RUN(s, CLI_NOT_FOUND, "forget", "stored", "--yes");
	checked(s, "stored", "h", "proceed");
	checked(s, "sealed", "h", "proceed");
	completed(s, reply.ticket, 201, "lost");
	stopped(s);
}

static size_t lines(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void test_list_filters_and_goes_on(void **state)
{
	struct stage *s = started(state, "[policy other]\n");
	struct spop_check check = {.key = "o", .scope = "h", .policy = "other"};
	struct spop_reply reply;
	char key[8], after[65];
	size_t seen = 0;

	for (int i = 0; i < 5; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		executed(s, key, "h");
	}
	checked(s, "running", "h", "proceed");
	assert_true(spop_client_check(&s->client, &check, &reply));
	RUN(s, CLI_DONE, "list");
	assert_int_equal(lines(s->command.output), 8);
	RUN(s, CLI_DONE, "list", "--state", "stored", "--json");
	assert_int_equal(lines(s->command.output), 5);
	RUN(s, CLI_DONE, "list", "--policy", "other");
	assert_int_equal(lines(s->command.output), 2);
	RUN(s, CLI_DONE, "list", "--older-than", "1h");
	assert_int_equal(lines(s->command.output), 1);
	RUN(s, CLI_DONE, "list", "--younger-than", "1h");
	assert_int_equal(lines(s->command.output), 8);

	/* Page by page, as it says itself. */
	RUN(s, CLI_DONE, "list", "--limit", "3", "--json");
	for (;;) {
		const char *more = strstr(s->command.errors, "--after ");

		seen += lines(s->command.output);
		if (!more)
			break;
		snprintf(after, sizeof(after), "%s", more + 8);
		RUN(s, CLI_DONE, "list", "--limit", "3", "--json", "--after",
		    after);
	}
	assert_int_equal(seen, 7);
	stopped(s);
}

static void test_stats_count(void **state)
{
	struct stage *s = started(state, "");

	executed(s, "a", "h");
	executed(s, "b", "h");
	checked(s, "c", "h", "proceed");
	RUN(s, CLI_DONE, "stats");
	EXPECT_OUTPUT(s, "stored                2");
	EXPECT_OUTPUT(s, "locked                1");
	RUN(s, CLI_DONE, "stats", "--json");
	EXPECT_OUTPUT(s, "\"stored\":{\"records\":2,");
	EXPECT_OUTPUT(s, "\"sealed\":{\"records\":0,");
	stopped(s);
}

/* The export of one store is put into another, which then answers for it. */
static void test_export_and_import(void **state)
{
	struct stage *s = started(state, "");
	struct spop_reply running, reply;
	char file[128], moved[128];
	struct stat st;

	snprintf(file, sizeof(file), "%s/export", s->agent.directory);
	executed(s, "done", "h");
	checked(s, "sealed", "h", "proceed");
	RUN(s, CLI_DONE, "seal", "sealed", "--yes");
	running = checked(s, "running", "h", "proceed");
	RUN(s, CLI_DONE, "export", file);
	EXPECT_ERROR(s, "3 record(s) exported");
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	RUN(s, CLI_FAILED, "export", file);
	EXPECT_ERROR(s, "exists");
	stopped(s);

	snprintf(moved, sizeof(moved), "%s.old", s->agent.store);
	assert_int_equal(rename(s->agent.store, moved), 0);
	RUN(s, CLI_DONE, "import", file);
	EXPECT_ERROR(s, "3 record(s) added, 0 there");
	RUN(s, CLI_DONE, "import", file);
	EXPECT_ERROR(s, "0 record(s) added, 3 there");

	assert_true(agent_process_start(&s->agent));
	assert_true(
	    spop_client_open(&s->client, s->agent.socket, "pipelining"));
	reply = checked(s, "done", "h", "cached");
	assert_int_equal(reply.status, 201);
	assert_int_equal(reply.body.size, 5);
	assert_memory_equal(reply.body.data, "he\0lo", 5);
	checked(s, "sealed", "h", "unknown");
	checked(s, "running", "h", "conflict");
	completed(s, running.ticket, 201, "stored");
	checked(s, "running", "h", "cached");
	stopped(s);
}

/* Cut anywhere, or with any byte changed, a file is refused with a reason and
 * nothing false gets into the store. */
static void test_import_of_a_damaged_file(void **state)
{
	struct stage *s = started(state, "");
	char file[128];
	struct stat st;
	FILE *f;

	snprintf(file, sizeof(file), "%s/export", s->agent.directory);
	executed(s, "done", "h");
	RUN(s, CLI_DONE, "export", file);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(truncate(file, st.st_size - 1), 0);
	RUN(s, CLI_FAILED, "import", file);
	EXPECT_ERROR(s, "ends too early");
	assert_int_equal(truncate(file, st.st_size - 40), 0);
	RUN(s, CLI_FAILED, "import", file);
	EXPECT_ERROR(s, "behind record 0");
	f = fopen(file, "r+");
	assert_non_null(f);
	fseek(f, 100, SEEK_SET);
	putc(0x55, f);
	fclose(f);
	assert_int_equal(truncate(file, st.st_size), 0);
	RUN(s, CLI_FAILED, "import", file);
	EXPECT_ERROR(s, "damaged");
	RUN(s, CLI_FAILED, "import", s->agent.config);
	EXPECT_ERROR(s, "not a file");
	RUN(s, CLI_FAILED, "import", "/no/such/file");
	EXPECT_ERROR(s, "No such file");
	stopped(s);
}

static void test_mistakes(void **state)
{
	struct stage *s = *state;
	static const struct {
		const char *arguments[4];
		int status;
		const char *error;
	} rows[] = {
	    {{"fly"}, CLI_USAGE, "no such command: fly"},
	    {{"show"}, CLI_USAGE, "name the record"},
	    {{"show", ""}, CLI_USAGE, "the key is empty"},
	    {{"show", "a", "b"}, CLI_USAGE, "one KEY at a time: b"},
	    {{"show", "--record-key", "abc"}, CLI_USAGE, "64 hexadecimal"},
	    {{"show", "k", "--body=x"}, CLI_USAGE, "--body=x"},
	    {{"list", "--state", "lost"}, CLI_USAGE, "no state is called"},
	    {{"list", "--older-than", "1y"}, CLI_USAGE, "\"1y\""},
	    {{"list", "--limit", "-1"}, CLI_USAGE, "\"-1\""},
	    {{"export"}, CLI_USAGE, "FILE is missing"},
	    /* There is no store yet, and none is made. */
	    {{"show", "k"}, CLI_FAILED, "there is no store"},
	    {{"list"}, CLI_FAILED, "there is no store"},
	};
	struct stat st;

	assert_true(agent_process_configure(&s->agent, "", ""));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		command_run(&s->command, rows[i].arguments);
		if (s->command.status != rows[i].status ||
		    !strstr(s->command.errors, rows[i].error))
			fail_msg("row %zu: status %d, %s", i, s->command.status,
			         s->command.errors);
	}
	assert_int_equal(stat(s->agent.store, &st), -1);
	s->command.config = "/no/such.ini";
	RUN(s, CLI_USAGE, "list");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST(test_show_says_what_is_there_and_no_secrets),
	    TEST(test_show_finds_by_scope_and_in_any),
	    TEST(test_release_lets_the_next_one_run),
	    TEST(test_seal_keeps_it_from_running_again),
	    TEST(test_a_held_lock_is_released),
	    TEST(test_forget_removes_any_record),
	    TEST(test_list_filters_and_goes_on),
	    TEST(test_stats_count),
	    TEST(test_export_and_import),
	    TEST(test_import_of_a_damaged_file),
	    TEST(test_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
