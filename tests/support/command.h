/* tests/support/command.h: one command of spoa-idempotency, run to its end. */
#ifndef TESTS_SUPPORT_COMMAND_H
#define TESTS_SUPPORT_COMMAND_H

enum { COMMAND_OUTPUT_MAX = 1 << 20, COMMAND_ARGUMENTS_MAX = 16 };

struct command {
	const char *config; /* -c; NULL: none */
	const char *input;  /* of the standard input; NULL: empty */
	int status; /* exit status; -1: died of a signal, or timed out */
	char output[COMMAND_OUTPUT_MAX]; /* NUL-terminated */
	char errors[COMMAND_OUTPUT_MAX];
};

/* Runs `spoa-idempotency -c config ARGUMENT...` (NULL ends them). */
void command_run(struct command *command, const char *const *arguments);

#define COMMAND_RUN(command, ...) \
	command_run(command, (const char *const[]){__VA_ARGS__, NULL})

#endif
