/* agent/cli/cli_haproxy.h: HAProxy's configuration files, as far as doctor
 * reads them: lines as words, with the environment put in. Conditions (.if)
 * are not evaluated: what is in any branch counts. Source: HAProxy's
 * configuration manual, sections 2.2 to 2.4. */
#ifndef AGENT_CLI_CLI_HAPROXY_H
#define AGENT_CLI_CLI_HAPROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
	CLI_HAPROXY_WORDS_MAX = 64,
	CLI_HAPROXY_LINE_MAX = 16384,
	CLI_HAPROXY_VARIABLES_MAX = 128,
};

/* The environment that HAProxy would have; its own `setenv` adds to it. */
struct cli_haproxy_environment {
	size_t n;
	char *names[CLI_HAPROXY_VARIABLES_MAX];
	char *values[CLI_HAPROXY_VARIABLES_MAX];
};

/* One line; the words are borrowed during the call. */
struct cli_haproxy_line {
	const char *section; /* "backend", ... ; "" before the first */
	const char *name;    /* of the section; "" when it has none */
	unsigned number;     /* in the file, from 1 */
	size_t n;            /* words, 1 or more */
	const char *words[CLI_HAPROXY_WORDS_MAX];
};

/* Looks at one line; the section's own line comes, too. */
typedef void cli_haproxy_visit(void *cookie,
                               const struct cli_haproxy_line *line);

/* Sets a variable; the last value counts. False when there are too many or
 * memory ran out. */
bool cli_haproxy_set(struct cli_haproxy_environment *environment,
                     const char *name, const char *value);

/* The value, from there or from this process's environment; NULL: not set. */
const char *cli_haproxy_get(const struct cli_haproxy_environment *environment,
                            const char *name);

/* Reads NAME=VALUE lines, as /etc/default/haproxy has them. */
void cli_haproxy_read_environment(struct cli_haproxy_environment *environment,
                                  FILE *in);

void cli_haproxy_fini(struct cli_haproxy_environment *environment);

/* Visits every line of `in`. `sections` are the words that begin a section,
 * NULL ends them. */
void cli_haproxy_read(FILE *in, const char *const *sections,
                      struct cli_haproxy_environment *environment,
                      cli_haproxy_visit *visit, void *cookie);

/* A time as HAProxy writes it: 10s, 500 (ms), 1m. */
bool cli_haproxy_time(const char *text, uint64_t *ret_ms);

#endif
