#include "tests/support/agent_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/directory.h"

enum { BOUND_MS = 30000, STEP_MS = 10 };

static void step(void)
{
	struct timespec t = {.tv_nsec = STEP_MS * 1000000L};

	nanosleep(&t, NULL);
}

static bool open_notify(struct agent_process *a)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", a->notify);
	a->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return a->notify_fd >= 0 &&
	       bind(a->notify_fd, (struct sockaddr *)&address,
	            sizeof(address)) == 0;
}

bool agent_process_init(struct agent_process *a)
{
	memset(a, 0, sizeof(*a));
	a->listen_fd = -1;
	a->notify_fd = -1;
	strcpy(a->directory, "/tmp/idem-test-XXXXXX");
	if (!mkdtemp(a->directory))
		return false;
	snprintf(a->socket, sizeof(a->socket), "%s/spop", a->directory);
	snprintf(a->admin, sizeof(a->admin), "%s/admin", a->directory);
	snprintf(a->store, sizeof(a->store), "%s/store", a->directory);
	snprintf(a->config, sizeof(a->config), "%s/conf", a->directory);
	snprintf(a->output, sizeof(a->output), "%s/output", a->directory);
	snprintf(a->notify, sizeof(a->notify), "%s/notify", a->directory);
	return open_notify(a);
}

/* What the agent has written so far; valid until the next call. */
static const char *read_output(struct agent_process *a)
{
	static char content[1 << 20];
	FILE *f = fopen(a->output, "r");
	size_t n = 0;

	if (f) {
		n = fread(content, 1, sizeof(content) - 1, f);
		fclose(f);
	}
	content[n] = '\0';
	return content;
}

/* The end of a healthy agent: stopped by SIGTERM, exit status 0. */
static bool stop_well(struct agent_process *a)
{
	int status;

	if (a->pid <= 0)
		return true;
	agent_process_signal(a, SIGTERM);
	status = agent_process_wait(a);
	if (status == 0)
		return true;
	fprintf(stderr, "the agent ended with %d; output:\n%s\n", status,
	        read_output(a));
	if (a->pid > 0) {
		agent_process_signal(a, SIGKILL);
		agent_process_wait(a);
	}
	return false;
}

bool agent_process_fini(struct agent_process *a)
{
	bool well = stop_well(a);

	if (a->notify_fd >= 0)
		close(a->notify_fd);
	directory_remove(a->directory);
	return well;
}

bool agent_process_configure(struct agent_process *a, const char *agent_options,
                             const char *extra)
{
	FILE *f = fopen(a->config, "w");

	if (!f)
		return false;
	fprintf(f, "[agent]\nlisten = unix:%s\n%s\n", a->socket, agent_options);
	if (!strstr(agent_options, "answer-timeout"))
		fprintf(f, "answer-timeout = 30s\n");
	if (!strstr(extra, "[admin]"))
		fprintf(f, "[admin]\nlisten = unix:%s\n", a->admin);
	fprintf(f, "[store]\npath = %s\n%s\n", a->store, extra);
	return fclose(f) == 0;
}

/* In the child: the environment systemd gives, then the agent. */
static void become_agent(struct agent_process *a, const char *const *arguments)
{
	int out = open(a->output, O_WRONLY | O_CREAT | O_APPEND, 0600);
	char pid[16];

	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	setenv("NOTIFY_SOCKET", a->notify, 1);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	if (a->watchdog) {
		setenv("WATCHDOG_USEC", "3000000", 1);
		setenv("WATCHDOG_PID", pid, 1);
	}
	if (a->listen_fd >= 0) {
		dup2(a->listen_fd, 3);
		setenv("LISTEN_FDS", "1", 1);
		setenv("LISTEN_PID", pid, 1);
		if (a->listen_name)
			setenv("LISTEN_FDNAMES", a->listen_name, 1);
	}
	execv(AGENT_BINARY, (char *const *)(uintptr_t)arguments);
	_exit(127);
}

static bool spawn(struct agent_process *a, const char *const *arguments)
{
	a->pid = fork();
	if (a->pid == 0)
		become_agent(a, arguments);
	return a->pid > 0;
}

bool agent_process_start(struct agent_process *a)
{
	const char *arguments[] = {"spoa-idempotency", "-c", a->config, NULL};

	return spawn(a, arguments) && agent_process_notified(a, "READY=1");
}

int agent_process_run(struct agent_process *a, const char *const *arguments)
{
	if (!spawn(a, arguments))
		return -1;
	return agent_process_wait(a);
}

bool agent_process_notified(struct agent_process *a, const char *text)
{
	struct pollfd p = {.fd = a->notify_fd, .events = POLLIN};
	char message[512];

	while (poll(&p, 1, BOUND_MS) == 1) {
		ssize_t n = recv(a->notify_fd, message, sizeof(message) - 1, 0);

		if (n < 0)
			return false;
		message[n] = '\0';
		if (strstr(message, text))
			return true;
	}
	return false;
}

static int count(const char *content, const char *text)
{
	int times = 0;

	while ((content = strstr(content, text))) {
		times++;
		content += strlen(text);
	}
	return times;
}

bool agent_process_said_times(struct agent_process *a, const char *text,
                              int times)
{
	for (int waited = 0; waited < BOUND_MS; waited += STEP_MS) {
		if (count(read_output(a), text) >= times)
			return true;
		step();
	}
	fprintf(stderr, "not said: %s\noutput:\n%s\n", text, read_output(a));
	return false;
}

bool agent_process_said(struct agent_process *a, const char *text)
{
	return agent_process_said_times(a, text, 1);
}

bool agent_process_said_on(struct agent_process *a, int signal,
                           const char *text)
{
	for (int waited = 0; waited < BOUND_MS; waited += STEP_MS) {
		if (count(read_output(a), text) > 0)
			return true;
		agent_process_signal(a, signal);
		step();
	}
	fprintf(stderr, "not said: %s\noutput:\n%s\n", text, read_output(a));
	return false;
}

void agent_process_signal(struct agent_process *a, int signal)
{
	kill(a->pid, signal);
}

int agent_process_wait(struct agent_process *a)
{
	int status;

	for (int waited = 0; waited < BOUND_MS; waited += STEP_MS) {
		if (waitpid(a->pid, &status, WNOHANG) == a->pid) {
			a->pid = 0;
			return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		}
		step();
	}
	return -2;
}
