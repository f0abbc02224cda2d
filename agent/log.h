/* agent/log.h: one event, one line of logfmt: `ts=… level=… event=… k=v …`.
 * Events are the rows of agent/log.def. Never pass a client's key or a body:
 * log_record_key() shortens a record key to what may be shown. */
#ifndef AGENT_LOG_H
#define AGENT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum log_event {
#define LOG_EVENT(name, level, text, help) LOG_##name,
#include "agent/log.def"
#undef LOG_EVENT
	LOG_EVENTS
};

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

enum log_target {
	LOG_TARGET_AUTO,    /* journal when systemd started us, else stderr */
	LOG_TARGET_STDERR,  /* with time stamps */
	LOG_TARGET_JOURNAL, /* stderr with priority prefixes, no time stamps */
	LOG_TARGET_SYSLOG,
};

enum log_field_type { LOG_FIELD_END = 0, LOG_FIELD_TEXT, LOG_FIELD_INT };

struct log_field {
	enum log_field_type type;
	const char *name;
	const char *text; /* NULL: the field is left out */
	int64_t number;
};

#define LOG_TEXT(name_, text_) \
	((struct log_field){   \
	    .type = LOG_FIELD_TEXT, .name = (name_), .text = (text_)})
#define LOG_INT(name_, number_)                    \
	((struct log_field){.type = LOG_FIELD_INT, \
	                    .name = (name_),       \
	                    .number = (int64_t)(number_)})

/* log_event(LOG_STARTED, LOG_TEXT("version", "1"), LOG_INT("threads", 2)); */
#define log_event(...) log_event_fields(LOG_ARGS(__VA_ARGS__))
#define LOG_ARGS(event_, ...)                 \
	(event_), (const struct log_field[])  \
	{                                     \
		__VA_ARGS__ __VA_OPT__(, )    \
		{                             \
			.type = LOG_FIELD_END \
		}                             \
	}

/* Where lines go and which; before it is called: stderr, info. Call it before
 * other threads run. May be called again. */
void log_init(enum log_target target, enum log_level level);

/* Only the level may change while running. Thread-safe. */
void log_set_level(enum log_level level);

/* Whether the level lets `event` through: one relaxed load. Thread-safe. */
bool log_enabled(enum log_event event);

enum {
	/* Lines of one event in a second: more than there may be threads, each
	 * of which has a line of counters. */
	LOG_BURST = 100,
	LOG_LINE_MAX = 2048,  /* bytes, line feed included */
	LOG_VALUE_MAX = 1024, /* bytes that one text becomes when escaped */
	LOG_RECORD_KEY_SIZE = 17,
};

/* Writes the line in one write, if the level lets it through. Every byte of a
 * text that is not printable ASCII is escaped, so a line stays one line; what
 * is longer than LOG_VALUE_MAX or LOG_LINE_MAX allow is cut and the line ends
 * in `cut=true`. Of one event at most LOG_BURST lines a second are written, but
 * for those of level debug: who asks for them wants all. Nobody waits for who
 * reads stderr: a line that it has no room for is left out. The next line says
 * how many were (`suppressed=`). Keeps errno. Thread-safe. */
void log_event_fields(enum log_event event, const struct log_field *fields);

enum { LOG_RECENT = 8, LOG_RECENT_SIZE = 256 };

/* A line of level warning or error, without its time, and cut. */
struct log_line {
	uint64_t wall_ms;
	char text[LOG_RECENT_SIZE];
};

/* The last of them, newest first; returns how many. Thread-safe. */
size_t log_recent(struct log_line ret_lines[LOG_RECENT]);

/* Writes the list of events as man page source (mdoc), for the manual. */
void log_print_manual(FILE *out);

/* An event about a record: `NAME=TEXT reason=… record=…`, the record key
 * shortened; NULL when there is none. Costs nothing when the event is off. */
void log_record(enum log_event event, const char *name, const char *text,
                const char *reason, const uint8_t *record_key);

/* The first 8 bytes of a record key in hex, NUL-terminated. */
const char *log_record_key(const uint8_t *record_key,
                           char ret_text[LOG_RECORD_KEY_SIZE]);

#endif
