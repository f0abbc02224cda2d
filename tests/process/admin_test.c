/* The admin endpoint of the real process: whoever asks it learns how the agent
 * is, and whoever does not let it go stands in nobody's way. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lmdb.h>

#include "tests/process/admin_rig.h"

/* --- what is there --- */

static void test_routes(void **state)
{
	struct agent_process *a = rig_started(state, "", "");
	struct http_reply get, head;

	assert_true(http_client_becomes(a->admin, "/readyz", 200));
	expect_answer(a, "/readyz", 200, "ready\n");
	expect_answer(a, "/healthz", 200, "alive\n");
	expect_answer(a, "/metrics/", 404, "there is nothing here\n");
	expect_answer(a, "/healthz?x=/metrics", 200, "alive\n");
	expect_answer(a, "/%2e%2e/etc/passwd", 404, "there is nothing here\n");
	get = got(a, "/healthz");
	head = http_client_ask(a->admin, "HEAD", "/healthz");
	assert_int_equal(head.status, 200);
	assert_string_equal(head.body, "");
	assert_non_null(strstr(head.head, "Content-Length: 6"));
	assert_non_null(strstr(get.head, "Content-Length: 6"));
	assert_non_null(strstr(get.head, "X-Content-Type-Options: nosniff"));
	assert_non_null(
	    strstr(get.head, "Content-Security-Policy: default-src 'none'"));
	http_client_free(&get);
	http_client_free(&head);
}

static void test_it_only_tells(void **state)
{
	static const char *const methods[] = {"POST",    "PUT",   "DELETE",
	                                      "OPTIONS", "PATCH", "NONSENSE"};
	struct agent_process *a = rig_started(state, "", "");

	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
		struct http_reply reply =
		    http_client_ask(a->admin, methods[i], "/metrics");

		assert_int_equal(reply.status, 405);
		assert_non_null(strstr(reply.head, "Allow: GET, HEAD"));
		http_client_free(&reply);
	}
}

static void test_a_connection_may_be_kept(void **state)
{
	struct agent_process *a = rig_started(state, "", "");
	struct http_reply reply =
	    http_client_raw(a->admin, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
	                              "GET /healthz HTTP/1.1\r\nHost: a\r\n"
	                              "Connection: close\r\n\r\n");

	assert_int_equal(reply.status, 200);
	/* The second answer stands behind the first one's body. */
	assert_non_null(strstr(reply.body, "alive\nHTTP/1.1 200 OK"));
	http_client_free(&reply);
}

static void test_the_mode_of_its_socket(void **state)
{
	struct agent_process *a = *state;
	struct stat s;
	char extra[160];

	snprintf(extra, sizeof(extra),
	         "[admin]\nlisten = unix:%s\nsocket-mode = 0604\n", a->admin);
	rig_started(state, "", extra);
	assert_int_equal(stat(a->admin, &s), 0);
	assert_int_equal(s.st_mode & 0777, 0604);
}

/* On TCP, as it is by default; and where somebody else listens already, the
 * agent says so and serves. */
static void test_an_address_that_is_taken(void **state)
{
	struct agent_process *a = *state;
	struct sockaddr_in address = {
	    .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char extra[128];
	char error[128];
	struct spop_client *c;

	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(fd, 1), 0);
	getsockname(fd, (struct sockaddr *)&address, &size);
	snprintf(extra, sizeof(extra),
	         "[admin]\nlisten = 127.0.0.1:%d 127.0.0.1:0\n",
	         ntohs(address.sin_port));
	rig_started(state, "", extra);
	snprintf(error, sizeof(error), "127.0.0.1:%d", ntohs(address.sin_port));
	assert_true(agent_process_said(a, "event=admin-failed"));
	assert_true(agent_process_said(a, error));
	assert_true(agent_process_said(a, "event=listening address=127.0.0.1"));
	c = rig_opened(a);
	execute(c, "k", NULL);
	rig_closed(c);
	close(fd);
}

static void test_none_when_it_is_not_wanted(void **state)
{
	struct agent_process *a = rig_started(state, "", "[admin]\nlisten =\n");
	struct spop_client *c = rig_opened(a);

	execute(c, "k", NULL);
	assert_int_equal(http_client_connect(a->admin), -1);
	rig_closed(c);
}

/* --- whether it is well --- */

static MDB_txn *hold_store(struct agent_process *a, MDB_env **ret_env)
{
	MDB_txn *txn;

	assert_int_equal(mdb_env_create(ret_env), 0);
	assert_int_equal(mdb_env_set_maxdbs(*ret_env, 8), 0);
	assert_int_equal(mdb_env_open(*ret_env, a->store, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(*ret_env, NULL, 0, &txn), 0);
	return txn;
}

static void let_go(MDB_env *env, MDB_txn *txn)
{
	mdb_txn_abort(txn);
	mdb_env_close(env);
}

static void test_not_ready_while_it_drains(void **state)
{
	struct agent_process *a = rig_started(state, "", "");
	struct spop_client *c = rig_opened(a);
	const struct spop_check check = {.key = "k"};
	struct spop_reply reply;
	MDB_env *env;
	MDB_txn *txn;

	assert_true(http_client_becomes(a->admin, "/readyz", 200));
	txn = hold_store(a, &env);
	assert_true(spop_client_send_check(c, &check));
	expect_sample_soon(a, P "frames_total{direction=\"in\"}", 2);
	agent_process_signal(a, SIGTERM);
	assert_true(agent_process_notified(a, "STOPPING=1"));
	expect_answer(a, "/readyz", 503, "not ready: the agent is stopping\n");
	expect_answer(a, "/healthz", 200, "alive\n");
	expect_sample(a, P "ready", 0);
	let_go(env, txn);
	assert_true(spop_client_reply(c, &reply));
	rig_closed(c);
	assert_int_equal(agent_process_wait(a), 0);
}

static void test_not_ready_while_the_store_hangs(void **state)
{
	struct agent_process *a =
	    rig_started(state, "answer-timeout = 100ms", "");
	struct spop_client *c = rig_opened(a);
	struct spop_reply reply;
	MDB_env *env;
	MDB_txn *txn;

	assert_true(http_client_becomes(a->admin, "/readyz", 200));
	txn = hold_store(a, &env);
	reply = ask(c, "k", NULL);
	assert_string_equal(reply.verdict, "error");
	expect_answer(a, "/readyz", 503,
	              "not ready: requests wait for the store, longer than "
	              "answer-timeout\n");
	expect_sample(a, P "requests_late", 1);
	let_go(env, txn);
	assert_true(http_client_becomes(a->admin, "/readyz", 200));
	expect_sample(a, P "requests_late", 0);
	rig_closed(c);
}

static void test_not_ready_without_redis(void **state)
{
	struct redis_process r;
	const struct redis_setup setup = {.user = NULL};
	struct agent_process *a = *state;
	char extra[256];

	assert_true(redis_process_start(&r, &setup));
	snprintf(extra, sizeof(extra),
	         "driver = redis\n[redis]\nservers = unix:%s\n", r.socket);
	rig_started(state, "", extra);
	assert_true(http_client_becomes(a->admin, "/readyz", 200));
	expect_sample(a, P "store_up", 1);
	redis_process_kill(&r);
	assert_true(http_client_becomes(a->admin, "/readyz", 503));
	expect_sample(a, P "store_up", 0);
	assert_true(redis_process_restart(&r));
	/* Nobody asks the agent, and yet it knows. */
	assert_true(http_client_becomes(a->admin, "/readyz", 200));
	redis_process_fini(&r);
}

static void test_not_ready_when_it_is_full(void **state)
{
	struct agent_process *a =
	    rig_started(state, "max-connections = 2\nmax-waiters = 1\n", "");
	struct spop_client *first = rig_opened(a);
	struct spop_client *second;

	assert_true(http_client_becomes(a->admin, "/readyz", 200));
	second = rig_opened(a);
	expect_answer(a, "/readyz", 503,
	              "not ready: no more connections are accepted "
	              "(max-connections)\n");
	rig_closed(second);
	assert_true(http_client_becomes(a->admin, "/readyz", 200));
	rig_closed(first);
}

/* --- those who ask badly --- */

/* Garbage, half a request, one without an end, and answers that nobody reads:
 * HAProxy is served, and so are those who ask well. */
static void test_bad_clients_stand_in_nobodys_way(void **state)
{
	enum { SILENT = 40 };
	struct agent_process *a = rig_started(state, "", "");
	struct spop_client *c = rig_opened(a);
	struct http_reply reply;
	static char endless[64 << 10];
	int silent[SILENT];

	memset(endless, 'a', sizeof(endless) - 1);
	memcpy(endless, "GET /", 5);
	reply = http_client_raw(a->admin, endless);
	assert_int_not_equal(reply.status, 200);
	http_client_free(&reply);
	reply = http_client_raw(a->admin, "\1\2\3\r\n\r\n");
	assert_int_not_equal(reply.status, 200);
	http_client_free(&reply);
	for (int i = 0; i < SILENT; i++) {
		silent[i] = http_client_connect(a->admin);
		assert_true(silent[i] >= 0);
		/* Every other one asks, and does not take the answer. */
		assert_true(send(silent[i],
		                 i % 2 ? "GET /metr"
		                       : "GET /metrics "
		                         "HTTP/1.1\r\nHost: a\r\n\r\n",
		                 i % 2 ? 9 : 35, MSG_NOSIGNAL) > 0);
	}
	execute(c, "k", NULL);
	expect_answer(a, "/healthz", 200, "alive\n");
	for (int i = 0; i < SILENT; i++)
		close(silent[i]);
	rig_closed(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RIG_TEST(test_routes),
	    RIG_TEST(test_it_only_tells),
	    RIG_TEST(test_a_connection_may_be_kept),
	    RIG_TEST(test_the_mode_of_its_socket),
	    RIG_TEST(test_an_address_that_is_taken),
	    RIG_TEST(test_none_when_it_is_not_wanted),
	    RIG_TEST(test_not_ready_while_it_drains),
	    RIG_TEST(test_not_ready_while_the_store_hangs),
	    RIG_TEST(test_not_ready_without_redis),
	    RIG_TEST(test_not_ready_when_it_is_full),
	    RIG_TEST(test_bad_clients_stand_in_nobodys_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
