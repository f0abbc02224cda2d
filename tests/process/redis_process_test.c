/* The servers that other tests rely on: they start, stop, die and come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/redis_group.h"

static const struct redis_setup plain = {.user = NULL};

static void test_server(void **state)
{
	struct redis_process r;

	(void)state;
	assert_true(redis_process_major() >= 6);
	assert_true(redis_process_start(&r, &plain));
	assert_true(redis_process_do(&r, "SET key value%d", 1));
	assert_string_equal(redis_process_ask(&r, "GET key"), "value1");
	assert_string_equal(redis_process_ask(&r, "GET none"), "(nil)");
	assert_string_equal(redis_process_ask(&r, "MGET key none"),
	                    "value1\n(nil)");
	assert_non_null(
	    strstr(redis_process_ask(&r, "NONSENSE"), "(error) ERR unknown"));
	redis_process_fini(&r);
	assert_int_not_equal(access(r.socket, F_OK), 0);
}

static void test_killed_and_restarted(void **state)
{
	struct redis_process r;
	int port;

	(void)state;
	assert_true(redis_process_start(&r, &plain));
	port = r.port;
	for (int i = 0; i < 3; i++) {
		redis_process_kill(&r);
		assert_non_null(strstr(redis_process_ask(&r, "PING"), "(io)"));
		assert_true(redis_process_restart(&r));
		assert_int_equal(r.port, port);
	}
	redis_process_freeze(&r);
	assert_non_null(strstr(redis_process_ask(&r, "PING"), "(io)"));
	redis_process_thaw(&r);
	assert_true(redis_process_do(&r, "PING"));
	redis_process_fini(&r);
}

static void test_users(void **state)
{
	const struct redis_setup password = {.password = "secret"};
	const struct redis_setup user = {.user = "app", .password = "secret"};
	struct redis_process r;

	(void)state;
	assert_true(redis_process_start(&r, &password));
	r.password[0] = '\0';
	assert_non_null(strstr(redis_process_ask(&r, "GET k"), "NOAUTH"));
	redis_process_fini(&r);
	assert_true(redis_process_start(&r, &user));
	assert_string_equal(redis_process_ask(&r, "ACL WHOAMI"), "app");
	redis_process_fini(&r);
}

/* The first port it would take is somebody else's: it finds another. */
static void test_port_taken(void **state)
{
	struct redis_process first, second;

	(void)state;
	assert_true(redis_process_start(&first, &plain));
	assert_true(redis_process_start(&second, &plain));
	assert_int_not_equal(first.port, second.port);
	redis_process_fini(&first);
	redis_process_fini(&second);
}

static void test_mistake_in_configuration(void **state)
{
	const struct redis_setup mistake = {.config = "nonsense 1"};
	struct redis_process r;

	(void)state;
	fprintf(stderr, "(a server refuses its configuration:)\n");
	assert_false(redis_process_start(&r, &mistake));
	redis_process_fini(&r);
}

/* Gone, or dead with nobody who has waited for it yet. */
static bool is_dead(pid_t pid)
{
	char path[64], line[256] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (!f)
		return true;
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	return !line[0] || strstr(line, ") Z") || strstr(line, ") X");
}

static void be_a_test_that_hangs(int out)
{
	struct redis_process r;

	if (redis_process_start(&r, &plain) &&
	    write(out, &r, sizeof(r)) == (ssize_t)sizeof(r)) {
		for (;;)
			pause();
	}
	_exit(1);
}

/* A test that dies takes its servers along. */
static void test_death(void **state)
{
	struct redis_process r;
	int fds[2];
	pid_t test, server;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	test = fork();
	if (test == 0)
		be_a_test_that_hangs(fds[1]);
	assert_int_equal(read(fds[0], &r, sizeof(r)), sizeof(r));
	server = r.pid;
	assert_false(is_dead(server));
	kill(test, SIGKILL);
	waitpid(test, NULL, 0);
	for (long until = redis_process_now() + REDIS_BOUND_MS;
	     !is_dead(server) && redis_process_now() < until;)
		redis_process_pause();
	assert_true(is_dead(server));
	r.pid = 0;
	r.reserved[0] = r.reserved[1] = -1;
	redis_process_fini(&r);
	close(fds[0]);
	close(fds[1]);
}

static void test_sentinels(void **state)
{
	static struct redis_sentinels s;
	struct redis_process *master;

	(void)state;
	assert_true(redis_sentinels_start(&s, NULL, NULL));
	assert_ptr_equal(redis_sentinels_master(&s, 2), &s.servers[0]);
	redis_process_kill(&s.servers[0]);
	master = redis_sentinels_wait_other(&s, &s.servers[0]);
	assert_non_null(master);
	assert_true(redis_process_do(master, "SET k v"));
	redis_sentinels_fini(&s);
}

static void test_cluster(void **state)
{
	static struct redis_nodes n;
	struct redis_process *owner;
	int slot;

	(void)state;
	assert_true(redis_nodes_start(&n, NULL));
	slot = redis_nodes_slot(&n, "123456789");
	assert_int_equal(slot, 0x31C3);
	owner = redis_nodes_owner(&n, 0, slot);
	assert_ptr_equal(owner, &n.nodes[2]);
	assert_true(redis_process_do(owner, "SET 123456789 v"));
	assert_non_null(strstr(redis_process_ask(&n.nodes[0], "GET 123456789"),
	                       "MOVED 12739 127.0.0.1:"));

	assert_true(redis_nodes_migrate_begin(&n, slot, 2, 0));
	assert_true(redis_nodes_migrate_keys(&n, slot, 2, 0));
	assert_non_null(strstr(redis_process_ask(owner, "GET 123456789"),
	                       "ASK 12739 127.0.0.1:"));
	assert_true(redis_nodes_migrate_end(&n, slot, 2, 0));
	assert_string_equal(redis_process_ask(&n.nodes[0], "GET 123456789"),
	                    "v");

	redis_process_kill(&n.nodes[1]);
	owner = redis_nodes_wait_other(&n, 0, 8000, &n.nodes[1]);
	assert_ptr_equal(owner, &n.nodes[4]);
	assert_true(redis_process_restart(&n.nodes[1]));
	assert_true(redis_nodes_settled(&n));
	redis_nodes_fini(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_server),
	    cmocka_unit_test(test_killed_and_restarted),
	    cmocka_unit_test(test_users),
	    cmocka_unit_test(test_port_taken),
	    cmocka_unit_test(test_mistake_in_configuration),
	    cmocka_unit_test(test_death),
	    cmocka_unit_test(test_sentinels),
	    cmocka_unit_test(test_cluster),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
