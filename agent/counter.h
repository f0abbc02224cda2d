/* agent/counter.h: numbers that one thread adds to and any thread reads, below
 * every layer: no lock, and no locked instruction either. Who reads several
 * sees each as it is at some moment, not all of one moment. */
#ifndef AGENT_COUNTER_H
#define AGENT_COUNTER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Only the counter's own thread. */
static inline void counter_add(atomic_uint_least64_t *counter, uint64_t more)
{
	atomic_store_explicit(
	    counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
	    memory_order_relaxed);
}

static inline void counter_sub(atomic_uint_least64_t *counter, uint64_t less)
{
	counter_add(counter, 0 - less);
}

static inline uint64_t counter_get(const atomic_uint_least64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* How often a value was at most each of some bounds: counts[i] is for values
 * above bounds[i - 1], up to and with bounds[i]; the last is for those above
 * them all. */
enum { HISTOGRAM_BOUNDS_MAX = 16 };

struct histogram {
	atomic_uint_least64_t counts[HISTOGRAM_BOUNDS_MAX + 1];
	atomic_uint_least64_t sum; /* of the values */
};

/* The same, read. */
struct histogram_view {
	uint64_t counts[HISTOGRAM_BOUNDS_MAX + 1];
	uint64_t sum;
};

/* `bounds` grow; there are `n` of them, HISTOGRAM_BOUNDS_MAX at most, and the
 * same for each call. Only the histogram's own thread. */
static inline void histogram_add(struct histogram *h, const uint32_t *bounds,
                                 size_t n, uint64_t value)
{
	size_t i = 0;

	while (i < n && value > bounds[i])
		i++;
	counter_add(&h->counts[i], 1);
	counter_add(&h->sum, value);
}

/* Adds what `h` has to *view. */
static inline void histogram_read(const struct histogram *h,
                                  struct histogram_view *view)
{
	for (size_t i = 0; i <= HISTOGRAM_BOUNDS_MAX; i++)
		view->counts[i] += counter_get(&h->counts[i]);
	view->sum += counter_get(&h->sum);
}

#endif
