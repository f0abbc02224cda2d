#include "agent/meter.h"

#include <assert.h>

const uint32_t meter_bounds[METER_BOUNDS] = {
    25,    50,    100,   250,    500,    1000,   2500,    5000,
    10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000,
};

static const char *const operations[METER_OPERATIONS] = {
#define METER_OPERATION(name, text) [METER_##name] = text,
#define METER_RESULT(name, text)
#include "agent/meter.def"
#undef METER_OPERATION
#undef METER_RESULT
};

static const char *const results[METER_RESULTS] = {
#define METER_OPERATION(name, text)
#define METER_RESULT(name, text) [METER_RESULT_##name] = text,
#include "agent/meter.def"
#undef METER_OPERATION
#undef METER_RESULT
};

const char *meter_operation_text(enum meter_operation operation)
{
	assert(operation < METER_OPERATIONS);
	return operations[operation];
}

const char *meter_result_text(enum meter_result result)
{
	assert(result < METER_RESULTS);
	return results[result];
}

const char *meter_health_text(enum meter_health health)
{
	return health == METER_OK ? "ok" : "failed";
}

static enum meter_result result_of(const struct record_answer *answer)
{
	switch (answer->health) {
	case REASON_NONE:
		break;
	case REASON_STORE_FULL:
		return METER_RESULT_FULL;
	case REASON_STORE_SLOW:
		return METER_RESULT_SLOW;
	case REASON_STORE_UNCONFIRMED:
		return METER_RESULT_UNCONFIRMED;
	case REASON_RECORD_CORRUPT:
	case REASON_RECORD_VERSION:
		return METER_RESULT_UNREADABLE;
	default:
		return METER_RESULT_FAILED;
	}
	switch (answer->result) {
	case RECORD_GRANTED:
		return METER_RESULT_GRANTED;
	case RECORD_SETTLED:
		return METER_RESULT_SETTLED;
	case RECORD_LOST:
		return METER_RESULT_LOST;
	default:
		return METER_RESULT_FOUND;
	}
}

void meter_count(struct meter *m, const struct record_op *op,
                 const struct record_answer *answer, uint64_t took_us)
{
	const enum meter_operation operation =
	    op->type == RECORD_OP_CLAIM ? METER_CLAIM : METER_SETTLE;
	const enum meter_health health =
	    answer->health == REASON_NONE ? METER_OK : METER_FAILED;

	counter_add(&m->results[operation][result_of(answer)], 1);
	histogram_add(&m->took[operation][health], meter_bounds, METER_BOUNDS,
	              took_us);
}

void meter_read(const struct meter *m, struct meter_view *view)
{
	for (size_t o = 0; o < METER_OPERATIONS; o++) {
		for (size_t r = 0; r < METER_RESULTS; r++)
			view->results[o][r] += counter_get(&m->results[o][r]);
		for (size_t h = 0; h < METER_HEALTHS; h++)
			histogram_read(&m->took[o][h], &view->took[o][h]);
	}
}
