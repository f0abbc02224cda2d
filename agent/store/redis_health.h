/* agent/store/redis_health.h: whether it is worth asking: after some failures
 * in a row a server is down, and everybody is told so at once instead of after
 * a deadline each, until it has worked again. */
#ifndef AGENT_STORE_REDIS_HEALTH_H
#define AGENT_STORE_REDIS_HEALTH_H

#include <stdbool.h>

enum { REDIS_HEALTH_FAILURES = 5 };

/* All zero is a healthy one. */
struct redis_health {
	unsigned failures; /* in a row */
	bool down;
};

/* Something was not answered in time. True when that makes it down. */
static inline bool redis_health_failed(struct redis_health *h)
{
	if (h->failures < REDIS_HEALTH_FAILURES)
		h->failures++;
	if (h->down || h->failures < REDIS_HEALTH_FAILURES)
		return false;
	h->down = true;
	return true;
}

/* It is known to be unreachable. True when that is news. */
static inline bool redis_health_lost(struct redis_health *h)
{
	const bool news = !h->down;

	h->failures = REDIS_HEALTH_FAILURES;
	h->down = true;
	return news;
}

/* It answered in time. True when it was down. */
static inline bool redis_health_worked(struct redis_health *h)
{
	const bool news = h->down;

	*h = (struct redis_health){.down = false};
	return news;
}

#endif
