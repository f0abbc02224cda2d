/* The command line of spoa-idempotency(8). */
#include <argp.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/cli/cli.h"
#include "agent/config.h"
#include "agent/daemon.h"
#include "agent/log.h"
#include "agent/sockets.h"

enum { EXIT_USAGE = 2 }; /* also: a mistake in the configuration */

enum action {
	ACTION_RUN,
	ACTION_CHECK,
	ACTION_PRINT_CONFIG,
	ACTION_PRINT_SAMPLE,
	ACTION_COMMAND
};

/* Options without a short form. */
enum { OPTION_CHECK = 256, OPTION_PRINT_CONFIG, OPTION_PRINT_SAMPLE };

struct arguments {
	enum action action;
	const char *config_path; /* NULL: defaults only */
	int command;             /* ACTION_COMMAND: its place in argv */
};

static const struct argp_option options[] = {
    {.name = "config",
     .key = 'c',
     .arg = "FILE",
     .doc = "Read the configuration from FILE (without it: defaults; "
            "COMMAND reads " INSTALLED_CONFIG " if it is there)"},
    {.name = "check",
     .key = OPTION_CHECK,
     .doc = "Check the configuration and exit"},
    {.name = "print-config",
     .key = OPTION_PRINT_CONFIG,
     .doc = "Print the configuration in force and exit"},
    {.name = "print-sample",
     .key = OPTION_PRINT_SAMPLE,
     .doc = "Print a commented configuration file with every option and "
            "exit"},
    {0},
};

/* What follows is the command's own. */
static void take_command(struct arguments *arguments, const char *name,
                         struct argp_state *state)
{
	if (!cli_is_command(name))
		argp_error(state, "no such command: %s", name);
	arguments->action = ACTION_COMMAND;
	arguments->command = state->next - 1;
	state->next = state->argc;
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case 'c':
		arguments->config_path = value;
		return 0;
	case OPTION_CHECK:
		arguments->action = ACTION_CHECK;
		return 0;
	case OPTION_PRINT_CONFIG:
		arguments->action = ACTION_PRINT_CONFIG;
		return 0;
	case OPTION_PRINT_SAMPLE:
		arguments->action = ACTION_PRINT_SAMPLE;
		return 0;
	case ARGP_KEY_ARG:
		take_command(arguments, value, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const char *argp_program_version = "spoa-idempotency " PROJECT_VERSION;

static const struct argp argp = {
    .options = options,
    .parser = parse_option,
    .args_doc = "[COMMAND ...]",
    .doc = "Idempotency for any HTTP API behind HAProxy: an SPOP agent that "
	   "lets every request with an Idempotency-Key be executed once and "
	   "replays the first response to its repetitions. With COMMAND it "
	   "does not serve, but looks into the store of the agent.\v"
	   "Commands, which work on the store whether or not an agent runs "
	   "(COMMAND --help tells more):\n\n"
#define CLI_COMMAND(function, name, arguments, summary, details) \
	"  " name " " arguments "\n      " summary "\n"
#include "agent/cli/command.def"
#undef CLI_COMMAND
	   "\nSignals: SIGTERM and SIGINT drain and stop, SIGHUP reloads the "
	   "configuration (--check names what is wrong with it), SIGUSR1 "
	   "logs the counters. Exit status: 0 done, 1 it could not start or "
	   "had to cut requests off, or the store cannot be used, 2 wrong "
	   "usage or configuration, 3 no such record, 4 not done.",
};

static int run(struct config *config)
{
	struct daemon *daemon;
	char error[512];
	int failed;

	log_init(config->log_target, config->log_level);
	if (daemon_new(&daemon, config, error, sizeof(error)) < 0) {
		log_event(LOG_START_FAILED, LOG_TEXT("error", error));
		return EXIT_FAILURE;
	}
	failed = daemon_run(daemon);
	daemon_free(daemon);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int act(enum action action, struct config *config)
{
	char error[512];

	switch (action) {
	case ACTION_CHECK:
		if (sockets_check(config, error, sizeof(error)) < 0) {
			fprintf(stderr, "%s: [tls] %s\n", config->path, error);
			return EXIT_USAGE;
		}
		printf("%s: the configuration is valid\n",
		       config->path ? config->path : "defaults");
		return EXIT_SUCCESS;
	case ACTION_PRINT_CONFIG:
		config_print(config, stdout);
		return EXIT_SUCCESS;
	default:
		return run(config);
	}
}

int main(int argc, char **argv)
{
	struct arguments arguments = {.action = ACTION_RUN};
	struct config *config;
	int status;

	/* What a limit on the size of files sends to whoever writes; the write
	 * fails all the same (EFBIG), and that is looked at. */
	signal(SIGXFSZ, SIG_IGN);
	argp_err_exit_status = EXIT_USAGE;
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &arguments);
	if (arguments.action == ACTION_COMMAND && !arguments.config_path &&
	    access(INSTALLED_CONFIG, F_OK) == 0)
		arguments.config_path = INSTALLED_CONFIG;
	if (arguments.action == ACTION_COMMAND)
		return (int)cli_run(arguments.config_path,
		                    argc - arguments.command,
		                    argv + arguments.command);
	if (arguments.action == ACTION_PRINT_SAMPLE) {
		config_print_sample(stdout);
		return EXIT_SUCCESS;
	}
	config = config_load(arguments.config_path, stderr);
	if (!config)
		return EXIT_USAGE;
	status = act(arguments.action, config);
	config_unref(config);
	return status;
}
