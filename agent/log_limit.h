/* agent/log_limit.h: the bound on how often one event is logged, as a pure
 * function of time. Only log.c and its test include this. */
#ifndef AGENT_LOG_LIMIT_H
#define AGENT_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

/* Starts as zeroes. */
struct log_limit {
	uint64_t second;     /* that `written` belongs to */
	uint64_t suppressed; /* since the last line written */
	unsigned written;
};

/* Whether a line may be written in `second`, of at most `burst` in any. If so,
 * *ret_suppressed says how many were not since the line before. */
static inline bool log_limit_step(struct log_limit *limit, uint64_t second,
                                  unsigned burst, uint64_t *ret_suppressed)
{
	if (second != limit->second) {
		limit->second = second;
		limit->written = 0;
	}
	if (limit->written == burst) {
		limit->suppressed++;
		return false;
	}
	limit->written++;
	*ret_suppressed = limit->suppressed;
	limit->suppressed = 0;
	return true;
}

#endif
