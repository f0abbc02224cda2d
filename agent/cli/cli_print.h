/* agent/cli/cli_print.h: records as people and programs read them. Text that a
 * client or an application wrote is escaped. */
#ifndef AGENT_CLI_CLI_PRINT_H
#define AGENT_CLI_CLI_PRINT_H

#include <stdio.h>

#include "agent/cli/cli_store.h"

struct cli_print_options {
	bool secrets;      /* headers that may hold secrets, too */
	uint64_t body_max; /* bytes of the body; 0: only its size */
};

/* A state's name; "unreadable" for RECORD_NONE. */
const char *cli_state_name(enum record_state state);

/* The name of the record's policy, its number when the configuration has none
 * of that number. */
void cli_policy_name(const struct record *record, const struct config *config,
                     char *ret_text, size_t size);

/* What is known of one record, a line for each thing. */
void cli_print_record(const struct cli_record *record,
                      const struct config *config, uint64_t now_ms,
                      const struct cli_print_options *options, FILE *out);

/* The same as one line of JSON. */
void cli_print_json(const struct cli_record *record,
                    const struct config *config, uint64_t now_ms,
                    const struct cli_print_options *options, FILE *out);

/* One line of a list, and what stands above it. */
void cli_print_row(const struct cli_record *record, const struct config *config,
                   uint64_t now_ms, FILE *out);
void cli_print_row_head(FILE *out);

#endif
