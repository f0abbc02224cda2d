/* A pool: two agents, the real process, over one Redis. */
#include <signal.h>

#include "tests/process/pool_rig.h"
#include "tests/support/redis_process.h"

enum { ROUNDS = 200 };

struct stage {
	struct redis_process redis;
	struct pool pool;
};

static int set_up(void **state)
{
	static const struct redis_setup setup = {.config = "appendonly yes\n"};
	struct stage *s = calloc(1, sizeof(*s));

	*state = s;
	return s && redis_process_start(&s->redis, &setup) &&
	               pool_init(&s->pool)
	           ? 0
	           : -1;
}

static int tear_down(void **state)
{
	struct stage *s = *state;
	const bool well = pool_fini(&s->pool);

	redis_process_fini(&s->redis);
	free(s);
	return well ? 0 : -1;
}

/* Both agents, with `timeout` of [redis] and more lines there. */
static struct stage *started(void **state, const char *timeout,
                             const char *more)
{
	struct stage *s = *state;
	char redis[512];

	snprintf(redis, sizeof(redis), "servers = unix:%s\ntimeout = %s\n%s",
	         s->redis.socket, timeout, more);
	pool_start(&s->pool, "", redis);
	return s;
}

static void duplicates_are_executed_once(void **state)
{
	struct stage *s = started(state, "20s", "");

	for (unsigned round = 0; round < ROUNDS; round++)
		pool_race(&s->pool, round);
}

/* The first owner's response comes when its lock is another's: it neither
 * overwrites nor releases nor extends. */
static void a_stale_owner_changes_nothing(void **state)
{
	struct stage *s = started(state, "20s", "");
	struct spop_reply first, second, reply;
	const char *key;

	assert_string_equal(pool_verdict(s->pool.clients[0], "k", &first),
	                    "proceed");
	assert_string_equal(pool_verdict(s->pool.clients[1], "k", &second),
	                    "conflict");
	/* Its lock ends; the other agent takes over. */
	key = redis_process_ask(&s->redis, "KEYS idempotency:*");
	redis_process_ask(&s->redis, "PEXPIRE %s 1", key);
	assert_true(redis_process_wait(&s->redis, "0", "DBSIZE"));
	assert_string_equal(pool_verdict(s->pool.clients[1], "k", &second),
	                    "proceed");
	assert_string_not_equal(first.ticket, second.ticket);
	assert_string_equal(
	    pool_outcome(s->pool.clients[0], first.ticket, "late", &reply),
	    "lost");
	assert_string_equal(
	    pool_outcome(s->pool.clients[1], second.ticket, "mine", &reply),
	    "stored");
	assert_string_equal(
	    pool_outcome(s->pool.clients[0], first.ticket, "late", &reply),
	    "lost");
	pool_expect_replay(s->pool.clients[0], "k", "mine");
}

/* A server that does not answer: error, and no harm; then all is well again. */
static void a_frozen_server_is_survived(void **state)
{
	struct stage *s = started(state, "150ms", "");
	struct spop_reply reply;
	char ticket[128];
	long end = redis_process_now() + REDIS_BOUND_MS;
	const char *text;

	while (strcmp(pool_verdict(s->pool.clients[0], "first", &reply),
	              "proceed") != 0)
		assert_true(redis_process_now() < end);
	strcpy(ticket, reply.ticket);
	redis_process_freeze(&s->redis);
	for (int i = 0; i < 12; i++)
		assert_string_equal(
		    pool_verdict(s->pool.clients[i % 2], "frozen", &reply),
		    "error");
	assert_string_equal(
	    pool_outcome(s->pool.clients[0], ticket, "done", &reply), "error");
	assert_true(agent_process_said(&s->pool.agents[0], "event=store-down"));
	redis_process_thaw(&s->redis);
	/* Whatever the late commands did: executed once. */
	end = redis_process_now() + REDIS_BOUND_MS;
	do {
		assert_true(redis_process_now() < end);
		text = pool_verdict(s->pool.clients[1], "frozen", &reply);
		redis_process_pause();
	} while (strcmp(text, "proceed") != 0);
	assert_true(agent_process_said(&s->pool.agents[1], "event=store-up"));
	while (strcmp(text = pool_verdict(s->pool.clients[1], "first", &reply),
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
	struct stage *s =
	    started(state, "20s", "client-name = pay-1\ndatabase = 0\n");
	struct spop_reply reply;
	char key[128], ticket[128];
	long ttl;

	assert_string_equal(pool_verdict(s->pool.clients[0], "k", &reply),
	                    "proceed");
	strcpy(ticket, reply.ticket);
	snprintf(key, sizeof(key), "%s",
	         redis_process_ask(&s->redis, "KEYS idempotency:*"));
	if (!is_record_key(key))
		fail_msg("\"%s\" is no record's key", key);
	assert_string_equal(redis_process_ask(&s->redis, "DBSIZE"), "1");
	assert_string_equal(redis_process_ask(&s->redis, "TYPE %s", key),
	                    "string");
	/* lock-ttl is 5 minutes, response-ttl a day. */
	ttl = atol(redis_process_ask(&s->redis, "PTTL %s", key));
	assert_true(ttl > 200 * 1000 && ttl <= 300 * 1000);
	/* Version 1, locked. */
	assert_memory_equal(
	    redis_process_ask(&s->redis, "GETRANGE %s 0 1", key), "\1\1", 2);
	assert_non_null(
	    strstr(redis_process_ask(&s->redis, "CLIENT LIST"), "name=pay-1"));
	assert_string_equal(
	    pool_outcome(s->pool.clients[1], ticket, "done", &reply), "stored");
	ttl = atol(redis_process_ask(&s->redis, "PTTL %s", key));
	assert_true(ttl > 86000L * 1000 && ttl <= 86400L * 1000);
	assert_memory_equal(
	    redis_process_ask(&s->redis, "GETRANGE %s 0 1", key), "\1\2", 2);
	print_message("# a record of %s bytes takes %s bytes of memory\n",
	              redis_process_ask(&s->redis, "STRLEN %s", key),
	              redis_process_ask(&s->redis, "MEMORY USAGE %s", key));
}

/* One round trip for the check, one for the completion, one for a replay. */
static void round_trips_are_one_each(void **state)
{
	struct stage *s = started(state, "20s", "");
	struct spop_reply reply;
	char ticket[128];

	/* Scripts are loaded by their first use. */
	pool_verdict(s->pool.clients[0], "warm", &reply);
	strcpy(ticket, reply.ticket);
	pool_outcome(s->pool.clients[0], ticket, "done", &reply);
	assert_string_equal(redis_process_ask(&s->redis, "CONFIG RESETSTAT"),
	                    "OK");
	for (int i = 0; i < 10; i++) {
		char key[16];

		snprintf(key, sizeof(key), "k%d", i);
		pool_verdict(s->pool.clients[0], key, &reply);
		strcpy(ticket, reply.ticket);
		pool_outcome(s->pool.clients[0], ticket, "done", &reply);
		pool_expect_replay(s->pool.clients[0], key, "done");
	}
	assert_non_null(
	    strstr(redis_process_ask(&s->redis, "INFO commandstats"),
	           "cmdstat_evalsha:calls=10,"));
	/* Ten claims and ten replays; what a script does counts, too. */
	assert_non_null(
	    strstr(redis_process_ask(&s->redis, "INFO commandstats"),
	           "cmdstat_set:calls=30,"));
	assert_true(agent_process_said_on(&s->pool.agents[0], SIGUSR1,
	                                  "round_trips=33"));
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
