/* tests/tools/relay.c: what stands between HAProxy and its agent when a test
 * wants an answer to get lost. It passes on what comes, both ways.
 *
 *     relay LISTEN TARGET      paths of Unix sockets
 *
 * SIGUSR1: what comes from the target is kept here; when the target closes, it
 * is dropped. SIGUSR2: it is passed on, with what was kept. SIGTERM ends it. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PAIRS_MAX = 256, BUFFER_SIZE = 64 * 1024, BACKLOG = 128 };

/* One connection: [0] is HAProxy's, [1] the agent's. */
struct pair {
	int fds[2];
};

struct relay {
	const char *target;
	int listen_fd;
	int signal_fd;
	bool holds;
	size_t n_pairs;
	struct pair pairs[PAIRS_MAX];
};

static int unix_socket(const char *path, struct sockaddr_un *ret_address)
{
	*ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(ret_address->sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(ret_address->sun_path, path, strlen(path) + 1);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static bool start(struct relay *r, const char *path)
{
	struct sockaddr_un address;
	sigset_t signals;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGUSR2);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	r->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
	r->listen_fd = unix_socket(path, &address);
	return r->signal_fd >= 0 && r->listen_fd >= 0 &&
	       bind(r->listen_fd, (struct sockaddr *)&address,
	            sizeof(address)) == 0 &&
	       listen(r->listen_fd, BACKLOG) == 0;
}

/* Nobody there: the connection ends at once. */
static void take(struct relay *r)
{
	struct sockaddr_un address;
	struct pair pair;

	pair.fds[0] = accept4(r->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (pair.fds[0] < 0)
		return;
	pair.fds[1] = unix_socket(r->target, &address);
	if (r->n_pairs < PAIRS_MAX && pair.fds[1] >= 0 &&
	    connect(pair.fds[1], (struct sockaddr *)&address,
	            sizeof(address)) == 0) {
		r->pairs[r->n_pairs++] = pair;
		return;
	}
	close(pair.fds[0]);
	if (pair.fds[1] >= 0)
		close(pair.fds[1]);
}

static bool write_all(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, bytes, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes += n;
		size -= (size_t)n;
	}
	return true;
}

/* Passes on what is there; false when the connection is over. */
static bool pass(int from, int to)
{
	char buffer[BUFFER_SIZE];
	ssize_t n = read(from, buffer, sizeof(buffer));

	return n > 0 && write_all(to, buffer, (size_t)n);
}

/* Whether one side has gone. What is kept is not looked at. */
static bool pair_is_over(struct relay *r, const struct pair *pair,
                         const struct pollfd *polled)
{
	if (polled[0].revents && !pass(pair->fds[0], pair->fds[1]))
		return true;
	if (r->holds)
		return polled[1].revents & (POLLHUP | POLLERR);
	return polled[1].revents && !pass(pair->fds[1], pair->fds[0]);
}

static void serve_pairs(struct relay *r, const struct pollfd *polled)
{
	/* From behind: the last one takes the place of one that is over. */
	for (size_t i = r->n_pairs; i-- > 0;) {
		struct pair *pair = &r->pairs[i];

		if (!pair_is_over(r, pair, polled + 2 * i))
			continue;
		close(pair->fds[0]);
		close(pair->fds[1]);
		*pair = r->pairs[--r->n_pairs];
	}
}

/* False: told to end. */
static bool obey(struct relay *r)
{
	struct signalfd_siginfo info;

	if (read(r->signal_fd, &info, sizeof(info)) != sizeof(info))
		return true;
	r->holds = info.ssi_signo == SIGUSR1;
	printf("%s\n", r->holds ? "holding" : "passing");
	fflush(stdout);
	return info.ssi_signo != SIGTERM;
}

static bool turn(struct relay *r)
{
	struct pollfd polled[2 + 2 * PAIRS_MAX] = {
	    {.fd = r->signal_fd, .events = POLLIN},
	    {.fd = r->listen_fd, .events = POLLIN},
	};
	nfds_t n = 2;

	for (size_t i = 0; i < r->n_pairs; i++) {
		polled[n++] =
		    (struct pollfd){.fd = r->pairs[i].fds[0], .events = POLLIN};
		polled[n++] = (struct pollfd){.fd = r->pairs[i].fds[1],
		                              .events = r->holds ? 0 : POLLIN};
	}
	if (poll(polled, n, -1) < 0)
		return errno == EINTR;
	serve_pairs(r, polled + 2);
	if (polled[1].revents)
		take(r);
	return !polled[0].revents || obey(r);
}

int main(int argc, char **argv)
{
	static struct relay r;

	if (argc != 3 || (r.target = argv[2], !start(&r, argv[1]))) {
		fprintf(stderr, "usage: relay LISTEN TARGET (%s)\n",
		        strerror(errno));
		return EXIT_FAILURE;
	}
	while (turn(&r))
		;
	return EXIT_SUCCESS;
}
