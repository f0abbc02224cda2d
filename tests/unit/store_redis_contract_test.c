/* The rules of store.h against the Redis driver, with a real server. */
#include "tests/unit/store_contract.h"
#include "tests/unit/store_redis_rig.h"

/* One server for all tests of a group. */
static struct redis_process server;

static int start(void **state)
{
	static const struct redis_setup setup = {.user = NULL};

	(void)state;
	return redis_process_start(&server, &setup) ? 0 : -1;
}

static int finish(void **state)
{
	(void)state;
	redis_process_fini(&server);
	return 0;
}

static int open_at(void **state, const char *address)
{
	struct redis_rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	assert_true(redis_process_do(&server, "FLUSHALL"));
	redis_rig_init(r, &server, address);
	rig_open(&r->rig);
	*state = r;
	return 0;
}

static int open_unix(void **state)
{
	char address[128];

	snprintf(address, sizeof(address), "unix:%s", server.socket);
	return open_at(state, address);
}

static int open_tcp(void **state)
{
	char address[128];

	snprintf(address, sizeof(address), "127.0.0.1:%d", server.port);
	return open_at(state, address);
}

int main(void)
{
	static const struct CMUnitTest unix_socket[] = {
	    STORE_CONTRACT_TESTS(open_unix),
	};
	static const struct CMUnitTest tcp[] = {
	    STORE_CONTRACT_TESTS(open_tcp),
	};
	int failed = cmocka_run_group_tests_name("redis, Unix socket",
	                                         unix_socket, start, finish);

	return failed +
	       cmocka_run_group_tests_name("redis, TCP", tcp, start, finish);
}
