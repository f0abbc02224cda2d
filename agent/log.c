#include "agent/log.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/core/hex.h"
#include "agent/escape.h"
#include "agent/log_limit.h"

static const struct {
	enum log_level level;
	const char *text;
	const char *help;
} events[LOG_EVENTS] = {
#define LOG_EVENT(name, level_, text_, help_) \
	[LOG_##name] = {LOG_LEVEL_##level_, text_, help_},
#include "agent/log.def"
#undef LOG_EVENT
};

static const struct {
	const char *text;
	int priority; /* syslog's */
} levels[] = {
    [LOG_LEVEL_ERROR] = {"error", LOG_ERR},
    [LOG_LEVEL_WARNING] = {"warning", LOG_WARNING},
    [LOG_LEVEL_INFO] = {"info", LOG_INFO},
    [LOG_LEVEL_DEBUG] = {"debug", LOG_DEBUG},
};

static enum log_target log_to = LOG_TARGET_STDERR;
static atomic_int log_level_now = LOG_LEVEL_INFO;

static pthread_mutex_t limits_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct log_limit limits[LOG_EVENTS];
static pthread_mutex_t stderr_mutex = PTHREAD_MUTEX_INITIALIZER;

static pthread_mutex_t recent_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct log_line recent[LOG_RECENT]; /* a ring */
static size_t n_recent;                    /* since the start */

/* What ends a line that was cut; always kept free. */
static const char cut_mark[] = " cut=true";

enum { TEXT_MAX = LOG_LINE_MAX - sizeof("\n") - sizeof(cut_mark) };

struct line {
	size_t size;
	size_t start; /* behind the time or the priority */
	bool cut;
	char text[LOG_LINE_MAX];
};

/* systemd.exec(5), JOURNAL_STREAM: device and inode of the journal's socket.
 * When stderr was redirected since, they are not stderr's. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char expected[64];
	struct stat s;

	if (!stream || fstat(STDERR_FILENO, &s) < 0)
		return false;
	snprintf(expected, sizeof(expected), "%ju:%ju", (uintmax_t)s.st_dev,
	         (uintmax_t)s.st_ino);
	return strcmp(stream, expected) == 0;
}

void log_init(enum log_target target, enum log_level level)
{
	if (target == LOG_TARGET_AUTO)
		target = stderr_is_journal() ? LOG_TARGET_JOURNAL
		                             : LOG_TARGET_STDERR;
	if (target == LOG_TARGET_SYSLOG)
		openlog("spoa-idempotency", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	log_to = target;
	log_set_level(level);
}

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&log_level_now, (int)level, memory_order_relaxed);
}

bool log_enabled(enum log_event event)
{
	return (int)events[event].level <=
	       atomic_load_explicit(&log_level_now, memory_order_relaxed);
}

/* Adds what the caller knows to fit. */
static void add(struct line *line, const char *text)
{
	size_t length = strlen(text);

	assert(length <= TEXT_MAX - line->size);
	memcpy(line->text + line->size, text, length);
	line->size += length;
}

/* An unquoted value ends at a space, and `=` would make it a field. */
static bool needs_quotes(const char *value)
{
	return !*value || strpbrk(value, " =") || !escape_is_plain(value);
}

/* Adds as much of `value` as fits, in quotes where it needs them. */
static void add_value(struct line *line, const char *value)
{
	const char *quote = needs_quotes(value) ? "\"" : "";
	size_t length = strlen(value);
	/* Both quotes fit, whatever the value. */
	size_t room = TEXT_MAX - line->size - 2 * strlen(quote);
	size_t taken;

	if (room > LOG_VALUE_MAX)
		room = LOG_VALUE_MAX;
	add(line, quote);
	taken = escape_text(line->text + line->size, room + 1, value, length);
	line->size += strlen(line->text + line->size);
	line->cut |= taken < length;
	add(line, quote);
}

static void add_field(struct line *line, const struct log_field *field)
{
	char number[32];

	/* Room for the name, `=` and an empty or short value, or nothing. */
	if (strlen(field->name) + sizeof(number) > TEXT_MAX - line->size) {
		line->cut = true;
		return;
	}
	add(line, " ");
	add(line, field->name);
	add(line, "=");
	if (field->type == LOG_FIELD_TEXT) {
		add_value(line, field->text);
	} else {
		snprintf(number, sizeof(number), "%" PRId64, field->number);
		add(line, number);
	}
}

/* The wall clock in ISO 8601, UTC, with milliseconds. */
static void add_time(struct line *line)
{
	uint64_t now_ms = clock_wall_ms();
	time_t now_s = (time_t)(now_ms / 1000);
	char text[40];
	struct tm utc;

	gmtime_r(&now_s, &utc);
	strftime(text, sizeof(text), "ts=%FT%T", &utc);
	add(line, text);
	snprintf(text, sizeof(text), ".%03uZ ", (unsigned)(now_ms % 1000));
	add(line, text);
}

/* The head of the line, up to its event. */
static void add_head(struct line *line, enum log_event event)
{
	enum log_level level = events[event].level;
	char prefix[8];

	if (log_to == LOG_TARGET_STDERR) {
		add_time(line);
	} else if (log_to == LOG_TARGET_JOURNAL) {
		/* sd-daemon(3) */
		snprintf(prefix, sizeof(prefix), "<%d>",
		         levels[level].priority);
		add(line, prefix);
	}
	line->start = line->size;
	add(line, "level=");
	add(line, levels[level].text);
	add(line, " event=");
	add(line, events[event].text);
}

/* `text` is the line without its time. */
static void remember(const char *text)
{
	struct log_line *kept;

	pthread_mutex_lock(&recent_mutex);
	kept = &recent[n_recent++ % LOG_RECENT];
	kept->wall_ms = clock_wall_ms();
	snprintf(kept->text, sizeof(kept->text), "%s", text);
	pthread_mutex_unlock(&recent_mutex);
}

size_t log_recent(struct log_line ret_lines[LOG_RECENT])
{
	size_t n;

	pthread_mutex_lock(&recent_mutex);
	n = n_recent < LOG_RECENT ? n_recent : LOG_RECENT;
	for (size_t i = 0; i < n; i++)
		ret_lines[i] = recent[(n_recent - 1 - i) % LOG_RECENT];
	pthread_mutex_unlock(&recent_mutex);
	return n;
}

/* Whether stderr takes a line now. Whoever reads it may have stopped, and the
 * loops must not wait for him. What is no longer than PIPE_BUF fits then. */
static bool has_room(void)
{
	struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
	int n;

	_Static_assert(LOG_LINE_MAX <= PIPE_BUF, "a line is one write");
	do {
		n = poll(&p, 1, 0);
	} while (n < 0 && errno == EINTR);
	return n != 0;
}

static bool write_stderr(const struct line *line)
{
	bool taken;

	pthread_mutex_lock(&stderr_mutex);
	taken = has_room();
	while (taken && write(STDERR_FILENO, line->text, line->size) < 0 &&
	       errno == EINTR)
		continue;
	pthread_mutex_unlock(&stderr_mutex);
	return taken;
}

/* False: the line is lost. */
static bool write_line(struct line *line, enum log_level level)
{
	if (line->cut) {
		memcpy(line->text + line->size, cut_mark, strlen(cut_mark));
		line->size += strlen(cut_mark);
	}
	line->text[line->size] = '\0';
	if (level <= LOG_LEVEL_WARNING)
		remember(line->text + line->start);
	if (log_to == LOG_TARGET_SYSLOG) {
		syslog(levels[level].priority, "%s", line->text);
		return true;
	}
	line->text[line->size++] = '\n';
	return write_stderr(line);
}

/* Whether one more line of `event` may be written now. */
static bool within_limit(enum log_event event, uint64_t *ret_suppressed)
{
	const unsigned burst =
	    events[event].level == LOG_LEVEL_DEBUG ? UINT_MAX : LOG_BURST;
	uint64_t second = clock_monotonic_ms() / 1000;
	bool within;

	*ret_suppressed = 0;
	pthread_mutex_lock(&limits_mutex);
	within = log_limit_step(&limits[event], second, burst, ret_suppressed);
	pthread_mutex_unlock(&limits_mutex);
	return within;
}

/* The next line of `event` says so. */
static void own_up(enum log_event event, uint64_t suppressed)
{
	pthread_mutex_lock(&limits_mutex);
	limits[event].suppressed += suppressed;
	pthread_mutex_unlock(&limits_mutex);
}

void log_event_fields(enum log_event event, const struct log_field *fields)
{
	int saved_errno = errno;
	struct line line;
	uint64_t suppressed;

	assert(event < LOG_EVENTS);
	if (!log_enabled(event) || !within_limit(event, &suppressed))
		return;
	line.size = 0;
	line.cut = false;
	add_head(&line, event);
	if (suppressed)
		add_field(&line, &LOG_INT("suppressed", suppressed));
	for (; fields->type != LOG_FIELD_END; fields++) {
		if (fields->type != LOG_FIELD_TEXT || fields->text)
			add_field(&line, fields);
	}
	if (!write_line(&line, events[event].level))
		own_up(event, suppressed + 1);
	errno = saved_errno;
}

const char *log_record_key(const uint8_t *record_key,
                           char ret_text[LOG_RECORD_KEY_SIZE])
{
	hex_write(ret_text, record_key, (LOG_RECORD_KEY_SIZE - 1) / 2);
	return ret_text;
}

void log_print_manual(FILE *out)
{
	fputs(".Bl -tag -width Ds\n", out);
	for (size_t i = 0; i < LOG_EVENTS; i++)
		fprintf(out, ".It Cm %s Pq %s\n%c%s.\n", events[i].text,
		        levels[events[i].level].text,
		        toupper((unsigned char)events[i].help[0]),
		        events[i].help + 1);
	fputs(".El\n", out);
}

void log_record(enum log_event event, const char *name, const char *text,
                const char *reason, const uint8_t *record_key)
{
	char shown[LOG_RECORD_KEY_SIZE];

	if (!log_enabled(event))
		return;
	log_event(event, LOG_TEXT(name, text), LOG_TEXT("reason", reason),
	          LOG_TEXT("record", record_key
	                                 ? log_record_key(record_key, shown)
	                                 : NULL));
}
