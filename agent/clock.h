/* agent/clock.h: the only place that reads the clock. */
#ifndef AGENT_CLOCK_H
#define AGENT_CLOCK_H

#include <stdint.h>

/* Unix time in ms that never goes back while the process lives: when the wall
 * clock is set back it runs on from where it was, so that no lock looks older
 * or younger than it is; when the wall clock is ahead it follows within a
 * millisecond. Thread-safe, no lock. */
uint64_t clock_now_ms(void);

/* The same, and from the same reading the microseconds since some fixed point,
 * to see how long things take. */
struct clock_moment {
	uint64_t now_ms;
	uint64_t monotonic_us;
};

struct clock_moment clock_moment(void);

/* Milliseconds since some fixed point, for time-outs; time asleep counts.
 * Thread-safe, no lock. */
uint64_t clock_monotonic_ms(void);

/* Unix time in ms as the wall clock shows it, for people: it may go back. */
uint64_t clock_wall_ms(void);

/* How far clock_now_ms() is ahead of the wall clock, ms; 0 until the wall clock
 * is set back. Thread-safe, no lock. */
uint64_t clock_ahead_ms(void);

#endif
