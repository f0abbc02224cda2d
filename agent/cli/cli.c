#include "agent/cli/cli.h"

#include <stdlib.h>
#include <string.h>

#include "agent/cli/cli_private.h"
#include "agent/mdoc.h"

static const struct cli_command commands[] = {
#define CLI_COMMAND(function_, name_, arguments_, summary_, details_) \
	{.name = (name_),                                             \
	 .arguments = (arguments_),                                   \
	 .help = summary_ " " details_,                               \
	 .run = cli_##function_},
#include "agent/cli/command.def"
#undef CLI_COMMAND
};

enum { N_COMMANDS = sizeof(commands) / sizeof(commands[0]) };

const struct cli_command *cli_command(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

bool cli_is_command(const char *name)
{
	return cli_command(name) != NULL;
}

enum cli_status cli_run(const char *config_path, int argc, char **argv)
{
	return cli_command(argv[0])->run(config_path, argc, argv);
}

void cli_parse(struct argp *argp, int argc, char **argv, void *input)
{
	const struct cli_command *command = cli_command(argv[0]);
	char name[64];

	/* What usage and mistakes are headed with. */
	snprintf(name, sizeof(name), "spoa-idempotency %s", argv[0]);
	argv[0] = name;
	argp->args_doc = command->arguments;
	argp->doc = command->help;
	argp_parse(argp, argc, argv, 0, NULL, input);
}

error_t cli_parse_file(int key, char *value, struct argp_state *state)
{
	const char **path = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (*path)
			argp_error(state, "one FILE only: %s", value);
		*path = value;
		return 0;
	case ARGP_KEY_END:
		if (!*path)
			argp_error(state, "FILE is missing; `-` is standard "
			                  "input or output");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void cli_print_manual(FILE *out)
{
	fputs(".Bl -tag -width Ds\n", out);
	for (size_t i = 0; i < N_COMMANDS; i++) {
		fprintf(out, ".It Cm %s", commands[i].name);
		if (*commands[i].arguments)
			fprintf(out, " Ar %s", commands[i].arguments);
		putc('\n', out);
		mdoc_text(commands[i].help, out);
	}
	fputs(".El\n", out);
}
