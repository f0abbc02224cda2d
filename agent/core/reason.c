#include "agent/core/reason.h"

#include <assert.h>

static const char *const texts[REASONS] = {
#define IDEM_REASON(name, words) [REASON_##name] = words,
#include "agent/core/reason.def"
#undef IDEM_REASON
};

const char *reason_text(enum reason reason)
{
	assert(reason < REASONS);
	return texts[reason];
}
