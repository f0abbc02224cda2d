#include "agent/net/endpoint.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPECTED                                                    \
	"expected redis.example:6379, 127.0.0.1:6379, [::1]:6379, " \
	"unix:/path, /path or @name"

static int failed(const char *text, const char *what, char *reterr_text,
                  size_t reterr_size)
{
	/* However long the text is, there is room for the advice. */
	snprintf(reterr_text, reterr_size, "\"%.100s\" %s; " EXPECTED, text,
	         what);
	return -1;
}

/* RFC 1123: letters, digits, hyphens and dots; and the underscore that
 * containers are named with. */
static bool is_name(const char *text, size_t length)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-._";

	return length > 0 && length < ENDPOINT_HOST_SIZE && text[0] != '.' &&
	       text[0] != '-' && strspn(text, letters) >= length &&
	       /* All digits and dots: an address that is wrong. */
	       strspn(text, "0123456789.") < length;
}

static int parse_name(const char *text, struct endpoint *ret_endpoint,
                      char *reterr_text, size_t reterr_size)
{
	const char *colon = strrchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : 0;
	unsigned long port;
	char *end;

	if (!colon)
		return failed(text, "has no port", reterr_text, reterr_size);
	if (!is_name(text, length))
		return failed(text, "is neither a host name nor an address",
		              reterr_text, reterr_size);
	port = strtoul(colon + 1, &end, 10);
	if (colon[1] < '0' || colon[1] > '9' || *end || port == 0 ||
	    port > UINT16_MAX)
		return failed(text, "has no port from 1 to 65535", reterr_text,
		              reterr_size);
	*ret_endpoint = (struct endpoint){.port = (unsigned)port};
	memcpy(ret_endpoint->host, text, length);
	return 0;
}

/* The part of a numeric address that is the host, without brackets. */
static void set_host(struct endpoint *endpoint, const char *text)
{
	const char *colon = strrchr(text, ':');
	size_t length = (size_t)(colon - text);

	if (text[0] == '[') {
		text++;
		length -= 2;
	}
	memcpy(endpoint->host, text, length);
	endpoint->port = (unsigned)strtoul(colon + 1, NULL, 10);
}

int endpoint_parse(const char *text, struct endpoint *ret_endpoint,
                   char *reterr_text, size_t reterr_size)
{
	struct endpoint endpoint = {.port = 0};
	char ignored[200];

	if (text[0] == '*')
		return failed(text, "is no place to connect to", reterr_text,
		              reterr_size);
	if (text[0] == '/' || text[0] == '@' ||
	    strncmp(text, "unix:", strlen("unix:")) == 0) {
		if (address_parse(text, &endpoint.address, reterr_text,
		                  reterr_size) < 0)
			return -1;
	} else if (address_parse(text, &endpoint.address, ignored,
	                         sizeof(ignored)) == 0) {
		set_host(&endpoint, text);
		if (endpoint.port == 0)
			return failed(text, "has no port from 1 to 65535",
			              reterr_text, reterr_size);
	} else if (parse_name(text, &endpoint, reterr_text, reterr_size) < 0) {
		return -1;
	}
	*ret_endpoint = endpoint;
	return 0;
}

bool endpoint_from(const char *host, const char *port,
                   struct endpoint *ret_endpoint)
{
	char text[ENDPOINT_TEXT_SIZE + 16], ignored[256];

	snprintf(text, sizeof(text), strchr(host, ':') ? "[%s]:%s" : "%s:%s",
	         host, port);
	return endpoint_parse(text, ret_endpoint, ignored, sizeof(ignored)) ==
	       0;
}

void endpoint_format(const struct endpoint *endpoint, char *ret_text,
                     size_t size)
{
	if (endpoint->address.size > 0)
		address_format(&endpoint->address, ret_text, size);
	else
		snprintf(ret_text, size, "%s:%u", endpoint->host,
		         endpoint->port);
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	char of_a[ENDPOINT_TEXT_SIZE];
	char of_b[ENDPOINT_TEXT_SIZE];

	endpoint_format(a, of_a, sizeof(of_a));
	endpoint_format(b, of_b, sizeof(of_b));
	return strcmp(of_a, of_b) == 0;
}

int endpoint_connect(const struct address *address)
{
	int fd = socket(address->storage.ss_family,
	                SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&address->storage,
	            address->size) == 0 ||
	    errno == EINPROGRESS)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}
