/* upstream: the application behind HAProxy in the demo and in the tests. It
 * counts how often it executed what, and answers the way the request asks:
 *
 *     X-Status: 503          with this status (default 201)
 *     X-Delay-Ms: 200        after this time
 *     X-Gate: name           not before GET /__open?gate=name
 *     X-Echo: 1              with the request's body, byte for byte
 *     X-Size: 4000           with a body of so many bytes
 *     X-Chunked: 1           without Content-Length
 *     X-Close: 1             not at all: it closes the connection
 *     X-Cut: 10              with so many bytes of the body, then it closes
 *     X-Reset: 1             and its closing is a reset (over TCP)
 *     X-Answer: Name: value  with this header; may be repeated, order kept
 *
 * With --journal FILE each execution is a line there, "number key", before it
 * is answered, and the next start goes on counting from it.
 *
 * Otherwise the body says the how manieth execution it was, so a second one
 * cannot be mistaken for a replay.
 *
 *     GET /__count?key=K     executions with this Idempotency-Key; all without
 *     GET /__waiting?gate=G  requests that wait at the gate now
 *     GET /__open?gate=G     lets them, and all that come later, through */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { BODY_MAX = 32 * 1024 * 1024, BACKLOG = 1024, LISTENERS_MAX = 4 };

/* A name with a number: a key's executions, a gate's waiting requests. */
struct tally {
	struct tally *next;
	unsigned long n;
	bool open;
	char name[];
};

struct upstream {
	pthread_mutex_t mutex;
	pthread_cond_t opened;
	bool stopping;
	unsigned long executions;
	int journal; /* -1: none */
	struct tally *keys;
	struct tally *gates;
};

struct request {
	char *body;
	size_t size;
};

/* The tally called `name`, made when it is new. Call with the mutex held. */
static struct tally *tally_get(struct tally **list, const char *name)
{
	size_t size = strlen(name) + 1;
	struct tally *t;

	for (t = *list; t; t = t->next)
		if (strcmp(t->name, name) == 0)
			return t;
	t = calloc(1, sizeof(*t) + size);
	assert(t);
	memcpy(t->name, name, size);
	t->next = *list;
	*list = t;
	return t;
}

static void tally_free(struct tally *list)
{
	while (list) {
		struct tally *next = list->next;

		free(list);
		list = next;
	}
}

static const char *header(struct MHD_Connection *c, const char *name)
{
	return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

static const char *argument(struct MHD_Connection *c, const char *name)
{
	return MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, name);
}

static unsigned long header_number(struct MHD_Connection *c, const char *name,
                                   unsigned long otherwise)
{
	const char *text = header(c, name);

	return text ? strtoul(text, NULL, 10) : otherwise;
}

static enum MHD_Result answer_text(struct MHD_Connection *c, unsigned status,
                                   const char *text)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(
	    strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	assert(r);
	result = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return result;
}

static enum MHD_Result answer_number(struct MHD_Connection *c,
                                     unsigned long number)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu\n", number);
	return answer_text(c, MHD_HTTP_OK, text);
}

/* The requests that steer and watch us; they are not counted. */
static enum MHD_Result control(struct upstream *u, struct MHD_Connection *c,
                               const char *url)
{
	const char *key = argument(c, "key");
	const char *gate = argument(c, "gate");
	unsigned long n = 0;

	pthread_mutex_lock(&u->mutex);
	if (strcmp(url, "/__count") == 0) {
		n = key ? tally_get(&u->keys, key)->n : u->executions;
	} else if (gate) {
		struct tally *t = tally_get(&u->gates, gate);

		if (strcmp(url, "/__open") == 0) {
			t->open = true;
			pthread_cond_broadcast(&u->opened);
		}
		n = t->n;
	}
	pthread_mutex_unlock(&u->mutex);
	return answer_number(c, n);
}

static unsigned long count(struct upstream *u, const char *key)
{
	unsigned long n;

	pthread_mutex_lock(&u->mutex);
	n = ++u->executions;
	tally_get(&u->keys, key ? key : "")->n++;
	if (u->journal >= 0 &&
	    dprintf(u->journal, "%lu %s\n", n, key ? key : "") < 0)
		abort();
	pthread_mutex_unlock(&u->mutex);
	return n;
}

/* Counts what an earlier process has executed, and goes on in the file. */
static bool journal_open(struct upstream *u, const char *path)
{
	FILE *f = fopen(path, "a+");
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	if (!f)
		return false;
	rewind(f);
	while ((n = getline(&line, &size, f)) > 0) {
		char *key = strchr(line, ' ');

		line[n - 1] = '\0';
		u->executions++;
		if (key)
			tally_get(&u->keys, key + 1)->n++;
	}
	free(line);
	u->journal = dup(fileno(f));
	fclose(f);
	return u->journal >= 0;
}

static void wait_at_gate(struct upstream *u, const char *name)
{
	struct tally *t;

	pthread_mutex_lock(&u->mutex);
	t = tally_get(&u->gates, name);
	t->n++;
	while (!t->open && !u->stopping)
		pthread_cond_wait(&u->opened, &u->mutex);
	t->n--;
	pthread_mutex_unlock(&u->mutex);
}

static void take_time(struct upstream *u, struct MHD_Connection *c)
{
	unsigned long delay_ms = header_number(c, "X-Delay-Ms", 0);
	const char *gate = header(c, "X-Gate");
	struct timespec left = {
	    .tv_sec = (time_t)(delay_ms / 1000),
	    .tv_nsec = (long)(delay_ms % 1000) * 1000000,
	};

	if (gate)
		wait_at_gate(u, gate);
	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

/* A body that is read once: its length is not told, or it ends too early. */
struct stream {
	size_t size;
	size_t cut; /* where it ends; above size: it does not */
	char bytes[];
};

static ssize_t stream_read(void *cookie, uint64_t position, char *buffer,
                           size_t room)
{
	const struct stream *s = cookie;
	size_t end = s->cut < s->size ? s->cut : s->size;
	size_t n = end - (size_t)position;

	if (n == 0)
		return s->cut <= s->size ? MHD_CONTENT_READER_END_WITH_ERROR
		                         : MHD_CONTENT_READER_END_OF_STREAM;
	if (n > room)
		n = room;
	memcpy(buffer, s->bytes + position, n);
	return (ssize_t)n;
}

static struct MHD_Response *response_new(const char *bytes, size_t size,
                                         bool chunked, size_t cut)
{
	struct stream *s;

	if (!chunked && cut > size)
		return MHD_create_response_from_buffer(
		    size, (void *)(uintptr_t)bytes, MHD_RESPMEM_MUST_COPY);
	s = malloc(sizeof(*s) + size);
	assert(s);
	s->size = size;
	s->cut = cut;
	memcpy(s->bytes, bytes, size);
	return MHD_create_response_from_callback(
	    chunked ? MHD_SIZE_UNKNOWN : size, 4096, stream_read, s, free);
}

/* What the request wants to get back; *ret_size bytes to be freed. */
static char *body_make(struct MHD_Connection *c, const struct request *request,
                       unsigned long n, size_t *ret_size)
{
	size_t size = header_number(c, "X-Size", 0);
	size_t room = size + request->size + 64;
	char *body = malloc(room);

	assert(body);
	if (header(c, "X-Echo")) {
		size = request->size;
		if (size > 0)
			memcpy(body, request->body, size);
	} else if (size > 0) {
		for (size_t i = 0; i < size; i++)
			body[i] = (char)('a' + i % 26);
	} else {
		size = (size_t)snprintf(body, room, "{\"execution\":%lu}\n", n);
	}
	*ret_size = size;
	return body;
}

/* Adds the header that one X-Answer asks for. */
static enum MHD_Result header_add(void *cookie, enum MHD_ValueKind kind,
                                  const char *name, const char *value)
{
	char *line;
	char *colon;

	(void)kind;
	if (strcasecmp(name, "X-Answer") != 0 || !value)
		return MHD_YES;
	line = strdup(value);
	assert(line);
	colon = strchr(line, ':');
	if (colon) {
		*colon++ = '\0';
		colon += strspn(colon, " ");
		MHD_add_response_header(cookie, line, colon);
	}
	free(line);
	return MHD_YES;
}

static void reset_at_close(struct MHD_Connection *c)
{
	const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);

	setsockopt(info->connect_fd, SOL_SOCKET, SO_LINGER, &at_once,
	           sizeof(at_once));
}

static enum MHD_Result execute(struct upstream *u, struct MHD_Connection *c,
                               const struct request *request)
{
	unsigned status = (unsigned)header_number(c, "X-Status", 201);
	unsigned long n = count(u, header(c, "Idempotency-Key"));
	struct MHD_Response *r;
	enum MHD_Result result;
	char number[32];
	char *body;
	size_t size;

	take_time(u, c);
	if (header(c, "X-Reset"))
		reset_at_close(c);
	if (header(c, "X-Close"))
		return MHD_NO;
	body = body_make(c, request, n, &size);
	r = response_new(body, size, header(c, "X-Chunked") != NULL,
	                 header_number(c, "X-Cut", SIZE_MAX));
	assert(r);
	free(body);
	snprintf(number, sizeof(number), "%lu", n);
	MHD_add_response_header(r, "X-Execution", number);
	MHD_get_connection_values(c, MHD_HEADER_KIND, header_add, r);
	result = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return result;
}

static enum MHD_Result body_append(struct request *request, const char *bytes,
                                   size_t size)
{
	char *body;

	if (size > BODY_MAX - request->size)
		return MHD_NO;
	body = realloc(request->body, request->size + size);
	assert(body);
	memcpy(body + request->size, bytes, size);
	request->body = body;
	request->size += size;
	return MHD_YES;
}

static enum MHD_Result handle(void *cookie, struct MHD_Connection *c,
                              const char *url, const char *method,
                              const char *version, const char *upload,
                              size_t *upload_size, void **state)
{
	struct upstream *u = cookie;
	struct request *request = *state;

	(void)method;
	(void)version;
	if (!request) {
		*state = calloc(1, sizeof(*request));
		return *state ? MHD_YES : MHD_NO;
	}
	if (*upload_size > 0) {
		size_t size = *upload_size;

		*upload_size = 0;
		return body_append(request, upload, size);
	}
	if (strncmp(url, "/__", 3) == 0)
		return control(u, c, url);
	return execute(u, c, request);
}

static void finished(void *cookie, struct MHD_Connection *c, void **state,
                     enum MHD_RequestTerminationCode why)
{
	struct request *request = *state;

	(void)cookie;
	(void)c;
	(void)why;
	if (request)
		free(request->body);
	free(request);
	*state = NULL;
}

static int listen_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	unlink(path); /* of one that was killed */
	if (fd < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(fd, BACKLOG) != 0)
		return -1;
	printf("listening on unix@%s\n", path);
	return fd;
}

static int listen_tcp(const char *port)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
	    .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)},
	};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(fd, BACKLOG) != 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &size) != 0)
		return -1;
	printf("listening on 127.0.0.1:%u\n", ntohs(address.sin_port));
	return fd;
}

static struct MHD_Daemon *serve(struct upstream *u, const char *address)
{
	struct MHD_Daemon *daemon;
	int fd = -1;

	if (strncmp(address, "unix:/", 6) == 0)
		fd = listen_unix(address + 5);
	else if (strncmp(address, "127.0.0.1:", 10) == 0)
		fd = listen_tcp(address + 10);
	else
		errno = EINVAL;
	if (fd < 0) {
		fprintf(stderr, "upstream: %s: %s\n", address, strerror(errno));
		return NULL;
	}
	daemon = MHD_start_daemon(
	    MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
		MHD_USE_POLL | MHD_USE_ERROR_LOG,
	    0, NULL, NULL, handle, u, MHD_OPTION_LISTEN_SOCKET, fd,
	    MHD_OPTION_NOTIFY_COMPLETED, finished, NULL, MHD_OPTION_END);
	if (!daemon)
		fprintf(stderr, "upstream: cannot start the HTTP server\n");
	return daemon;
}

/* Waits for SIGTERM or SIGINT, which are blocked in all threads, then lets
 * everybody through. */
static void wait_for_the_end(struct upstream *u, const sigset_t *signals)
{
	int signal;

	fflush(stdout);
	sigwait(signals, &signal);
	pthread_mutex_lock(&u->mutex);
	u->stopping = true;
	pthread_cond_broadcast(&u->opened);
	pthread_mutex_unlock(&u->mutex);
}

/* What was executed before is known before anybody is served. */
static bool parse(struct upstream *u, int argc, char **argv,
                  const char **ret_addresses, size_t *ret_count)
{
	*ret_count = 0;
	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc)
			return false;
		if (strcmp(argv[i], "--journal") == 0) {
			if (!journal_open(u, argv[i + 1]))
				return false;
		} else if (strcmp(argv[i], "--listen") == 0 &&
		           *ret_count < LISTENERS_MAX) {
			ret_addresses[(*ret_count)++] = argv[i + 1];
		} else {
			return false;
		}
	}
	return *ret_count > 0;
}

int main(int argc, char **argv)
{
	struct upstream u = {
	    .mutex = PTHREAD_MUTEX_INITIALIZER,
	    .opened = PTHREAD_COND_INITIALIZER,
	    .journal = -1,
	};
	const char *addresses[LISTENERS_MAX];
	struct MHD_Daemon *daemons[LISTENERS_MAX];
	size_t n = 0, count;
	sigset_t signals;
	bool served = parse(&u, argc, argv, addresses, &count);

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	while (served && n < count) {
		daemons[n] = serve(&u, addresses[n]);
		served = daemons[n] != NULL;
		n += served;
	}
	if (served)
		wait_for_the_end(&u, &signals);
	else
		fprintf(stderr,
		        "usage: upstream [--journal FILE] --listen ADDRESS...; "
		        "each is 127.0.0.1:PORT (0: any) or unix:/PATH\n");
	while (n > 0)
		MHD_stop_daemon(daemons[--n]);
	tally_free(u.keys);
	tally_free(u.gates);
	return served ? EXIT_SUCCESS : EXIT_FAILURE;
}
