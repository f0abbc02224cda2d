/* A pool: two agents, the real process, over one Redis. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/agent_process.h"
#include "tests/support/redis_process.h"
#include "tests/support/spop_client.h"

enum { AGENTS = 2, CONNECTIONS = 4, DUPLICATES = 20, ROUNDS = 200 };

struct pool {
	struct redis_process redis;
	struct agent_process agents[AGENTS];
	struct spop_client *clients[CONNECTIONS]; /* in turn to both agents */
};

static int set_up(void **state)
{
	static const struct redis_setup setup = {.config = "appendonly yes\n"};
	struct pool *p = calloc(1, sizeof(*p));

	*state = p;
	if (!p || !redis_process_start(&p->redis, &setup))
		return -1;
	for (int i = 0; i < AGENTS; i++)
		if (!agent_process_init(&p->agents[i]))
			return -1;
	return 0;
}

static int tear_down(void **state)
{
	struct pool *p = *state;
	bool well = true;

	for (int i = 0; i < CONNECTIONS; i++) {
		if (p->clients[i])
			spop_client_close(p->clients[i]);
		free(p->clients[i]);
	}
	for (int i = 0; i < AGENTS; i++)
		well = agent_process_fini(&p->agents[i]) && well;
	redis_process_fini(&p->redis);
	free(p);
	return well ? 0 : -1;
}

/* Both agents, with `timeout` of [redis] and more lines in front of [store] and
 * behind [redis]. */
static struct pool *started(void **state, const char *agent_options,
                            const char *timeout, const char *more)
{
	struct pool *p = *state;
	char extra[512];

	snprintf(extra, sizeof(extra),
	         "driver = redis\n[redis]\nservers = unix:%s\ntimeout = %s\n"
	         "connect-timeout = 20s\n%s\n",
	         p->redis.socket, timeout, more);
	for (int i = 0; i < AGENTS; i++) {
		assert_true(agent_process_configure(&p->agents[i],
		                                    agent_options, extra));
		assert_true(agent_process_start(&p->agents[i]));
	}
	for (int i = 0; i < CONNECTIONS; i++) {
		p->clients[i] = calloc(1, sizeof(*p->clients[i]));
		assert_non_null(p->clients[i]);
		assert_true(spop_client_open(p->clients[i],
		                             p->agents[i % AGENTS].socket,
		                             "pipelining,async"));
	}
	return p;
}

static const char *verdict(struct spop_client *c, const char *key,
                           struct spop_reply *ret_reply)
{
	const struct spop_check check = {.key = key, .scope = "host"};

	assert_true(spop_client_check(c, &check, ret_reply));
	return ret_reply->verdict;
}

static const char *outcome(struct spop_client *c, const char *ticket,
                           const char *body, struct spop_reply *ret_reply)
{
	static const uint8_t headers[] = "\016content-length\0014\000";
	const struct spop_complete complete = {
	    .ticket = ticket,
	    .status = 201,
	    .headers = spoe_span(headers, sizeof(headers)),
	    .body = spoe_span(body, 4),
	};

	assert_true(spop_client_complete(c, &complete, ret_reply));
	return ret_reply->outcome;
}

static void expect_replay(struct spop_client *c, const char *key,
                          const char *body)
{
	struct spop_reply reply;

	assert_string_equal(verdict(c, key, &reply), "cached");
	assert_int_equal(reply.status, 201);
	assert_int_equal(reply.body.size, 4);
	assert_memory_equal(reply.body.data, body, 4);
}

/* Twenty requests with one key at once, over both agents: one is executed. Its
 * response is settled through either agent, and replayed by both. */
static void duplicates_are_executed_once(void **state)
{
	struct pool *p = started(state, "", "20s", "");

	for (unsigned round = 0; round < ROUNDS; round++) {
		char key[32], ticket[128] = "";
		struct spop_check check = {.key = key, .scope = "host"};
		struct spop_reply reply;
		unsigned executed = 0;

		snprintf(key, sizeof(key), "round-%u", round);
		for (unsigned i = 0; i < DUPLICATES; i++)
			assert_true(spop_client_send_check(
			    p->clients[i % CONNECTIONS], &check));
		for (unsigned i = 0; i < DUPLICATES; i++) {
			assert_true(spop_client_reply(
			    p->clients[i % CONNECTIONS], &reply));
			if (strcmp(reply.verdict, "proceed") == 0) {
				executed++;
				strcpy(ticket, reply.ticket);
			} else {
				assert_string_equal(reply.verdict, "conflict");
			}
		}
		assert_int_equal(executed, 1);
		assert_string_equal(outcome(p->clients[round % CONNECTIONS],
		                            ticket, "done", &reply),
		                    "stored");
		expect_replay(p->clients[round % CONNECTIONS], key, "done");
		expect_replay(p->clients[(round + 1) % CONNECTIONS], key,
		              "done");
	}
}

/* The first owner's response comes when its lock is another's: it neither
 * overwrites nor releases nor extends. */
static void a_stale_owner_changes_nothing(void **state)
{
	struct pool *p = started(state, "", "20s", "");
	struct spop_reply first, second, reply;
	const char *key;

	assert_string_equal(verdict(p->clients[0], "k", &first), "proceed");
	assert_string_equal(verdict(p->clients[1], "k", &second), "conflict");
	/* Its lock ends; the other agent takes over. */
	key = redis_process_ask(&p->redis, "KEYS idempotency:*");
	redis_process_ask(&p->redis, "PEXPIRE %s 1", key);
	assert_true(redis_process_wait(&p->redis, "0", "DBSIZE"));
	assert_string_equal(verdict(p->clients[1], "k", &second), "proceed");
	assert_string_not_equal(first.ticket, second.ticket);
	assert_string_equal(
	    outcome(p->clients[0], first.ticket, "late", &reply), "lost");
	assert_string_equal(
	    outcome(p->clients[1], second.ticket, "mine", &reply), "stored");
	assert_string_equal(
	    outcome(p->clients[0], first.ticket, "late", &reply), "lost");
	expect_replay(p->clients[0], "k", "mine");
}

/* A server that does not answer: error, and no harm; then all is well again. */
static void a_frozen_server_is_survived(void **state)
{
	struct pool *p = started(state, "", "150ms", "");
	struct spop_reply reply;
	char ticket[128];
	long end = redis_process_now() + REDIS_BOUND_MS;
	const char *text;

	while (strcmp(verdict(p->clients[0], "first", &reply), "proceed") != 0)
		assert_true(redis_process_now() < end);
	strcpy(ticket, reply.ticket);
	redis_process_freeze(&p->redis);
	for (int i = 0; i < 12; i++)
		assert_string_equal(
		    verdict(p->clients[i % 2], "frozen", &reply), "error");
	assert_string_equal(outcome(p->clients[0], ticket, "done", &reply),
	                    "error");
	assert_true(agent_process_said(&p->agents[0], "event=store-down"));
	redis_process_thaw(&p->redis);
	/* Whatever the late commands did: executed once. */
	end = redis_process_now() + REDIS_BOUND_MS;
	do {
		assert_true(redis_process_now() < end);
		text = verdict(p->clients[1], "frozen", &reply);
		redis_process_pause();
	} while (strcmp(text, "proceed") != 0);
	assert_true(agent_process_said(&p->agents[1], "event=store-up"));
	while (strcmp(text = verdict(p->clients[1], "first", &reply),
	              "error") == 0)
		assert_true(redis_process_now() < end);
	assert_string_not_equal(text, "proceed");
}

static bool is_record_key(const char *text)
{
	static const char begin[] = "idempotency:{v1:";
	const size_t at = strlen(begin);

	return strncmp(text, begin, at) == 0 &&
	       strspn(text + at, "0123456789abcdef") == 64 &&
	       strcmp(text + at + 64, "}") == 0;
}

/* What the documents say is there. */
static void redis_shows_what_is_documented(void **state)
{
	struct pool *p =
	    started(state, "", "20s", "client-name = pay-1\ndatabase = 0\n");
	struct spop_reply reply;
	char key[128], ticket[128];
	long ttl;

	assert_string_equal(verdict(p->clients[0], "k", &reply), "proceed");
	strcpy(ticket, reply.ticket);
	snprintf(key, sizeof(key), "%s",
	         redis_process_ask(&p->redis, "KEYS idempotency:*"));
	if (!is_record_key(key))
		fail_msg("\"%s\" is no record's key", key);
	assert_string_equal(redis_process_ask(&p->redis, "DBSIZE"), "1");
	assert_string_equal(redis_process_ask(&p->redis, "TYPE %s", key),
	                    "string");
	/* lock-ttl is 5 minutes, response-ttl a day. */
	ttl = atol(redis_process_ask(&p->redis, "PTTL %s", key));
	assert_true(ttl > 200 * 1000 && ttl <= 300 * 1000);
	/* Version 1, locked. */
	assert_memory_equal(
	    redis_process_ask(&p->redis, "GETRANGE %s 0 1", key), "\1\1", 2);
	assert_non_null(
	    strstr(redis_process_ask(&p->redis, "CLIENT LIST"), "name=pay-1"));
	assert_string_equal(outcome(p->clients[1], ticket, "done", &reply),
	                    "stored");
	ttl = atol(redis_process_ask(&p->redis, "PTTL %s", key));
	assert_true(ttl > 86000L * 1000 && ttl <= 86400L * 1000);
	assert_memory_equal(
	    redis_process_ask(&p->redis, "GETRANGE %s 0 1", key), "\1\2", 2);
	print_message("# a record of %s bytes takes %s bytes of memory\n",
	              redis_process_ask(&p->redis, "STRLEN %s", key),
	              redis_process_ask(&p->redis, "MEMORY USAGE %s", key));
}

/* One round trip for the check, one for the completion, one for a replay. */
static void round_trips_are_one_each(void **state)
{
	struct pool *p = started(state, "", "20s", "");
	struct spop_reply reply;
	char ticket[128];

	/* Scripts are loaded by their first use. */
	verdict(p->clients[0], "warm", &reply);
	strcpy(ticket, reply.ticket);
	outcome(p->clients[0], ticket, "done", &reply);
	assert_string_equal(redis_process_ask(&p->redis, "CONFIG RESETSTAT"),
	                    "OK");
	for (int i = 0; i < 10; i++) {
		char key[16];

		snprintf(key, sizeof(key), "k%d", i);
		verdict(p->clients[0], key, &reply);
		strcpy(ticket, reply.ticket);
		outcome(p->clients[0], ticket, "done", &reply);
		expect_replay(p->clients[0], key, "done");
	}
	assert_non_null(
	    strstr(redis_process_ask(&p->redis, "INFO commandstats"),
	           "cmdstat_evalsha:calls=10,"));
	/* Ten claims and ten replays; what a script does counts, too. */
	assert_non_null(
	    strstr(redis_process_ask(&p->redis, "INFO commandstats"),
	           "cmdstat_set:calls=30,"));
	assert_true(
	    agent_process_said_on(&p->agents[0], SIGUSR1, "round_trips=33"));
}

#define POOL(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    POOL(duplicates_are_executed_once),
	    POOL(a_stale_owner_changes_nothing),
	    POOL(a_frozen_server_is_survived),
	    POOL(redis_shows_what_is_documented),
	    POOL(round_trips_are_one_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
