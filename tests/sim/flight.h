/* tests/sim/flight.h: one exchange, the operation it waits for, and what the
 * store and the peer do to it. Flights are known by number, because any of
 * these may end them. */
#ifndef TESTS_SIM_FLIGHT_H
#define TESTS_SIM_FLIGHT_H

#include "tests/sim/world_state.h"

/* A new flight on some agent, or FLIGHTS_MAX when there were enough. */
unsigned flight_new(struct world *w, unsigned chain);

/* The same for a notice: nobody waits for it who could go away. */
unsigned flight_new_notice(struct world *w, const struct line *line);

/* HAProxy waits no longer for its reply. */
void flight_unanswered(struct world *w, unsigned id);

/* Ends it wherever it is: its agent is no more. */
void flight_drop(struct world *w, unsigned id);

/* Gives the exchange an event and does what it wants. */
void flight_step(struct world *w, unsigned id, struct exchange_event event);

/* The store carries its operation out. */
void flight_effect(struct world *w, unsigned id);

/* The store answers. */
void flight_answer(struct world *w, unsigned id);

void flight_time_out(struct world *w, unsigned id);
void flight_wake(struct world *w, unsigned id);
void flight_hurry(struct world *w, unsigned id);
void flight_gone(struct world *w, unsigned id);
void flight_untold(struct world *w, unsigned id);

#endif
