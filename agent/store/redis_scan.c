#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/store/redis_store.h"

/* Keys of one SCAN, and records of one pipeline. */
enum { BATCH = 500 };

struct key {
	uint8_t bytes[RECORD_KEY_SIZE];
	struct redis_node *node; /* which has it */
	char *record;            /* its bytes, until it was shown */
	size_t size;
};

/* A scan reads all keys first, in the order servers give them, sorts them, and
 * then reads the records. */
struct scan {
	struct redis_store *store;
	struct ev_loop *loop;
	struct redis_topology *topology;
	struct key *keys;
	size_t n;
	size_t capacity;
	char cursor[32];
	store_visit *visit;
	void *cookie;
	bool stopped; /* by the visitor */
	bool failed;
	size_t waiting; /* for replies */
	char why[REDIS_INFO_WARNING_SIZE];
};

/* A command of it in flight. */
struct step {
	struct redis_request request; /* first */
	struct scan *scan;
	struct key *key;
};

static void fail(struct scan *scan, const char *why)
{
	if (!scan->failed)
		snprintf(scan->why, sizeof(scan->why), "%s", why);
	scan->failed = true;
}

static void on_ready(void *cookie, struct redis_node *node)
{
	struct scan *scan = cookie;

	(void)node;
	ev_break(scan->loop, EVBREAK_ALL);
}

static void on_down(void *cookie, struct redis_node *node, const char *why)
{
	struct scan *scan = cookie;

	(void)node;
	fail(scan, why);
	ev_break(scan->loop, EVBREAK_ALL);
}

static const struct redis_node_handler handler = {
    .ready = on_ready,
    .down = on_down,
};

/* Turns the loop until nothing is in flight any more. */
static void wait_for_replies(struct scan *scan)
{
	while (scan->waiting > 0 && !scan->failed)
		ev_run(scan->loop, EVRUN_ONCE);
}

static void end_step(struct step *step)
{
	step->scan->waiting--;
	free(step);
}

static void ask(struct scan *scan, struct redis_node *node, struct key *key,
                const struct redis_command *command,
                void (*done)(struct redis_request *request,
                             const struct redisReply *reply))
{
	struct step *step = calloc(1, sizeof(*step));

	if (step) {
		step->request.done = done;
		step->scan = scan;
		step->key = key;
		scan->waiting++;
	}
	if (step && redis_node_send(node, &step->request, command))
		return;
	if (step)
		end_step(step);
	fail(scan, step ? redis_node_failure(node) : "out of memory");
}

/* --- keys --------------------------------------------------------------- */

static bool add_key(struct scan *scan, struct redis_node *node,
                    const struct redisReply *text)
{
	struct key *key;

	if (scan->n == scan->capacity) {
		size_t capacity = scan->capacity ? 2 * scan->capacity : BATCH;
		struct key *keys =
		    realloc(scan->keys, capacity * sizeof(*keys));

		if (!keys)
			return false;
		scan->keys = keys;
		scan->capacity = capacity;
	}
	key = &scan->keys[scan->n];
	key->node = node;
	key->record = NULL;
	if (redis_command_record_key(&scan->store->dialect,
	                             spoe_span(text->str, (size_t)text->len),
	                             key->bytes))
		scan->n++;
	return true;
}

static void on_keys(struct redis_request *request,
                    const struct redisReply *reply)
{
	struct step *step = (struct step *)request;
	struct scan *scan = step->scan;
	struct redis_node *node = step->key->node;

	end_step(step);
	if (!reply || reply->type != REDIS_REPLY_ARRAY ||
	    reply->elements != 2 ||
	    reply->element[0]->type != REDIS_REPLY_STRING ||
	    reply->element[1]->type != REDIS_REPLY_ARRAY) {
		fail(scan, reply && reply->type == REDIS_REPLY_ERROR
		               ? reply->str
		               : "SCAN was not answered");
		return;
	}
	snprintf(scan->cursor, sizeof(scan->cursor), "%s",
	         reply->element[0]->str);
	for (size_t i = 0; i < reply->element[1]->elements; i++) {
		const struct redisReply *key = reply->element[1]->element[i];

		if (key->type == REDIS_REPLY_STRING &&
		    !add_key(scan, node, key))
			fail(scan, "out of memory");
	}
}

static void read_keys(struct scan *scan, struct redis_node *node)
{
	struct key of_node = {.node = node};
	char pattern[REDIS_PREFIX_MAX + 16];
	struct redis_command command;

	snprintf(pattern, sizeof(pattern), "%s:{v1:*",
	         scan->store->dialect.prefix);
	snprintf(scan->cursor, sizeof(scan->cursor), "0");
	do {
		command.n = 0;
		redis_command_add_text(&command, "SCAN");
		redis_command_add_text(&command, scan->cursor);
		redis_command_add_text(&command, "MATCH");
		redis_command_add_text(&command, pattern);
		redis_command_add_text(&command, "COUNT");
		redis_command_add_text(&command, "500");
		ask(scan, node, &of_node, &command, on_keys);
		wait_for_replies(scan);
	} while (!scan->failed && strcmp(scan->cursor, "0") != 0);
}

static int compare(const void *a, const void *b)
{
	const struct key *key_a = a;
	const struct key *key_b = b;

	return memcmp(key_a->bytes, key_b->bytes, RECORD_KEY_SIZE);
}

/* Sorts them; SCAN may give one more than once. */
static void sort_keys(struct scan *scan)
{
	size_t n = 0;

	if (scan->n == 0)
		return;
	qsort(scan->keys, scan->n, sizeof(scan->keys[0]), compare);
	for (size_t i = 1; i < scan->n; i++)
		if (compare(&scan->keys[n], &scan->keys[i]) != 0)
			scan->keys[++n] = scan->keys[i];
	scan->n = n + 1;
}

/* --- records ------------------------------------------------------------ */

static void on_record(struct redis_request *request,
                      const struct redisReply *reply)
{
	struct step *step = (struct step *)request;
	struct scan *scan = step->scan;
	struct key *key = step->key;

	end_step(step);
	if (!reply || reply->type == REDIS_REPLY_ERROR) {
		fail(scan, reply ? reply->str : "GET was not answered");
		return;
	}
	if (reply->type != REDIS_REPLY_STRING)
		return; /* expired since */
	key->size = (size_t)reply->len;
	key->record = malloc(key->size + 1);
	if (key->record)
		memcpy(key->record, reply->str, key->size);
	else
		fail(scan, "out of memory");
}

/* Shows the record that was read, and forgets it. */
static void show(struct scan *scan, struct key *key)
{
	static const struct record unreadable = {.state = RECORD_NONE};
	const struct record_op op = {.type = RECORD_OP_PEEK};
	const struct redisReply reply = {
	    .type = REDIS_REPLY_STRING,
	    .str = key->record,
	    .len = key->size,
	};
	struct record_answer answer;
	struct record found;

	if (key->record && !scan->stopped && !scan->failed) {
		redis_command_answer(&op, &reply, &found, &answer);
		scan->stopped = !scan->visit(
		    scan->cookie, key->bytes,
		    answer.health == REASON_NONE ? &found : &unreadable);
	}
	free(key->record);
	key->record = NULL;
}

static void read_records(struct scan *scan, const uint8_t *after)
{
	struct redis_command command;
	struct record_op op = {.type = RECORD_OP_PEEK};
	size_t i = 0;

	while (after && i < scan->n &&
	       memcmp(scan->keys[i].bytes, after, RECORD_KEY_SIZE) <= 0)
		i++;
	while (i < scan->n && !scan->stopped && !scan->failed) {
		const size_t first = i;

		for (size_t n = 0; n < BATCH && i < scan->n; n++, i++) {
			struct key *key = &scan->keys[i];

			memcpy(op.record_key, key->bytes, RECORD_KEY_SIZE);
			redis_command_op(&command, &scan->store->dialect, &op,
			                 0);
			ask(scan, key->node, key, &command, on_record);
		}
		wait_for_replies(scan);
		/* Nodes answer when they like; this is the order. */
		for (size_t shown = first; shown < i; shown++)
			show(scan, &scan->keys[shown]);
	}
}

/* --- all of it ---------------------------------------------------------- */

static void scan_all(struct scan *scan, const uint8_t *after)
{
	const struct redis_topology_driver *driver = scan->topology->driver;
	struct redis_node *node;

	while (!scan->failed && !redis_topology_ready(scan->topology))
		ev_run(scan->loop, 0);
	for (size_t i = 0;
	     !scan->failed && (node = driver->node(scan->topology, i)); i++)
		read_keys(scan, node);
	if (scan->failed)
		return;
	sort_keys(scan);
	read_records(scan, after);
}

int redis_scan(struct store *base, const uint8_t *after, store_visit *visit,
               void *cookie, char *reterr_text, size_t reterr_size)
{
	struct redis_store *store = (struct redis_store *)base;
	struct scan scan = {
	    .store = store,
	    .loop = ev_loop_new(EVFLAG_AUTO),
	    .visit = visit,
	    .cookie = cookie,
	};
	const struct redis_topology_setup setup = {
	    .loop = scan.loop,
	    .redis = store->redis,
	    .handler = &handler,
	    .cookie = &scan,
	};

	if (scan.loop)
		scan.topology = store->topology->new (&setup);
	if (scan.topology) {
		scan_all(&scan, after);
		/* What is in flight still counts itself off. */
		store->topology->free(scan.topology);
	} else {
		fail(&scan, "out of memory");
	}
	if (scan.loop)
		ev_loop_destroy(scan.loop);
	free(scan.keys);
	if (!scan.failed)
		return 0;
	snprintf(reterr_text, reterr_size, "store: cannot be read: %s",
	         scan.why);
	return -1;
}
