#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/log.h"
#include "agent/log_limit.h"

/* syslog(3) as seen by log.c: these definitions go before libc's. */
static int syslog_priority;
static char syslog_text[LOG_LINE_MAX];

void openlog(const char *ident, int option, int facility);
void syslog(int priority, const char *format, ...);
void __syslog_chk(int priority, int flag, const char *format, ...);

void openlog(const char *ident, int option, int facility)
{
	(void)option;
	(void)facility;
	assert_string_equal(ident, "spoa-idempotency");
}

static void keep_syslog(int priority, const char *format, va_list arguments)
{
	syslog_priority = priority;
	vsnprintf(syslog_text, sizeof(syslog_text), format, arguments);
}

void syslog(int priority, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	keep_syslog(priority, format, arguments);
	va_end(arguments);
}

/* What _FORTIFY_SOURCE makes of syslog(). */
void __syslog_chk(int priority, int flag, const char *format, ...)
{
	va_list arguments;

	(void)flag;
	va_start(arguments, format);
	keep_syslog(priority, format, arguments);
	va_end(arguments);
}

/* stderr as a datagram socket: one write is one message. */
static int saved_stderr;
static int written_fd;

static int set_up(void **state)
{
	int fds[2];

	(void)state;
	fflush(NULL);
	saved_stderr = dup(STDERR_FILENO);
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) < 0)
		return -1;
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	written_fd = fds[0];
	unsetenv("JOURNAL_STREAM");
	log_init(LOG_TARGET_JOURNAL, LOG_LEVEL_DEBUG);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(written_fd);
	return 0;
}

/* The next message, without its line feed; NULL when there is none. */
static const char *next_line(void)
{
	static char line[2 * LOG_LINE_MAX];
	ssize_t n =
	    recv(written_fd, line, sizeof(line) - 1, MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0)
		return NULL;
	assert_in_range(n, 1, LOG_LINE_MAX);
	assert_int_equal(line[n - 1], '\n');
	line[n - 1] = '\0';
	assert_int_equal(strlen(line), n - 1);
	assert_null(strchr(line, '\n'));
	return line;
}

static bool matches(const char *text, const char *pattern)
{
	regex_t r;
	bool matched;

	assert_int_equal(regcomp(&r, pattern, REG_EXTENDED | REG_NOSUB), 0);
	matched = regexec(&r, text, 0, NULL, 0) == 0;
	regfree(&r);
	if (!matched)
		print_message("\"%s\" does not match %s\n", text, pattern);
	return matched;
}

/* CHECK is of level debug, so it is not limited. */
static const struct {
	struct log_field field;
	const char *shown;
} values[] = {
    {{LOG_FIELD_TEXT, "k", "word", 0}, " k=word"},
    {{LOG_FIELD_TEXT, "k", "/run/a:b;c,d", 0}, " k=/run/a:b;c,d"},
    {{LOG_FIELD_TEXT, "k", "", 0}, " k=\"\""},
    {{LOG_FIELD_TEXT, "k", NULL, 0}, ""},
    {{LOG_FIELD_TEXT, "k", "two words", 0}, " k=\"two words\""},
    {{LOG_FIELD_TEXT, "k", "a=b", 0}, " k=\"a=b\""},
    {{LOG_FIELD_TEXT, "k", "say \"hi\"", 0}, " k=\"say \\\"hi\\\"\""},
    {{LOG_FIELD_TEXT, "k", "back\\slash", 0}, " k=\"back\\\\slash\""},
    {{LOG_FIELD_TEXT, "k", "x\nlevel=error", 0}, " k=\"x\\nlevel=error\""},
    {{LOG_FIELD_TEXT, "k", "\033[2J", 0}, " k=\"\\u001b[2J\""},
    {{LOG_FIELD_TEXT, "k",
      "\x9b"
      "2J",
      0},
     " k=\"\\u009b2J\""},
    {{LOG_FIELD_INT, "n", NULL, 0}, " n=0"},
    {{LOG_FIELD_INT, "n", NULL, INT64_MIN}, " n=-9223372036854775808"},
    {{LOG_FIELD_INT, "n", NULL, INT64_MAX}, " n=9223372036854775807"},
};

static void shows_values(void **state)
{
	char expected[256];

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		log_event(LOG_CHECK, values[i].field, LOG_TEXT("end", "x"));
		snprintf(expected, sizeof(expected),
		         "<7>level=debug event=check%s end=x", values[i].shown);
		assert_string_equal(next_line(), expected);
	}
	assert_null(next_line());
}

static void every_byte_stays_on_the_line(void **state)
{
	char all[256] = {0};
	const char *line;

	(void)state;
	for (size_t i = 1; i < sizeof(all); i++)
		all[i - 1] = (char)i;
	log_event(LOG_CHECK, LOG_TEXT("all", all));
	line = next_line();
	assert_non_null(line);
	for (; *line; line++)
		assert_in_range(*line, ' ', '~');
	assert_null(next_line());
}

/* However long a text is, the line stays whole and says that it was cut. */
static void cuts_long_texts(void **state)
{
	static char text[3 * LOG_LINE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i += 41) {
		const char *line;
		size_t quotes = 0;
		bool cut;

		memset(text, i % 2 ? 'x' : '\033', i);
		text[i] = '\0';
		log_event(LOG_CHECK, LOG_TEXT("a", text), LOG_TEXT("b", text),
		          LOG_TEXT("c", text), LOG_INT("n", 1));
		line = next_line();
		assert_non_null(line);
		cut = strlen(line) > 9 &&
		      strcmp(line + strlen(line) - 9, " cut=true") == 0;
		assert_true(cut || matches(line, " n=1$"));
		if (i > LOG_VALUE_MAX)
			assert_true(cut);
		if (i * 3 * 6 < LOG_LINE_MAX - 100)
			assert_false(cut);
		for (; *line; line++)
			quotes += *line == '"';
		assert_int_equal(quotes % 2, 0);
	}
}

static void many_fields_are_cut_too(void **state)
{
	struct log_field fields[401] = {0};
	const char *line;

	(void)state;
	for (size_t i = 0; i < 400; i++)
		fields[i] = LOG_INT("number", i);
	log_event_fields(LOG_CHECK, fields);
	line = next_line();
	assert_true(matches(line, " number=0 .* number=1[0-9]* cut=true$"));
}

static void each_level_has_its_prefix(void **state)
{
	(void)state;
	log_event(LOG_START_FAILED);
	assert_string_equal(next_line(), "<3>level=error event=start-failed");
	log_event(LOG_DRAIN_CUT);
	assert_string_equal(next_line(), "<4>level=warning event=drain-cut");
	log_event(LOG_STOPPING);
	assert_string_equal(next_line(), "<6>level=info event=stopping");
	log_event(LOG_COMPLETE);
	assert_string_equal(next_line(), "<7>level=debug event=complete");
}

static void stderr_gets_time_stamps(void **state)
{
	(void)state;
	log_init(LOG_TARGET_STDERR, LOG_LEVEL_DEBUG);
	log_event(LOG_CHECK, LOG_INT("n", 1));
	assert_true(matches(next_line(),
	                    "^ts=20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:"
	                    "[0-5][0-9]:[0-6][0-9]\\.[0-9]{3}Z level=debug "
	                    "event=check n=1$"));
}

/* `wanted`: whether JOURNAL_STREAM names stderr. */
static void expect_auto(const char *stream, bool wanted)
{
	if (stream)
		setenv("JOURNAL_STREAM", stream, 1);
	log_init(LOG_TARGET_AUTO, LOG_LEVEL_DEBUG);
	log_event(LOG_CHECK);
	assert_true(
	    matches(next_line(), wanted ? "^<7>level" : "^ts=.* level"));
}

static void auto_knows_the_journal(void **state)
{
	char stream[64];
	struct stat s;

	(void)state;
	assert_int_equal(fstat(STDERR_FILENO, &s), 0);
	expect_auto(NULL, false);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)s.st_dev,
	         (uintmax_t)s.st_ino);
	expect_auto(stream, true);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)s.st_dev,
	         (uintmax_t)s.st_ino + 1);
	expect_auto(stream, false);
	expect_auto("", false);
	expect_auto("journal", false);
}

static void syslog_gets_priority_and_text(void **state)
{
	(void)state;
	log_init(LOG_TARGET_SYSLOG, LOG_LEVEL_DEBUG);
	log_event(LOG_PROTOCOL_ERROR, LOG_TEXT("text", "100%s \n"));
	assert_int_equal(syslog_priority, 4);
	assert_string_equal(syslog_text, "level=warning event=protocol-error "
	                                 "text=\"100%s \\n\"");
	assert_null(next_line());
}

static void levels_filter(void **state)
{
	static const enum log_event of_level[] = {
	    [LOG_LEVEL_ERROR] = LOG_CHECK_ERROR,
	    [LOG_LEVEL_WARNING] = LOG_POLICY_GONE,
	    [LOG_LEVEL_INFO] = LOG_STATS,
	    [LOG_LEVEL_DEBUG] = LOG_CHECK,
	};

	(void)state;
	for (int set = LOG_LEVEL_ERROR; set <= LOG_LEVEL_DEBUG; set++) {
		log_set_level((enum log_level)set);
		for (int level = 0; level <= LOG_LEVEL_DEBUG; level++) {
			bool wanted = level <= set;

			assert_int_equal(log_enabled(of_level[level]), wanted);
			log_event(of_level[level]);
			assert_int_equal(next_line() != NULL, wanted);
		}
	}
}

static void errno_is_kept(void **state)
{
	(void)state;
	close(STDERR_FILENO);
	errno = ENOSPC;
	log_event(LOG_CHECK);
	assert_int_equal(errno, ENOSPC);
}

static void a_record_key_is_shortened(void **state)
{
	static const uint8_t key[32] = {0x00, 0x1f, 0xff, 0xa0, 1,   2,
	                                3,    0x80, 0xee, 0xee, 0xee};
	char text[LOG_RECORD_KEY_SIZE];

	(void)state;
	assert_string_equal(log_record_key(key, text), "001fffa001020380");
}

/* What is written in a second, and what the line that follows owns up to. */
static const struct {
	const char *what;
	uint64_t second;
	unsigned tries;
	unsigned written;
	uint64_t suppressed; /* said by the first line written */
} limit_story[] = {
    {"below the limit", 100, 2, 2, 0},
    {"up to the limit", 100, 1, 1, 0},
    {"over it", 100, 5, 0, 0},
    {"a new second owns up", 101, 4, 3, 5},
    {"much later", 500, 1, 1, 1},
    {"nothing left to own up to", 500, 1, 1, 0},
    {"a clock that went back starts anew", 400, 3, 3, 0},
};

static void the_limit_tells_its_story(void **state)
{
	struct log_limit limit = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(limit_story) / sizeof(*limit_story);
	     i++) {
		unsigned written = 0;

		print_message("%s\n", limit_story[i].what);
		for (unsigned try = 0; try < limit_story[i].tries; try++) {
			uint64_t suppressed = 99;

			if (!log_limit_step(&limit, limit_story[i].second, 3,
			                    &suppressed))
				continue;
			assert_int_equal(suppressed,
			                 written ? 0
			                         : limit_story[i].suppressed);
			written++;
		}
		assert_int_equal(written, limit_story[i].written);
	}
}

/* Reads what is there; returns the lines and adds up what they own up to. */
static size_t drain(size_t *suppressed)
{
	const char *line;
	size_t lines = 0;

	while ((line = next_line())) {
		const char *said = strstr(line, " suppressed=");

		lines++;
		if (said)
			*suppressed += strtoul(said + 12, NULL, 10);
	}
	return lines;
}

/* However many seconds this takes, every call is either a line or owned up to
 * by a later one, but for those after the last line. */
static void events_are_limited_and_owned_up_to(void **state)
{
	enum { CALLS = 3000 };
	size_t lines = 0;
	size_t suppressed = 0;

	(void)state;
	for (int i = 0; i < CALLS; i++) {
		log_event(LOG_COMPLETE_LOST);
		lines += drain(&suppressed);
	}
	assert_true(lines >= LOG_BURST);
	assert_true(lines < CALLS);
	for (int i = 0; i < 300 && lines + suppressed < CALLS; i++) {
		usleep(10000);
		log_event(LOG_COMPLETE_LOST);
		lines += drain(&suppressed);
	}
	assert_true(lines + suppressed >= CALLS);
	/* Another event has a limit of its own, and debug has none. */
	for (int i = 0; i < 3 * LOG_BURST; i++) {
		log_event(LOG_CHECK);
		assert_non_null(next_line());
	}
	log_event(LOG_CHECK_INVALID);
	assert_non_null(next_line());
}

enum { THREADS = 4, LINES = 300 };

/* The last ones that somebody should see, newest first and without a time. */
static void the_last_warnings_are_kept(void **state)
{
	struct log_line lines[LOG_RECENT];

	(void)state;
	log_init(LOG_TARGET_STDERR, LOG_LEVEL_INFO);
	log_event(LOG_STORE_DOWN, LOG_TEXT("text", "first"));
	log_event(LOG_CLOCK_BACK, LOG_INT("ahead_ms", 7));
	log_event(LOG_STARTED);
	assert_true(log_recent(lines) >= 2);
	assert_string_equal(lines[0].text,
	                    "level=warning event=clock-back ahead_ms=7");
	assert_string_equal(lines[1].text,
	                    "level=error event=store-down text=first");
	assert_true(lines[0].wall_ms >= lines[1].wall_ms);
	for (int i = 0; i < LOG_RECENT; i++)
		log_event(LOG_STORE_WARNING, LOG_INT("n", i));
	assert_int_equal(log_recent(lines), LOG_RECENT);
	assert_string_equal(lines[LOG_RECENT - 1].text,
	                    "level=warning event=store-warning n=0");
}

static void *log_often(void *cookie)
{
	for (int i = 0; i < LINES; i++) {
		log_event(LOG_CHECK, LOG_TEXT("thread", cookie),
		          LOG_TEXT("text", "some more words of it"));
		log_event(LOG_RELOADED);
		log_set_level(LOG_LEVEL_DEBUG);
	}
	return NULL;
}

/* The next line of a file, like next_line(). */
static const char *next_line_of(FILE *f)
{
	static char line[2 * LOG_LINE_MAX];

	if (!fgets(line, sizeof(line), f))
		return NULL;
	line[strcspn(line, "\n")] = '\0';
	return line;
}

/* Lines of several threads never mix. */
static void threads_write_whole_lines(void **state)
{
	static const char *const names[THREADS] = {"a", "b", "c", "d"};
	pthread_t threads[THREADS];
	char expected[] = "<7>level=debug event=check thread=? "
			  "text=\"some more words of it\"";
	size_t letter = (size_t)(strchr(expected, '?') - expected);
	size_t checks = 0;
	FILE *f = tmpfile();
	const char *line;

	(void)state;
	assert_non_null(f);
	assert_int_equal(fcntl(fileno(f), F_SETFL, O_APPEND), 0);
	dup2(fileno(f), STDERR_FILENO);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, log_often,
		                                (char *)(uintptr_t)names[i]),
		                 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	rewind(f);
	while ((line = next_line_of(f))) {
		if (strstr(line, "event=reloaded"))
			continue;
		assert_int_equal(strlen(line), strlen(expected));
		expected[letter] = line[letter];
		assert_in_range(line[letter], 'a', 'd');
		assert_string_equal(line, expected);
		checks++;
	}
	assert_int_equal(checks, THREADS * LINES);
	fclose(f);
}

/* Whoever reads stderr has stopped: the lines that find no room are lost, and
 * owned up to, and nobody waits. */
static void who_does_not_read_stops_nobody(void **state)
{
	enum { CALLS = LOG_BURST - 1 };
	char text[256];
	int fds[2];
	size_t lines = 0;
	size_t suppressed = 0;
	FILE *f;
	const char *line;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(pipe(fds), 0);
	assert_true(fcntl(fds[1], F_SETPIPE_SZ, 4096) > 0);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	alarm(60); /* should one wait after all */
	for (int i = 0; i < CALLS; i++)
		log_event(LOG_COMPLETE_ERROR, LOG_TEXT("text", text));
	alarm(0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	f = fdopen(fds[0], "r");
	while ((line = next_line_of(f)))
		lines++;
	assert_in_range(lines, 1, CALLS - 1);
	log_event(LOG_COMPLETE_ERROR);
	clearerr(f);
	line = next_line_of(f);
	assert_non_null(line);
	line = strstr(line, " suppressed=");
	assert_non_null(line);
	suppressed = strtoul(line + 12, NULL, 10);
	assert_int_equal(lines + suppressed, CALLS);
	fclose(f);
}

#define LOG_TEST(function) \
	cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    LOG_TEST(shows_values),
	    LOG_TEST(every_byte_stays_on_the_line),
	    LOG_TEST(cuts_long_texts),
	    LOG_TEST(many_fields_are_cut_too),
	    LOG_TEST(each_level_has_its_prefix),
	    LOG_TEST(stderr_gets_time_stamps),
	    LOG_TEST(auto_knows_the_journal),
	    LOG_TEST(syslog_gets_priority_and_text),
	    LOG_TEST(levels_filter),
	    LOG_TEST(errno_is_kept),
	    LOG_TEST(a_record_key_is_shortened),
	    LOG_TEST(the_last_warnings_are_kept),
	    cmocka_unit_test(the_limit_tells_its_story),
	    LOG_TEST(events_are_limited_and_owned_up_to),
	    LOG_TEST(threads_write_whole_lines),
	    LOG_TEST(who_does_not_read_stops_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
