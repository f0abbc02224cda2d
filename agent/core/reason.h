/* agent/core/reason.h: why a verdict or an outcome is what it is: the rows of
 * agent/core/reason.def. The core returns a reason; the shell logs and counts
 * it. */
#ifndef AGENT_CORE_REASON_H
#define AGENT_CORE_REASON_H

enum reason {
#define IDEM_REASON(name, text) REASON_##name,
#include "agent/core/reason.def"
#undef IDEM_REASON
	REASONS
};

/* The row's text, never NULL; "" for REASON_NONE. */
const char *reason_text(enum reason reason);

#endif
