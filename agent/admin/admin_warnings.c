#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/admin/admin_html.h"
#include "agent/admin/admin_page.h"
#include "agent/human.h"
#include "agent/log.h"

enum {
	CLOCK_AHEAD_MS = 1000,
	CERTIFICATE_DAYS = 14,
	NEARLY_FULL_PERCENT = 85,
	TEXT_SIZE = STATUS_TEXT_SIZE + 128,
};

static const uint64_t DAY_MS = 24 * 60 * 60 * 1000ull;

struct list {
	FILE *out;
	size_t n;
};

static void put(struct list *list, const char *class, const char *text)
{
	if (list->n++ == 0)
		fputs("<section class=\"warnings\" aria-labelledby=\"w\">"
		      "<h2 id=\"w\">Warnings</h2><ul>\n",
		      list->out);
	fprintf(list->out, "<li class=\"%s\">", class);
	admin_html_text(list->out, text);
	fputs("</li>\n", list->out);
}

static void put_number(struct list *list, uint64_t n, const char *text)
{
	char line[TEXT_SIZE];

	if (n == 0)
		return;
	snprintf(line, sizeof(line), "%" PRIu64 " %s", n, text);
	put(list, "warning", line);
}

/* What `/readyz` says. */
static void put_not_ready(const struct admin *a, struct list *list)
{
	char *text = NULL;
	char *rest;
	char *line;
	size_t size;
	FILE *reasons = open_memstream(&text, &size);

	if (!reasons)
		return;
	admin_health_ready(a, reasons);
	fclose(reasons);
	rest = text;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			put(list, "error", line);
	free(text);
}

static void put_certificate(const struct report *r, struct list *list)
{
	const uint64_t until_ms = (uint64_t)r->certificate_until_s * 1000;
	char until[HUMAN_SIZE];
	char line[TEXT_SIZE];

	if (r->certificate_until_s == 0 ||
	    until_ms > r->now_ms + CERTIFICATE_DAYS * DAY_MS)
		return;
	human_time(until_ms, until);
	snprintf(line, sizeof(line), "the certificate of [tls] %s %s",
	         until_ms > r->now_ms ? "is valid until" : "was valid until",
	         until);
	put(list, until_ms > r->now_ms ? "warning" : "error", line);
}

static void put_configuration(const struct admin *a, struct list *list)
{
	char options[STATUS_TEXT_SIZE];
	char line[TEXT_SIZE];

	status_restart_needed(a->status, options);
	snprintf(line, sizeof(line), "a restart is needed for %s", options);
	if (*options)
		put(list, "warning", line);
	if (a->report.reload_failed)
		put(list, "warning",
		    "the last reload failed: the configuration before it is in "
		    "force");
}

static void put_store(const struct admin *a, struct list *list)
{
	const struct store_census *census = &a->census.done;
	const uint64_t used = a->report.store.bytes_used;

	if (admin_is_lmdb(a) &&
	    used / NEARLY_FULL_PERCENT > a->store_max_size / 100)
		put(list, "warning", "the store is nearly full (max-size)");
	put_number(list, census->records[RECORD_IS_HELD],
	           "lock(s) ended without a response: spoa-idempotency list "
	           "--state held");
	put_number(list, census->records[RECORD_IS_UNREADABLE],
	           "record(s) cannot be read: spoa-idempotency list --state "
	           "unreadable");
}

static void put_log(struct list *list)
{
	struct log_line lines[LOG_RECENT];
	const size_t n = log_recent(lines);

	for (size_t i = 0; i < n; i++) {
		char when[HUMAN_SIZE];
		char line[HUMAN_SIZE + LOG_RECENT_SIZE];

		human_time(lines[i].wall_ms, when);
		snprintf(line, sizeof(line), "%s %s", when, lines[i].text);
		put(list, "log", line);
	}
}

void admin_page_warnings(const struct admin *a, FILE *out)
{
	struct list list = {.out = out};
	const struct report *r = &a->report;

	put_not_ready(a, &list);
	put_configuration(a, &list);
	put_store(a, &list);
	put_certificate(r, &list);
	if (r->clock_ahead_ms > CLOCK_AHEAD_MS)
		put(&list, "warning",
		    "the wall clock was set back; the agent's runs on");
	put_number(&list, r->notices[NOTICES_DROPPED],
	           "outcome notice(s) were lost: raise net.core.rmem_max");
	put_log(&list);
	if (list.n > 0)
		fputs("</ul></section>\n", out);
}
