/* tests/process/rig.h: one agent for each test, and clients of it. */
#ifndef TESTS_PROCESS_RIG_H
#define TESTS_PROCESS_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/support/agent_process.h"
#include "tests/support/spop_client.h"

static const char RIG_CAPABILITIES[] = "pipelining,async";

/* The state of a test is its agent, which does not run yet. */
static inline int rig_set_up(void **state)
{
	static struct agent_process a;

	*state = &a;
	return agent_process_init(&a) ? 0 : -1;
}

static inline int rig_tear_down(void **state)
{
	return agent_process_fini(*state) ? 0 : -1;
}

/* Starts it (agent_process_configure()). */
static inline struct agent_process *rig_started(void **state,
                                                const char *agent_options,
                                                const char *extra)
{
	struct agent_process *a = *state;

	assert_true(agent_process_configure(a, agent_options, extra));
	assert_true(agent_process_start(a));
	return a;
}

static inline struct spop_client *rig_opened(struct agent_process *a)
{
	struct spop_client *c = malloc(sizeof(*c));

	assert_non_null(c);
	assert_true(spop_client_open(c, a->socket, RIG_CAPABILITIES));
	return c;
}

static inline void rig_closed(struct spop_client *c)
{
	spop_client_close(c);
	free(c);
}

#define RIG_TEST(name) \
	cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

#endif
