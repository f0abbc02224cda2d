/* agent/cli/cli.h: the commands of an operator, which work on the store
 * directly: whether or not an agent runs. The rows of command.def. */
#ifndef AGENT_CLI_CLI_H
#define AGENT_CLI_CLI_H

#include <stdbool.h>
#include <stdio.h>

/* Exit statuses; the manual lists them. */
enum cli_status {
	CLI_DONE = 0,
	CLI_FAILED = 1,    /* the store, or a file, could not be used */
	CLI_USAGE = 2,     /* wrong arguments or configuration */
	CLI_NOT_FOUND = 3, /* no such record */
	CLI_UNCHANGED = 4, /* not done: the record is in another state, or
	                      nobody confirmed */
	CLI_PROBLEMS = 5,  /* doctor: something is wrong */
};

/* Whether a command is called `name`. */
bool cli_is_command(const char *name);

/* Runs the command argv[0] with its arguments, with the configuration at
 * `config_path` (NULL: defaults). Writes to stdout, and errors to stderr.
 * Returns an exit status. `--help` and wrong options end the process, as
 * argp_parse(3) does. */
enum cli_status cli_run(const char *config_path, int argc, char **argv);

/* Writes the commands as man page source (mdoc), for the manual. */
void cli_print_manual(FILE *out);

#endif
