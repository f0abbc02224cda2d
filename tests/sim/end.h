/* tests/sim/end.h: how transactions end, and what HAProxy's log says of it: in
 * time, late, twice, never, or from somebody who is not HAProxy. */
#ifndef TESTS_SIM_END_H
#define TESTS_SIM_END_H

#include "tests/sim/world_state.h"

/* The owner of `ticket` has no response: JUDGE_NEVER_RAN or JUDGE_MAY_HAVE. */
void end_without_response(struct world *w, unsigned ticket,
                          enum judge_end_of end);

/* It had one, and HAProxy knows this outcome of it. */
void end_with_response(struct world *w, unsigned ticket,
                       const struct content *content, const char *outcome);

/* A line has come to some agent. */
void end_line(struct world *w, unsigned line);

/* The flight of a notice is over. */
void end_noticed(struct world *w, unsigned id);

#endif
