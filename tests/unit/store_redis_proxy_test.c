/* What networks do to the bytes between agent and server: cut at every offset,
 * both ways, at claim and at settle time; in crumbs; late. What the caller was
 * told and what the server has must agree. */
#include "tests/support/proxy.h"
#include "tests/unit/store_redis_rig.h"

static struct redis_process server;
static struct proxy *proxy;

static int start(void **state)
{
	static const struct redis_setup setup = {.user = NULL};

	(void)state;
	if (!redis_process_start(&server, &setup))
		return -1;
	proxy = proxy_new(server.socket);
	return proxy ? 0 : -1;
}

static int finish(void **state)
{
	(void)state;
	proxy_free(proxy);
	redis_process_fini(&server);
	return 0;
}

static int open_rig(void **state)
{
	struct redis_rig *r = calloc(1, sizeof(*r));
	char address[64];

	assert_non_null(r);
	assert_true(redis_process_do(&server, "FLUSHALL"));
	snprintf(address, sizeof(address), "127.0.0.1:%d", proxy_port(proxy));
	redis_rig_init(r, &server, address);
	r->rig.options.report = NULL;
	r->rig.pass = NULL;
	rig_open(&r->rig);
	*state = r;
	return 0;
}

static int close_rig(void **state)
{
	struct redis_rig *r = *state;

	proxy_crumble(proxy, false);
	proxy_hold(proxy, PROXY_TO_CLIENT, false);
	proxy_hold(proxy, PROXY_TO_SERVER, false);
	rig_fini(&r->rig);
	free(r);
	return 0;
}

/* A claim that is cut off: it is granted and the lock is there, or it failed
 * and there is none, if not at once. */
static void cut_claims(struct rig *rig, enum proxy_way way, size_t until)
{
	bool *granted = calloc(until + 1, sizeof(*granted));

	assert_non_null(granted);
	for (size_t at = 0; at <= until; at++) {
		struct rig_call c;

		assert_int_equal(
		    redis_rig_result(rig, rig_peek_op(1u << 20, RIG_NOW)),
		    RECORD_ABSENT);
		proxy_cut(proxy, way, at);
		c = rig_do(rig, rig_claim_op(at, 11, RIG_NOW));
		granted[at] = c.health == REASON_NONE;
		if (granted[at])
			assert_int_equal(c.result, RECORD_GRANTED);
		rig_call_fini(&c);
	}
	for (size_t at = 0; at <= until; at++) {
		if (granted[at])
			assert_int_equal(
			    redis_rig_result(rig,
			                     rig_claim_op(at, 12, RIG_NOW)),
			    RECORD_FOUND);
		else
			rig_until(rig, redis_rig_result(
					   rig, rig_peek_op(at, RIG_NOW)) ==
			                   RECORD_ABSENT);
	}
	free(granted);
}

static void claims_are_cut_on_their_way(void **state)
{
	cut_claims(*state, PROXY_TO_SERVER, 330);
}

static void replies_to_claims_are_cut(void **state)
{
	cut_claims(*state, PROXY_TO_CLIENT, 6);
}

/* A replay that is cut off is no replay. */
static void found_records_are_cut(void **state)
{
	struct rig *rig = *state;
	struct spoe_span response = rig_response(200, 1);

	assert_int_equal(redis_rig_result(rig, rig_claim_op(1, 11, RIG_NOW)),
	                 RECORD_GRANTED);
	assert_int_equal(
	    redis_rig_result(
		rig, rig_settle_op(1, 11, RIG_NOW, RECORD_STORED, response)),
	    RECORD_SETTLED);
	for (size_t at = 0; at < 400; at++) {
		struct rig_call c;

		proxy_cut(proxy, PROXY_TO_CLIENT, at);
		c = rig_do(rig, rig_claim_op(1, 12, RIG_NOW));
		if (c.health == REASON_NONE) {
			assert_int_equal(c.result, RECORD_FOUND);
			assert_true(
			    spoe_span_equal(c.found.response, response));
		}
		rig_call_fini(&c);
		c = redis_rig_persist(rig, rig_claim_op(1, 12, RIG_NOW));
		assert_int_equal(c.result, RECORD_FOUND);
		assert_true(spoe_span_equal(c.found.response, response));
		rig_call_fini(&c);
	}
	rig_response_free(response);
}

/* A settle that is cut off: what was told happened; and without an answer it
 * happened whole, or not at all. */
static void cut_settles(struct rig *rig, enum proxy_way way, size_t until)
{
	struct spoe_span response = rig_response(100, 1);

	for (size_t at = 0; at <= until; at++) {
		struct rig_call settled, found;

		assert_int_equal(
		    redis_rig_result(rig, rig_claim_op(at, 11, RIG_NOW)),
		    RECORD_GRANTED);
		proxy_cut(proxy, way, at);
		settled = rig_do(rig, rig_settle_op(at, 11, RIG_NOW + 1,
		                                    RECORD_STORED, response));
		if (settled.health == REASON_NONE)
			assert_int_equal(settled.result, RECORD_SETTLED);
		found = redis_rig_persist(rig, rig_claim_op(at, 12, RIG_NOW));
		assert_int_equal(found.result, RECORD_FOUND);
		if (settled.health == REASON_NONE)
			assert_int_equal(found.found.state, RECORD_STORED);
		if (found.found.state == RECORD_STORED)
			assert_true(
			    spoe_span_equal(found.found.response, response));
		else
			assert_int_equal(found.found.state, RECORD_LOCKED);
		rig_call_fini(&settled);
		rig_call_fini(&found);
	}
	rig_response_free(response);
}

static void settles_are_cut_on_their_way(void **state)
{
	cut_settles(*state, PROXY_TO_SERVER, 450);
}

static void replies_to_settles_are_cut(void **state)
{
	cut_settles(*state, PROXY_TO_CLIENT, 5);
}

/* The same bytes say the same, however they come. */
static void crumbs(void **state)
{
	struct rig *rig = *state;
	struct spoe_span response = rig_response(1500, 1);
	struct rig_call c;

	proxy_crumble(proxy, true);
	for (uint64_t i = 0; i < 5; i++) {
		assert_int_equal(
		    redis_rig_result(rig, rig_claim_op(i, 11, RIG_NOW)),
		    RECORD_GRANTED);
		assert_int_equal(
		    redis_rig_result(
			rig,
			rig_settle_op(i, 11, RIG_NOW, RECORD_STORED, response)),
		    RECORD_SETTLED);
		c = redis_rig_persist(rig, rig_claim_op(i, 12, RIG_NOW));
		assert_int_equal(c.result, RECORD_FOUND);
		assert_true(spoe_span_equal(c.found.response, response));
		rig_call_fini(&c);
	}
	rig_response_free(response);
}

/* Replies come after nobody waits for them any more: each is its own command's,
 * and the locks they tell of are given back. */
static void late_replies_are_nobody_elses(void **state)
{
	enum { N = 20 };
	struct redis_rig *r = *state;
	struct rig *rig = &r->rig;
	struct rig_call calls[N] = {{.answers = 0}};
	struct store_stats stats;

	assert_int_equal(redis_rig_result(rig, rig_claim_op(1, 11, RIG_NOW)),
	                 RECORD_GRANTED);
	rig_close(rig);
	r->redis.timeout_ms = 100;
	rig_open(rig);
	assert_int_equal(redis_rig_result(rig, rig_peek_op(1, RIG_NOW)),
	                 RECORD_FOUND);
	proxy_hold(proxy, PROXY_TO_CLIENT, true);
	for (uint64_t i = 0; i < N; i++)
		rig_submit(rig, &calls[i],
		           i % 2 == 0 ? rig_claim_op(100 + i, 12, RIG_NOW)
		                      : rig_peek_op(1, RIG_NOW));
	for (unsigned i = 0; i < N; i++) {
		rig_until(rig, calls[i].answers == 1);
		assert_int_not_equal(calls[i].health, REASON_NONE);
	}
	proxy_hold(proxy, PROXY_TO_CLIENT, false);
	/* What comes back now belongs to those twenty. */
	for (uint64_t i = 0; i < 50; i++) {
		struct rig_call c =
		    redis_rig_persist(rig, rig_peek_op(1, RIG_NOW));

		assert_int_equal(c.result, RECORD_FOUND);
		rig_call_fini(&c);
		assert_int_equal(redis_rig_result(rig, rig_peek_op(7, RIG_NOW)),
		                 RECORD_ABSENT);
	}
	for (uint64_t i = 0; i < N; i += 2)
		rig_until(
		    rig, redis_rig_result(rig, rig_peek_op(100 + i, RIG_NOW)) ==
			     RECORD_ABSENT);
	store_stats(rig->store, &stats);
	assert_true(stats.orphans >= 1);
	assert_int_equal(redis_rig_result(rig, rig_claim_op(1, 13, RIG_NOW)),
	                 RECORD_FOUND);
}

/* A loop with work in flight is left: nothing of it is touched again. */
static void left_in_the_middle(void **state)
{
	struct rig *rig = *state;

	for (unsigned round = 0; round < 30; round++) {
		struct rig_call *calls = calloc(8, sizeof(*calls));

		assert_non_null(calls);
		proxy_hold(proxy, PROXY_TO_CLIENT, round % 2 == 0);
		proxy_hold(proxy, PROXY_TO_SERVER, round % 3 == 0);
		for (unsigned i = 0; i < 8; i++)
			rig_submit(rig, &calls[i],
			           rig_claim_op(round * 8 + i, 1, RIG_NOW));
		for (unsigned i = 0; i < round % 4; i++)
			rig_turn(rig->loop);
		if (round % 5 == 0)
			for (unsigned i = 0; i < 8; i += 2)
				store_cancel(rig->client, &calls[i].call);
		store_detach(rig->client);
		for (unsigned i = 0; i < 8; i++)
			rig_call_fini(&calls[i]);
		free(calls);
		rig->client = store_attach(rig->store, rig->loop);
		assert_non_null(rig->client);
	}
	proxy_hold(proxy, PROXY_TO_CLIENT, false);
	proxy_hold(proxy, PROXY_TO_SERVER, false);
	assert_int_equal(
	    redis_rig_result(rig, rig_claim_op(1u << 20, 1, RIG_NOW)),
	    RECORD_GRANTED);
}

#define PROXIED(test) cmocka_unit_test_setup_teardown(test, open_rig, close_rig)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    PROXIED(claims_are_cut_on_their_way),
	    PROXIED(replies_to_claims_are_cut),
	    PROXIED(found_records_are_cut),
	    PROXIED(settles_are_cut_on_their_way),
	    PROXIED(replies_to_settles_are_cut),
	    PROXIED(crumbs),
	    PROXIED(late_replies_are_nobody_elses),
	    PROXIED(left_in_the_middle),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
