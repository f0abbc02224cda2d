/* The rules of store.h against the Redis driver on a cluster. */
#include "tests/unit/store_contract.h"
#include "tests/unit/store_redis_cluster_rig.h"

/* One cluster for all tests of a group. */
static struct redis_nodes nodes;

static int start(void **state)
{
	const struct redis_cluster_setup setup = {.no_replicas = true};

	(void)state;
	return redis_nodes_start(&nodes, &setup) ? 0 : -1;
}

static int finish(void **state)
{
	(void)state;
	redis_nodes_fini(&nodes);
	return 0;
}

static int open_rig(void **state)
{
	struct redis_cluster_rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	for (int i = 0; i < nodes.count; i++)
		assert_true(redis_process_do(&nodes.nodes[i], "FLUSHALL"));
	redis_cluster_rig_init(r, &nodes);
	rig_open(&r->base.rig);
	*state = r;
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    STORE_CONTRACT_TESTS(open_rig),
	};

	return cmocka_run_group_tests_name("redis, cluster", tests, start,
	                                   finish);
}
