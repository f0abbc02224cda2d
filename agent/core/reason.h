/* agent/core/reason.h: why a verdict or an outcome is what it is: the rows of
 * agent/core/reason.def. The core returns a reason; the shell logs and counts
 * it. */
#ifndef AGENT_CORE_REASON_H
#define AGENT_CORE_REASON_H

enum reason {
#define IDEM_REASON(name, level, text) REASON_##name,
#include "agent/core/reason.def"
#undef IDEM_REASON
	REASONS
};

/* How loudly the shell says it; syslog's order, least urgent last. */
enum reason_level {
	REASON_LEVEL_ERROR,
	REASON_LEVEL_WARNING,
	REASON_LEVEL_INFO,
	REASON_LEVEL_DEBUG,
};

/* The row's text, never NULL; "" for REASON_NONE. */
const char *reason_text(enum reason reason);
enum reason_level reason_level(enum reason reason);

#endif
