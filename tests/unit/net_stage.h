/* tests/unit/net_stage.h: what the tests of one connection begin and end with,
 * around net_rig.h: a fresh rig, and a peer that has said nothing yet. */
#ifndef TESTS_NET_STAGE_H
#define TESTS_NET_STAGE_H

#include "tests/unit/net_rig.h"

static struct rig rig;
static struct peer p;

static inline int start(void **state)
{
	(void)state;
	rig_init(&rig);
	p.size = 0;
	return 0;
}

static inline int finish(void **state)
{
	(void)state;
	rig_fini(&rig);
	return 0;
}

static inline bool one_waits(struct rig *r)
{
	return r->n_waiting == 1;
}

#endif
