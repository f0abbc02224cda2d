#include "agent/clock.h"

#include <assert.h>
#include <stdatomic.h>
#include <time.h>

#include "agent/clock_step.h"

/* The whole state; all threads share it, so that none sees a time another has
 * left behind. */
static _Atomic int64_t offset_ns = CLOCK_OFFSET_NONE;
/* The time since boot when the wall clock was last looked at. */
static _Atomic int64_t looked_ns = -CLOCK_LOOK_NS;

static int64_t read_ns(clockid_t id)
{
	struct timespec ts;
	int failed = clock_gettime(id, &ts);

	assert(!failed);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* CLOCK_BOOTTIME and not CLOCK_MONOTONIC: a lock's time goes on while the
 * machine sleeps. */
static int64_t boot_ns(void)
{
	return read_ns(CLOCK_BOOTTIME);
}

/* Looks at the wall clock. Returns the time since boot. */
static int64_t look_ns(void)
{
	int64_t offset = atomic_load_explicit(&offset_ns, memory_order_relaxed);
	struct clock_reading reading;
	int64_t stepped;

	reading.wall_ns = read_ns(CLOCK_REALTIME);
	reading.boot_ns = boot_ns();
	/* A lost race leaves another thread's offset in `offset`; only a
	 * larger one stands. */
	do {
		stepped = clock_step(offset, reading);
	} while (stepped != offset &&
	         !atomic_compare_exchange_weak_explicit(
		     &offset_ns, &offset, stepped, memory_order_relaxed,
		     memory_order_relaxed));
	/* Who sees that somebody has looked sees what came of it. */
	atomic_store_explicit(&looked_ns, reading.boot_ns,
	                      memory_order_release);
	return reading.boot_ns;
}

struct clock_moment clock_moment(void)
{
	int64_t now_ns = boot_ns();

	if (clock_step_due(
		atomic_load_explicit(&looked_ns, memory_order_acquire), now_ns))
		now_ns = look_ns();
	return (struct clock_moment){
	    .now_ms = clock_step_now_ms(
		atomic_load_explicit(&offset_ns, memory_order_relaxed), now_ns),
	    .monotonic_us = (uint64_t)(now_ns / 1000),
	};
}

uint64_t clock_now_ms(void)
{
	return clock_moment().now_ms;
}

uint64_t clock_monotonic_ms(void)
{
	return (uint64_t)(boot_ns() / CLOCK_NS_PER_MS);
}

uint64_t clock_wall_ms(void)
{
	int64_t ms = read_ns(CLOCK_REALTIME) / CLOCK_NS_PER_MS;

	return ms > 0 ? (uint64_t)ms : 0;
}

uint64_t clock_ahead_ms(void)
{
	int64_t offset = atomic_load_explicit(&offset_ns, memory_order_relaxed);
	struct clock_reading reading;

	if (offset == CLOCK_OFFSET_NONE)
		return 0;
	reading.boot_ns = boot_ns();
	reading.wall_ns = read_ns(CLOCK_REALTIME);
	return clock_step_ahead_ms(offset, reading);
}
