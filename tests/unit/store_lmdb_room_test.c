/* What records cost on the disk: a lock has room for what settles it, so pages
 * are full, and little of it is lost, whatever becomes of the lock. */
#include "tests/unit/store_rig.h"

enum {
	RECORDS = 4200,
	IN_FLIGHT = 28,
	AT_ONCE = 7, /* both are multiples of it */
	PAGE = 4096,
	/* Of a record: in its page, without a response. */
	LEAST = 18 + RECORD_KEY_SIZE + 2 + RECORD_HEAD_MAX - 255 + 23,
};

/* What becomes of the n-th record: the size of the body that is stored, or one
 * of these. */
enum { RELEASED = -1, SEALED = -2 };
typedef int ending(uint64_t n);

struct load {
	struct rig rig;
	ending *ending;
	uint64_t cost; /* bytes that the records need */
	unsigned waits;
	struct rig_call calls[2 * AT_ONCE];
};

static int stored(uint64_t n)
{
	(void)n;
	return 500;
}

static int stored_but_a_few(uint64_t n)
{
	return n % 30 == 0 ? RELEASED : 500;
}

static int stored_or_sealed(uint64_t n)
{
	return n % 2 == 0 ? 500 : SEALED;
}

static int stored_or_released(uint64_t n)
{
	return n % 2 == 0 ? 500 : RELEASED;
}

static int of_any_size(uint64_t n)
{
	return 100 + (int)(n * 7919 % 1300);
}

static int now_and_then_large(uint64_t n)
{
	return n % 4 == 0 ? 20000 : 500;
}

static int sealed_later(uint64_t n)
{
	return n < RECORDS / 4 ? 500 : SEALED;
}

static int released_later(uint64_t n)
{
	return n < RECORDS / 4 ? 500 : RELEASED;
}

/* As an API answers: about the same, now and then an error. */
static int as_usual(uint64_t n)
{
	const uint64_t random = n * 7919 % 1009;

	if (random % 20 == 0)
		return random % 40 == 0 ? SEALED : RELEASED;
	return random % 50 == 1 ? 1200 : 350 + (int)(random % 300);
}
static void claim(struct load *load, struct rig_call *c, uint64_t n)
{
	rig_submit(&load->rig, c, rig_claim_op(n, n, RIG_NOW));
	load->waits++;
}

static enum record_state state_of(int end)
{
	if (end == RELEASED)
		return RECORD_NONE;
	return end == SEALED ? RECORD_SEALED : RECORD_STORED;
}

static struct spoe_span response_of(int end, uint64_t n)
{
	return end < 0 ? RIG_NO_RESPONSE
	               : rig_response((size_t)end, (unsigned)n);
}

static void settle(struct load *load, struct rig_call *c, uint64_t n)
{
	const int end = load->ending(n);
	const struct spoe_span response = response_of(end, n);

	if (end != RELEASED)
		load->cost += LEAST;
	/* LMDB gives what is larger than half a page pages of its own. */
	load->cost += response.size < PAGE / 2 - LEAST
	                  ? response.size
	                  : 8 + (response.size / PAGE + 1) * PAGE;
	rig_submit(&load->rig, c,
	           rig_settle_op(n, n, RIG_NOW, state_of(end), response));
	load->waits++;
}

/* They are settled in another order than claimed. */
static uint64_t turned(uint64_t n)
{
	const uint64_t first = n / IN_FLIGHT * IN_FLIGHT;

	return first + (n - first) * 5 % IN_FLIGHT;
}

static bool all_answered(const struct load *load)
{
	unsigned answers = 0;

	for (size_t i = 0; i < 2 * AT_ONCE; i++)
		answers += load->calls[i].answers;
	return answers == load->waits;
}

static void forget_calls(struct load *load)
{
	for (size_t i = 0; i < load->waits; i++) {
		struct rig_call *c = &load->calls[i];

		assert_int_equal(c->health, REASON_NONE);
		assert_true(c->result == RECORD_GRANTED ||
		            c->result == RECORD_SETTLED);
		rig_response_free(c->call.op.record.response);
		*c = (struct rig_call){.answers = 0};
	}
	load->waits = 0;
}

/* Whatever happened to their neighbours, all are what they became. */
static void check(struct load *load)
{
	for (uint64_t n = 0; n < RECORDS; n++) {
		const int end = load->ending(n);
		const struct spoe_span response = response_of(end, n);
		struct rig_call c = rig_do(&load->rig, rig_peek_op(n, RIG_NOW));

		assert_int_equal(c.health, REASON_NONE);
		assert_int_equal(c.result, end == RELEASED ? RECORD_ABSENT
		                                           : RECORD_FOUND);
		assert_int_equal(c.found.state, state_of(end));
		assert_true(spoe_span_equal(c.found.response, response));
		rig_response_free(response);
		rig_call_fini(&c);
	}
}

/* Bytes of the trees' pages for each that the records need. */
static double cost_of(ending *end)
{
	static struct load load;
	struct store_stats stats;

	load = (struct load){.ending = end};
	rig_init(&load.rig);
	rig_open(&load.rig);
	for (uint64_t n = 0; n < RECORDS + IN_FLIGHT; n += AT_ONCE) {
		for (uint64_t i = n; i < n + AT_ONCE; i++) {
			if (i >= IN_FLIGHT)
				settle(&load, &load.calls[load.waits],
				       turned(i - IN_FLIGHT));
			if (i < RECORDS)
				claim(&load, &load.calls[load.waits], i);
		}
		rig_until(&load.rig, all_answered(&load));
		forget_calls(&load);
	}
	check(&load);
	store_stats(load.rig.store, &stats);
	rig_fini(&load.rig);
	return (double)stats.bytes_used / (double)load.cost;
}

/* Where a lock has no room, a page is split again and again while what is on it
 * grows, and stays two thirds full. */
static void locks_have_room_where_it_pays(void **state)
{
	(void)state;
	assert_true(cost_of(stored) < 1.25);
	assert_true(cost_of(stored_but_a_few) < 1.3);
	/* And no longer. */
	assert_true(cost_of(sealed_later) < 1.25);
	assert_true(cost_of(released_later) < 1.25);
}

/* It costs more than it saves where nobody knows what becomes of a lock: a page
 * that is full of room is split like any other, and its halves stay halves. */
static void locks_have_no_room_where_it_does_not_pay(void **state)
{
	(void)state;
	assert_true(cost_of(stored_or_sealed) < 1.75);
	assert_true(cost_of(stored_or_released) < 1.75);
	assert_true(cost_of(of_any_size) < 1.55);
	assert_true(cost_of(now_and_then_large) < 1.1);
	assert_true(cost_of(as_usual) < 1.55);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(locks_have_room_where_it_pays),
	    cmocka_unit_test(locks_have_no_room_where_it_does_not_pay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
