/* watch: what is counted, in lines and on a terminal; the terminal is as it was
 * when it ends, however that happens. */
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "agent/cli/cli.h"
#include "tests/process/rig.h"
#include "tests/support/command.h"
#include "tests/support/redis_process.h"

enum { OUTPUT_MAX = 1 << 20, BOUND_S = 60 };

/* A watch that runs, and all that it has said. */
struct watching {
	pid_t pid;
	int fd; /* its terminal, or the other end of its output */
	size_t size;
	char text[OUTPUT_MAX];
};

static const char screen_off[] = "\033[?25h\033[?1049l";

static void become_watch(const struct agent_process *a, const char *interval)
{
	alarm(2 * BOUND_S);
	execl(AGENT_BINARY, "spoa-idempotency", "-c", a->config, "watch",
	      "--interval", interval, (char *)NULL);
	_exit(127);
}

static struct watching *on_terminal(const struct agent_process *a)
{
	const struct winsize size = {.ws_row = 24, .ws_col = 80};
	struct watching *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->pid = forkpty(&w->fd, NULL, NULL, &size);
	assert_true(w->pid >= 0);
	if (w->pid == 0)
		become_watch(a, "100ms");
	return w;
}

static struct watching *in_pipe(const struct agent_process *a)
{
	struct watching *w = calloc(1, sizeof(*w));
	int fds[2];

	assert_non_null(w);
	assert_int_equal(pipe(fds), 0);
	w->pid = fork();
	if (w->pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		close(fds[1]);
		become_watch(a, "100ms");
	}
	close(fds[1]);
	w->fd = fds[0];
	return w;
}

/* Reads what there is; false at its end. */
static bool hear(struct watching *w)
{
	const ssize_t n =
	    read(w->fd, w->text + w->size, OUTPUT_MAX - 1 - w->size);

	if (n <= 0)
		return false;
	w->size += (size_t)n;
	w->text[w->size] = '\0';
	return true;
}

/* Waits until something after `from` holds for `said`; where that ends. */
static size_t expect(struct watching *w, size_t from, const char *said)
{
	const time_t end = time(NULL) + BOUND_S;

	for (;;) {
		const char *at = strstr(w->text + from, said);

		if (at)
			return (size_t)(at - w->text) + strlen(said);
		if (time(NULL) > end || !hear(w))
			fail_msg("not said: %s\n%s", said, w->text + from);
	}
}

/* Waits for its end: the exit status. */
static int ended(struct watching *w)
{
	int status;

	while (hear(w))
		;
	close(w->fd);
	assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void expect_terminal_back(const struct watching *w)
{
	const char *off = strstr(w->text, screen_off);

	assert_non_null(off);
	/* Once, and the last view stands behind it. */
	assert_null(strstr(off + 1, screen_off));
	assert_non_null(strstr(off, "oldest lock"));
}

static struct spop_reply asked(struct spop_client *c, const char *key)
{
	const struct spop_check check = {.key = key, .scope = "host"};
	struct spop_reply reply;

	assert_true(spop_client_check(c, &check, &reply));
	return reply;
}

static void executed(struct spop_client *c, const char *key)
{
	static const uint8_t headers[] = "\016content-length\0011\0";
	struct spop_reply reply = asked(c, key);
	const struct spop_complete complete = {
	    .ticket = reply.ticket,
	    .status = 201,
	    .headers = spoe_span(headers, sizeof(headers)),
	    .body = spoe_span("x", 1),
	};

	assert_string_equal(reply.verdict, "proceed");
	assert_true(spop_client_complete(c, &complete, &reply));
	assert_string_equal(reply.outcome, "stored");
}

/* --- tests ---------------------------------------------------------------- */

static void test_lines(void **state)
{
	struct agent_process *a = rig_started(state, "", "");
	struct spop_client *c = rig_opened(a);
	struct command *command = calloc(1, sizeof(*command));
	const char *second;

	assert_non_null(command);
	executed(c, "one");
	asked(c, "two");
	command->config = a->config;
	COMMAND_RUN(command, "watch", "--count", "2", "--interval", "100ms");
	assert_int_equal(command->status, CLI_DONE);
	assert_non_null(strstr(command->output,
	                       " store=well locked=1 held=0 pending=0 stored=1 "
	                       "sealed=0 expired=0 unreadable=0 "));
	second = strchr(command->output, '\n') + 1;
	assert_memory_equal(second, "time=", 5);
	/* Nothing happened in between. */
	assert_non_null(strstr(second, "begun_per_s=0.0 stored_per_s=0.0"));
	assert_string_equal(strchr(second, '\n'), "\n");
	assert_null(strchr(command->output, '\033'));
	free(command);
	rig_closed(c);
}

/* Waits until a line says that something was stored since the one before it.
 * Times are those of the requests: what reaches the disk after a look, but
 * began before it, is in no line's rate. */
static void expect_a_rate(struct watching *w, size_t at, struct spop_client *c)
{
	const time_t end = time(NULL) + BOUND_S;
	char key[16];

	for (int i = 0; time(NULL) <= end; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		executed(c, key);
		at = expect(w, at, " stored_per_s=");
		expect(w, at, "\n");
		if (atof(w->text + at) > 0)
			return;
	}
	fail_msg("no rate: %s", w->text);
}

static void test_rates_and_an_end_by_signal(void **state)
{
	struct agent_process *a = rig_started(state, "", "");
	struct spop_client *c = rig_opened(a);
	struct watching *w = in_pipe(a);
	size_t at = expect(w, 0, "stored=0");

	executed(c, "one");
	at = expect(w, at, "stored=1");
	expect_a_rate(w, at, c);
	kill(w->pid, SIGTERM);
	assert_int_equal(ended(w), CLI_DONE);
	free(w);
	rig_closed(c);
}

static void test_a_terminal(void **state)
{
	struct agent_process *a = rig_started(state, "", "");
	struct spop_client *c = rig_opened(a);
	struct watching *w = on_terminal(a);
	size_t at = expect(w, 0, "\033[?1049h");

	at = expect(w, at, "lmdb ");
	at = expect(w, at, ": well");
	at = expect(w, at, "oldest lock  -");
	asked(c, "runs");
	at = expect(w, at, "locked                1");
	executed(c, "done");
	at = expect(w, at, "stored                1");
	expect(w, at, "oldest lock  ");
	assert_int_equal(write(w->fd, "\003", 1), 1); /* Ctrl-C */
	assert_int_equal(ended(w), CLI_DONE);
	expect_terminal_back(w);
	free(w);
	rig_closed(c);
}

/* The longest line and the number of lines of the view that begins at `text`.
 */
static void measure(const char *text, size_t *ret_longest, size_t *ret_lines)
{
	*ret_longest = 0;
	for (*ret_lines = 0;; (*ret_lines)++) {
		const char *end = strstr(text, "\033[K\r\n");
		const char *last = strstr(text, "\033[J");

		assert_non_null(last);
		if (!end || end > last)
			return;
		if ((size_t)(end - text) > *ret_longest)
			*ret_longest = (size_t)(end - text);
		text = end + strlen("\033[K\r\n");
	}
}

static void resized(const struct watching *w, unsigned short rows,
                    unsigned short columns)
{
	const struct winsize size = {.ws_row = rows, .ws_col = columns};

	assert_int_equal(ioctl(w->fd, TIOCSWINSZ, &size), 0);
}

/* Waits for a view of exactly this size. */
static size_t expect_view(struct watching *w, size_t at, size_t longest,
                          size_t lines)
{
	const time_t end = time(NULL) + BOUND_S;
	size_t longest_is = 0, lines_is = 0;

	while (time(NULL) <= end) {
		const size_t begin = expect(w, at, "\033[H");

		at = expect(w, begin, "\033[J");
		measure(w->text + begin, &longest_is, &lines_is);
		if (longest_is == longest && lines_is == lines)
			return at;
	}
	fail_msg("a view of %zu by %zu", longest_is, lines_is);
	return at;
}

static void test_a_terminal_that_changes_its_size(void **state)
{
	struct agent_process *a = rig_started(state, "", "");
	struct watching *w = on_terminal(a);
	size_t at = expect(w, 0, "sealed       0.0/s");

	resized(w, 6, 20);
	at = expect_view(w, at, 20, 5);
	resized(w, 3, 10);
	at = expect_view(w, at, 10, 2);
	resized(w, 50, 200);
	expect(w, at, "sealed       0.0/s");
	kill(w->pid, SIGTERM);
	assert_int_equal(ended(w), CLI_DONE);
	expect_terminal_back(w);
	free(w);
}

/* It is down: that is said, and watched on. */
static void test_a_store_that_dies_and_comes_back(void **state)
{
	static const struct redis_setup setup = {.user = NULL};
	struct agent_process *a = *state;
	struct redis_process redis;
	struct watching *w;
	char extra[256];
	size_t at;

	assert_true(redis_process_start(&redis, &setup));
	snprintf(extra, sizeof(extra),
	         "driver = redis\n[redis]\nservers = unix:%.95s\n"
	         "timeout = 1s\nconnect-timeout = 1s\n",
	         redis.socket);
	assert_true(agent_process_configure(a, "", extra));
	w = in_pipe(a);
	at = expect(w, 0, "store=well locked=0");
	redis_process_kill(&redis);
	at = expect(w, at, "store=failed");
	assert_true(redis_process_restart(&redis));
	expect(w, at, "store=well locked=0");
	kill(w->pid, SIGINT);
	assert_int_equal(ended(w), CLI_DONE);
	redis_process_fini(&redis);
	free(w);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *argument;
		const char *error;
	} rows[] = {
	    {"--interval=1ms", "--interval=1ms: expected 100ms to 1h"},
	    {"--interval=2h", "--interval=2h: expected 100ms to 1h"},
	    {"--interval=soon", "--interval=soon: "},
	    {"--count=-1", "--count=-1: "},
	    {"more", "Too many arguments"},
	};
	struct agent_process *a = *state;
	struct command *command = calloc(1, sizeof(*command));

	assert_non_null(command);
	assert_true(agent_process_configure(a, "", ""));
	command->config = a->config;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		COMMAND_RUN(command, "watch", rows[i].argument);
		assert_int_equal(command->status, CLI_USAGE);
		assert_non_null(strstr(command->errors, rows[i].error));
	}
	/* No store, nothing to watch. */
	COMMAND_RUN(command, "watch", "--count", "1");
	assert_int_equal(command->status, CLI_FAILED);
	free(command);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    RIG_TEST(test_lines),
	    RIG_TEST(test_rates_and_an_end_by_signal),
	    RIG_TEST(test_a_terminal),
	    RIG_TEST(test_a_terminal_that_changes_its_size),
	    RIG_TEST(test_a_store_that_dies_and_comes_back),
	    RIG_TEST(test_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
