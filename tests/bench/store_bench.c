/* tests/bench/store_bench.c: what the store costs a request: a claim and a
 * settle for a first one, a claim that finds a stored record for a replay.
 *
 *     store_bench [-n stored keys] [-b requests at once] [-r requests]
 *                 [-s response bytes] [-d none|commit] [-p directory]
 *
 * Prints microseconds of CPU (all threads) and of wall time per request, and
 * the memory that the stored keys added. The directory is left behind when it
 * is named. */
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "agent/store/store.h"

enum {
	AT_ONCE_MAX = 1024,
	TURNS_BETWEEN = 4, /* a claim and its settle */
	TTL_MS = 24 * 3600 * 1000,
	LOCK_MS = 60 * 1000,
};

static const char key_text[] = "8e03978e-40d5-43dd-bc93-6894a57f9324";

struct bench;

struct request {
	struct store_call call;
	struct bench *bench;
};

struct bench {
	unsigned long keys;
	unsigned long n_requests;
	unsigned long at_once;
	size_t response_size;
	const char *path;
	enum store_durability durability;

	struct ev_loop *loop;
	struct store *store;
	struct store_client *client;
	struct request requests[(TURNS_BETWEEN + 1) * AT_ONCE_MAX];
	unsigned long outstanding;
	unsigned long results[RECORD_ABSENT + 1];
	unsigned long failures;
	struct spoe_span response;
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static double microseconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Record keys are hashes: scatter the numbers as one would. */
static void set_key(uint8_t *key, uint64_t n)
{
	for (size_t i = 0; i < RECORD_KEY_SIZE / sizeof(n); i++) {
		uint64_t z = n * 4 + i + 0x9e3779b97f4a7c15u;

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
		z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
		z ^= z >> 31;
		memcpy(key + i * sizeof(z), &z, sizeof(z));
	}
}

static void on_done(struct store_call *call, const struct record_answer *answer)
{
	struct bench *b = ((struct request *)call)->bench;

	if (answer->health != REASON_NONE)
		b->failures++;
	else
		b->results[answer->result]++;
	if (--b->outstanding == 0)
		ev_break(b->loop, EVBREAK_ONE);
}

static void submit(struct bench *b, struct request *r)
{
	r->bench = b;
	r->call.done = on_done;
	r->call.op.now_ms = now_ms();
	b->outstanding++;
	store_submit(b->client, &r->call);
}

static void claim(struct bench *b, struct request *r, uint64_t n)
{
	struct record_op *op = &r->call.op;

	op->type = RECORD_OP_CLAIM;
	set_key(op->record_key, n);
	op->record = (struct record){
	    .state = RECORD_LOCKED,
	    .created_ms = now_ms(),
	    .expires_ms = now_ms() + LOCK_MS,
	    .key = spoe_span_of(key_text),
	};
	memcpy(op->record.owner, &n, sizeof(n));
	submit(b, r);
}

static void settle(struct bench *b, struct request *r)
{
	struct record_op *op = &r->call.op;

	op->type = RECORD_OP_SETTLE;
	op->record.state = RECORD_STORED;
	op->record.settled_ms = now_ms();
	op->record.expires_ms = now_ms() + TTL_MS;
	op->record.forget_ms = op->record.expires_ms;
	op->record.response = b->response;
	submit(b, r);
}

/* First requests from..to. As under load, each turn claims some, and settles
 * those that were claimed a few turns ago. */
static void execute(struct bench *b, uint64_t from, uint64_t to)
{
	const uint64_t lag = TURNS_BETWEEN * b->at_once;
	const uint64_t ring = lag + b->at_once;

	for (uint64_t at = from; at < to + lag; at += b->at_once) {
		for (uint64_t n = at; n < at + b->at_once; n++) {
			if (n >= from + lag && n < to + lag)
				settle(b, &b->requests[(n - lag) % ring]);
			if (n < to)
				claim(b, &b->requests[n % ring], n);
		}
		ev_run(b->loop, 0);
	}
}

static void replay(struct bench *b, uint64_t n_requests)
{
	uint64_t random = 1;

	for (uint64_t done = 0; done < n_requests; done += b->at_once) {
		for (unsigned long i = 0; i < b->at_once; i++) {
			random = random * 6364136223846793005u + 1;
			claim(b, &b->requests[i], (random >> 33) % b->keys);
		}
		ev_run(b->loop, 0);
	}
}

static unsigned long anonymous_kb(void)
{
	unsigned long kb = 0;
	char line[128];
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "RssAnon: %lu", &kb) == 1)
			break;
	}
	if (f)
		fclose(f);
	return kb;
}

static void report(const char *what, double n, double cpu, double wall)
{
	printf("%-9s %8.2f us CPU %8.2f us wall each\n", what,
	       (microseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) / n,
	       (microseconds(CLOCK_MONOTONIC) - wall) / n);
}

static void measure(struct bench *b)
{
	const unsigned long at_once = b->at_once;
	const unsigned long before = anonymous_kb();
	struct store_stats stats;
	double cpu, wall;

	b->at_once = 256;
	execute(b, 0, b->keys);
	b->at_once = at_once;
	store_stats(b->store, &stats);
	printf("%lu keys of %zu bytes stored: file %.1f MiB, anonymous memory "
	       "+%lu KiB\n%lu at once, durability %s:\n",
	       b->keys, b->response.size, (double)stats.bytes_size / 1048576,
	       anonymous_kb() - before, at_once,
	       b->durability == STORE_DURABILITY_NONE ? "none" : "commit");
	cpu = microseconds(CLOCK_PROCESS_CPUTIME_ID);
	wall = microseconds(CLOCK_MONOTONIC);
	execute(b, b->keys, b->keys + b->n_requests);
	report("execute", (double)b->n_requests, cpu, wall);
	cpu = microseconds(CLOCK_PROCESS_CPUTIME_ID);
	wall = microseconds(CLOCK_MONOTONIC);
	replay(b, b->n_requests);
	report("replay", (double)b->n_requests, cpu, wall);
	store_stats(b->store, &stats);
	printf("%.1f operations a commit; granted %lu settled %lu found %lu "
	       "lost %lu failed %lu\n",
	       (double)stats.commit_ops / (double)(stats.commits + 1),
	       b->results[RECORD_GRANTED], b->results[RECORD_SETTLED],
	       b->results[RECORD_FOUND], b->results[RECORD_LOST], b->failures);
}

static bool make_response(struct bench *b, struct spoe_writer *w)
{
	uint8_t *body = calloc(1, b->response_size + 1);
	struct record_response response = {
	    .status = 201,
	    .body = spoe_span(body, b->response_size),
	};
	bool made = body && record_encode_response(w, &response);

	free(body);
	b->response = spoe_span(w->data, w->size);
	return made;
}

static int run(struct bench *b)
{
	const struct store_options options = {
	    .driver = "lmdb",
	    .path = b->path,
	    .durability = b->durability,
	    .max_size = (uint64_t)16 << 30,
	    .now_ms = now_ms,
	};
	char text[256];

	b->loop = ev_loop_new(EVFLAG_AUTO);
	if (store_open(&b->store, &options, text, sizeof(text)) != 0) {
		fprintf(stderr, "%s\n", text);
		return 1;
	}
	b->client = store_attach(b->store, b->loop);
	measure(b);
	store_detach(b->client);
	store_close(b->store);
	ev_loop_destroy(b->loop);
	return b->failures > 0;
}

static void parse(struct bench *b, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "n:b:r:s:d:p:")) != -1) {
		if (option == 'n')
			b->keys = strtoul(optarg, NULL, 10);
		else if (option == 'b')
			b->at_once = strtoul(optarg, NULL, 10);
		else if (option == 'r')
			b->n_requests = strtoul(optarg, NULL, 10);
		else if (option == 's')
			b->response_size = strtoul(optarg, NULL, 10);
		else if (option == 'd' && strcmp(optarg, "commit") == 0)
			b->durability = STORE_DURABILITY_COMMIT;
		else if (option == 'p')
			b->path = optarg;
		else if (option == '?')
			exit(2);
	}
	if (b->at_once < 1 || b->at_once > AT_ONCE_MAX || b->keys < 1) {
		fprintf(stderr, "-b takes 1 to %d, -n at least 1\n",
		        AT_ONCE_MAX);
		exit(2);
	}
}

static void remove_store(const char *path)
{
	static const char *const files[] = {"data.mdb", "lock.mdb", "index"};
	char name[128];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(name, sizeof(name), "%s/%s", path, files[i]);
		unlink(name);
	}
	rmdir(path);
}

int main(int argc, char **argv)
{
	static struct bench b = {
	    .keys = 200000,
	    .n_requests = 20000,
	    .at_once = 8,
	    .response_size = 500,
	    .durability = STORE_DURABILITY_NONE,
	};
	char temporary[] = "/var/tmp/store-bench-XXXXXX";
	uint8_t *buffer;
	struct spoe_writer w;
	int rc = 1;

	parse(&b, argc, argv);
	if (!b.path && !(b.path = mkdtemp(temporary)))
		return 1;
	buffer = malloc(b.response_size + 64);
	w = spoe_writer(buffer, b.response_size + 64);
	if (buffer && make_response(&b, &w))
		rc = run(&b);
	free(buffer);
	if (b.path == temporary)
		remove_store(temporary);
	return rc;
}
