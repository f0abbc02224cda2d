/* Who waits is woken: once, on its own loop, by a settle of its key alone, and
 * never too late. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ev.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "agent/waiters.h"

static const struct waiters_limits plenty = {.all = 1000, .per_key = 1000};

struct rig {
	struct ev_loop *loop;
	struct waiters *waiters;
	struct waiters_client *client;
};

/* One that waits, and how often it was woken. */
struct one {
	struct waiter waiter;
	unsigned woken;
};

static void on_woken(struct waiter *waiter)
{
	((struct one *)(void *)waiter)->woken++;
}

static struct one one_new(void)
{
	return (struct one){.waiter = {.woken = on_woken}};
}

static int set_up(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	*state = r;
	if (!r)
		return -1;
	r->loop = ev_loop_new(EVFLAG_AUTO);
	r->waiters = waiters_new();
	if (!r->loop || !r->waiters)
		return -1;
	r->client = waiters_attach(r->waiters, r->loop);
	return r->client ? 0 : -1;
}

static int tear_down(void **state)
{
	struct rig *r = *state;

	waiters_detach(r->client);
	waiters_free(r->waiters);
	ev_loop_destroy(r->loop);
	free(r);
	return 0;
}

/* Keys 0 and 256 * 4 share a bucket, whatever its number of buckets is up to
 * 1024: the last bytes alone tell them apart. */
static const uint8_t *key(unsigned number)
{
	static _Thread_local uint8_t bytes[RECORD_KEY_SIZE];

	memset(bytes, 0, sizeof(bytes));
	bytes[0] = (uint8_t)number;
	bytes[RECORD_KEY_SIZE - 1] = (uint8_t)(number >> 8);
	return bytes;
}

static void settle_as(struct waiters *w, unsigned number,
                      enum record_op_type type, enum record_state state,
                      enum record_result result, enum reason health)
{
	struct record_op op = {.type = type, .record = {.state = state}};
	const struct record_answer answer = {.health = health,
	                                     .result = result};

	memcpy(op.record_key, key(number), RECORD_KEY_SIZE);
	waiters_heed(w, &op, &answer);
}

static void settle(struct waiters *w, unsigned number)
{
	settle_as(w, number, RECORD_OP_SETTLE, RECORD_STORED, RECORD_SETTLED,
	          REASON_NONE);
}

static enum waiters_result wait_for(struct rig *r, struct one *o,
                                    unsigned number)
{
	return waiters_wait(r->client, &o->waiter, key(number),
	                    waiters_moment(r->waiters, key(number)), &plenty);
}

static void turn(struct rig *r)
{
	ev_run(r->loop, EVRUN_NOWAIT);
}

static void test_a_settle_wakes_all_of_its_key(void **state)
{
	struct rig *r = *state;
	struct one first = one_new(), second = one_new(), other = one_new(),
		   neighbour = one_new();

	assert_int_equal(wait_for(r, &first, 1), WAITERS_WAITING);
	assert_int_equal(wait_for(r, &second, 1), WAITERS_WAITING);
	assert_int_equal(wait_for(r, &other, 2), WAITERS_WAITING);
	assert_int_equal(wait_for(r, &neighbour, 257), WAITERS_WAITING);
	assert_int_equal(waiters_count(r->waiters), 4);
	settle(r->waiters, 1);
	/* From the loop, never from within. */
	assert_int_equal(first.woken, 0);
	turn(r);
	assert_int_equal(first.woken, 1);
	assert_int_equal(second.woken, 1);
	assert_int_equal(other.woken, 0);
	assert_int_equal(neighbour.woken, 0);

	/* Once for each wait; the place stays. */
	settle(r->waiters, 1);
	turn(r);
	assert_int_equal(first.woken, 1);
	assert_int_equal(waiters_count(r->waiters), 4);
	assert_int_equal(wait_for(r, &first, 1), WAITERS_WAITING);
	assert_int_equal(waiters_count(r->waiters), 4);
	settle(r->waiters, 1);
	turn(r);
	assert_int_equal(first.woken, 2);
	waiters_leave(&first.waiter);
	waiters_leave(&second.waiter);
	waiters_leave(&other.waiter);
	waiters_leave(&neighbour.waiter);
	assert_int_equal(waiters_count(r->waiters), 0);
}

/* Only what ended a lock is worth another look. */
static void test_what_wakes(void **state)
{
	static const struct {
		const char *name;
		enum record_op_type type;
		enum record_state state;
		enum record_result result;
		enum reason health;
		bool wakes;
	} rows[] = {
	    {"stored", RECORD_OP_SETTLE, RECORD_STORED, RECORD_SETTLED,
	     REASON_NONE, true},
	    {"sealed", RECORD_OP_SETTLE, RECORD_SEALED, RECORD_SETTLED,
	     REASON_NONE, true},
	    {"released", RECORD_OP_SETTLE, RECORD_NONE, RECORD_SETTLED,
	     REASON_NONE, true},
	    {"pending", RECORD_OP_SETTLE, RECORD_PENDING, RECORD_SETTLED,
	     REASON_NONE, false},
	    {"lost", RECORD_OP_SETTLE, RECORD_STORED, RECORD_LOST, REASON_NONE,
	     false},
	    {"failed", RECORD_OP_SETTLE, RECORD_STORED, RECORD_SETTLED,
	     REASON_STORE_FAILED, false},
	    {"granted", RECORD_OP_CLAIM, RECORD_LOCKED, RECORD_GRANTED,
	     REASON_NONE, false},
	    {"found", RECORD_OP_CLAIM, RECORD_LOCKED, RECORD_FOUND, REASON_NONE,
	     false},
	};
	struct rig *r = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct one o = one_new();
		const uint64_t before = waiters_moment(r->waiters, key(1));

		assert_int_equal(wait_for(r, &o, 1), WAITERS_WAITING);
		settle_as(r->waiters, 1, rows[i].type, rows[i].state,
		          rows[i].result, rows[i].health);
		turn(r);
		if (o.woken != rows[i].wakes ||
		    (waiters_moment(r->waiters, key(1)) != before) !=
		        rows[i].wakes)
			fail_msg("%s", rows[i].name);
		waiters_leave(&o.waiter);
	}
}

/* The settle that came between the look and the wait. */
static void test_no_wake_up_is_lost(void **state)
{
	struct rig *r = *state;
	struct one o = one_new();
	const uint64_t moment = waiters_moment(r->waiters, key(1));

	settle(r->waiters, 1);
	assert_int_equal(
	    waiters_wait(r->client, &o.waiter, key(1), moment, &plenty),
	    WAITERS_SETTLED);
	assert_int_equal(waiters_count(r->waiters), 1);
	turn(r);
	assert_int_equal(o.woken, 0);
	assert_int_equal(wait_for(r, &o, 1), WAITERS_WAITING);
	waiters_leave(&o.waiter);
}

static void test_a_waiter_that_looks_is_not_woken(void **state)
{
	struct rig *r = *state;
	struct one o = one_new();

	/* before the settle, and after it */
	assert_int_equal(wait_for(r, &o, 1), WAITERS_WAITING);
	waiters_look(&o.waiter);
	settle(r->waiters, 1);
	turn(r);
	assert_int_equal(o.woken, 0);
	assert_int_equal(wait_for(r, &o, 1), WAITERS_WAITING);
	settle(r->waiters, 1);
	waiters_look(&o.waiter);
	turn(r);
	assert_int_equal(o.woken, 0);
	assert_int_equal(waiters_count(r->waiters), 1);
	waiters_leave(&o.waiter);
}

static void test_who_left_is_not_woken(void **state)
{
	struct rig *r = *state;
	struct one many[3] = {one_new(), one_new(), one_new()};

	for (size_t left = 0; left < 3; left++) {
		for (size_t i = 0; i < 3; i++)
			assert_int_equal(wait_for(r, &many[i], 1),
			                 WAITERS_WAITING);
		settle(r->waiters, 1);
		waiters_leave(&many[left].waiter);
		waiters_leave(&many[left].waiter);
		many[left].woken = 77;
		turn(r);
		for (size_t i = 0; i < 3; i++) {
			assert_int_equal(many[i].woken, i == left ? 77 : 1);
			waiters_leave(&many[i].waiter);
			many[i].woken = 0;
		}
		assert_int_equal(waiters_count(r->waiters), 0);
	}
	/* never had a place */
	waiters_look(&many[0].waiter);
	waiters_leave(&many[0].waiter);
}

/* Whoever is first ends both. */
static struct one *pair;

static void on_woken_and_leaves(struct waiter *waiter)
{
	on_woken(waiter);
	waiters_leave(&pair[0].waiter);
	waiters_leave(&pair[1].waiter);
}

static void test_a_call_back_may_end_others(void **state)
{
	struct rig *r = *state;
	struct one both[2] = {one_new(), one_new()};

	pair = both;
	for (size_t i = 0; i < 2; i++) {
		both[i].waiter.woken = on_woken_and_leaves;
		assert_int_equal(wait_for(r, &both[i], 1), WAITERS_WAITING);
	}
	settle(r->waiters, 1);
	turn(r);
	assert_int_equal(both[0].woken + both[1].woken, 1);
	assert_int_equal(waiters_count(r->waiters), 0);
}

static void test_places_are_bounded(void **state)
{
	const struct waiters_limits limits = {.all = 3, .per_key = 2};
	struct rig *r = *state;
	struct one many[4] = {one_new(), one_new(), one_new(), one_new()};
	const uint64_t moment = waiters_moment(r->waiters, key(1));

	for (size_t i = 0; i < 3; i++)
		assert_int_equal(waiters_wait(r->client, &many[i].waiter,
		                              key(1), moment, &limits),
		                 i < 2 ? WAITERS_WAITING : WAITERS_FULL);
	assert_int_equal(waiters_wait(r->client, &many[2].waiter, key(2),
	                              waiters_moment(r->waiters, key(2)),
	                              &limits),
	                 WAITERS_WAITING);
	assert_int_equal(waiters_wait(r->client, &many[3].waiter, key(3),
	                              waiters_moment(r->waiters, key(3)),
	                              &limits),
	                 WAITERS_FULL);
	assert_int_equal(waiters_count(r->waiters), 3);
	/* Who looks meanwhile has not lost its place. */
	waiters_look(&many[0].waiter);
	assert_int_equal(
	    waiters_wait(r->client, &many[3].waiter, key(1), moment, &limits),
	    WAITERS_FULL);
	assert_int_equal(
	    waiters_wait(r->client, &many[0].waiter, key(1), moment, &limits),
	    WAITERS_WAITING);
	waiters_leave(&many[0].waiter);
	assert_int_equal(
	    waiters_wait(r->client, &many[3].waiter, key(1), moment, &limits),
	    WAITERS_WAITING);
	for (size_t i = 0; i < 4; i++)
		waiters_leave(&many[i].waiter);
}

/* --- threads: run it under ThreadSanitizer --- */

enum { THREADS = 3, ROUNDS = 5000, CROWD = 8, KEYS = 4 };

/* A loop whose waiters each wait for a change of their key's number. */
struct crowd {
	struct waiters *waiters;
	struct waiters_client *client;
	struct ev_loop *loop;
	struct member {
		struct waiter waiter;
		struct crowd *crowd;
		unsigned key;
		uint64_t moment;
		unsigned seen;
	} members[CROWD];
	unsigned done;
};

/* What the store would know: it changes before the settle is heeded. */
static atomic_uint numbers[KEYS];

static void go_on(struct member *m)
{
	struct crowd *c = m->crowd;
	enum waiters_result result = WAITERS_SETTLED;

	while (result == WAITERS_SETTLED) {
		m->moment = waiters_moment(c->waiters, key(m->key));
		m->seen = atomic_load(&numbers[m->key]);
		if (m->seen == ROUNDS) {
			waiters_leave(&m->waiter);
			if (++c->done == CROWD)
				ev_break(c->loop, EVBREAK_ALL);
			return;
		}
		result = waiters_wait(c->client, &m->waiter, key(m->key),
		                      m->moment, &plenty);
		assert_int_not_equal(result, WAITERS_FULL);
	}
}

static void on_member_woken(struct waiter *waiter)
{
	go_on((struct member *)(void *)waiter);
}

/* Nobody looks by himself here: a lost wake-up is a hang. */
static void *run_crowd(void *cookie)
{
	struct crowd *c = cookie;

	for (unsigned i = 0; i < CROWD; i++)
		go_on(&c->members[i]);
	if (c->done < CROWD)
		ev_run(c->loop, 0);
	return NULL;
}

static void *settle_all(void *cookie)
{
	struct waiters *w = cookie;

	while (waiters_count(w) < THREADS * CROWD)
		sched_yield();
	for (unsigned i = 0; i < ROUNDS; i++) {
		sched_yield();
		for (unsigned k = 0; k < KEYS; k++) {
			atomic_fetch_add(&numbers[k], 1);
			settle(w, k);
		}
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct rig *r = *state;
	static struct crowd crowds[THREADS];
	pthread_t threads[THREADS], settler;

	for (unsigned i = 0; i < THREADS; i++) {
		struct crowd *c = &crowds[i];

		c->waiters = r->waiters;
		c->loop = ev_loop_new(EVFLAG_AUTO);
		c->client = waiters_attach(r->waiters, c->loop);
		for (unsigned j = 0; j < CROWD; j++)
			c->members[j] = (struct member){
			    .waiter = {.woken = on_member_woken},
			    .crowd = c,
			    .key = j % KEYS,
			};
		pthread_create(&threads[i], NULL, run_crowd, c);
	}
	pthread_create(&settler, NULL, settle_all, r->waiters);
	pthread_join(settler, NULL);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		waiters_detach(crowds[i].client);
		ev_loop_destroy(crowds[i].loop);
	}
	assert_int_equal(waiters_count(r->waiters), 0);
}

#define WAITERS_TEST(function) \
	cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    WAITERS_TEST(test_a_settle_wakes_all_of_its_key),
	    WAITERS_TEST(test_what_wakes),
	    WAITERS_TEST(test_no_wake_up_is_lost),
	    WAITERS_TEST(test_a_waiter_that_looks_is_not_woken),
	    WAITERS_TEST(test_who_left_is_not_woken),
	    WAITERS_TEST(test_a_call_back_may_end_others),
	    WAITERS_TEST(test_places_are_bounded),
	    WAITERS_TEST(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
