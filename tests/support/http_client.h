/* tests/support/http_client.h: a blocking HTTP client that says what a test
 * wants it to say. */
#ifndef TESTS_SUPPORT_HTTP_CLIENT_H
#define TESTS_SUPPORT_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

enum { HTTP_CLIENT_TIMEOUT_MS = 20000 };

struct http_reply {
	int status; /* 0: none came */
	char *head; /* owned */
	char *body; /* in `head` */
};

/* Connects to a Unix socket; -1 when nobody listens. */
int http_client_connect(const char *path);

/* Sends `request` over a connection of its own and reads to the end of the
 * answer, which is the end of the connection. Free it with http_client_free().
 */
struct http_reply http_client_raw(const char *path, const char *request);

/* The same for a method and a URL. */
struct http_reply http_client_ask(const char *path, const char *method,
                                  const char *url);

void http_client_free(struct http_reply *reply);

/* Asks until the status is `status`; false at the bound. */
bool http_client_becomes(const char *path, const char *url, int status);

#endif
