#include "agent/core/condition.h"

#include <assert.h>

static const char *const texts[RECORD_CONDITIONS] = {
#define RECORD_CONDITION(name, text, help) [RECORD_IS_##name] = text,
#include "agent/core/condition.def"
#undef RECORD_CONDITION
};

enum record_condition condition_of(const struct record *record, uint64_t now_ms)
{
	if (record->state == RECORD_NONE)
		return RECORD_IS_UNREADABLE;
	if (!record_alive(record, now_ms))
		return RECORD_IS_EXPIRED;
	switch (record->state) {
	case RECORD_LOCKED:
		return now_ms >= record->deadline_ms ? RECORD_IS_HELD
		                                     : RECORD_IS_LOCKED;
	case RECORD_PENDING:
		return RECORD_IS_PENDING;
	case RECORD_STORED:
		return RECORD_IS_STORED;
	case RECORD_SEALED:
		return RECORD_IS_SEALED;
	case RECORD_NONE:
		break;
	}
	return RECORD_IS_UNREADABLE;
}

const char *condition_text(enum record_condition condition)
{
	assert(condition < RECORD_CONDITIONS);
	return texts[condition];
}
