#include "agent/store/redis_orphans.h"

#include <stdlib.h>

enum { CAPACITY_MIN = 16, AGAIN_MS = 500 };

static bool grow(struct redis_orphans *o)
{
	size_t capacity = o->capacity ? 2 * o->capacity : CAPACITY_MIN;
	struct redis_orphan *ring = malloc(capacity * sizeof(*ring));

	if (!ring)
		return false;
	for (size_t i = 0; i < o->n; i++)
		ring[i] = o->ring[(o->first + i) % o->capacity];
	free(o->ring);
	o->ring = ring;
	o->first = 0;
	o->capacity = capacity;
	return true;
}

bool redis_orphans_add(struct redis_orphans *o,
                       const struct redis_orphan *orphan)
{
	if (o->n == REDIS_ORPHANS_MAX || (o->n == o->capacity && !grow(o)))
		return false;
	o->ring[(o->first + o->n) % o->capacity] = *orphan;
	o->n++;
	return true;
}

bool redis_orphans_take(struct redis_orphans *o, uint64_t now_ms,
                        struct redis_orphan *ret_orphan)
{
	/* One that waits goes behind those that do not. */
	for (size_t i = 0; i < o->n; i++) {
		*ret_orphan = o->ring[o->first];
		o->first = (o->first + 1) % o->capacity;
		o->n--;
		if (ret_orphan->due_ms <= now_ms)
			return true;
		redis_orphans_add(o, ret_orphan);
	}
	return false;
}

bool redis_orphans_again(struct redis_orphan *orphan, uint64_t now_ms)
{
	if (orphan->tries <= 1)
		return false;
	orphan->tries--;
	/* 0.5, 2, 8 seconds. */
	orphan->due_ms =
	    now_ms + ((uint64_t)AGAIN_MS
	              << 2 * (REDIS_ORPHANS_TRIES - 1 - orphan->tries));
	return true;
}

void redis_orphans_clear(struct redis_orphans *o)
{
	free(o->ring);
	*o = (struct redis_orphans){.ring = NULL};
}
