#include "agent/core/reason.h"

#include <assert.h>

static const struct {
	const char *text;
	enum reason_level level;
} rows[REASONS] = {
#define IDEM_REASON(name, severity, words) \
	[REASON_##name] = {words, REASON_LEVEL_##severity},
#include "agent/core/reason.def"
#undef IDEM_REASON
};

const char *reason_text(enum reason reason)
{
	assert(reason < REASONS);
	return rows[reason].text;
}

enum reason_level reason_level(enum reason reason)
{
	assert(reason < REASONS);
	return rows[reason].level;
}
