/* agent/cli/cli_private.h: what the commands share. */
#ifndef AGENT_CLI_CLI_PRIVATE_H
#define AGENT_CLI_CLI_PRIVATE_H

#include <argp.h>

#include "agent/cli/cli.h"
#include "agent/config.h"

/* The commands: rows of command.def. argv[0] is the command's own name. */
#define CLI_COMMAND(function, name, arguments, summary, details)          \
	enum cli_status cli_##function(const char *config_path, int argc, \
	                               char **argv);
#include "agent/cli/command.def"
#undef CLI_COMMAND

/* The row's arguments and help as argp wants them. */
struct cli_command {
	const char *name;
	const char *arguments;
	const char *help;
	enum cli_status (*run)(const char *config_path, int argc, char **argv);
};

/* The row called `name`, NULL when there is none. */
const struct cli_command *cli_command(const char *name);

/* argp_parse(3) for the command argv[0], whose own options and children are in
 * `argp`: fills in what its row says. */
void cli_parse(struct argp *argp, int argc, char **argv, void *input);

/* The parser of commands whose only argument is a FILE; the input is where its
 * name goes (a const char *). */
error_t cli_parse_file(int key, char *value, struct argp_state *state);

#endif
