/* agent/clock_step.h: the rule behind clock_now_ms(), as pure functions. Only
 * clock.c and its test include this.
 *
 * All that is remembered is one number: how far Unix time is ahead of the time
 * since boot. It follows the wall clock up and never comes down, so that the
 * sum of it and the time since boot never goes back. Nanoseconds, because two
 * roundings to ms would push it up by one for ever. */
#ifndef AGENT_CLOCK_STEP_H
#define AGENT_CLOCK_STEP_H

#include <stdbool.h>
#include <stdint.h>

enum {
	CLOCK_NS_PER_MS = 1000000,
	/* What is known of the wall clock counts for so long: as exactly as
	 * Unix time is told, and seldom compared with how often it is asked. */
	CLOCK_LOOK_NS = CLOCK_NS_PER_MS,
};

/* One reading of both clocks. Read `wall_ns` first: what passes between the
 * two readings then makes the offset smaller, which is forgotten at the next
 * reading; the other way round it would be kept for good. */
struct clock_reading {
	int64_t wall_ns; /* CLOCK_REALTIME */
	int64_t boot_ns; /* CLOCK_BOOTTIME */
};

/* Before the first reading. */
#define CLOCK_OFFSET_NONE INT64_MIN

/* Whether the wall clock is to be looked at again, `boot_ns` being the time
 * since boot now and `looked_ns` when it last was. Who was restored on another
 * machine may find the time since boot gone back. */
static inline bool clock_step_due(int64_t looked_ns, int64_t boot_ns)
{
	return boot_ns < looked_ns || boot_ns - looked_ns >= CLOCK_LOOK_NS;
}

/* The offset after `reading`, given the one before it. */
static inline int64_t clock_step(int64_t offset_ns,
                                 struct clock_reading reading)
{
	int64_t seen_ns = reading.wall_ns - reading.boot_ns;

	return seen_ns > offset_ns ? seen_ns : offset_ns;
}

/* Unix time in ms at `boot_ns`, with the offset that clock_step() gave last. */
static inline uint64_t clock_step_now_ms(int64_t offset_ns, int64_t boot_ns)
{
	int64_t now_ns = boot_ns + offset_ns;

	return now_ns > 0 ? (uint64_t)(now_ns / CLOCK_NS_PER_MS) : 0;
}

/* How far that is ahead of the wall clock. Read `wall_ns` last for this. */
static inline uint64_t clock_step_ahead_ms(int64_t offset_ns,
                                           struct clock_reading reading)
{
	int64_t ahead_ns = reading.boot_ns + offset_ns - reading.wall_ns;

	return ahead_ns > 0 ? (uint64_t)(ahead_ns / CLOCK_NS_PER_MS) : 0;
}

#endif
