/* agent/cli/cli_progress.h: a bar on standard error, when that is a terminal
 * and the work takes its time. */
#ifndef AGENT_CLI_CLI_PROGRESS_H
#define AGENT_CLI_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct cli_progress {
	const char *what;
	uint64_t total; /* 0: not known */
	uint64_t done;
	uint64_t shown_at_ms;
	bool terminal;
	bool shown;
};

/* `what` is borrowed. */
struct cli_progress cli_progress(const char *what, uint64_t total);

/* One more is done. */
void cli_progress_step(struct cli_progress *p);

/* Takes the bar away. */
void cli_progress_end(struct cli_progress *p);

#endif
