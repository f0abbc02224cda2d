/* agent/yielding.h: whether a loop lets those go first with whom it shares a
 * CPU, before it looks for more to do. Pure.
 *
 * Under load they are HAProxy and the application, about to send more; and
 * what a turn of the loop costs (to wake up, a read, a write, a transaction) is
 * shared by the frames it takes. A loop that has a CPU to itself yields to
 * nobody and goes on at once. Somebody who computes, however, takes all of his
 * time slice: after such a one the loop does not yield for a while. */
#ifndef AGENT_YIELDING_H
#define AGENT_YIELDING_H

#include <stdbool.h>
#include <stdint.h>

enum {
	/* A turn that brings fewer frames has little to share. */
	YIELDING_FRAMES = 4,
	/* Longer than those take who only pass something on, shorter than the
	 * time slices of Linux. */
	YIELDING_LONG_US = 1000,
	/* Few turns are late then. */
	YIELDING_REST_US = 1000 * 1000,
};

/* All zero: nothing has happened yet. */
struct yielding {
	uint64_t frames;
	uint64_t again_us;
};

/* Asked once in each turn: whether to yield now. `frames`: how many have come
 * so far, all in all; times are microseconds since some fixed point. */
static inline bool yielding_due(struct yielding *y, uint64_t frames,
                                uint64_t now_us)
{
	const uint64_t came = frames - y->frames;

	y->frames = frames;
	return came >= YIELDING_FRAMES && now_us >= y->again_us;
}

/* It has, from `began_us` to `now_us`. */
static inline void yielding_done(struct yielding *y, uint64_t began_us,
                                 uint64_t now_us)
{
	if (now_us - began_us >= YIELDING_LONG_US)
		y->again_us = now_us + YIELDING_REST_US;
}

#endif
