/* A master of a cluster is killed while two agents work: its slots fail until
 * its replica has taken over, the others go on, nothing is executed twice that
 * the replica knew of; and what happens to what it did not know of. */
#include "agent/store/redis_command.h"
#include "agent/store/redis_slot.h"
#include "tests/unit/store_redis_cluster_rig.h"

enum {
	TIMEOUT_MS = 250,
	KEYS_MAX = 60000,
	KEYS_PER_S = 1000, /* each claimed by both agents */
	IN_FLIGHT = 400,
};

static struct redis_nodes nodes;

/* One key: both agents claim it at the same time; who gets it settles it. */
struct job {
	struct rig_call claims[2];
	struct rig_call settle;
	struct load *load;
	unsigned answered;
	ev_tstamp began;
	uint64_t n;
	bool granted;
	bool of_victim; /* its slot was the dead master's */
};

struct load {
	struct rig rig;
	struct store_client *agents[2];
	struct spoe_span response;
	struct job *jobs;
	uint64_t first; /* key */
	uint64_t n;     /* jobs begun */
	uint64_t ended;
	ev_tstamp began_at;
	unsigned victim_first; /* its slots */
	unsigned victim_last;
	ev_tstamp killed_at;    /* 0: not yet */
	ev_tstamp recovered_at; /* when its slots worked again */
	unsigned errors[2];     /* answers; of others, of its slots */
	unsigned executed;
	double
	    waits[2 * KEYS_MAX]; /* of the others' claims, while it is gone */
	unsigned n_waits;
};

static int start(void **state)
{
	/* A node of a crowded machine may be slow without being dead. */
	const struct redis_cluster_setup setup = {
	    .partial = true,
	    .node_timeout_ms = 3000,
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

static struct redis_cluster_rig *new_rig(uint64_t wait_replicas)
{
	struct redis_cluster_rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	redis_cluster_rig_init(r, &nodes);
	r->base.redis.timeout_ms = TIMEOUT_MS;
	r->base.redis.wait_replicas = wait_replicas;
	r->base.redis.wait_timeout_ms = TIMEOUT_MS / 3;
	r->base.rig.options.report = NULL;
	r->base.rig.pass = NULL;
	return r;
}

/* A node that runs. */
static int running(void)
{
	int i = 0;

	while (nodes.nodes[i].pid <= 0)
		i++;
	return i;
}

/* Who was killed is back, and has what its new master has. */
static void heal(struct redis_process *master)
{
	master->password[0] = '\0';
	assert_true(redis_process_restart(master));
	/* It begins as the master it was. */
	assert_true(
	    redis_process_wait(master, "role:slave", "INFO replication"));
	assert_true(redis_nodes_settled(&nodes));
}

/* Replicas that have just copied everything may not hear of what is new yet:
 * waits until each master's does. */
static void until_replicated(void)
{
	static uint64_t n = 3000000;
	struct redis_cluster_rig *r = new_rig(1);
	bool heard[REDIS_MASTERS] = {false};
	int missing = REDIS_MASTERS;
	const ev_tstamp end = ev_time() + RIG_LIMIT_S;

	rig_open(&r->base.rig);
	while (missing > 0) {
		const unsigned third =
		    slot_of(++n) / (REDIS_SLOTS / REDIS_MASTERS + 1);
		struct rig_call c;

		if (ev_time() > end)
			fail_msg("a master has no replica that hears");
		if (heard[third])
			continue;
		c = rig_do(&r->base.rig, rig_claim_op(n, 1, RIG_NOW));
		heard[third] = c.health == REASON_NONE;
		missing -= heard[third];
		rig_call_fini(&c);
	}
	rig_fini(&r->base.rig);
	free(r);
}

/* --- load ----------------------------------------------------------------- */

static void on_settled(struct rig_call *c)
{
	struct job *job = c->cookie;
	struct load *l = job->load;

	l->errors[job->of_victim] += c->health != REASON_NONE;
	l->ended++;
}

static void execute(struct job *job, uint64_t owner)
{
	struct load *l = job->load;

	job->granted = true;
	l->executed++;
	job->settle.then = on_settled;
	job->settle.cookie = job;
	job->settle.rig = &l->rig;
	job->settle.call.op =
	    rig_settle_op(job->n, owner, RIG_NOW, RECORD_STORED, l->response);
	job->settle.call.done = rig_on_done;
	store_submit(l->agents[owner - 1], &job->settle.call);
}

static void note_answer(struct load *l, const struct job *job,
                        const struct rig_call *c)
{
	const ev_tstamp now = ev_time();
	const bool gone = l->killed_at > 0 && l->recovered_at == 0;

	l->errors[job->of_victim] += c->health != REASON_NONE;
	if (gone && !job->of_victim && c->health == REASON_NONE)
		l->waits[l->n_waits++] = now - job->began;
	if (gone && job->of_victim && c->health == REASON_NONE &&
	    job->began > l->killed_at)
		l->recovered_at = now;
}

static void on_claimed(struct rig_call *c)
{
	struct job *job = c->cookie;
	struct load *l = job->load;

	note_answer(l, job, c);
	job->answered++;
	if (c->health == REASON_NONE && c->result == RECORD_GRANTED) {
		/* Never two. */
		assert_false(job->granted);
		execute(job, c == &job->claims[0] ? 1 : 2);
	}
	if (job->answered == 2 && !job->granted)
		l->ended++;
}

static void begin_job(struct load *l)
{
	struct job *job = &l->jobs[l->n];

	job->n = l->first + l->n++;
	job->load = l;
	job->began = ev_time();
	job->of_victim = slot_of(job->n) >= l->victim_first &&
	                 slot_of(job->n) <= l->victim_last;
	for (uint64_t i = 0; i < 2; i++) {
		struct rig_call *c = &job->claims[i];

		c->then = on_claimed;
		c->cookie = job;
		c->rig = &l->rig;
		c->call.op = rig_claim_op(job->n, i + 1, RIG_NOW);
		c->call.done = rig_on_done;
		store_submit(l->agents[i], &c->call);
	}
}

/* One turn, in which as many keys are begun as the time allows. */
static void turn(struct load *l)
{
	const double due = (ev_time() - l->began_at) * KEYS_PER_S;

	while (l->n < due && l->n - l->ended < IN_FLIGHT) {
		if (l->n == KEYS_MAX)
			fail_msg("its slots do not come back");
		begin_job(l);
	}
	rig_turn(l->rig.loop);
}

static void run_for(struct load *l, double seconds)
{
	const ev_tstamp end = ev_time() + seconds;

	while (ev_time() < end)
		turn(l);
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The p-th of 100 of the waits, in ms. */
static double percentile(struct load *l, unsigned p)
{
	qsort(l->waits, l->n_waits, sizeof(l->waits[0]), compare);
	return l->n_waits == 0 ? 0. : 1e3 * l->waits[l->n_waits * p / 100];
}

/* How many of the keys that were executed would be so again. */
static unsigned executed_again(struct load *l)
{
	unsigned again = 0;

	for (uint64_t i = 0; i < l->n; i++) {
		struct job *job = &l->jobs[i];

		if (job->granted &&
		    redis_rig_result(&l->rig,
		                     rig_claim_op(job->n, 3, RIG_NOW)) ==
		        RECORD_GRANTED)
			again++;
		for (int j = 0; j < 2; j++)
			rig_call_fini(&job->claims[j]);
	}
	return again;
}

/* The number of keys whose request would be executed a second time. */
static unsigned kill_under_load(uint64_t wait_replicas)
{
	struct redis_cluster_rig *r = new_rig(wait_replicas);
	struct load *l = calloc(1, sizeof(*l));
	const int slot = REDIS_SLOTS / 2;
	struct redis_process *victim =
	    redis_nodes_owner(&nodes, running(), slot);
	unsigned again;

	assert_non_null(l);
	assert_non_null(victim);
	until_replicated();
	rig_open(&r->base.rig);
	l->rig = r->base.rig;
	l->first = wait_replicas * KEYS_MAX; /* that nobody had before */
	l->agents[0] = l->rig.client;
	l->agents[1] = store_attach(l->rig.store, l->rig.loop);
	l->response = rig_response(500, 1);
	l->jobs = calloc(KEYS_MAX, sizeof(l->jobs[0]));
	l->victim_first = REDIS_SLOTS / REDIS_MASTERS;
	l->victim_last = 2 * REDIS_SLOTS / REDIS_MASTERS - 1;
	l->began_at = ev_time();
	run_for(l, .3);
	redis_process_kill(victim);
	l->killed_at = ev_time();
	while (l->recovered_at == 0)
		turn(l);
	run_for(l, .3);
	rig_until(&l->rig, l->ended == l->n);
	print_message("# %llu keys by two agents, %u executed; back after "
	              "%.0f ms; errors: %u of its slots, %u of others; others "
	              "meanwhile: %u claims, p50 %.1f ms, p99 %.1f ms\n",
	              (unsigned long long)l->n, l->executed,
	              1e3 * (l->recovered_at - l->killed_at), l->errors[1],
	              l->errors[0], l->n_waits, percentile(l, 50),
	              percentile(l, 99));
	again = executed_again(l);
	print_message("# wait-replicas %u: executed again: %u\n",
	              (unsigned)wait_replicas, again);
	assert_true(l->n_waits > 0);
	assert_true(l->executed > 0);
	rig_response_free(l->response);
	store_detach(l->agents[1]);
	rig_fini(&r->base.rig);
	free(l->jobs);
	free(l);
	free(r);
	heal(victim);
	return again;
}

/* Without wait-replicas whoever is executed again was not replicated yet. */
static void a_master_dies_under_load(void **state)
{
	(void)state;
	kill_under_load(0);
}

static void with_wait_replicas_nothing_is_executed_twice(void **state)
{
	(void)state;
	assert_int_equal(kill_under_load(1), 0);
}

/* --- what replicas do not know ------------------------------------------- */

/* The replica that would take over from `master`, which is one of the first
 * three; NULL when somebody else has taken over meanwhile. */
static struct redis_process *replica_of(struct redis_process *master)
{
	for (int i = 0; i < nodes.count; i++) {
		char text[64];

		snprintf(text, sizeof(text), "master_port:%d", master->port);
		if (&nodes.nodes[i] != master && nodes.nodes[i].pid > 0 &&
		    strstr(
			redis_process_ask(&nodes.nodes[i], "INFO replication"),
			text))
			return &nodes.nodes[i];
	}
	return NULL;
}

/* Takes the replica off its master, which goes on without it. */
static void cut_off(struct redis_process *master, struct redis_process *replica)
{
	/* It is not let in again. */
	assert_true(redis_process_do(replica, "CONFIG SET masterauth wrong"));
	assert_true(redis_process_do(master, "CONFIG SET requirepass right"));
	snprintf(master->password, sizeof(master->password), "right");
	redis_process_ask(master, "CLIENT KILL TYPE replica");
	assert_true(redis_process_wait(master, "connected_slaves:0",
	                               "INFO replication"));
}

/* Claims a key that the replica hears of, and one that it does not; then the
 * master dies. Returns what the second claim was answered. */
static struct rig_call claim_and_kill(struct rig *rig, uint64_t known,
                                      uint64_t unknown)
{
	struct redis_process *master, *replica;
	struct rig_call c;
	char keys[16];

	assert_true(redis_nodes_settled(&nodes));
	master = redis_nodes_owner(&nodes, running(), (int)slot_of(known));
	assert_non_null(master);
	replica = replica_of(master);
	assert_non_null(replica);
	/* The connection is there before a new one needs a password. */
	assert_int_equal(redis_rig_result(rig, rig_claim_op(known, 1, RIG_NOW)),
	                 RECORD_GRANTED);
	snprintf(keys, sizeof(keys), "%s",
	         redis_process_ask(master, "CLUSTER COUNTKEYSINSLOT %u",
	                           slot_of(known)));
	assert_true(redis_process_wait(
	    replica, keys, "CLUSTER COUNTKEYSINSLOT %u", slot_of(known)));
	cut_off(master, replica);
	c = rig_do(rig, rig_claim_op(unknown, 1, RIG_NOW));
	redis_process_kill(master);
	/* What the replica knew is still there. */
	assert_int_equal(redis_rig_result(rig, rig_claim_op(known, 2, RIG_NOW)),
	                 RECORD_FOUND);
	heal(master);
	return c;
}

static uint64_t next_in_slot_of(uint64_t n)
{
	const unsigned slot = slot_of(n);

	do
		n++;
	while (slot_of(n) != slot);
	return n;
}

/* Replication is asynchronous: a lock that the replica has not got dies with
 * its master, and another agent is granted it. The documents say so. */
static void what_no_replica_knows_is_lost(void **state)
{
	struct redis_cluster_rig *r = new_rig(0);
	struct rig *rig = &r->base.rig;
	const uint64_t n = next_in_slot_of(1000000);
	struct rig_call c;

	(void)state;
	rig_open(rig);
	c = claim_and_kill(rig, 1000000, n);
	if (c.health == REASON_NONE) /* else the machine was too slow */
		assert_int_equal(c.result, RECORD_GRANTED);
	assert_int_equal(redis_rig_result(rig, rig_claim_op(n, 2, RIG_NOW)),
	                 RECORD_GRANTED);
	rig_fini(rig);
	free(r);
}

/* With wait-replicas nobody was told to execute it. */
static void what_no_replica_knows_is_not_granted(void **state)
{
	struct redis_cluster_rig *r = new_rig(1);
	struct rig *rig = &r->base.rig;
	const uint64_t n = next_in_slot_of(2000000);
	struct rig_call c;

	(void)state;
	rig_open(rig);
	c = claim_and_kill(rig, 2000000, n);
	assert_int_not_equal(c.health, REASON_NONE);
	rig_fini(rig);
	free(r);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_no_replica_knows_is_lost),
	    cmocka_unit_test(what_no_replica_knows_is_not_granted),
	    cmocka_unit_test(a_master_dies_under_load),
	    cmocka_unit_test(with_wait_replicas_nothing_is_executed_twice),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
