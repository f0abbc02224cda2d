/* kill -9 at any moment: what was answered is there, and nothing is there by
 * halves. A child works and says through a pipe what it was told; the parent
 * kills it, opens the store and compares. */
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/store_rig.h"

enum { ROUNDS = 8, AT_ONCE = 24, KEYS_MAX = 200000 };

/* What the child was told about a key: fits a pipe's atomic write. */
struct told {
	uint32_t n;
	uint32_t settled; /* 0: its claim was granted */
};

struct worker {
	struct rig rig;
	int pipe;
	uint32_t next;
	struct rig_call calls[AT_ONCE];
};

/* For a while much the same, so that locks have room for it; then anything,
 * and now and then one with pages of its own. */
static struct spoe_span response_of(uint32_t n)
{
	if (n / 256 % 2 == 0)
		return rig_response(400 + n % 40, n);
	return rig_response(n % 16 == 0 ? 20000 : n % 700, n);
}

static void claim_next(struct worker *w, struct rig_call *c)
{
	const uint32_t n = w->next++;

	rig_submit(&w->rig, c, rig_claim_op(n, n, RIG_NOW));
	c->call.op.record.policy_id = n;
}

static void on_told(struct rig_call *c)
{
	struct worker *w = c->cookie;
	const struct told told = {
	    .n = c->call.op.record.policy_id,
	    .settled = c->call.op.type == RECORD_OP_SETTLE,
	};

	if (c->health != REASON_NONE ||
	    write(w->pipe, &told, sizeof(told)) != sizeof(told))
		_exit(1);
	if (told.settled) {
		rig_response_free(c->call.op.record.response);
		claim_next(w, c);
		return;
	}
	rig_submit(&w->rig, c,
	           rig_settle_op(told.n, told.n, RIG_NOW, RECORD_STORED,
	                         response_of(told.n)));
	c->call.op.record.policy_id = told.n;
}

static void work(const struct rig *rig, int pipe, uint32_t first)
{
	struct worker *w = calloc(1, sizeof(*w));

	w->rig = *rig;
	w->pipe = pipe;
	w->next = first;
	rig_open(&w->rig);
	w->rig.runs_on = true;
	for (unsigned i = 0; i < AT_ONCE; i++) {
		w->calls[i].then = on_told;
		w->calls[i].cookie = w;
		claim_next(w, &w->calls[i]);
	}
	ev_run(w->rig.loop, 0);
	_exit(1);
}

/* Reads what the child was told until it dies; kills it after `enough`.
 * Returns the first number that nobody has used. */
static uint32_t listen(int pipe, pid_t child, uint8_t *told, unsigned enough)
{
	uint32_t next = 0;
	unsigned n = 0;
	struct told t;

	while (read(pipe, &t, sizeof(t)) == sizeof(t)) {
		assert_true(t.n < KEYS_MAX);
		told[t.n] = t.settled ? 2 : 1;
		if (t.n >= next)
			next = t.n + 1;
		if (++n == enough)
			kill(child, SIGKILL);
	}
	assert_true(n >= enough);
	return next + AT_ONCE + 1;
}

static void check_key(struct rig *rig, uint32_t n, uint8_t told)
{
	struct rig_call c = rig_do(rig, rig_peek_op(n, RIG_NOW));
	struct spoe_span response = response_of(n);

	assert_int_equal(c.health, REASON_NONE);
	if (told > 0)
		assert_int_equal(c.result, RECORD_FOUND);
	if (told == 2)
		assert_int_equal(c.found.state, RECORD_STORED);
	if (c.result == RECORD_FOUND) {
		assert_int_equal(c.found.created_ms, RIG_NOW);
		if (c.found.state == RECORD_STORED)
			assert_true(
			    spoe_span_equal(c.found.response, response));
		else
			assert_int_equal(c.found.state, RECORD_LOCKED);
	}
	rig_response_free(response);
	rig_call_fini(&c);
}

/* Everything of this round key by key, and all of the store as a whole. */
static void check(struct rig *rig, const uint8_t *told, uint32_t from,
                  uint32_t to)
{
	struct store_stats stats;
	uint64_t n = 0;
	char text[256];

	rig_open(rig);
	for (uint32_t i = from; i < to; i++)
		check_key(rig, i, told[i]);
	assert_int_equal(store_scan(rig->store, NULL, rig_count_whole, &n, text,
	                            sizeof(text)),
	                 0);
	store_stats(rig->store, &stats);
	assert_int_equal(n, stats.records);
	rig_close(rig);
}

static void kill_often(enum store_durability durability)
{
	uint8_t *told = calloc(1, KEYS_MAX);
	uint32_t next = 0;
	unsigned random = 7 + durability;
	struct rig rig;

	assert_non_null(told);
	rig_init(&rig);
	rig.options.durability = durability;
	for (unsigned round = 0; round < ROUNDS; round++) {
		const uint32_t first = next;
		int ends[2];
		pid_t child;
		int status;

		random = random * 1103515245 + 12345;
		assert_int_equal(pipe(ends), 0);
		child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			close(ends[0]);
			work(&rig, ends[1], first);
		}
		close(ends[1]);
		next = listen(ends[0], child, told, 1 + (random >> 16) % 1200);
		close(ends[0]);
		waitpid(child, &status, 0);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGKILL);
		check(&rig, told, first, next);
	}
	free(told);
	rig_fini(&rig);
}

static void loses_nothing_with_durability_none(void **state)
{
	(void)state;
	kill_often(STORE_DURABILITY_NONE);
}

static void loses_nothing_with_durability_commit(void **state)
{
	(void)state;
	kill_often(STORE_DURABILITY_COMMIT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(loses_nothing_with_durability_none),
	    cmocka_unit_test(loses_nothing_with_durability_commit),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
