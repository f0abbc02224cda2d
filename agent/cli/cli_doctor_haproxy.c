/* What doctor looks at on HAProxy's side: whether its files say what the agent
 * needs, and fit the agent's configuration. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cli/cli_doctor.h"
#include "agent/cli/cli_haproxy.h"

enum { SERVERS_MAX = 32, LOGS_MAX = 16 };

static const char *const haproxy_sections[] = {
    "global",      "defaults",    "frontend",  "backend",  "listen",
    "peers",       "ring",        "resolvers", "userlist", "program",
    "log-forward", "mailers",     "cache",     "fcgi-app", "http-errors",
    "crt-store",   "log-profile", "traces",    NULL,
};

static const char *const spoe_sections[] = {"spoe-agent", "spoe-message",
                                            "spoe-group", NULL};

static const char engine[] = "idempotency";

struct server {
	char backend[128];
	char address[256];
};

/* What haproxy.cfg says that matters here. */
struct haproxy_facts {
	bool filter;
	char spoe_path[PATH_MAX];
	char lua_path[PATH_MAX];
	bool sends_check;
	bool sends_complete;
	bool waits_for_request;
	bool waits_for_response;
	bool token;
	uint64_t bufsize;
	uint64_t retries;
	uint64_t connect_ms;
	uint64_t queue_ms;
	uint64_t server_ms;
	size_t n_servers;
	struct server servers[SERVERS_MAX];
	size_t n_logs;
	char logs[LOGS_MAX][256];
};

/* And the SPOE configuration. */
struct spoe_facts {
	bool in_engine;
	bool prefix;
	bool processing;
	uint64_t processing_ms;
	uint64_t idle_ms;
	uint64_t frames;
	char backend[128];
	char arguments[2][1024]; /* of check and complete: " name name " */
};

static bool is(const struct cli_haproxy_line *line, size_t i, const char *word)
{
	return i < line->n && strcmp(line->words[i], word) == 0;
}

static const char *word(const struct cli_haproxy_line *line, size_t i)
{
	return i < line->n ? line->words[i] : "";
}

/* The place of `text` among the words, n when it is not there. */
static size_t place(const struct cli_haproxy_line *line, const char *text)
{
	size_t i = 0;

	while (i < line->n && strcmp(line->words[i], text) != 0)
		i++;
	return i;
}

/* --- haproxy.cfg -------------------------------------------------------- */

static void take_timeout(struct haproxy_facts *f,
                         const struct cli_haproxy_line *line)
{
	static const struct {
		const char *name;
		size_t offset;
	} timeouts[] = {
	    {"connect", offsetof(struct haproxy_facts, connect_ms)},
	    {"queue", offsetof(struct haproxy_facts, queue_ms)},
	    {"server", offsetof(struct haproxy_facts, server_ms)},
	};
	uint64_t ms;

	/* The agent's own backend has longer ones. */
	if (strcmp(line->section, "backend") == 0 &&
	    strcmp(line->name, "spoa-idempotency") == 0)
		return;
	for (size_t i = 0; i < sizeof(timeouts) / sizeof(timeouts[0]); i++) {
		uint64_t *field =
		    (uint64_t *)(void *)((char *)f + timeouts[i].offset);

		if (is(line, 1, timeouts[i].name) &&
		    cli_haproxy_time(word(line, 2), &ms) && ms > *field)
			*field = ms;
	}
}

static void take_filter(struct haproxy_facts *f,
                        const struct cli_haproxy_line *line)
{
	const size_t name = place(line, "engine") + 1;
	const size_t path = place(line, "config") + 1;

	if (!is(line, 1, "spoe") || !is(line, name, engine))
		return;
	f->filter = true;
	snprintf(f->spoe_path, sizeof(f->spoe_path), "%s", word(line, path));
}

static void take_server(struct haproxy_facts *f,
                        const struct cli_haproxy_line *line)
{
	struct server *server;

	if (f->n_servers == SERVERS_MAX || line->n < 3)
		return;
	server = &f->servers[f->n_servers++];
	snprintf(server->backend, sizeof(server->backend), "%s", line->name);
	snprintf(server->address, sizeof(server->address), "%s",
	         line->words[2]);
}

static void take_log(struct haproxy_facts *f,
                     const struct cli_haproxy_line *line)
{
	if (f->n_logs < LOGS_MAX && line->n > 2)
		snprintf(f->logs[f->n_logs++], sizeof(f->logs[0]), "%s",
		         line->words[1]);
}

static void take_rule(struct haproxy_facts *f,
                      const struct cli_haproxy_line *line)
{
	const bool request = is(line, 0, "http-request");

	if (is(line, 1, "wait-for-body")) {
		if (request)
			f->waits_for_request = true;
		else
			f->waits_for_response = true;
	}
	if (is(line, 1, "send-spoe-group") && is(line, 2, engine)) {
		f->sends_check |= is(line, 3, "idem-check");
		f->sends_complete |= is(line, 3, "idem-complete");
	}
}

static void on_haproxy_line(void *cookie, const struct cli_haproxy_line *line)
{
	struct haproxy_facts *f = cookie;

	if (is(line, 0, "filter"))
		take_filter(f, line);
	else if (is(line, 0, "timeout"))
		take_timeout(f, line);
	else if (is(line, 0, "server"))
		take_server(f, line);
	else if (is(line, 0, "log"))
		take_log(f, line);
	else if (is(line, 0, "http-request") || is(line, 0, "http-response"))
		take_rule(f, line);
	else if (is(line, 0, "retries"))
		f->retries = strtoull(word(line, 1), NULL, 10);
	else if (is(line, 0, "tune.bufsize"))
		f->bufsize = strtoull(word(line, 1), NULL, 10);
	else if ((is(line, 0, "lua-load-per-thread") ||
	          is(line, 0, "lua-load")) &&
	         strstr(word(line, 1), "idempotency"))
		snprintf(f->lua_path, sizeof(f->lua_path), "%s", word(line, 1));
	else if (is(line, 0, "log-format") &&
	         strstr(word(line, 1), "idem=%[var(txn.idem.ticket)]"))
		f->token = true;
}

/* --- the SPOE configuration ---------------------------------------------- */

static void take_arguments(struct spoe_facts *f,
                           const struct cli_haproxy_line *line)
{
	const bool complete = strcmp(line->name, "idem-complete") == 0;
	char *all = f->arguments[complete];

	if (!complete && strcmp(line->name, "idem-check") != 0)
		return;
	for (size_t i = 1; i < line->n; i++) {
		const char *text = line->words[i];
		const size_t used = strlen(all);

		snprintf(all + used, sizeof(f->arguments[0]) - used, "%s%.*s ",
		         used ? "" : " ", (int)strcspn(text, "="), text);
	}
}

static void on_spoe_line(void *cookie, const struct cli_haproxy_line *line)
{
	struct spoe_facts *f = cookie;

	/* `[engine]` begins the part of one engine. */
	if (line->words[0][0] == '[') {
		f->in_engine = strncmp(line->words[0] + 1, engine,
		                       sizeof(engine) - 1) == 0;
		return;
	}
	if (!f->in_engine)
		return;
	if (is(line, 0, "timeout") && is(line, 1, "processing"))
		f->processing =
		    cli_haproxy_time(word(line, 2), &f->processing_ms);
	else if (is(line, 0, "timeout") && is(line, 1, "idle"))
		cli_haproxy_time(word(line, 2), &f->idle_ms);
	else if (is(line, 0, "max-waiting-frames"))
		f->frames = strtoull(word(line, 1), NULL, 10);
	else if (is(line, 0, "use-backend"))
		snprintf(f->backend, sizeof(f->backend), "%s", word(line, 1));
	else if (is(line, 0, "option") && is(line, 1, "var-prefix"))
		f->prefix = is(line, 2, "idem");
	else if (is(line, 0, "args"))
		take_arguments(f, line);
}

/* --- judgement ----------------------------------------------------------- */

static void find_if(struct cli_doctor *d, bool wrong, const char *where,
                    enum cli_finding finding, const char *detail)
{
	if (wrong)
		cli_doctor_found(d, where, finding, detail);
}

/* HAProxy's way of writing an address, as the agent writes it. */
static void address_text(const char *text, char *ret_text, size_t size)
{
	static const char *const families[] = {"unix@", "ipv4@", "ipv6@",
	                                       "udp@"};
	struct address address;
	char error[128];

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		const size_t n = strlen(families[i]);

		if (strncmp(text, families[i], n) == 0) {
			text += n;
			break;
		}
	}
	if (strncmp(text, "abns@", 5) == 0)
		snprintf(ret_text, size, "@%s", text + 5);
	else if (address_parse(text, &address, error, sizeof(error)) == 0)
		address_format(&address, ret_text, size);
	else
		snprintf(ret_text, size, "%s", text);
}

static bool same_address(const struct address *ours, const char *theirs)
{
	char a[ADDRESS_TEXT_SIZE], b[ADDRESS_TEXT_SIZE];

	address_format(ours, a, sizeof(a));
	address_text(theirs, b, sizeof(b));
	return strcmp(a, b) == 0;
}

static void judge_server(struct cli_doctor *d, const struct haproxy_facts *f,
                         const char *backend)
{
	bool any = false;

	for (size_t i = 0; i < f->n_servers; i++) {
		if (strcmp(f->servers[i].backend, backend) != 0)
			continue;
		any = true;
		for (size_t j = 0; j < d->config->n_listen; j++) {
			if (same_address(&d->config->listen[j],
			                 f->servers[i].address))
				return;
		}
	}
	cli_doctor_found(
	    d, d->haproxy_path,
	    any ? CLI_FINDING_WRONG_SERVER : CLI_FINDING_NO_BACKEND, backend);
}

static void judge_notices(struct cli_doctor *d, const struct haproxy_facts *f)
{
	bool logged = false;

	if (d->config->n_notices_listen == 0)
		return;
	for (size_t i = 0; i < f->n_logs; i++) {
		for (size_t j = 0; j < d->config->n_notices_listen; j++)
			logged |= same_address(&d->config->notices_listen[j],
			                       f->logs[i]);
	}
	find_if(d, !logged, d->haproxy_path, CLI_FINDING_NO_NOTICE_LOG, NULL);
	find_if(d, !f->token, d->haproxy_path, CLI_FINDING_NO_NOTICE_TOKEN,
	        NULL);
}

/* What may pass between the verdict and the end of the response; the agent's
 * manual says the same of `lock-ttl`. */
static void judge_locks(struct cli_doctor *d, const struct haproxy_facts *f)
{
	const uint64_t longest_ms =
	    f->queue_ms + f->connect_ms * (f->retries + 1) + 2 * f->server_ms;

	for (size_t i = 0; i < d->config->n_policies; i++) {
		const struct policy *policy = &d->config->policies[i];

		find_if(d, policy->lock_ttl_ms <= longest_ms, d->haproxy_path,
		        CLI_FINDING_LOCK_TOO_SHORT, policy->name);
	}
}

static bool readable(const char *path)
{
	FILE *file = fopen(path, "re");

	if (!file)
		return false;
	fclose(file);
	return true;
}

static void judge_haproxy(struct cli_doctor *d, const struct haproxy_facts *f)
{
	const char *path = d->haproxy_path;

	find_if(d, !f->sends_check, path, CLI_FINDING_NO_CHECK, NULL);
	find_if(d, !f->sends_complete, path, CLI_FINDING_NO_COMPLETE, NULL);
	find_if(d, !f->waits_for_request, path, CLI_FINDING_NO_REQUEST_BODY,
	        NULL);
	find_if(d, !f->waits_for_response, path, CLI_FINDING_NO_RESPONSE_BODY,
	        NULL);
	find_if(d, !*f->lua_path, path, CLI_FINDING_NO_REPLAY, NULL);
	find_if(d, *f->lua_path && !readable(f->lua_path), f->lua_path,
	        CLI_FINDING_LUA_UNREADABLE, NULL);
	find_if(d, f->bufsize > d->config->max_frame_size, path,
	        CLI_FINDING_BUFFER_OVER_FRAME, NULL);
	judge_locks(d, f);
	judge_notices(d, f);
}

static void judge_arguments(struct cli_doctor *d, const char *path,
                            const struct spoe_facts *f)
{
	static const struct {
		bool complete;
		const char *name;
	} needed[] = {
	    {false, " key "},   {false, " method "},   {false, " path "},
	    {false, " query "}, {false, " body "},     {false, " body_size "},
	    {true, " ticket "}, {true, " status "},    {true, " headers "},
	    {true, " body "},   {true, " body_size "},
	};

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		find_if(
		    d,
		    !strstr(f->arguments[needed[i].complete], needed[i].name),
		    path, CLI_FINDING_NO_ARGUMENT, needed[i].name + 1);
	find_if(d, !strstr(f->arguments[0], " scope "), path,
	        CLI_FINDING_NO_SCOPE, NULL);
}

/* How long the agent may take to answer. */
static uint64_t longest_answer_ms(const struct config *config)
{
	uint64_t wait_ms = 0;

	for (size_t i = 0; i < config->n_policies; i++) {
		if (config->policies[i].wait_ms > wait_ms)
			wait_ms = config->policies[i].wait_ms;
	}
	return config->answer_timeout_ms + wait_ms;
}

static void judge_spoe(struct cli_doctor *d, const char *path,
                       const struct spoe_facts *f)
{
	find_if(d, !f->prefix, path, CLI_FINDING_NO_PREFIX, NULL);
	find_if(d, !f->processing, path, CLI_FINDING_NO_TIMEOUT, NULL);
	find_if(d,
	        f->processing &&
	            f->processing_ms <= longest_answer_ms(d->config),
	        path, CLI_FINDING_TIMEOUT_TOO_SHORT, NULL);
	find_if(d, f->idle_ms >= d->config->idle_timeout_ms, path,
	        CLI_FINDING_IDLE_TOO_LONG, NULL);
	find_if(d, f->frames > d->config->max_in_flight, path,
	        CLI_FINDING_TOO_MANY_FRAMES, NULL);
	judge_arguments(d, path, f);
}

/* --- the files ----------------------------------------------------------- */

static bool read_file(const char *path, const char *const *sections,
                      struct cli_haproxy_environment *environment,
                      cli_haproxy_visit *visit, void *cookie)
{
	FILE *file = fopen(path, "re");

	if (!file)
		return false;
	cli_haproxy_read(file, sections, environment, visit, cookie);
	fclose(file);
	return true;
}

static void look_at_spoe(struct cli_doctor *d, const struct haproxy_facts *f,
                         struct cli_haproxy_environment *environment)
{
	struct spoe_facts spoe = {.frames = 0};

	if (!read_file(f->spoe_path, spoe_sections, environment, on_spoe_line,
	               &spoe)) {
		cli_doctor_found(d, f->spoe_path, CLI_FINDING_SPOE_UNREADABLE,
		                 strerror(errno));
		return;
	}
	cli_doctor_well(f->spoe_path, "it can be read");
	judge_spoe(d, f->spoe_path, &spoe);
	judge_server(d, f, spoe.backend);
}

static void look(struct cli_doctor *d,
                 struct cli_haproxy_environment *environment)
{
	struct haproxy_facts f = {.bufsize = 16384, .retries = 3};

	if (!read_file(d->haproxy_path, haproxy_sections, environment,
	               on_haproxy_line, &f)) {
		cli_doctor_found(d, d->haproxy_path,
		                 CLI_FINDING_HAPROXY_UNREADABLE,
		                 strerror(errno));
		return;
	}
	cli_doctor_well(d->haproxy_path, "it can be read");
	if (!f.filter) {
		cli_doctor_found(d, d->haproxy_path, CLI_FINDING_NO_ENGINE,
		                 NULL);
		return;
	}
	judge_haproxy(d, &f);
	look_at_spoe(d, &f, environment);
}

void cli_doctor_look_at_haproxy(struct cli_doctor *d)
{
	struct cli_haproxy_environment environment = {.n = 0};
	FILE *file = fopen(d->haproxy_environment, "re");

	if (file) {
		cli_haproxy_read_environment(&environment, file);
		fclose(file);
	}
	look(d, &environment);
	cli_haproxy_fini(&environment);
}
