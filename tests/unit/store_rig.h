/* tests/unit/store_rig.h: a store with a loop and a client, and calls that
 * write down how they were answered.
 *
 * Nothing waits for a time to pass: rig_until() turns the loop until a
 * condition holds, and fails the test after RIG_LIMIT_S. */
#ifndef TESTS_STORE_RIG_H
#define TESTS_STORE_RIG_H

#include <dirent.h>
#include <ev.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/store/store.h"

static const double RIG_LIMIT_S = 30.;

/* The tests' time; the store sees it through options.now_ms. */
static const uint64_t RIG_NOW = 1700000000000;
enum { RIG_LOCK_MS = 60 * 1000, RIG_KEEP_MS = 24 * 3600 * 1000 };

static atomic_uint_fast64_t rig_clock = 1700000000000;

static inline uint64_t rig_now_ms(void)
{
	return rig_clock;
}

struct rig {
	char directory[128]; /* removed at the end */
	char path[144];
	struct store_options options;
	struct ev_loop *loop;
	struct store *store;
	struct store_client *client;
	bool runs_on; /* answers do not break the loop */
	/* Of a store that has a clock of its own: makes `now_ms` its time.
	 * NULL: the store goes by the operations' now_ms. */
	void (*pass)(struct rig *rig, uint64_t now_ms);
	bool forgets;         /* for such a store time never goes back */
	uint64_t shortest_ms; /* that a record of it can be told to live */
};

/* --- the store ---------------------------------------------------------- */

/* A fresh directory, and options for a store in it that is not there yet. In
 * memory if possible: hundreds of commits to a busy disk would take minutes. */
static inline void rig_init(struct rig *rig)
{
	const char *parent = getenv("TMPDIR");

	if (!parent)
		parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	*rig = (struct rig){.store = NULL};
	snprintf(rig->directory, sizeof(rig->directory), "%s/store-test-XXXXXX",
	         parent);
	assert_non_null(mkdtemp(rig->directory));
	snprintf(rig->path, sizeof(rig->path), "%s/store", rig->directory);
	rig->options = (struct store_options){
	    .driver = "lmdb",
	    .path = rig->path,
	    .durability = STORE_DURABILITY_NONE,
	    .max_size = 64 << 20,
	    .now_ms = rig_now_ms,
	};
	rig_clock = RIG_NOW;
}

static inline void rig_open(struct rig *rig)
{
	char text[256] = "";

	rig->loop = ev_loop_new(EVFLAG_AUTO);
	assert_non_null(rig->loop);
	if (store_open(&rig->store, &rig->options, text, sizeof(text)) != 0)
		fail_msg("%s", text);
	rig->client = store_attach(rig->store, rig->loop);
	assert_non_null(rig->client);
}

static inline bool rig_see_none(void *cookie, const uint8_t *record_key,
                                const struct record *record)
{
	(void)cookie;
	(void)record_key;
	(void)record;
	return false;
}

/* A visitor: counts in *cookie, and every record must be readable. */
static inline bool rig_count_whole(void *cookie, const uint8_t *record_key,
                                   const struct record *record)
{
	uint64_t *n = cookie;

	(void)record_key;
	assert_int_not_equal(record->state, RECORD_NONE);
	(*n)++;
	return true;
}

/* Nothing is held back from the store's files any more, nor its lock from other
 * processes: as when the loop runs on for a moment. */
static inline void rig_show(struct rig *rig)
{
	char text[256];

	assert_int_equal(store_scan(rig->store, NULL, rig_see_none, NULL, text,
	                            sizeof(text)),
	                 0);
}

static inline void rig_close(struct rig *rig)
{
	store_detach(rig->client);
	store_close(rig->store);
	if (rig->loop)
		ev_loop_destroy(rig->loop);
	rig->client = NULL;
	rig->store = NULL;
	rig->loop = NULL;
}

static inline void rig_remove(const char *directory)
{
	char name[512];
	const struct dirent *entry;
	DIR *dir = opendir(directory);

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		snprintf(name, sizeof(name), "%s/%s", directory, entry->d_name);
		unlink(name);
	}
	closedir(dir);
	rmdir(directory);
}

static inline void rig_fini(struct rig *rig)
{
	rig_close(rig);
	rig_remove(rig->path);
	rig_remove(rig->directory);
}

/* --- the loop ----------------------------------------------------------- */

static inline void rig_on_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
}

/* One turn that sleeps a few milliseconds at most. */
static inline void rig_turn(struct ev_loop *loop)
{
	ev_timer tick;

	ev_timer_init(&tick, rig_on_tick, .005, 0.);
	ev_timer_start(loop, &tick);
	ev_run(loop, EVRUN_ONCE);
	ev_timer_stop(loop, &tick);
}

#define rig_until(rig, condition)                                           \
	do {                                                                \
		const ev_tstamp rig_end = ev_time() + RIG_LIMIT_S;          \
		while (!(condition)) {                                      \
			if (ev_time() > rig_end)                            \
				fail_msg("waited in vain for " #condition); \
			rig_turn((rig)->loop);                              \
		}                                                           \
	} while (0)

static inline void rig_on_limit(struct ev_loop *loop, ev_timer *w, int revents)
{
	bool *late = w->data;

	(void)revents;
	*late = true;
	ev_break(loop, EVBREAK_ONE);
}

/* Runs the loop until a `then` breaks it; it may sleep as long as it likes,
 * so what it must not sleep on shows. */
static inline void rig_run(struct rig *rig)
{
	bool late = false;
	ev_timer limit;

	ev_timer_init(&limit, rig_on_limit, RIG_LIMIT_S, 0.);
	limit.data = &late;
	ev_timer_start(rig->loop, &limit);
	rig->runs_on = true;
	ev_run(rig->loop, 0);
	rig->runs_on = false;
	ev_timer_stop(rig->loop, &limit);
	if (late)
		fail_msg("the loop fell asleep");
}

/* --- calls -------------------------------------------------------------- */

struct rig_call {
	struct store_call call;
	unsigned answers;
	enum reason health;
	enum record_result result;
	struct record found; /* `key` and `response` point into `bytes` */
	uint8_t *bytes;
	void (*then)(struct rig_call *c); /* called last, if set */
	struct rig *rig;
	void *cookie;
};

static inline void rig_call_fini(struct rig_call *c)
{
	free(c->bytes);
	c->bytes = NULL;
}

static inline void rig_keep_found(struct rig_call *c,
                                  const struct record *found)
{
	struct spoe_writer w;

	free(c->bytes);
	w = spoe_writer(malloc(found->key.size + found->response.size + 1),
	                found->key.size + found->response.size);
	c->bytes = w.data;
	c->found = *found;
	spoe_writer_bytes(&w, found->key);
	spoe_writer_bytes(&w, found->response);
	c->found.key.data = c->bytes;
	c->found.response.data = c->bytes + found->key.size;
}

static inline void rig_on_done(struct store_call *call,
                               const struct record_answer *answer)
{
	struct rig_call *c = (struct rig_call *)call;

	c->answers++;
	c->health = answer->health;
	c->result = answer->result;
	if (answer->health == REASON_NONE && answer->result == RECORD_FOUND)
		rig_keep_found(c, answer->found);
	/* An answer may come just before the loop would sleep. */
	if (!c->rig->runs_on)
		ev_break(c->rig->loop, EVBREAK_ONE);
	if (c->then)
		c->then(c);
}

/* Record keys are hashes: scatter the numbers as one would. */
static inline void rig_key(uint8_t *key, uint64_t n)
{
	for (size_t i = 0; i < RECORD_KEY_SIZE / sizeof(n); i++) {
		uint64_t z = n * 4 + i + 0x9e3779b97f4a7c15u;

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
		z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
		z ^= z >> 31;
		memcpy(key + i * sizeof(z), &z, sizeof(z));
	}
}

static inline void rig_owner(uint8_t *ret_owner, uint64_t owner)
{
	memset(ret_owner, 0xa5, RECORD_OWNER_SIZE);
	memcpy(ret_owner, &owner, sizeof(owner));
}

static inline struct record_op rig_peek_op(uint64_t n, uint64_t now_ms)
{
	struct record_op op = {.type = RECORD_OP_PEEK, .now_ms = now_ms};

	rig_key(op.record_key, n);
	return op;
}

static inline struct record_op rig_claim_op(uint64_t n, uint64_t owner,
                                            uint64_t now_ms)
{
	struct record_op op = {
	    .type = RECORD_OP_CLAIM,
	    .now_ms = now_ms,
	    .record =
		{
		    .state = RECORD_LOCKED,
		    .flags = RECORD_BODY_PARTIAL,
		    .policy_id = 4711,
		    .created_ms = now_ms,
		    .deadline_ms = now_ms + RIG_LOCK_MS / 2,
		    .expires_ms = now_ms + RIG_LOCK_MS,
		    .key = spoe_span("8e03978e-40d5-43dd-bc93", 23),
		},
	};

	rig_key(op.record_key, n);
	rig_owner(op.record.owner, owner);
	memset(op.record.fingerprint, (int)n, RECORD_FINGERPRINT_SIZE);
	return op;
}

static inline struct record_op rig_settle_op(uint64_t n, uint64_t owner,
                                             uint64_t now_ms,
                                             enum record_state state,
                                             struct spoe_span response)
{
	struct record_op op = {
	    .type = RECORD_OP_SETTLE,
	    .now_ms = now_ms,
	    .record =
		{
		    .state = state,
		    .expires_ms = now_ms + RIG_KEEP_MS,
		    .settled_ms = now_ms,
		    .forget_ms = now_ms + RIG_KEEP_MS,
		    .response = response,
		},
	};

	rig_key(op.record_key, n);
	rig_owner(op.record.owner, owner);
	return op;
}

/* Pending becomes stored, with the response it has. */
static inline struct record_op rig_confirm_op(uint64_t n, uint64_t owner,
                                              uint64_t now_ms)
{
	struct record_op op =
	    rig_settle_op(n, owner, now_ms, RECORD_STORED, spoe_span(NULL, 0));

	op.from = RECORD_PENDING;
	op.keep_response = true;
	return op;
}

/* It is `now_ms` from now on, if it was not later before. */
static inline void rig_pass(struct rig *rig, uint64_t now_ms)
{
	if (rig->pass)
		rig->pass(rig, now_ms);
}

static inline void rig_submit(struct rig *rig, struct rig_call *c,
                              struct record_op op)
{
	c->rig = rig;
	c->call.op = op;
	c->call.done = rig_on_done;
	rig_pass(rig, op.now_ms);
	store_submit(rig->client, &c->call);
}

/* Submits, waits, and gives what was answered; `found` of the last FOUND can
 * be read until rig_call_fini(). */
static inline struct rig_call rig_do(struct rig *rig, struct record_op op)
{
	struct rig_call *c = calloc(1, sizeof(*c));
	struct rig_call copy;

	assert_non_null(c);
	rig_submit(rig, c, op);
	assert_int_equal(c->answers, 0);
	rig_until(rig, c->answers > 0);
	assert_int_equal(c->answers, 1);
	copy = *c;
	free(c);
	return copy;
}

/* The result of an operation that the store is expected to be fit for. */
static inline enum record_result rig_result(struct rig *rig,
                                            struct record_op op)
{
	struct rig_call c = rig_do(rig, op);

	rig_call_fini(&c);
	assert_int_equal(c.health, REASON_NONE);
	return c.result;
}

static inline enum reason rig_health(struct rig *rig, struct record_op op)
{
	struct rig_call c = rig_do(rig, op);

	rig_call_fini(&c);
	return c.health;
}

static inline enum record_result rig_claim(struct rig *rig, uint64_t n,
                                           uint64_t owner)
{
	return rig_result(rig, rig_claim_op(n, owner, RIG_NOW));
}

static inline enum record_result rig_settle(struct rig *rig, uint64_t n,
                                            uint64_t owner,
                                            enum record_state state,
                                            struct spoe_span response)
{
	return rig_result(rig,
	                  rig_settle_op(n, owner, RIG_NOW, state, response));
}

/* An encoded response with a body of `size` bytes, many of them NUL; the
 * caller frees .data. */
static inline struct spoe_span rig_response(size_t size, unsigned seed)
{
	const struct spoe_span headers = spoe_span("\x0c"
	                                           "content-type"
	                                           "\x01"
	                                           "x"
	                                           "\0\0",
	                                           17);
	uint8_t *body = malloc(size + 1);
	uint8_t *bytes = malloc(size + 64);
	struct spoe_writer w = spoe_writer(bytes, size + 64);

	assert_non_null(body);
	assert_non_null(bytes);
	for (size_t i = 0; i < size; i++) {
		seed = seed * 1103515245 + 12345;
		body[i] = (seed >> 16) % 3 ? (uint8_t)(seed >> 20) : 0;
	}
	assert_true(
	    record_encode_response(&w, &(struct record_response){
					   .status = 201,
					   .headers = headers,
					   .body = spoe_span(body, size),
				       }));
	free(body);
	return spoe_span(bytes, w.size);
}

static inline void rig_response_free(struct spoe_span response)
{
	union {
		const uint8_t *data;
		void *memory;
	} pointer = {.data = response.data};

	free(pointer.memory);
}

static const struct spoe_span RIG_NO_RESPONSE = {.data = NULL, .size = 0};

#endif
