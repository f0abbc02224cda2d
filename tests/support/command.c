#include "tests/support/command.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BOUND_S = 60 };

static void become_command(const struct command *c,
                           const char *const *arguments, const int *fds)
{
	const char *argv[COMMAND_ARGUMENTS_MAX + 4] = {"spoa-idempotency"};
	size_t n = 1;

	if (c->config) {
		argv[n++] = "-c";
		argv[n++] = c->config;
	}
	for (; *arguments && n < COMMAND_ARGUMENTS_MAX + 3; arguments++)
		argv[n++] = *arguments;
	for (int i = 0; i < 3; i++)
		dup2(fds[i], i);
	alarm(BOUND_S);
	execv(AGENT_BINARY, (char *const *)(uintptr_t)argv);
	_exit(127);
}

static void collect(int fd, char *ret_text)
{
	ssize_t n = pread(fd, ret_text, COMMAND_OUTPUT_MAX - 1, 0);

	ret_text[n > 0 ? n : 0] = '\0';
}

void command_run(struct command *c, const char *const *arguments)
{
	int fds[3];
	int status;
	pid_t pid;

	for (int i = 0; i < 3; i++)
		fds[i] = memfd_create("command", MFD_CLOEXEC);
	if (c->input)
		dprintf(fds[0], "%s", c->input);
	lseek(fds[0], 0, SEEK_SET);
	pid = fork();
	if (pid == 0)
		become_command(c, arguments, fds);
	c->status = -1;
	if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status))
		c->status = WEXITSTATUS(status);
	collect(fds[1], c->output);
	collect(fds[2], c->errors);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}
