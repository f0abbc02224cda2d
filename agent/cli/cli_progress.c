#include "agent/cli/cli_progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/clock.h"

enum {
	EVERY = 1024, /* steps between two looks at the clock */
	PAUSE_MS = 200,
	WIDTH = 40,
};

struct cli_progress cli_progress(const char *what, uint64_t total)
{
	return (struct cli_progress){
	    .what = what,
	    .total = total,
	    .shown_at_ms = clock_monotonic_ms(),
	    .terminal = isatty(STDERR_FILENO) == 1,
	};
}

static void show(struct cli_progress *p)
{
	char bar[WIDTH + 1];
	uint64_t part = p->total > 0 ? p->done * WIDTH / p->total : 0;

	for (size_t i = 0; i < WIDTH; i++)
		bar[i] = i < part ? '#' : '.';
	bar[WIDTH] = '\0';
	fprintf(stderr, "\r%s [%s] %" PRIu64, p->what, bar, p->done);
	fflush(stderr);
	p->shown = true;
}

void cli_progress_step(struct cli_progress *p)
{
	uint64_t now_ms;

	p->done++;
	if (!p->terminal || p->done % EVERY != 0)
		return;
	now_ms = clock_monotonic_ms();
	if (now_ms - p->shown_at_ms < PAUSE_MS)
		return;
	p->shown_at_ms = now_ms;
	show(p);
}

void cli_progress_end(struct cli_progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
}
