/* agent/core/condition.h: how a record is at some moment, as people see it. */
#ifndef AGENT_CORE_CONDITION_H
#define AGENT_CORE_CONDITION_H

#include "agent/core/record.h"

enum record_condition {
#define RECORD_CONDITION(name, text, help) RECORD_IS_##name,
#include "agent/core/condition.def"
#undef RECORD_CONDITION
	RECORD_CONDITIONS
};

/* RECORD_NONE is one that cannot be read. */
enum record_condition condition_of(const struct record *record,
                                   uint64_t now_ms);

const char *condition_text(enum record_condition condition);

#endif
