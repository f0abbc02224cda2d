/* The agent whose store has no room: the store's own limit, and the limits that
 * its files run into. */
#include <signal.h>
#include <sys/resource.h>

#include "tests/process/rig.h"

static void ask(struct spop_client *c, const char *key,
                struct spop_reply *ret_reply)
{
	const struct spop_check check = {.key = key, .scope = "host"};

	assert_true(spop_client_check(c, &check, ret_reply));
}

/* There is room for the locks and not for the responses: what has run is not
 * run again when its lock ends. */
static void test_a_full_store_knows_what_has_run(void **state)
{
	enum { N = 300, BODY_SIZE = 8000 };
	static const uint8_t headers[] = "\016content-length\0048000\0";
	static const uint8_t body[BODY_SIZE];
	static char tickets[N][sizeof(((struct spop_reply *)0)->ticket)];
	struct agent_process *a = rig_started(state, "", "max-size = 1M");
	struct spop_client *c = rig_opened(a);
	struct spop_reply reply;
	unsigned n_sealed = 0;
	char key[16];

	for (unsigned i = 0; i < N; i++) {
		snprintf(key, sizeof(key), "key-%u", i);
		ask(c, key, &reply);
		assert_string_equal(reply.verdict, "proceed");
		memcpy(tickets[i], reply.ticket, sizeof(tickets[i]));
	}
	for (unsigned i = 0; i < N; i++) {
		const struct spop_complete complete = {
		    .ticket = tickets[i],
		    .status = 201,
		    .headers = spoe_span(headers, sizeof(headers)),
		    .body = spoe_span(body, sizeof(body)),
		};
		bool sealed;

		assert_true(spop_client_complete(c, &complete, &reply));
		sealed = strcmp(reply.outcome, "sealed") == 0;
		if (!sealed)
			assert_string_equal(reply.outcome, "stored");
		n_sealed += sealed;
		snprintf(key, sizeof(key), "key-%u", i);
		ask(c, key, &reply);
		assert_string_equal(reply.verdict,
		                    sealed ? "unknown" : "cached");
	}
	assert_in_range(n_sealed, 1, N - 1);
	rig_closed(c);
}

/* Asks for new keys until one is refused. */
static void fill(struct spop_client *c, struct spop_reply *ret_reply)
{
	enum { MANY = 100000 };
	char key[16];
	unsigned i = 0;

	do {
		snprintf(key, sizeof(key), "fill-%u", i);
		ask(c, key, ret_reply);
	} while (strcmp(ret_reply->verdict, "proceed") == 0 && ++i < MANY);
	assert_string_equal(ret_reply->verdict, "error");
}

/* A limit on the size of files (LimitFSIZE) is an error like any other, and no
 * signal that ends the agent, whichever thread it is that writes. */
static void limit_of_files(void **state, const char *durability)
{
	const struct rlimit small = {.rlim_cur = 600 << 10,
	                             .rlim_max = RLIM_INFINITY};
	const struct rlimit none = {.rlim_cur = RLIM_INFINITY,
	                            .rlim_max = RLIM_INFINITY};
	struct agent_process *a = rig_started(state, "", durability);
	struct spop_client *c = rig_opened(a);
	struct spop_reply reply;

	assert_int_equal(prlimit(a->pid, RLIMIT_FSIZE, &small, NULL), 0);
	fill(c, &reply);
	assert_string_equal(reply.reason, "the store is full");
	ask(c, "fill-0", &reply);
	assert_string_equal(reply.verdict, "conflict");
	assert_int_equal(prlimit(a->pid, RLIMIT_FSIZE, &none, NULL), 0);
	ask(c, "another", &reply);
	assert_string_equal(reply.verdict, "proceed");
	rig_closed(c);
}

static void test_a_limit_of_files_with_durability_none(void **state)
{
	limit_of_files(state, "durability = none");
}

static void test_a_limit_of_files_with_durability_commit(void **state)
{
	limit_of_files(state, "durability = commit");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    RIG_TEST(test_a_full_store_knows_what_has_run),
	    RIG_TEST(test_a_limit_of_files_with_durability_none),
	    RIG_TEST(test_a_limit_of_files_with_durability_commit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
