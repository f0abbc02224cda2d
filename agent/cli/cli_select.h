/* agent/cli/cli_select.h: how an operator names a record: by its key, in any
 * scope or in a given one, or by its record key (as logs show it, whole). */
#ifndef AGENT_CLI_CLI_SELECT_H
#define AGENT_CLI_CLI_SELECT_H

#include <argp.h>

#include "agent/cli/cli_store.h"
#include "agent/core/digest.h"
#include "agent/core/key.h"

struct cli_selector {
	bool has_key;
	struct key key;
	struct spoe_span scopes[DIGEST_SCOPES_MAX];
	size_t n_scopes;
	bool has_record_key;
	uint8_t record_key[RECORD_KEY_SIZE];
};

/* The records found. */
struct cli_found {
	struct cli_record *records;
	size_t n;
};

/* KEY, --scope and --record-key; its input is a struct cli_selector. A child
 * of a command's own parser. */
extern const struct argp cli_select_argp;

/* Finds the live records that `selector` names. Without scopes or a record key
 * it looks at every record. CLI_DONE, with at least one, to be freed with
 * cli_found_fini(); or CLI_NOT_FOUND or worse, which stderr explains. */
enum cli_status cli_select(struct cli_store *s,
                           const struct cli_selector *selector,
                           struct cli_found *ret_found);

/* The same where only one will do: with several, stderr lists them. */
enum cli_status cli_select_one(struct cli_store *s,
                               const struct cli_selector *selector,
                               struct cli_found *ret_found);

void cli_found_fini(struct cli_found *found);

/* Hexadecimal digits of a record key, as --record-key takes them. */
bool cli_record_key_read(const char *text, uint8_t ret_key[RECORD_KEY_SIZE]);

#endif
