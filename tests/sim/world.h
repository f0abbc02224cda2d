/* tests/sim/world.h: clients, HAProxy, agents, clocks and a store that is
 * slow, fails and forgets to answer: one schedule, made by a seed, from its
 * first event to its last. The agents are agent/core as it is. */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "tests/sim/fake_store.h"
#include "tests/sim/judge.h"
#include "tests/sim/keys.h"

/* Things that happened, over all schedules: a simulation in which something
 * never happens proves nothing about it. */
enum world_event {
#define WORLD_EVENT(name) WORLD_##name,
#include "tests/sim/world_event.def"
#undef WORLD_EVENT
	WORLD_EVENTS
};

struct world_stats {
	uint64_t verdicts[IDEM_VERDICTS];
	uint64_t outcomes[IDEM_OUTCOMES];
	uint64_t reasons[REASONS];
	uint64_t events[WORLD_EVENTS];
};

const char *world_event_name(enum world_event event);

struct world;

/* NULL when out of memory. Borrows `keys`. */
struct world *world_new(const struct keys *keys);
void world_free(struct world *w);

struct world_options {
	enum sabotage sabotage;
	bool blind; /* the judge is */
	bool trace; /* on stderr */
};

/* Plays the schedule of `seed` and adds to `stats`. The judge says how it
 * went; valid until the next schedule. */
const struct judge *world_play(struct world *w, uint64_t seed,
                               const struct world_options *options,
                               struct world_stats *stats);

#endif
