/* Repetitions that wait for their first request, at the whole process: beside
 * each other on one connection, on several threads, and at two agents. */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/process/rig.h"

/* Who waits looks by himself when his time is over, and not before. */
#define WOKEN_ONLY "processing-timeout = 10m\nwait-interval = 1h\n"
#define WAITS      "[policy default]\nwait = 5m\n"

/* `res.hdrs_bin` with Content-Length: 1. */
static const uint8_t HEADERS[] = "\016content-length\0011\000";

static const struct spop_check check = {.key = "k", .scope = "host"};

/* Whether one of `n` (some may be NULL) has something to say within so many
 * ms: its number, or -1. */
static int readable(struct spop_client *const *clients, size_t n, int ms)
{
	struct pollfd p[64];

	assert_true(n <= sizeof(p) / sizeof(p[0]));
	for (size_t i = 0; i < n; i++)
		p[i] = (struct pollfd){.fd = clients[i] ? clients[i]->fd : -1,
		                       .events = POLLIN};
	if (poll(p, n, ms) <= 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (p[i].revents)
			return (int)i;
	return -1;
}

static void ask(struct spop_client *c)
{
	assert_true(spop_client_send_check(c, &check));
}

static void expect(struct spop_client *c, const char *verdict,
                   struct spop_reply *ret_reply)
{
	assert_true(spop_client_reply(c, ret_reply));
	assert_string_equal(ret_reply->verdict, verdict);
}

static struct spop_complete completion(const char *ticket, int64_t status)
{
	return (struct spop_complete){
	    .ticket = ticket,
	    .status = status,
	    .headers = spoe_span(HEADERS, sizeof(HEADERS)),
	    .body = spoe_span("x", 1),
	};
}

static void complete(struct spop_client *c, const char *ticket, int64_t status,
                     const char *outcome)
{
	const struct spop_complete message = completion(ticket, status);
	struct spop_reply reply;

	assert_true(spop_client_complete(c, &message, &reply));
	assert_string_equal(reply.outcome, outcome);
}

/* All duplicates share the connection with the first request, and its response
 * comes behind them: it gets through, because those for whom that would leave
 * no room are answered at once. */
static void test_the_response_gets_through(void **state)
{
	enum { DUPLICATES = 200, MAY_WAIT = 48 /* of 64, max-in-flight */ };
	struct agent_process *a =
	    rig_started(state, WOKEN_ONLY "max-waiters-per-key = 1000", WAITS);
	struct spop_client *c = rig_opened(a);
	struct spop_reply first, reply;
	struct spop_complete message;
	int cached = 0, conflicts = 0, stored = 0;

	ask(c);
	expect(c, "proceed", &first);
	for (int i = 0; i < DUPLICATES; i++)
		ask(c);
	message = completion(first.ticket, 201);
	assert_true(spop_client_send_complete(c, &message));
	for (int i = 0; i < DUPLICATES + 1; i++) {
		assert_true(spop_client_reply(c, &reply));
		cached += strcmp(reply.verdict, "cached") == 0;
		conflicts += strcmp(reply.verdict, "conflict") == 0;
		stored += strcmp(reply.outcome, "stored") == 0;
	}
	assert_int_equal(stored, 1);
	assert_int_equal(cached + conflicts, DUPLICATES);
	assert_in_range(cached, 1, MAY_WAIT);
	rig_closed(c);
}

/* On four threads, again and again: one is executed each time the lock is
 * released, and in the end all have the same response. */
static void test_one_of_many_proceeds(void **state)
{
	enum { CLIENTS = 24, FAILURES = 5 };
	struct agent_process *a =
	    rig_started(state, WOKEN_ONLY "threads = 4", WAITS);
	struct spop_client *clients[CLIENTS];
	struct spop_client *completer = rig_opened(a);
	struct spop_reply first, reply;

	assert_true(spop_client_check(completer, &check, &first));
	assert_string_equal(first.verdict, "proceed");
	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = rig_opened(a);
		ask(clients[i]);
	}
	for (int failure = 0; failure < FAILURES; failure++) {
		int who;

		complete(completer, first.ticket, 500, "released");
		who = readable(clients, CLIENTS, SPOP_CLIENT_TIMEOUT_MS);
		assert_true(who >= 0);
		expect(clients[who], "proceed", &first);
		rig_closed(clients[who]);
		clients[who] = NULL;
	}
	assert_int_equal(readable(clients, CLIENTS, 0), -1);
	complete(completer, first.ticket, 201, "stored");
	for (int i = 0; i < CLIENTS; i++) {
		if (!clients[i])
			continue;
		expect(clients[i], "cached", &reply);
		rig_closed(clients[i]);
	}
	rig_closed(completer);
}

/* The place of who goes away is free at once. */
static void test_a_connection_that_closes_frees_its_place(void **state)
{
	struct agent_process *a =
	    rig_started(state, WOKEN_ONLY "max-waiters = 1", WAITS);
	struct spop_client *first = rig_opened(a);
	struct spop_client *second = rig_opened(a);
	struct spop_client *third = rig_opened(a);
	struct spop_reply ticket, reply;

	ask(first);
	expect(first, "proceed", &ticket);
	ask(second);
	assert_true(agent_process_said_on(a, SIGUSR1, " waits=1 "));
	assert_true(spop_client_check(third, &check, &reply));
	assert_string_equal(reply.verdict, "conflict");
	rig_closed(second);
	assert_true(agent_process_said_on(a, SIGUSR1, " waits_gone=1 "));
	ask(third);
	assert_true(agent_process_said_on(a, SIGUSR1, " waits=2 "));
	complete(first, ticket.ticket, 201, "stored");
	expect(third, "cached", &reply);
	rig_closed(first);
	rig_closed(third);
}

/* A waiter keeps the policy it came with. */
static void test_a_reload_wakes_nobody(void **state)
{
	struct agent_process *a = rig_started(state, WOKEN_ONLY, WAITS);
	struct spop_client *first = rig_opened(a);
	struct spop_client *second = rig_opened(a);
	struct spop_client *third = rig_opened(a);
	struct spop_reply ticket, reply;

	ask(first);
	expect(first, "proceed", &ticket);
	ask(second);
	assert_true(agent_process_said_on(a, SIGUSR1, " waits=1 "));
	assert_true(agent_process_configure(a, WOKEN_ONLY, ""));
	agent_process_signal(a, SIGHUP);
	assert_true(agent_process_said(a, "event=reloaded"));
	/* Those that come now do not wait. */
	do
		assert_true(spop_client_check(third, &check, &reply));
	while (strcmp(reply.verdict, "conflict") != 0);
	assert_int_equal(readable(&second, 1, 0), -1);
	complete(first, ticket.ticket, 201, "stored");
	expect(second, "cached", &reply);
	rig_closed(first);
	rig_closed(second);
	rig_closed(third);
}

/* Two agents with one store: what is settled at the one is seen at the other
 * by looking. */
static void test_another_agent_settles(void **state)
{
	struct agent_process *a =
	    rig_started(state, "processing-timeout = 10m", WAITS);
	struct agent_process other;
	struct spop_client *first = rig_opened(a);
	struct spop_client *second;
	struct spop_reply ticket, reply;

	assert_true(agent_process_init(&other));
	memcpy(other.store, a->store, sizeof(other.store));
	assert_true(
	    agent_process_configure(&other, "processing-timeout = 10m", WAITS));
	assert_true(agent_process_start(&other));
	second = rig_opened(&other);

	ask(first);
	expect(first, "proceed", &ticket);
	ask(second);
	assert_true(agent_process_said_on(&other, SIGUSR1, " waits=1 "));
	complete(first, ticket.ticket, 201, "stored");
	expect(second, "cached", &reply);
	agent_process_signal(&other, SIGUSR1);
	assert_true(agent_process_said(&other, " waits_over=0 waits_gone=0 "
	                                       "wait_wakes=0"));
	rig_closed(first);
	rig_closed(second);
	assert_true(agent_process_fini(&other));
}

/* A stop is not held up, and the drain ends well. */
static void test_a_stop_ends_all_waits(void **state)
{
	struct agent_process *a = rig_started(state, WOKEN_ONLY, WAITS);
	struct spop_client *first = rig_opened(a);
	struct spop_client *second = rig_opened(a);
	struct spop_reply ticket, reply;

	ask(first);
	expect(first, "proceed", &ticket);
	ask(second);
	assert_true(agent_process_said_on(a, SIGUSR1, " waits=1 "));
	agent_process_signal(a, SIGTERM);
	expect(second, "conflict", &reply);
	assert_true(reply.retry_after >= 1);
	assert_int_equal(agent_process_wait(a), 0);
	rig_closed(first);
	rig_closed(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RIG_TEST(test_the_response_gets_through),
	    RIG_TEST(test_one_of_many_proceeds),
	    RIG_TEST(test_a_connection_that_closes_frees_its_place),
	    RIG_TEST(test_a_reload_wakes_nobody),
	    RIG_TEST(test_another_agent_settles),
	    RIG_TEST(test_a_stop_ends_all_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
