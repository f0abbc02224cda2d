/* agent/meter.h: what one event loop asked of the store: how often, what came
 * of it, and how long it took. The loop counts, any thread reads. */
#ifndef AGENT_METER_H
#define AGENT_METER_H

#include "agent/core/record_op.h"
#include "agent/counter.h"

/* The labels of an operation: each a row of agent/meter.def. */
enum meter_operation {
#define METER_OPERATION(name, text) METER_##name,
#define METER_RESULT(name, text)
#include "agent/meter.def"
#undef METER_OPERATION
#undef METER_RESULT
	METER_OPERATIONS
};

enum meter_result {
#define METER_OPERATION(name, text)
#define METER_RESULT(name, text) METER_RESULT_##name,
#include "agent/meter.def"
#undef METER_OPERATION
#undef METER_RESULT
	METER_RESULTS
};

enum meter_health { METER_OK, METER_FAILED, METER_HEALTHS };

/* Latencies, in microseconds. */
enum { METER_BOUNDS = 16 };
extern const uint32_t meter_bounds[METER_BOUNDS];

struct meter {
	atomic_uint_least64_t results[METER_OPERATIONS][METER_RESULTS];
	struct histogram took[METER_OPERATIONS][METER_HEALTHS];
};

/* The same, read. */
struct meter_view {
	uint64_t results[METER_OPERATIONS][METER_RESULTS];
	struct histogram_view took[METER_OPERATIONS][METER_HEALTHS];
};

/* A claim or settle was answered after `took_us`. */
void meter_count(struct meter *m, const struct record_op *op,
                 const struct record_answer *answer, uint64_t took_us);

/* Adds what `m` has to *view. */
void meter_read(const struct meter *m, struct meter_view *view);

const char *meter_operation_text(enum meter_operation operation);
const char *meter_result_text(enum meter_result result);
const char *meter_health_text(enum meter_health health);

#endif
