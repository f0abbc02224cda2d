/* tests/process/pool_rig.h: a pool: agents, the real process, that share a
 * store, and clients of both. */
#ifndef TESTS_PROCESS_POOL_RIG_H
#define TESTS_PROCESS_POOL_RIG_H

#include <stdio.h>
#include <string.h>

#include "tests/process/rig.h"

enum { POOL_AGENTS = 2, POOL_CLIENTS = 4, POOL_DUPLICATES = 20 };

struct pool {
	struct agent_process agents[POOL_AGENTS];
	struct spop_client *clients[POOL_CLIENTS]; /* in turn to both agents */
};

static inline bool pool_init(struct pool *p)
{
	bool well = true;

	for (int i = 0; i < POOL_AGENTS; i++)
		well = agent_process_init(&p->agents[i]) && well;
	return well;
}

/* False when an agent did not end well. */
static inline bool pool_fini(struct pool *p)
{
	bool well = true;

	for (int i = 0; i < POOL_CLIENTS; i++)
		if (p->clients[i])
			rig_closed(p->clients[i]);
	for (int i = 0; i < POOL_AGENTS; i++)
		well = agent_process_fini(&p->agents[i]) && well;
	return well;
}

/* Both agents, with a section [redis], and their clients. */
static inline void pool_start(struct pool *p, const char *agent_options,
                              const char *redis)
{
	char extra[2048];

	snprintf(extra, sizeof(extra),
	         "driver = redis\n[redis]\nconnect-timeout = 20s\n%s\n", redis);
	for (int i = 0; i < POOL_AGENTS; i++) {
		assert_true(agent_process_configure(&p->agents[i],
		                                    agent_options, extra));
		assert_true(agent_process_start(&p->agents[i]));
	}
	for (int i = 0; i < POOL_CLIENTS; i++)
		p->clients[i] = rig_opened(&p->agents[i % POOL_AGENTS]);
}

static inline const char *pool_verdict(struct spop_client *c, const char *key,
                                       struct spop_reply *ret_reply)
{
	const struct spop_check check = {.key = key, .scope = "host"};

	assert_true(spop_client_check(c, &check, ret_reply));
	return ret_reply->verdict;
}

/* Of a response with a body of 4 bytes. */
static inline const char *pool_outcome(struct spop_client *c,
                                       const char *ticket, const char *body,
                                       struct spop_reply *ret_reply)
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

static inline void pool_expect_replay(struct spop_client *c, const char *key,
                                      const char *body)
{
	struct spop_reply reply;

	assert_string_equal(pool_verdict(c, key, &reply), "cached");
	assert_int_equal(reply.status, 201);
	assert_int_equal(reply.body.size, 4);
	assert_memory_equal(reply.body.data, body, 4);
}

/* Twenty requests with one key at once, over both agents: one is executed. Its
 * response is settled through either agent, and replayed by both. */
static inline void pool_race(struct pool *p, unsigned round)
{
	char key[32], ticket[128] = "";
	struct spop_check check = {.key = key, .scope = "host"};
	struct spop_reply reply;
	unsigned executed = 0;

	snprintf(key, sizeof(key), "round-%u", round);
	for (unsigned i = 0; i < POOL_DUPLICATES; i++)
		assert_true(spop_client_send_check(p->clients[i % POOL_CLIENTS],
		                                   &check));
	for (unsigned i = 0; i < POOL_DUPLICATES; i++) {
		assert_true(
		    spop_client_reply(p->clients[i % POOL_CLIENTS], &reply));
		if (strcmp(reply.verdict, "proceed") == 0) {
			executed++;
			strcpy(ticket, reply.ticket);
		} else {
			assert_string_equal(reply.verdict, "conflict");
		}
	}
	assert_int_equal(executed, 1);
	assert_string_equal(pool_outcome(p->clients[round % POOL_CLIENTS],
	                                 ticket, "done", &reply),
	                    "stored");
	pool_expect_replay(p->clients[round % POOL_CLIENTS], key, "done");
	pool_expect_replay(p->clients[(round + 1) % POOL_CLIENTS], key, "done");
}

#endif
