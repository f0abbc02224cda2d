/* tests/sim/timeline.h: what is still to happen, by time; what happens at the
 * same time keeps the order in which it was planned. */
#ifndef TESTS_SIM_TIMELINE_H
#define TESTS_SIM_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>

enum { TIMELINE_MAX = 4096 };

struct plan {
	uint64_t at;
	uint32_t order;
	uint16_t what;
	uint16_t who;
};

struct timeline {
	uint32_t order;
	unsigned n;
	struct plan heap[TIMELINE_MAX];
};

void timeline_init(struct timeline *t);
void timeline_add(struct timeline *t, uint64_t at, uint16_t what, uint16_t who);

/* The next plan; false when nothing is left. */
bool timeline_next(struct timeline *t, struct plan *ret_plan);

#endif
