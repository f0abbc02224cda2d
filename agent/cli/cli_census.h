/* agent/cli/cli_census.h: a census of the store, for people. */
#ifndef AGENT_CLI_CLI_CENSUS_H
#define AGENT_CLI_CLI_CENSUS_H

#include <stdio.h>

#include "agent/store/store.h"

/* The age of the oldest record in this condition; 0 when there is none. */
uint64_t cli_census_age_ms(const struct store_census *census,
                           enum record_condition condition);

/* A table, and a line about the space that the store takes. */
void cli_census_print(const struct store_census *census,
                      const struct store_stats *stats, FILE *out);

#endif
