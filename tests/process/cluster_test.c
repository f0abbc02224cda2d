/* A pool over a Redis Cluster: TLS everywhere, and an ACL user who may do what
 * the documents say and no more. */
#include "tests/process/pool_rig.h"
#include "tests/support/certificates.h"
#include "tests/support/redis_group.h"

enum { ROUNDS = 60 };

/* As in README.md. */
#define MAY                                                                    \
	"on >secret ~idempotency:* +set +get +del +eval +evalsha +ping +info " \
	"+time +scan +select +client|setname +config|get +cluster|slots "      \
	"+asking"

/* One cluster for all tests. */
static struct redis_nodes nodes;
static struct certificates certificates;

static int start(void **state)
{
	struct redis_cluster_setup setup = {.no_replicas = true};

	(void)state;
	if (!certificates_init(&certificates))
		return -1;
	setup.tls_ca = certificates_file(&certificates, 0, "ca.pem");
	setup.tls_certificate = certificates_file(&certificates, 1, "node.pem");
	setup.tls_key = certificates_file(&certificates, 2, "node.key");
	if (!redis_nodes_start(&nodes, &setup))
		return -1;
	for (int i = 0; i < nodes.count; i++)
		if (!redis_process_do(&nodes.nodes[i],
		                      "ACL SETUSER idempotency " MAY))
			return -1;
	return 0;
}

static int finish(void **state)
{
	(void)state;
	redis_nodes_fini(&nodes);
	certificates_fini(&certificates);
	return 0;
}

static int set_up(void **state)
{
	struct pool *p = calloc(1, sizeof(*p));

	*state = p;
	return p && pool_init(p) ? 0 : -1;
}

static int tear_down(void **state)
{
	struct pool *p = *state;
	const bool well = pool_fini(p);

	free(p);
	return well ? 0 : -1;
}

/* Both know only one node, and find the others. */
static struct pool *started(void **state)
{
	struct pool *p = *state;
	char redis[512], password[128];
	FILE *f;

	snprintf(password, sizeof(password), "%s/password",
	         certificates.directory);
	f = fopen(password, "w");
	assert_non_null(f);
	fputs("secret\n", f);
	assert_int_equal(fclose(f), 0);
	snprintf(redis, sizeof(redis),
	         "mode = cluster\nservers = 127.0.0.1:%d\ntimeout = 20s\n"
	         "username = idempotency\npassword-file = %s\n"
	         "tls = on\ntls-ca = %s\n",
	         nodes.nodes[1].tls_port, password,
	         certificates_file(&certificates, 0, "ca.pem"));
	pool_start(p, "", redis);
	for (int i = 0; i < nodes.count; i++)
		assert_true(redis_process_do(&nodes.nodes[i], "FLUSHALL"));
	return p;
}

static void duplicates_are_executed_once(void **state)
{
	struct pool *p = started(state);

	for (unsigned round = 0; round < ROUNDS; round++)
		pool_race(p, round);
	/* Every master had a part in it. */
	for (int i = 0; i < nodes.count; i++)
		assert_true(atoi(redis_process_ask(&nodes.nodes[i], "DBSIZE")) >
		            0);
}

/* The only record there is: its slot, and the node that has it. */
static int only_slot(int *ret_node)
{
	for (int i = 0; i < nodes.count; i++) {
		char key[128];

		snprintf(key, sizeof(key), "%s",
		         redis_process_ask(&nodes.nodes[i], "KEYS *"));
		if (key[0] == '\0')
			continue;
		*ret_node = i;
		return redis_nodes_slot(&nodes, key);
	}
	fail_msg("no record");
	return -1;
}

/* A request begins, its slot moves, and both agents go after it: on its way
 * (ASK) and when it has arrived (MOVED). */
static void a_slot_moves_under_a_request(void **state)
{
	struct pool *p = started(state);
	struct spop_reply reply;
	char ticket[128];
	int from = 0, slot, to;

	assert_string_equal(pool_verdict(p->clients[0], "k", &reply),
	                    "proceed");
	strcpy(ticket, reply.ticket);
	slot = only_slot(&from);
	to = (from + 1) % nodes.count;
	assert_true(redis_nodes_migrate_begin(&nodes, slot, from, to));
	assert_string_equal(pool_verdict(p->clients[1], "k", &reply),
	                    "conflict");
	assert_true(redis_nodes_migrate_keys(&nodes, slot, from, to));
	assert_string_equal(pool_verdict(p->clients[0], "k", &reply),
	                    "conflict");
	assert_string_equal(pool_outcome(p->clients[1], ticket, "done", &reply),
	                    "stored");
	pool_expect_replay(p->clients[0], "k", "done");
	assert_true(redis_nodes_migrate_end(&nodes, slot, from, to));
	pool_expect_replay(p->clients[0], "k", "done");
	pool_expect_replay(p->clients[1], "k", "done");
	assert_string_equal(redis_process_ask(&nodes.nodes[to],
	                                      "CLUSTER COUNTKEYSINSLOT %d",
	                                      slot),
	                    "1");
	assert_true(redis_nodes_migrate_begin(&nodes, slot, to, from));
	assert_true(redis_nodes_migrate_keys(&nodes, slot, to, from));
	assert_true(redis_nodes_migrate_end(&nodes, slot, to, from));
}

#define POOL(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    POOL(duplicates_are_executed_once),
	    POOL(a_slot_moves_under_a_request),
	};

	return cmocka_run_group_tests_name("a pool over a cluster", tests,
	                                   start, finish);
}
