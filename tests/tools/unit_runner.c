/* unit_runner: what systemd does for spoa-idempotency.socket and .service,
 * where no systemd runs. It holds the socket, so that no connection is refused
 * while the service restarts.
 *
 *     unit_runner SOCKET COMMAND ARGUMENT...
 *
 * SIGHUP restarts the service and SIGTERM ends it all; the service gets SIGTERM
 * and is waited for. Source: sd_listen_fds(3), systemd.socket(5). */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BACKLOG = 4096, LISTEN_FD = 3 };

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path);
	if (fd < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    chmod(path, 0666) != 0 || listen(fd, BACKLOG) != 0)
		die(path);
	if (fd != LISTEN_FD && (dup2(fd, LISTEN_FD) < 0 || close(fd) != 0))
		die("dup2");
}

static pid_t start(char **command, const sigset_t *unblocked)
{
	char text[16];
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid > 0)
		return pid;
	snprintf(text, sizeof(text), "%d", (int)getpid());
	setenv("LISTEN_PID", text, 1);
	setenv("LISTEN_FDS", "1", 1);
	sigprocmask(SIG_SETMASK, unblocked, NULL);
	execv(command[0], command);
	die(command[0]);
	return 0;
}

/* Ends the service; it has to end well. */
static void stop(pid_t pid)
{
	int status;

	kill(pid, SIGTERM);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
	    WEXITSTATUS(status) != 0)
		die("the service did not end well");
}

int main(int argc, char **argv)
{
	sigset_t signals, before;
	pid_t pid;
	int signal_number;

	if (argc < 3) {
		fputs("unit_runner SOCKET COMMAND ARGUMENT...\n", stderr);
		return 2;
	}
	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, &before);
	listen_at(argv[1]);
	for (;;) {
		pid = start(argv + 2, &before);
		if (sigwait(&signals, &signal_number) != 0)
			die("sigwait");
		stop(pid);
		printf("%s\n", signal_number == SIGHUP ? "restarted" : "ended");
		fflush(stdout);
		if (signal_number == SIGTERM)
			break;
	}
	return unlink(argv[1]) == 0 ? 0 : 1;
}
