/* agent/cli/cli_census.h: a census of the store, for people. */
#ifndef AGENT_CLI_CLI_CENSUS_H
#define AGENT_CLI_CLI_CENSUS_H

#include <stdio.h>

#include "agent/store/store.h"

/* A table, and a line about the space that the store takes. */
void cli_census_print(const struct store_census *census,
                      const struct store_stats *stats, FILE *out);

#endif
