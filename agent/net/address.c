#include "agent/net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define UNIX_PREFIX "unix:"
#define TLS_PREFIX  "tls:"
#define EXPECTED                                        \
	"expected 127.0.0.1:9000, [::1]:9000, *:9000, " \
	"unix:/path, /path or @name, or tls: and one of these"
#define UNIX_PATH_MAX sizeof(((struct sockaddr_un *)0)->sun_path)

__attribute__((format(printf, 3, 4))) static int failed(char *reterr_text,
                                                        size_t reterr_size,
                                                        const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reterr_text, reterr_size, format, args);
	va_end(args);
	return -1;
}

/* --- reading --- */

static int parse_unix(const char *path, bool abstract,
                      struct address *ret_address, char *reterr_text,
                      size_t reterr_size)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	size_t length = strlen(path);

	if (length == 0)
		return failed(reterr_text, reterr_size,
		              "the Unix socket has no name; " EXPECTED);
	/* A path ends with NUL, an abstract name starts with it. */
	if (length > UNIX_PATH_MAX - 1)
		return failed(reterr_text, reterr_size,
		              "the Unix socket's name has %zu bytes; "
		              "expected %zu at most",
		              length, UNIX_PATH_MAX - 1);
	memcpy(un.sun_path + abstract, path, length);
	*ret_address = (struct address){
	    .size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
	                        length + 1)};
	memcpy(&ret_address->storage, &un, sizeof(un));
	return 0;
}

static bool parse_port(const char *text, in_port_t *ret_port)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long port;

	if (digits == 0 || digits > 5 || text[digits] != '\0')
		return false;
	port = strtoul(text, NULL, 10);
	if (port > UINT16_MAX)
		return false;
	*ret_port = htons((uint16_t)port);
	return true;
}

static bool parse_ipv4(const char *host, in_port_t port,
                       struct address *ret_address)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = port};

	if (strcmp(host, "*") != 0 &&
	    inet_pton(AF_INET, host, &in.sin_addr) != 1)
		return false;
	*ret_address = (struct address){.size = sizeof(in)};
	memcpy(&ret_address->storage, &in, sizeof(in));
	return true;
}

static bool parse_ipv6(const char *host, in_port_t port,
                       struct address *ret_address)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = port};

	if (inet_pton(AF_INET6, host, &in6.sin6_addr) != 1)
		return false;
	*ret_address = (struct address){.size = sizeof(in6)};
	memcpy(&ret_address->storage, &in6, sizeof(in6));
	return true;
}

static int parse_ip(const char *text, struct address *ret_address,
                    char *reterr_text, size_t reterr_size)
{
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2]; /* room for the brackets */
	size_t length;
	in_port_t port;
	bool valid;

	if (!colon)
		return failed(reterr_text, reterr_size,
		              "\"%s\" has no port; " EXPECTED, text);
	if (!parse_port(colon + 1, &port))
		return failed(reterr_text, reterr_size,
		              "\"%s\" is not a port; expected 0 to 65535",
		              colon + 1);
	length = (size_t)(colon - text);
	if (length >= sizeof(host))
		length = 0; /* no address is that long */
	memcpy(host, text, length);
	host[length] = '\0';
	if (host[0] == '[' && host[length - 1] == ']') {
		host[length - 1] = '\0';
		valid = parse_ipv6(host + 1, port, ret_address);
	} else {
		valid = parse_ipv4(host, port, ret_address);
	}
	if (!valid)
		return failed(reterr_text, reterr_size,
		              "\"%.*s\" is not a numeric address; " EXPECTED,
		              (int)(colon - text), text);
	return 0;
}

static int parse_plain(const char *text, struct address *ret_address,
                       char *reterr_text, size_t reterr_size)
{
	size_t prefix = strlen(UNIX_PREFIX);

	if (strncmp(text, UNIX_PREFIX, prefix) == 0)
		return parse_unix(text + prefix, false, ret_address,
		                  reterr_text, reterr_size);
	if (text[0] == '/')
		return parse_unix(text, false, ret_address, reterr_text,
		                  reterr_size);
	if (text[0] == '@')
		return parse_unix(text + 1, true, ret_address, reterr_text,
		                  reterr_size);
	return parse_ip(text, ret_address, reterr_text, reterr_size);
}

int address_parse(const char *text, struct address *ret_address,
                  char *reterr_text, size_t reterr_size)
{
	size_t prefix = strlen(TLS_PREFIX);
	bool tls = strncmp(text, TLS_PREFIX, prefix) == 0;

	if (parse_plain(tls ? text + prefix : text, ret_address, reterr_text,
	                reterr_size) < 0)
		return -1;
	ret_address->tls = tls;
	return 0;
}

/* --- writing --- */

static void format_unix(const struct address *address, char *ret_text,
                        size_t size)
{
	struct sockaddr_un un;
	size_t used = address->size - offsetof(struct sockaddr_un, sun_path);

	memcpy(&un, &address->storage, sizeof(un));
	if (address->size <= offsetof(struct sockaddr_un, sun_path))
		snprintf(ret_text, size, UNIX_PREFIX);
	else if (un.sun_path[0] == '\0')
		snprintf(ret_text, size, "@%.*s", (int)used - 1,
		         un.sun_path + 1);
	else
		snprintf(ret_text, size, UNIX_PREFIX "%.*s", (int)used,
		         un.sun_path);
}

static void format_plain(const struct address *address, char *ret_text,
                         size_t size)
{
	char host[INET6_ADDRSTRLEN];
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	switch (address->storage.ss_family) {
	case AF_UNIX:
		format_unix(address, ret_text, size);
		break;
	case AF_INET:
		memcpy(&in, &address->storage, sizeof(in));
		inet_ntop(AF_INET, &in.sin_addr, host, sizeof(host));
		snprintf(ret_text, size, "%s:%u", host, ntohs(in.sin_port));
		break;
	case AF_INET6:
		memcpy(&in6, &address->storage, sizeof(in6));
		inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof(host));
		snprintf(ret_text, size, "[%s]:%u", host, ntohs(in6.sin6_port));
		break;
	default:
		snprintf(ret_text, size, "unknown");
		break;
	}
}

void address_format(const struct address *address, char *ret_text, size_t size)
{
	size_t prefix = 0;

	if (address->tls)
		prefix = (size_t)snprintf(ret_text, size, TLS_PREFIX);
	if (prefix < size)
		format_plain(address, ret_text + prefix, size - prefix);
}

void address_format_bound(int fd, char *ret_text, size_t size)
{
	struct address address = {.size = sizeof(address.storage)};

	/* Should it fail, the family stays unspecified: "unknown". */
	getsockname(fd, (struct sockaddr *)&address.storage, &address.size);
	address_format(&address, ret_text, size);
}

void address_of_peer(int fd, struct address *ret_address)
{
	*ret_address = (struct address){.size = sizeof(ret_address->storage)};
	getpeername(fd, (struct sockaddr *)&ret_address->storage,
	            &ret_address->size);
}

/* --- listening --- */

static const struct sockaddr *sockaddr_of(const struct address *address)
{
	return (const struct sockaddr *)&address->storage;
}

/* The file of a Unix socket, or NULL. */
static const char *file_of(const struct address *address)
{
	const struct sockaddr_un *un =
	    (const struct sockaddr_un *)&address->storage;

	if (un->sun_family != AF_UNIX || un->sun_path[0] == '\0')
		return NULL;
	return un->sun_path;
}

static int type_of(int fd)
{
	int type = SOCK_STREAM;
	socklen_t size = sizeof(type);

	getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size);
	return type;
}

/* Whether the file is a socket that nobody listens on. A full backlog (EAGAIN)
 * is somebody, and so is a socket of another type (EPROTOTYPE). */
static bool is_stale(const struct address *address, const char *file, int type)
{
	struct stat status;
	bool stale;
	int fd;

	if (lstat(file, &status) < 0 || !S_ISSOCK(status.st_mode))
		return false;
	fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	stale = connect(fd, sockaddr_of(address), address->size) < 0 &&
	        errno == ECONNREFUSED;
	close(fd);
	return stale;
}

static int bind_replacing(int fd, const struct address *address,
                          const char *file)
{
	if (bind(fd, sockaddr_of(address), address->size) == 0)
		return 0;
	if (errno != EADDRINUSE || !file)
		return -1;
	if (!is_stale(address, file, type_of(fd))) {
		errno = EADDRINUSE;
		return -1;
	}
	unlink(file);
	return bind(fd, sockaddr_of(address), address->size);
}

static int bind_at(int fd, const struct address *address, unsigned unix_mode)
{
	const char *file = file_of(address);
	int on = 1;

	/* Two that receive datagrams at one address would share them. */
	if (address->storage.ss_family != AF_UNIX && type_of(fd) == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (address->storage.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	/* The file takes the socket's mode (less the umask) as bind() makes
	 * it: nobody gets in before chmod(). */
	if (file && fchmod(fd, unix_mode) < 0)
		return -1;
	if (bind_replacing(fd, address, file) < 0)
		return -1;
	return file ? chmod(file, unix_mode) : 0;
}

static int failed_at(int fd, const struct address *address, const char *what,
                     char *reterr_text, size_t reterr_size)
{
	const int error = errno;
	char text[ADDRESS_TEXT_SIZE];

	if (fd >= 0)
		close(fd);
	address_format(address, text, sizeof(text));
	return failed(reterr_text, reterr_size, "cannot %s %s: %s", what, text,
	              strerror(error));
}

int address_listen(const struct address *address, int backlog,
                   unsigned unix_mode, char *reterr_text, size_t reterr_size)
{
	int fd = socket(address->storage.ss_family,
	                SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 && bind_at(fd, address, unix_mode) == 0 &&
	    listen(fd, backlog) == 0)
		return fd;
	return failed_at(fd, address, "listen on", reterr_text, reterr_size);
}

int address_receive(const struct address *address, unsigned unix_mode,
                    char *reterr_text, size_t reterr_size)
{
	int fd = socket(address->storage.ss_family,
	                SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 && bind_at(fd, address, unix_mode) == 0)
		return fd;
	return failed_at(fd, address, "receive on", reterr_text, reterr_size);
}
