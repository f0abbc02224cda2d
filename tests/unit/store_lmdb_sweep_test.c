/* Expired records go, in small slices, and nothing else does. */
#include <dlfcn.h>
#include <lmdb.h>

#include "tests/unit/store_rig.h"

enum { RECORDS = 3000, SLICE_MAX = 256 + 64 };

static struct store_stats stats_of(struct rig *rig)
{
	struct store_stats stats;

	store_stats(rig->store, &stats);
	return stats;
}

/* That nothing is left, and what went by its own time; the counts do not change
 * at the same moment. */
static bool all_gone(struct rig *rig, uint64_t expired)
{
	const struct store_stats stats = stats_of(rig);

	return stats.records == 0 && stats.expired == expired;
}

static struct rig_call *claim_many(struct rig *rig, uint64_t first, size_t n)
{
	struct rig_call *calls = calloc(n, sizeof(*calls));
	size_t answers = 0;

	assert_non_null(calls);
	for (size_t i = 0; i < n; i++)
		rig_submit(rig, &calls[i],
		           rig_claim_op(first + i, 1, RIG_NOW + i));
	while (answers < n) {
		rig_turn(rig->loop);
		answers = 0;
		for (size_t i = 0; i < n; i++)
			answers += calls[i].answers;
	}
	return calls;
}

static void fill(struct rig *rig, uint64_t first, size_t n)
{
	struct rig_call *calls = claim_many(rig, first, n);

	for (size_t i = 0; i < n; i++)
		assert_int_equal(calls[i].result, RECORD_GRANTED);
	free(calls);
}

/* The slices of an idle store: not one is larger than it should be. */
static void expired_records_go_in_slices(void **state)
{
	struct rig rig;
	struct store_stats before, last, now;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	fill(&rig, 0, RECORDS);
	before = last = stats_of(&rig);
	assert_int_equal(before.records, RECORDS);
	rig_clock = RIG_NOW + 2 * RIG_LOCK_MS;
	do {
		rig_turn(rig.loop);
		now = stats_of(&rig);
		assert_true(now.expired - last.expired <=
		            (now.commits - last.commits + 1) * SLICE_MAX);
		last = now;
	} while (now.expired < RECORDS);
	assert_true(now.commits - before.commits >= RECORDS / SLICE_MAX);
	rig_until(&rig, all_gone(&rig, RECORDS));
	assert_true(stats_of(&rig).bytes_used <= 16384);
	assert_int_equal(rig_result(&rig, rig_claim_op(1, 2, rig_clock)),
	                 RECORD_GRANTED);
	rig_fini(&rig);
}

/* What is settled outlives its lock's time, and goes at its own. */
static void settled_records_live_their_own_time(void **state)
{
	struct rig rig;
	struct spoe_span response = rig_response(3000, 1);

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	for (uint64_t i = 0; i < 200; i++) {
		assert_int_equal(rig_claim(&rig, i, 1), RECORD_GRANTED);
		if (i % 4 == 0)
			assert_int_equal(
			    rig_settle(&rig, i, 1, RECORD_STORED, response),
			    RECORD_SETTLED);
		else if (i % 4 == 1)
			assert_int_equal(rig_settle(&rig, i, 1, RECORD_NONE,
			                            RIG_NO_RESPONSE),
			                 RECORD_SETTLED);
	}
	assert_int_equal(stats_of(&rig).records, 150);
	rig_clock = RIG_NOW + 2 * RIG_LOCK_MS;
	rig_until(&rig, stats_of(&rig).records == 50);
	for (int i = 0; i < 20; i++)
		rig_turn(rig.loop);
	assert_int_equal(stats_of(&rig).records, 50);
	assert_int_equal(
	    rig_result(&rig, rig_peek_op(0, RIG_NOW + RIG_KEEP_MS - 1)),
	    RECORD_FOUND);
	rig_clock = RIG_NOW + RIG_KEEP_MS - 1;
	for (int i = 0; i < 20; i++)
		rig_turn(rig.loop);
	assert_int_equal(stats_of(&rig).records, 50);
	rig_clock = RIG_NOW + RIG_KEEP_MS + 10000;
	rig_until(&rig, all_gone(&rig, 150));
	rig_response_free(response);
	rig_fini(&rig);
}

/* Claims and settles keys with a response that has to go at forget_ms; their
 * locks would have lived as long as the records do. */
static void store_until(struct rig *rig, uint64_t n, uint64_t forget_ms,
                        struct spoe_span response)
{
	for (uint64_t i = 0; i < n; i++) {
		struct record_op op = rig_claim_op(i, 1, RIG_NOW);

		op.record.expires_ms = RIG_NOW + RIG_KEEP_MS;
		assert_int_equal(rig_result(rig, op), RECORD_GRANTED);
		op = rig_settle_op(i, 1, RIG_NOW, RECORD_STORED, response);
		op.record.forget_ms = forget_ms;
		op.record.expires_ms = RIG_NOW + RIG_KEEP_MS;
		assert_int_equal(rig_result(rig, op), RECORD_SETTLED);
	}
}

static uint64_t dropped(struct rig *rig, uint64_t n)
{
	uint64_t count = 0;

	for (uint64_t i = 0; i < n; i++) {
		struct rig_call c = rig_do(rig, rig_peek_op(i, RIG_NOW));

		assert_int_equal(c.result, RECORD_FOUND);
		if (c.found.response.size == 0) {
			assert_int_equal(c.found.state, RECORD_SEALED);
			count++;
		}
		rig_call_fini(&c);
	}
	return count;
}

/* A response goes before its record, which takes little room then. Large ones
 * have pages of their own. */
static void responses_go_first(void **state)
{
	enum { N = 130, DAY_MS = 24 * 3600 * 1000 };
	static const size_t sizes[] = {600, 20000};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct rig rig;
		struct spoe_span response = rig_response(sizes[i], 1);

		rig_init(&rig);
		rig_open(&rig);
		store_until(&rig, N, RIG_NOW + DAY_MS / 2, response);
		assert_true(stats_of(&rig).bytes_used > N * sizes[i]);
		rig_clock = RIG_NOW + DAY_MS / 2 - 1;
		for (int turn = 0; turn < 20; turn++)
			rig_turn(rig.loop);
		assert_int_equal(dropped(&rig, N), 0);
		rig_clock = RIG_NOW + DAY_MS / 2 + 10000;
		rig_until(&rig, dropped(&rig, N) == N);
		assert_int_equal(stats_of(&rig).records, N);
		assert_int_equal(stats_of(&rig).expired, 0);
		assert_true(stats_of(&rig).bytes_used < N * 400);
		rig_clock = RIG_NOW + RIG_KEEP_MS + 10000;
		rig_until(&rig, stats_of(&rig).records == 0);
		rig_response_free(response);
		rig_fini(&rig);
	}
}

/* --- a scan meanwhile ----------------------------------------------------- */

struct moving {
	struct rig *rig;
	uint64_t n; /* records */
	uint64_t visited;
};

/* At the first record all of them lose their responses, and so move. */
static bool visit_while_they_move(void *cookie, const uint8_t *record_key,
                                  const struct record *record)
{
	struct moving *m = cookie;

	(void)record_key;
	assert_int_not_equal(record->state, RECORD_NONE);
	if (m->visited++ == 0) {
		rig_clock = RIG_NOW + RIG_KEEP_MS / 2 + 10000;
		rig_until(m->rig, dropped(m->rig, m->n) == m->n);
		/* The next commit takes their old places out of the index. */
		assert_int_equal(rig_claim(m->rig, m->n, 1), RECORD_GRANTED);
	}
	return true;
}

/* An export that misses a record lets its request be executed again, once it is
 * restored. */
static void a_scan_misses_none_that_moves(void **state)
{
	enum { N = 1000 }; /* more than a page of the index has */
	const struct spoe_span response = rig_response(600, 1);
	struct rig rig;
	struct moving moving = {.rig = &rig, .n = N};
	char text[256];

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	store_until(&rig, N, RIG_NOW + RIG_KEEP_MS / 2, response);
	assert_int_equal(store_scan(rig.store, NULL, visit_while_they_move,
	                            &moving, text, sizeof(text)),
	                 0);
	/* Of what came meanwhile nothing is promised. */
	assert_in_range(moving.visited, N, N + 1);
	rig_response_free(response);
	rig_fini(&rig);
}

/* --- a look meanwhile ----------------------------------------------------- */

/* Whose records move behind the back of the next look; NULL: none do. */
static struct rig *moves_unseen;

static void move_unseen(struct rig *rig)
{
	const uint64_t before = stats_of(rig).commits;
	const ev_tstamp end = ev_time() + RIG_LIMIT_S;

	rig_clock = RIG_NOW + RIG_KEEP_MS / 2 + 10000;
	/* The first slice, and the next: that takes the old places of the
	 * first out of the index. */
	while (stats_of(rig).commits < before + 2 && ev_time() < end)
		usleep(1000);
	assert_true(stats_of(rig).commits >= before + 2);
}

/* A loop's look has its snapshot: a symbol of the program goes before one of a
 * library. */
int mdb_txn_renew(MDB_txn *txn)
{
	union {
		void *symbol;
		int (*renew)(MDB_txn *txn);
	} real = {.symbol = dlsym(RTLD_NEXT, "mdb_txn_renew")};
	struct rig *rig = moves_unseen;
	int rc = real.renew(txn);

	moves_unseen = NULL;
	if (rc == 0 && rig)
		move_unseen(rig);
	return rc;
}

static void a_look_does_not_miss_what_moves(void **state)
{
	enum { N = 1000 };
	const struct spoe_span response = rig_response(600, 1);
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	store_until(&rig, N, RIG_NOW + RIG_KEEP_MS / 2, response);
	rig_show(&rig);
	assert_int_equal(rig_result(&rig, rig_peek_op(N - 1, RIG_NOW)),
	                 RECORD_FOUND);
	moves_unseen = &rig;
	assert_int_equal(rig_result(&rig, rig_peek_op(0, RIG_NOW)),
	                 RECORD_FOUND);
	assert_null(moves_unseen);
	assert_int_equal(rig_result(&rig, rig_peek_op(N, RIG_NOW)),
	                 RECORD_ABSENT);
	rig_response_free(response);
	rig_fini(&rig);
}

/* A record that is settled to live shorter than its lock would have. */
static void shorter_lives_are_noticed(void **state)
{
	struct rig rig;
	struct record_op op;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	for (uint64_t i = 0; i < 50; i++) {
		op = rig_claim_op(i, 1, RIG_NOW);
		op.record.expires_ms = RIG_NOW + RIG_KEEP_MS;
		assert_int_equal(rig_result(&rig, op), RECORD_GRANTED);
		op = rig_settle_op(i, 1, RIG_NOW, RECORD_SEALED,
		                   RIG_NO_RESPONSE);
		op.record.expires_ms = RIG_NOW + 1000;
		assert_int_equal(rig_result(&rig, op), RECORD_SETTLED);
	}
	rig_clock = RIG_NOW + 20000;
	rig_until(&rig, stats_of(&rig).records == 0);
	rig_fini(&rig);
}

/* Taken over again and again: one record, removed once. */
static void taken_over_records_go_once(void **state)
{
	struct rig rig;
	uint64_t now = RIG_NOW;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	for (uint64_t owner = 0; owner < 30; owner++) {
		assert_int_equal(rig_result(&rig, rig_claim_op(1, owner, now)),
		                 RECORD_GRANTED);
		now += RIG_LOCK_MS;
	}
	assert_int_equal(stats_of(&rig).records, 1);
	rig_clock = now - 1;
	for (int i = 0; i < 20; i++)
		rig_turn(rig.loop);
	assert_int_equal(stats_of(&rig).records, 1);
	rig_clock = now + 10000;
	rig_until(&rig, all_gone(&rig, 1));
	rig_fini(&rig);
}

/* A store that is never idle gets rid of them as well. */
static void a_busy_store_sweeps_too(void **state)
{
	const enum store_durability durabilities[] = {STORE_DURABILITY_NONE,
	                                              STORE_DURABILITY_COMMIT};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct rig rig;
		uint64_t n = 0;

		rig_init(&rig);
		rig.options.durability = durabilities[i];
		rig_open(&rig);
		fill(&rig, 0, RECORDS);
		rig_clock = RIG_NOW + 2 * RIG_LOCK_MS;
		while (stats_of(&rig).expired < RECORDS) {
			const uint64_t now = rig_clock;

			n++;
			assert_int_equal(
			    rig_result(&rig, rig_claim_op(1000000 + n, 1, now)),
			    RECORD_GRANTED);
			assert_true(n < 1000000);
		}
		assert_int_equal(stats_of(&rig).records, n);
		rig_fini(&rig);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(expired_records_go_in_slices),
	    cmocka_unit_test(settled_records_live_their_own_time),
	    cmocka_unit_test(responses_go_first),
	    cmocka_unit_test(a_scan_misses_none_that_moves),
	    cmocka_unit_test(a_look_does_not_miss_what_moves),
	    cmocka_unit_test(shorter_lives_are_noticed),
	    cmocka_unit_test(taken_over_records_go_once),
	    cmocka_unit_test(a_busy_store_sweeps_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
