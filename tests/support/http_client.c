#include "tests/support/http_client.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { STEP_MS = 20 };

int http_client_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd >= 0 &&
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* All that comes until the other side closes. */
static char *read_all(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	char part[4096];
	ssize_t n = 1;

	while (n > 0) {
		n = poll(&p, 1, HTTP_CLIENT_TIMEOUT_MS) == 1
		        ? read(fd, part, sizeof(part))
		        : -1;
		if (n > 0)
			fwrite(part, 1, (size_t)n, out);
	}
	fclose(out);
	return text;
}

struct http_reply http_client_raw(const char *path, const char *request)
{
	struct http_reply reply = {.status = 0};
	int fd = http_client_connect(path);

	if (fd < 0)
		return reply;
	send(fd, request, strlen(request), MSG_NOSIGNAL);
	reply.head = read_all(fd);
	close(fd);
	if (sscanf(reply.head, "HTTP/1.%*d %d", &reply.status) != 1)
		return reply;
	reply.body = strstr(reply.head, "\r\n\r\n");
	if (reply.body) {
		*reply.body = '\0';
		reply.body += 4;
	}
	return reply;
}

struct http_reply http_client_ask(const char *path, const char *method,
                                  const char *url)
{
	char request[512];

	snprintf(request, sizeof(request),
	         "%s %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n",
	         method, url);
	return http_client_raw(path, request);
}

void http_client_free(struct http_reply *reply)
{
	free(reply->head);
	*reply = (struct http_reply){.status = 0};
}

bool http_client_becomes(const char *path, const char *url, int status)
{
	const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};

	for (int ms = 0; ms < HTTP_CLIENT_TIMEOUT_MS; ms += STEP_MS) {
		struct http_reply reply = http_client_ask(path, "GET", url);
		const int got = reply.status;

		http_client_free(&reply);
		if (got == status)
			return true;
		nanosleep(&step, NULL);
	}
	return false;
}
