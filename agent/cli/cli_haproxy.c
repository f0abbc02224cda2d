#include "agent/cli/cli_haproxy.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* --- environment -------------------------------------------------------- */

bool cli_haproxy_set(struct cli_haproxy_environment *e, const char *name,
                     const char *value)
{
	char *copy = strdup(value);
	size_t i = 0;

	while (i < e->n && strcmp(e->names[i], name) != 0)
		i++;
	if (!copy || i == CLI_HAPROXY_VARIABLES_MAX) {
		free(copy);
		return false;
	}
	if (i == e->n) {
		e->names[i] = strdup(name);
		if (!e->names[i]) {
			free(copy);
			return false;
		}
		e->n++;
	} else {
		free(e->values[i]);
	}
	e->values[i] = copy;
	return true;
}

const char *cli_haproxy_get(const struct cli_haproxy_environment *e,
                            const char *name)
{
	for (size_t i = 0; i < e->n; i++) {
		if (strcmp(e->names[i], name) == 0)
			return e->values[i];
	}
	return getenv(name);
}

void cli_haproxy_fini(struct cli_haproxy_environment *e)
{
	for (size_t i = 0; i < e->n; i++) {
		free(e->names[i]);
		free(e->values[i]);
	}
	e->n = 0;
}

/* Without the quotes around it. */
static char *unquoted(char *value)
{
	size_t n;

	value[strcspn(value, "\r\n")] = '\0';
	n = strlen(value);
	if (n >= 2 && (*value == '"' || *value == '\'') &&
	    value[n - 1] == *value) {
		value[n - 1] = '\0';
		value++;
	}
	return value;
}

void cli_haproxy_read_environment(struct cli_haproxy_environment *e, FILE *in)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, in) > 0) {
		char *name = line + strspn(line, " \t");
		char *equals;

		if (strncmp(name, "export ", 7) == 0)
			name += 7;
		equals = strchr(name, '=');
		if (*name == '#' || !equals)
			continue;
		*equals = '\0';
		cli_haproxy_set(e, name, unquoted(equals + 1));
	}
	free(line);
}

/* --- lines -------------------------------------------------------------- */

struct scan {
	const struct cli_haproxy_environment *environment;
	const char *in;
	char *out;
	char *end; /* of the room at `out` */
};

static void put(struct scan *s, char c)
{
	if (s->out < s->end)
		*s->out++ = c;
}

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* `$NAME`, `${NAME}` or `${NAME-default}`, behind the dollar sign. */
static void put_variable(struct scan *s)
{
	const bool braces = *s->in == '{';
	const char *fallback = "", *value;
	char name[128];
	size_t n = 0;
	size_t fallback_size = 0;

	s->in += braces;
	for (; is_name(*s->in); s->in++) {
		if (n < sizeof(name) - 1)
			name[n++] = *s->in;
	}
	name[n] = '\0';
	if (braces && *s->in == '-') {
		fallback = s->in + 1;
		fallback_size = strcspn(fallback, "}");
		s->in = fallback + fallback_size;
	}
	if (braces && *s->in == '}')
		s->in++;
	value = cli_haproxy_get(s->environment, name);
	if (!value) {
		while (fallback_size-- > 0)
			put(s, *fallback++);
		return;
	}
	while (*value)
		put(s, *value++);
}

/* One word, whose end is a blank outside of quotes. */
static void put_word(struct scan *s)
{
	char quote = '\0';

	for (; *s->in; s->in++) {
		const char c = *s->in;

		if (!quote && (isspace((unsigned char)c) || c == '#'))
			break;
		if (c == '\\' && quote != '\'' && s->in[1]) {
			put(s, *++s->in);
		} else if (c == quote || (!quote && (c == '"' || c == '\''))) {
			quote = quote ? '\0' : c;
		} else if (c == '$' && quote == '"') {
			s->in++;
			put_variable(s);
			s->in--;
		} else {
			put(s, c);
		}
	}
	if (s->out == s->end)
		s->out--;
	*s->out++ = '\0';
}

static size_t split(const char *text,
                    const struct cli_haproxy_environment *environment,
                    char *room, size_t size, const char **ret_words)
{
	struct scan s = {.environment = environment,
	                 .in = text,
	                 .out = room,
	                 .end = room + size};
	size_t n = 0;

	for (;;) {
		s.in += strspn(s.in, " \t\r\n");
		if (!*s.in || *s.in == '#' || n == CLI_HAPROXY_WORDS_MAX ||
		    s.out == s.end)
			return n;
		ret_words[n++] = s.out;
		put_word(&s);
	}
}

static bool begins_section(const char *const *sections, const char *word)
{
	for (; *sections; sections++) {
		if (strcmp(*sections, word) == 0)
			return true;
	}
	return false;
}

struct file {
	char room[CLI_HAPROXY_LINE_MAX];
	char section[64];
	char name[128];
};

static void take_line(struct file *f, const char *text, unsigned number,
                      const char *const *sections,
                      struct cli_haproxy_environment *environment,
                      cli_haproxy_visit *visit, void *cookie)
{
	struct cli_haproxy_line line = {
	    .section = f->section, .name = f->name, .number = number};

	line.n = split(text, environment, f->room, sizeof(f->room), line.words);
	if (line.n == 0)
		return;
	if (begins_section(sections, line.words[0])) {
		snprintf(f->section, sizeof(f->section), "%s", line.words[0]);
		snprintf(f->name, sizeof(f->name), "%s",
		         line.n > 1 ? line.words[1] : "");
	}
	if (line.n == 3 && strcmp(line.words[0], "setenv") == 0)
		cli_haproxy_set(environment, line.words[1], line.words[2]);
	if (line.n == 3 && strcmp(line.words[0], "presetenv") == 0 &&
	    !cli_haproxy_get(environment, line.words[1]))
		cli_haproxy_set(environment, line.words[1], line.words[2]);
	visit(cookie, &line);
}

void cli_haproxy_read(FILE *in, const char *const *sections,
                      struct cli_haproxy_environment *environment,
                      cli_haproxy_visit *visit, void *cookie)
{
	struct file f = {.section = ""};
	unsigned number = 0;
	char *text = NULL;
	size_t size = 0;

	while (getline(&text, &size, in) > 0)
		take_line(&f, text, ++number, sections, environment, visit,
		          cookie);
	free(text);
}

bool cli_haproxy_time(const char *text, uint64_t *ret_ms)
{
	static const struct {
		const char *unit;
		uint64_t us;
	} units[] = {
	    {"us", 1},          {"ms", 1000},    {"", 1000},
	    {"s", 1000000},     {"m", 60000000}, {"h", 3600000000},
	    {"d", 86400000000},
	};
	char *end;
	unsigned long long number;

	if (!isdigit((unsigned char)*text))
		return false;
	number = strtoull(text, &end, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(units[i].unit, end) == 0) {
			*ret_ms = number * units[i].us / 1000;
			return true;
		}
	}
	return false;
}
