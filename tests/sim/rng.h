/* tests/sim/rng.h: the only source of chance in a schedule, so that its seed
 * tells it all. SplitMix64 (Steele, Lea, Flood 2014). */
#ifndef TESTS_SIM_RNG_H
#define TESTS_SIM_RNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

static inline uint64_t rng_next(struct rng *rng)
{
	uint64_t z = rng->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* 0 to n - 1; n is at least 1. */
static inline unsigned rng_below(struct rng *rng, unsigned n)
{
	return (unsigned)(rng_next(rng) >> 33) % n;
}

/* first to last, both included. */
static inline unsigned rng_between(struct rng *rng, unsigned first,
                                   unsigned last)
{
	return first + rng_below(rng, last - first + 1);
}

static inline bool rng_permille(struct rng *rng, unsigned permille)
{
	return rng_below(rng, 1000) < permille;
}

static inline void rng_fill(struct rng *rng, uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)rng_next(rng);
}

#endif
