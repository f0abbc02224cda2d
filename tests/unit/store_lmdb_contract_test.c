/* The rules of store.h against the LMDB driver, in both durabilities; and that
 * who finds a record does not wait for who writes one. */
#include "tests/unit/store_contract.h"

static int open_with(void **state, enum store_durability durability)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	rig_init(rig);
	rig->options.durability = durability;
	rig_open(rig);
	*state = rig;
	return 0;
}

static int open_none(void **state)
{
	return open_with(state, STORE_DURABILITY_NONE);
}

static int open_commit(void **state)
{
	return open_with(state, STORE_DURABILITY_COMMIT);
}

static struct rig_call found, granted;
static bool went_out;

/* As a connection does with an answer. */
static void on_send(struct ev_loop *loop, ev_watcher *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	assert_int_equal(granted.answers, 0);
	went_out = true;
}

static void send_later(struct rig_call *c)
{
	ev_feed_event(c->rig->loop, c->cookie, EV_CUSTOM);
}

static void what_is_found_goes_out_before_a_write(void **state)
{
	struct rig *rig = *state;
	ev_watcher send;

	ev_init(&send, on_send);
	rig_submit(rig, &granted, rig_claim_op(1, 1, RIG_NOW));
	rig_until(rig, granted.answers == 1);
	granted.answers = 0;
	found.then = send_later;
	found.cookie = &send;
	rig_submit(rig, &granted, rig_claim_op(2, 2, RIG_NOW));
	rig_submit(rig, &found, rig_claim_op(1, 3, RIG_NOW));
	rig_until(rig, granted.answers == 1);
	assert_int_equal(granted.result, RECORD_GRANTED);
	assert_int_equal(found.result, RECORD_FOUND);
	assert_true(went_out);
	rig_call_fini(&found);
}

int main(void)
{
	static const struct CMUnitTest none[] = {
	    STORE_CONTRACT_TESTS(open_none),
	    STORE_CONTRACT_TEST(what_is_found_goes_out_before_a_write,
	                        open_none),
	};
	static const struct CMUnitTest commit[] = {
	    STORE_CONTRACT_TESTS(open_commit),
	};
	int failed =
	    cmocka_run_group_tests_name("durability none", none, NULL, NULL);

	return failed + cmocka_run_group_tests_name("durability commit", commit,
	                                            NULL, NULL);
}
