#include "tests/support/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PAIRS_MAX = 32, LOOK_MS = 5, PIECE_SIZE = 16384 };

struct pair {
	int fds[2]; /* client's, server's; -1: free */
};

struct proxy {
	pthread_t thread;
	char path[108];
	int listener;
	int port;
	struct pair pairs[PAIRS_MAX];
	atomic_bool stop;
	atomic_bool hold[2];
	atomic_bool crumble;
	atomic_bool refuse;
	atomic_size_t connections;
	pthread_mutex_t lock; /* the cut's */
	bool cutting;
	enum proxy_way way;
	size_t left;
};

static void reset(int fd)
{
	const struct linger now = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static void close_pair(struct pair *pair)
{
	reset(pair->fds[0]);
	reset(pair->fds[1]);
	pair->fds[0] = pair->fds[1] = -1;
}

static int connect_to(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	if (fd >= 0 &&
	    connect(fd, (const struct sockaddr *)&un, sizeof(un)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static void take_client(struct proxy *p)
{
	int on = 1;
	int client = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
	int server;
	struct pair *pair = p->pairs;

	if (client < 0)
		return;
	p->connections++;
	server = p->refuse ? -1 : connect_to(p->path);
	while (pair < p->pairs + PAIRS_MAX && pair->fds[0] >= 0)
		pair++;
	if (server < 0 || pair == p->pairs + PAIRS_MAX) {
		reset(client);
		if (server >= 0)
			close(server);
		return;
	}
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	pair->fds[0] = client;
	pair->fds[1] = server;
}

/* How many of `size` bytes may pass; *ret_cut: and then no more. */
static size_t allowance(struct proxy *p, enum proxy_way way, size_t size,
                        bool *ret_cut)
{
	pthread_mutex_lock(&p->lock);
	*ret_cut = p->cutting && p->way == way && size >= p->left;
	if (*ret_cut) {
		size = p->left;
		p->cutting = false;
	} else if (p->cutting && p->way == way) {
		p->left -= size;
	}
	pthread_mutex_unlock(&p->lock);
	return size;
}

static bool send_all(struct proxy *p, int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n =
		    send(fd, bytes, p->crumble ? 1 : size, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		bytes += n;
		size -= (size_t)n;
	}
	return true;
}

static void forward(struct proxy *p, struct pair *pair, int from)
{
	const enum proxy_way way =
	    from == 0 ? PROXY_TO_SERVER : PROXY_TO_CLIENT;
	char piece[PIECE_SIZE];
	bool cut = false;
	ssize_t n = recv(pair->fds[from], piece, sizeof(piece), 0);
	size_t size;

	if (n <= 0) {
		close_pair(pair);
		return;
	}
	size = allowance(p, way, (size_t)n, &cut);
	if (!send_all(p, pair->fds[!from], piece, size) || cut)
		close_pair(pair);
}

/* One look at all sockets. */
static void look(struct proxy *p)
{
	struct pollfd fds[1 + 2 * PAIRS_MAX];

	fds[0] = (struct pollfd){.fd = p->listener, .events = POLLIN};
	for (int i = 0; i < 2 * PAIRS_MAX; i++)
		fds[1 + i] = (struct pollfd){
		    .fd = p->hold[i % 2] ? -1 : p->pairs[i / 2].fds[i % 2],
		    .events = POLLIN,
		};
	if (poll(fds, 1 + 2 * PAIRS_MAX, LOOK_MS) <= 0)
		return;
	for (int i = 0; i < 2 * PAIRS_MAX; i++)
		/* The other side may have ended it just now. */
		if (fds[1 + i].revents &&
		    p->pairs[i / 2].fds[i % 2] == fds[1 + i].fd)
			forward(p, &p->pairs[i / 2], i % 2);
	if (fds[0].revents)
		take_client(p);
}

static void *run(void *cookie)
{
	struct proxy *p = cookie;

	while (!p->stop)
		look(p);
	return NULL;
}

struct proxy *proxy_new(const char *path)
{
	struct proxy *p = calloc(1, sizeof(*p));
	struct sockaddr_in in = {.sin_family = AF_INET};
	socklen_t size = sizeof(in);

	if (!p)
		return NULL;
	snprintf(p->path, sizeof(p->path), "%s", path);
	pthread_mutex_init(&p->lock, NULL);
	for (int i = 0; i < PAIRS_MAX; i++)
		p->pairs[i].fds[0] = p->pairs[i].fds[1] = -1;
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p->listener < 0 ||
	    bind(p->listener, (const struct sockaddr *)&in, sizeof(in)) < 0 ||
	    listen(p->listener, 64) < 0 ||
	    getsockname(p->listener, (struct sockaddr *)&in, &size) < 0 ||
	    pthread_create(&p->thread, NULL, run, p) != 0) {
		close(p->listener);
		free(p);
		return NULL;
	}
	p->port = ntohs(in.sin_port);
	return p;
}

void proxy_free(struct proxy *p)
{
	if (!p)
		return;
	p->stop = true;
	pthread_join(p->thread, NULL);
	for (int i = 0; i < PAIRS_MAX; i++)
		if (p->pairs[i].fds[0] >= 0)
			close_pair(&p->pairs[i]);
	close(p->listener);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

int proxy_port(const struct proxy *p)
{
	return p->port;
}

void proxy_cut(struct proxy *p, enum proxy_way way, size_t bytes)
{
	pthread_mutex_lock(&p->lock);
	p->cutting = true;
	p->way = way;
	p->left = bytes;
	pthread_mutex_unlock(&p->lock);
}

bool proxy_has_cut(struct proxy *p)
{
	bool cut;

	pthread_mutex_lock(&p->lock);
	cut = !p->cutting;
	pthread_mutex_unlock(&p->lock);
	return cut;
}

void proxy_hold(struct proxy *p, enum proxy_way way, bool hold)
{
	/* What comes from the client goes to the server. */
	p->hold[way == PROXY_TO_SERVER ? 0 : 1] = hold;
}

void proxy_crumble(struct proxy *p, bool crumble)
{
	p->crumble = crumble;
}

void proxy_refuse(struct proxy *p, bool refuse)
{
	p->refuse = refuse;
}

size_t proxy_connections(struct proxy *p)
{
	return p->connections;
}
