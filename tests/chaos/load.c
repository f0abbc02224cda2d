/* tests/chaos/load.c: clients that send a request until they get an answer,
 * while everything behind them is killed and comes back.
 *
 *     load SOCKET SEED SECONDS PAIRS HISTORY
 *
 * Each pair of clients works on one key after the other, both at the same time,
 * for so many seconds; the last keys may take PATIENCE_S longer. Every attempt
 * becomes a line of the file HISTORY, when it ends:
 *
 *     ms key client attempt result [execution digest]
 *
 * `answer` is a whole 201, with the X-Execution that the application gave it
 * and a digest of the body; `unknown` is the verdict that ends a key without
 * one. Exit status: 0 when every client came to an end with every key. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	PAIRS_MAX = 64,
	PATIENCE_S = 90,
	ATTEMPT_MS = 8000, /* then the client hangs up and tries again */
	RESPONSE_MAX = 64 * 1024,
	KEY_SIZE = 64,
};

struct load {
	const char *socket;
	uint64_t seed;
	uint64_t start_ms;
	uint64_t end_ms;
	FILE *history;
	pthread_mutex_t mutex; /* of what follows, and of the history */
	unsigned long keys;
	unsigned long answers;
	unsigned long unknowns;
	unsigned long unanswered;
};

struct pair {
	struct load *load;
	unsigned number;
	bool over; /* written between the barriers */
	pthread_barrier_t barrier;
};

struct client {
	struct pair *pair;
	unsigned number; /* 0 or 1 */
	uint64_t random;
	char response[RESPONSE_MAX + 1];
};

/* What a key asks of the application. */
struct wish {
	char key[KEY_SIZE];
	unsigned delay_ms;
	unsigned size;
	bool chunked;
};

struct answer {
	const char *result;
	unsigned long execution;
	uint64_t digest;
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void sleep_ms(uint64_t ms)
{
	struct timespec t = {.tv_sec = (time_t)(ms / 1000),
	                     .tv_nsec = (long)(ms % 1000) * 1000000};

	while (nanosleep(&t, &t) != 0 && errno == EINTR)
		continue;
}

/* splitmix64 */
static uint64_t mix(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* --- one attempt -------------------------------------------------------- */

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd >= 0 &&
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool send_request(int fd, const struct wish *w)
{
	char request[512];
	int n = snprintf(request, sizeof(request),
	                 "POST /chaos HTTP/1.1\r\nHost: api\r\n"
	                 "Connection: close\r\nContent-Length: 1\r\n"
	                 "Idempotency-Key: %s\r\nX-Delay-Ms: %u\r\n"
	                 "%s%.0u%s\r\nx",
	                 w->key, w->delay_ms,
	                 w->chunked ? "X-Chunked: 1\r\n" : "", w->size, "");

	return send(fd, request, (size_t)n, MSG_NOSIGNAL) == n;
}

/* All of the response until the server closes; 0 when it does not come. */
static size_t receive(int fd, char *buffer)
{
	const uint64_t end = now_ms() + ATTEMPT_MS;
	size_t size = 0;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		const uint64_t now = now_ms();
		ssize_t n;

		if (now >= end || poll(&p, 1, (int)(end - now)) <= 0)
			return 0;
		n = read(fd, buffer + size, RESPONSE_MAX - size);
		if (n <= 0 || size + (size_t)n == RESPONSE_MAX)
			break;
		size += (size_t)n;
	}
	buffer[size] = '\0';
	return size;
}

/* The value of a header, NULL when it is not there; `head` ends with NUL. */
static const char *header(const char *head, const char *name)
{
	const size_t size = strlen(name);
	const char *line = head;

	while ((line = strstr(line, "\r\n"))) {
		line += 2;
		if (strncasecmp(line, name, size) == 0 && line[size] == ':')
			return line + size + 1 + strspn(line + size + 1, " ");
	}
	return NULL;
}

/* Joins the chunks in place; false when the last one is missing. */
static bool join_chunks(char *body, size_t *size)
{
	char *from = body, *to = body;
	char *const end = body + *size;

	for (;;) {
		char *line_end;
		unsigned long n = strtoul(from, &line_end, 16);

		if (line_end == from || end - line_end < 2)
			return false;
		from = line_end + 2;
		if (n == 0) {
			*size = (size_t)(to - body);
			return true;
		}
		if ((size_t)(end - from) < n + 2)
			return false;
		memmove(to, from, n);
		to += n;
		from += n + 2;
	}
}

static bool body_is_whole(const char *head, char *body, size_t *size)
{
	const char *length = header(head, "Content-Length");

	if (length)
		return strtoul(length, NULL, 10) == *size;
	return header(head, "Transfer-Encoding") && join_chunks(body, size);
}

static uint64_t digest_of(const char *bytes, size_t size)
{
	uint64_t h = 0xcbf29ce484222325; /* FNV-1a */

	for (size_t i = 0; i < size; i++)
		h = (h ^ (uint8_t)bytes[i]) * 0x100000001b3;
	return h;
}

static struct answer understand(char *response, size_t size)
{
	struct answer a = {.result = "nothing"};
	char *body = size > 0 ? strstr(response, "\r\n\r\n") : NULL;
	const char *execution;
	size_t body_size;

	if (!body || strncmp(response, "HTTP/1.1 ", 9) != 0)
		return a;
	body[2] = '\0';
	body += 4;
	body_size = size - (size_t)(body - response);
	a.result = "strange";
	if (strncmp(response + 9, "50", 2) == 0) {
		a.result = "refused";
	} else if (strncmp(response + 9, "409", 3) == 0) {
		a.result = strstr(body, "#conflict")  ? "conflict"
		           : strstr(body, "#unknown") ? "unknown"
		                                      : "strange";
	} else if (strncmp(response + 9, "201", 3) == 0) {
		a.result = "cut";
		execution = header(response, "X-Execution");
		if (!execution || !body_is_whole(response, body, &body_size))
			return a;
		a.result = "answer";
		a.execution = strtoul(execution, NULL, 10);
		a.digest = digest_of(body, body_size);
	}
	return a;
}

static struct answer attempt(struct client *c, const struct wish *w)
{
	int fd = connect_to(c->pair->load->socket);
	size_t size = 0;

	if (fd < 0)
		return (struct answer){.result = "no-connection"};
	if (send_request(fd, w))
		size = receive(fd, c->response);
	close(fd);
	return understand(c->response, size);
}

/* --- clients ------------------------------------------------------------ */

static void note(struct load *l, const struct client *c, const struct wish *w,
                 unsigned n, const struct answer *a)
{
	pthread_mutex_lock(&l->mutex);
	fprintf(l->history, "%llu %s %u %u %s",
	        (unsigned long long)(now_ms() - l->start_ms), w->key, c->number,
	        n, a->result);
	if (a->digest)
		fprintf(l->history, " %lu %016llx", a->execution,
		        (unsigned long long)a->digest);
	fputc('\n', l->history);
	pthread_mutex_unlock(&l->mutex);
}

static void pursue(struct client *c, const struct wish *w)
{
	struct load *l = c->pair->load;
	unsigned long *end = &l->unanswered;

	for (unsigned n = 0; now_ms() < l->end_ms + PATIENCE_S * 1000; n++) {
		struct answer a = attempt(c, w);

		note(l, c, w, n, &a);
		if (strcmp(a.result, "answer") == 0)
			end = &l->answers;
		else if (strcmp(a.result, "unknown") == 0)
			end = &l->unknowns;
		else if (strcmp(a.result, "strange") != 0) {
			sleep_ms(20 + mix(&c->random) % 200);
			continue;
		}
		break;
	}
	pthread_mutex_lock(&l->mutex);
	++*end;
	pthread_mutex_unlock(&l->mutex);
}

static struct wish wish_of(const struct pair *pair, unsigned n)
{
	uint64_t random = pair->load->seed * 1000003 + pair->number * 65537 + n;
	struct wish w = {.delay_ms = (unsigned)(mix(&random) % 200),
	                 .chunked = mix(&random) % 4 == 0};

	snprintf(w.key, sizeof(w.key), "s%llu-p%u-%u",
	         (unsigned long long)pair->load->seed, pair->number, n);
	return w;
}

static void *run(void *cookie)
{
	struct client *c = cookie;
	struct pair *pair = c->pair;
	struct load *l = pair->load;

	for (unsigned n = 0;; n++) {
		const struct wish w = wish_of(pair, n);

		if (c->number == 0)
			pair->over = now_ms() >= l->end_ms;
		pthread_barrier_wait(&pair->barrier);
		if (pair->over)
			return NULL;
		if (c->number == 1)
			sleep_ms(mix(&c->random) % 100);
		pursue(c, &w);
		pthread_barrier_wait(&pair->barrier);
		if (c->number == 0) {
			pthread_mutex_lock(&l->mutex);
			l->keys++;
			pthread_mutex_unlock(&l->mutex);
		}
	}
}

static bool play(struct load *l, unsigned n_pairs)
{
	static struct pair pairs[PAIRS_MAX];
	static pthread_t threads[2 * PAIRS_MAX];
	struct client *clients = calloc(2 * n_pairs, sizeof(*clients));

	if (!clients)
		return false;
	for (unsigned i = 0; i < n_pairs; i++) {
		pairs[i] = (struct pair){.load = l, .number = i};
		pthread_barrier_init(&pairs[i].barrier, NULL, 2);
	}
	for (unsigned i = 0; i < 2 * n_pairs; i++) {
		clients[i].pair = &pairs[i / 2];
		clients[i].number = i % 2;
		clients[i].random = l->seed + i;
		if (pthread_create(&threads[i], NULL, run, &clients[i]) != 0)
			abort();
	}
	for (unsigned i = 0; i < 2 * n_pairs; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < n_pairs; i++)
		pthread_barrier_destroy(&pairs[i].barrier);
	free(clients);
	return true;
}

int main(int argc, char **argv)
{
	static struct load l = {.mutex = PTHREAD_MUTEX_INITIALIZER};
	unsigned long pairs;

	if (argc != 6) {
		fprintf(stderr,
		        "usage: load SOCKET SEED SECONDS PAIRS HISTORY\n");
		return 2;
	}
	l.socket = argv[1];
	l.seed = strtoull(argv[2], NULL, 10);
	l.start_ms = now_ms();
	l.end_ms = l.start_ms + strtoull(argv[3], NULL, 10) * 1000;
	pairs = strtoul(argv[4], NULL, 10);
	l.history = fopen(argv[5], "w");
	if (!l.history || pairs < 1 || pairs > PAIRS_MAX ||
	    !play(&l, (unsigned)pairs)) {
		perror("load");
		return 2;
	}
	fclose(l.history);
	printf("%lu keys, %lu answers, %lu unknown, %lu unanswered\n", l.keys,
	       l.answers, l.unknowns, l.unanswered);
	return l.unanswered > 0;
}
