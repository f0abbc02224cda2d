/* A cluster whose slots move, whose nodes freeze and forget, seen by the Redis
 * driver. The servers are real, nobody fails over here; every wait is for a
 * condition. */
#include "agent/store/redis_command.h"
#include "agent/store/redis_slot.h"
#include "tests/unit/store_redis_cluster_rig.h"

enum {
	TIMEOUT_MS = 250,
	FROM = 0, /* nodes between which a slot moves */
	TO = 2,
};

static struct redis_nodes nodes;

static int start(void **state)
{
	/* Each node answers for its own slots, whatever became of others. */
	const struct redis_cluster_setup setup = {
	    .no_replicas = true,
	    .partial = true,
	    .node_timeout_ms = 60000,
	};

	(void)state;
	return redis_nodes_start(&nodes, &setup) ? 0 : -1;
}

static int finish(void **state)
{
	(void)state;
	redis_nodes_fini(&nodes);
	return 0;
}

static void note_nothing(enum store_event event, const char *text)
{
	(void)event;
	(void)text;
}

static struct redis_cluster_rig *new_rig(void)
{
	struct redis_cluster_rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	redis_cluster_rig_init(r, &nodes);
	r->base.rig.options.report = note_nothing;
	r->base.rig.pass = NULL;
	return r;
}

static int open_rig(void **state)
{
	struct redis_cluster_rig *r = new_rig();

	for (int i = 0; i < nodes.count; i++)
		assert_true(redis_process_do(&nodes.nodes[i], "FLUSHALL"));
	rig_open(&r->base.rig);
	*state = r;
	return 0;
}

static int close_rig(void **state)
{
	struct rig *rig = *state;

	rig_fini(rig);
	free(rig);
	return 0;
}

/* --- keys and slots ------------------------------------------------------ */

static unsigned slot_of(uint64_t n)
{
	struct redis_dialect dialect;
	uint8_t record_key[RECORD_KEY_SIZE];
	char key[REDIS_KEY_SIZE];

	redis_dialect_init(&dialect, "idempotency");
	rig_key(record_key, n);
	return redis_slot(
	    spoe_span(key, redis_command_key(&dialect, record_key, key)));
}

/* The next number behind `n` whose key is in `slot`. */
static uint64_t next_in_slot(uint64_t n, unsigned slot)
{
	do
		n++;
	while (slot_of(n) != slot);
	return n;
}

/* The next number whose key is in a slot of that node. */
static uint64_t next_of_node(uint64_t n, int node)
{
	do
		n++;
	while (slot_of(n) / (REDIS_SLOTS / REDIS_MASTERS + 1) !=
	       (unsigned)node);
	return n;
}

static int keys_in(int node, unsigned slot)
{
	return atoi(redis_process_ask(&nodes.nodes[node],
	                              "CLUSTER COUNTKEYSINSLOT %u", slot));
}

/* What follows `name` in the text of INFO `section`; 0: it is not there. */
static int info_of(int node, const char *section, const char *name)
{
	const char *at = strstr(
	    redis_process_ask(&nodes.nodes[node], "INFO %s", section), name);

	return at ? atoi(at + strlen(name)) : 0;
}

static int moved_by(int node)
{
	return info_of(node, "errorstats", "errorstat_MOVED:count=");
}

static int asked_of(int node)
{
	return info_of(node, "commandstats", "cmdstat_asking:calls=");
}

static enum record_result claim(struct rig *rig, uint64_t n, uint64_t owner)
{
	return rig_result(rig, rig_claim_op(n, owner, RIG_NOW));
}

static enum record_result peek(struct rig *rig, uint64_t n)
{
	return rig_result(rig, rig_peek_op(n, RIG_NOW));
}

static void until_free(struct rig *rig, uint64_t n)
{
	rig_until(rig, redis_rig_result(rig, rig_peek_op(n, RIG_NOW)) ==
	                   RECORD_ABSENT);
}

/* --- who has it ----------------------------------------------------------- */

/* Any node leads to all: each is the only one that is told. */
static void found_through_any_node(void **state)
{
	(void)state;
	for (int i = 0; i < nodes.count; i++) {
		struct redis_cluster_rig *r = new_rig();
		struct rig *rig = &r->base.rig;

		r->base.redis.servers = &r->seeds[i];
		r->base.redis.n_servers = 1;
		rig_open(rig);
		for (int j = 0; j < nodes.count; j++) {
			const uint64_t n =
			    next_of_node((uint64_t)(1000 * (10 * i + j)), j);

			assert_int_equal(claim(rig, n, 1), RECORD_GRANTED);
			assert_int_equal(keys_in(j, slot_of(n)), 1);
		}
		rig_fini(rig);
		free(r);
	}
}

/* The first server that is named is gone: another one is asked. */
static void found_past_the_dead(void **state)
{
	struct redis_cluster_rig *r = new_rig();
	struct rig *rig = &r->base.rig;

	(void)state;
	r->seeds[0] = r->seeds[1];
	r->seeds[0].port = 1;
	address_parse("127.0.0.1:1", &r->seeds[0].address, (char[64]){0}, 64);
	rig_open(rig);
	assert_int_equal(redis_rig_result(rig, rig_claim_op(77000, 1, RIG_NOW)),
	                 RECORD_GRANTED);
	rig_fini(rig);
	free(r);
}

/* Nodes that do not say their own host: it is the one that was asked. */
static void hosts_may_be_left_open(void **state)
{
	static const char option[] = "cluster-preferred-endpoint-type";
	struct rig *rig;

	if (redis_process_major() < 7)
		return;
	for (int i = 0; i < nodes.count; i++)
		assert_true(redis_process_do(
		    &nodes.nodes[i], "CONFIG SET %s unknown-endpoint", option));
	open_rig(state);
	rig = *state;
	for (uint64_t n = 0; n < 30; n++)
		assert_int_equal(claim(rig, n, 1), RECORD_GRANTED);
	close_rig(state);
	for (int i = 0; i < nodes.count; i++)
		assert_true(redis_process_do(&nodes.nodes[i],
		                             "CONFIG SET %s ip", option));
}

static void assert_not_opened(enum redis_mode mode, const char *address,
                              const char *why)
{
	struct redis_cluster_rig *r = new_rig();
	struct store *store = NULL;
	char text[512] = "";

	redis_rig_init(&r->base, &nodes.nodes[0], address);
	r->base.redis.mode = mode;
	assert_int_equal(
	    store_open(&store, &r->base.rig.options, text, sizeof(text)), -1);
	if (!strstr(text, why))
		fail_msg("not \"%s\" but: %s", why, text);
	rig_remove(r->base.rig.directory);
	free(r);
}

/* A mode that is not the server's is a mistake, told at start. */
static void wrong_modes_are_refused(void **state)
{
	static const struct redis_setup setup = {.user = NULL};
	struct redis_process single;
	char address[64];

	(void)state;
	assert_true(redis_process_start(&single, &setup));
	snprintf(address, sizeof(address), "127.0.0.1:%d", single.port);
	assert_not_opened(REDIS_MODE_CLUSTER, address,
	                  "cluster support disabled");
	redis_process_fini(&single);
	snprintf(address, sizeof(address), "127.0.0.1:%d", nodes.nodes[0].port);
	assert_not_opened(REDIS_MODE_SINGLE, address,
	                  "set the mode to cluster");
}

/* --- slots that move ------------------------------------------------------ */

/* A slot moves while records in it are claimed and settled: those that are not
 * there yet, or no more, are asked for where they are; then all are found
 * there without a detour. */
static void a_slot_moves(void **state)
{
	struct rig *rig = *state;
	const uint64_t old = next_of_node(0, FROM);
	const unsigned slot = slot_of(old);
	const uint64_t fresh = next_in_slot(old, slot);
	const uint64_t third = next_in_slot(fresh, slot);
	struct spoe_span response = rig_response(2000, 1);
	int asked, moved;

	assert_int_equal(claim(rig, old, 1), RECORD_GRANTED);
	assert_true(redis_nodes_migrate_begin(&nodes, (int)slot, FROM, TO));
	asked = asked_of(TO);
	/* What is there stays there; what is new begins at the new one. */
	assert_int_equal(peek(rig, old), RECORD_FOUND);
	assert_int_equal(asked_of(TO), asked);
	assert_int_equal(claim(rig, fresh, 2), RECORD_GRANTED);
	assert_true(asked_of(TO) > asked);
	assert_int_equal(keys_in(FROM, slot), 1);
	assert_int_equal(keys_in(TO, slot), 1);
	assert_int_equal(claim(rig, fresh, 3), RECORD_FOUND);
	assert_int_equal(rig_settle(rig, fresh, 3, RECORD_STORED, response),
	                 RECORD_LOST);
	assert_int_equal(rig_settle(rig, fresh, 2, RECORD_STORED, response),
	                 RECORD_SETTLED);

	assert_true(redis_nodes_migrate_keys(&nodes, (int)slot, FROM, TO));
	assert_int_equal(keys_in(FROM, slot), 0);
	assert_int_equal(claim(rig, old, 9), RECORD_FOUND);
	assert_int_equal(rig_settle(rig, old, 1, RECORD_STORED, response),
	                 RECORD_SETTLED);

	moved = moved_by(FROM);
	assert_true(redis_nodes_migrate_end(&nodes, (int)slot, FROM, TO));
	assert_int_equal(claim(rig, old, 9), RECORD_FOUND);
	assert_int_equal(claim(rig, third, 4), RECORD_GRANTED);
	assert_int_equal(
	    rig_settle(rig, third, 4, RECORD_NONE, spoe_span(NULL, 0)),
	    RECORD_SETTLED);
	for (int i = 0; i < 5; i++)
		assert_int_equal(peek(rig, fresh), RECORD_FOUND);
	if (redis_process_major() >= 7) /* earlier ones do not count */
		assert_int_equal(moved_by(FROM), moved + 1);
	rig_response_free(response);
	/* Back, for the next test. */
	assert_true(redis_nodes_migrate_begin(&nodes, (int)slot, TO, FROM));
	assert_true(redis_nodes_migrate_keys(&nodes, (int)slot, TO, FROM));
	assert_true(redis_nodes_migrate_end(&nodes, (int)slot, TO, FROM));
}

/* One of two agents, of those who race for a key. */
struct racer {
	struct rig_call call;
	uint64_t n;
};

/* Two agents race for each key of a slot that moves under their feet. */
static void races_have_one_owner_while_a_slot_moves(void **state)
{
	enum { KEYS = 6, STEPS = 8 };
	struct rig *rig = *state;
	struct rig other = *rig;
	const unsigned slot = slot_of(next_of_node(0, FROM));
	struct racer racers[KEYS][2];
	uint64_t n = 0;
	unsigned rounds = 0;

	other.client = store_attach(rig->store, rig->loop);
	assert_non_null(other.client);
	for (int step = 0; step < STEPS; step++) {
		const int from = step / 4 % 2 ? TO : FROM;
		const int to = step / 4 % 2 ? FROM : TO;

		memset(racers, 0, sizeof(racers));
		for (int i = 0; i < KEYS; i++) {
			n = next_in_slot(n, slot);
			for (uint64_t j = 0; j < 2; j++)
				rig_submit(j ? &other : rig, &racers[i][j].call,
				           rig_claim_op(n, j + 1, RIG_NOW));
		}
		rig_turn(rig->loop);
		switch (step % 4) {
		case 1:
			assert_true(redis_nodes_migrate_begin(&nodes, (int)slot,
			                                      from, to));
			break;
		case 2:
			assert_true(redis_nodes_migrate_keys(&nodes, (int)slot,
			                                     from, to));
			break;
		case 3:
			assert_true(redis_nodes_migrate_keys(&nodes, (int)slot,
			                                     from, to));
			assert_true(redis_nodes_migrate_end(&nodes, (int)slot,
			                                    from, to));
			break;
		default:
			break;
		}
		for (int i = 0; i < KEYS; i++) {
			unsigned granted = 0;

			for (int j = 0; j < 2; j++) {
				struct rig_call *c = &racers[i][j].call;

				rig_until(rig, c->answers == 1);
				assert_int_equal(c->health, REASON_NONE);
				granted += c->result == RECORD_GRANTED;
				rig_call_fini(c);
			}
			assert_int_equal(granted, 1);
			rounds++;
		}
	}
	assert_int_equal(rounds, KEYS * STEPS);
	store_detach(other.client);
}

/* --- nodes that are ill --------------------------------------------------- */

/* A slot that nobody serves is an error, not more; and comes back. */
static void a_slot_without_an_owner(void **state)
{
	struct rig *rig = *state;
	const uint64_t n = next_of_node(0, 1);
	const unsigned slot = slot_of(n);
	const uint64_t elsewhere = next_of_node(n, 0);

	assert_int_equal(claim(rig, n, 1), RECORD_GRANTED);
	assert_true(
	    redis_process_do(&nodes.nodes[1], "CLUSTER DELSLOTS %u", slot));
	assert_int_equal(rig_health(rig, rig_peek_op(n, RIG_NOW)),
	                 REASON_STORE_FAILED);
	assert_int_equal(rig_health(rig, rig_claim_op(n, 2, RIG_NOW)),
	                 REASON_STORE_FAILED);
	assert_int_equal(claim(rig, elsewhere, 1), RECORD_GRANTED);
	assert_true(
	    redis_process_do(&nodes.nodes[1], "CLUSTER ADDSLOTS %u", slot));
	assert_int_equal(redis_rig_result(rig, rig_claim_op(n, 2, RIG_NOW)),
	                 RECORD_FOUND);
}

/* A frozen node fails its own slots, in time, and nobody else's; what was in
 * its pipe locks nothing in the end. */
static void a_frozen_node_fails_alone(void **state)
{
	enum { N = 20 };
	struct redis_cluster_rig *r = new_rig();
	struct rig *rig = &r->base.rig;
	struct rig_call calls[N] = {{.answers = 0}};
	uint64_t n = 100000, lost[N];
	ev_tstamp began;

	(void)state;
	r->base.redis.timeout_ms = TIMEOUT_MS;
	rig_open(rig);
	for (int i = 0; i < nodes.count; i++)
		redis_rig_result(rig,
		                 rig_claim_op(next_of_node(1, i), 1, RIG_NOW));
	redis_process_freeze(&nodes.nodes[1]);
	began = ev_time();
	for (int i = 0; i < N; i++) {
		lost[i] = n = next_of_node(n, 1);
		rig_submit(rig, &calls[i], rig_claim_op(n, 2, RIG_NOW));
	}
	for (int i = 0; i < N; i++) {
		rig_until(rig, calls[i].answers == 1);
		assert_true(calls[i].health == REASON_STORE_SLOW ||
		            calls[i].health == REASON_STORE_FAILED);
		rig_call_fini(&calls[i]);
	}
	print_message("# frozen: %d errors in %.0f ms\n", N,
	              1e3 * (ev_time() - began));
	/* The others work all the time. */
	for (int i = 0; i < N; i++) {
		n = next_of_node(n, i % 2 ? 2 : 0);
		assert_int_equal(
		    redis_rig_result(rig, rig_claim_op(n, 3, RIG_NOW)),
		    RECORD_GRANTED);
	}
	redis_process_thaw(&nodes.nodes[1]);
	for (int i = 0; i < N; i++)
		until_free(rig, lost[i]);
	rig_fini(rig);
	free(r);
}

/* A node that is gone and comes back: the same. */
static void a_node_dies_and_comes_back(void **state)
{
	struct redis_cluster_rig *r = new_rig();
	struct rig *rig = &r->base.rig;
	uint64_t n = next_of_node(50000, 1);

	(void)state;
	r->base.redis.timeout_ms = TIMEOUT_MS;
	rig_open(rig);
	redis_rig_result(rig, rig_claim_op(n, 1, RIG_NOW));
	redis_process_kill(&nodes.nodes[1]);
	for (int i = 0; i < 20; i++) {
		n = next_of_node(n, 1);
		assert_int_not_equal(
		    rig_health(rig, rig_claim_op(n, 2, RIG_NOW)), REASON_NONE);
		n = next_of_node(n, i % 2 ? 2 : 0);
		assert_int_equal(
		    redis_rig_result(rig, rig_claim_op(n, 3, RIG_NOW)),
		    RECORD_GRANTED);
	}
	assert_true(redis_process_restart(&nodes.nodes[1]));
	assert_true(redis_nodes_settled(&nodes));
	n = next_of_node(n, 1);
	assert_int_equal(redis_rig_result(rig, rig_claim_op(n, 4, RIG_NOW)),
	                 RECORD_GRANTED);
	rig_fini(rig);
	free(r);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(found_through_any_node),
	    cmocka_unit_test(found_past_the_dead),
	    cmocka_unit_test(hosts_may_be_left_open),
	    cmocka_unit_test(wrong_modes_are_refused),
	    cmocka_unit_test_setup_teardown(a_slot_moves, open_rig, close_rig),
	    cmocka_unit_test_setup_teardown(
		races_have_one_owner_while_a_slot_moves, open_rig, close_rig),
	    cmocka_unit_test_setup_teardown(a_slot_without_an_owner, open_rig,
	                                    close_rig),
	    cmocka_unit_test(a_frozen_node_fails_alone),
	    cmocka_unit_test(a_node_dies_and_comes_back),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
