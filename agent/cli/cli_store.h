/* agent/cli/cli_store.h: the store for a command: one operation at a time, each
 * waited for. */
#ifndef AGENT_CLI_CLI_STORE_H
#define AGENT_CLI_CLI_STORE_H

#include "agent/cli/cli.h"
#include "agent/config.h"

struct ev_loop;

enum { CLI_STORE_NAME_SIZE = 256 };

struct cli_store {
	struct config *config; /* a reference */
	struct store *store;
	struct ev_loop *loop;
	struct store_client *client;
};

/* A record and the memory its spans are in. */
struct cli_record {
	uint8_t record_key[RECORD_KEY_SIZE];
	struct record record; /* RECORD_NONE: it cannot be read */
	uint8_t *bytes;
	uint8_t *response; /* where it is not in `bytes`; or NULL */
};

/* Opens the store that the configuration names, which must be there already
 * unless `create`; takes a reference. CLI_DONE, or what is wrong is on stderr.
 */
enum cli_status cli_store_open(struct cli_store *s, struct config *config,
                               bool create);
void cli_store_close(struct cli_store *s);

/* Reads the configuration, opens its store, does `work` with it, and closes it
 * again. Returns what `work` returned, or what was wrong before. */
enum cli_status cli_store_with(const char *config_path, bool create,
                               enum cli_status (*work)(struct cli_store *s,
                                                       void *cookie),
                               void *cookie);

/* Does `op` and waits for the answer. CLI_DONE: *ret_result says what was
 * found, and for RECORD_FOUND ret_found (which may be NULL) is a copy, to be
 * freed with cli_record_fini(). CLI_FAILED: the reason is on stderr. */
enum cli_status cli_store_do(struct cli_store *s, const struct record_op *op,
                             enum record_result *ret_result,
                             struct cli_record *ret_found);

/* Calls `visit` for every record (store_scan()). */
enum cli_status cli_store_scan(struct cli_store *s, const uint8_t *after,
                               store_visit *visit, void *cookie);

/* Which store it is, for people: driver and path, or driver and servers, cut to
 * fit. */
void cli_store_name(const struct config *config,
                    char ret_text[CLI_STORE_NAME_SIZE]);

/* How many records there are, about; for a progress bar. */
uint64_t cli_store_count(struct cli_store *s);

/* A copy of `record` that owns its bytes; false when out of memory. */
bool cli_record_copy(struct cli_record *ret_copy, const uint8_t *record_key,
                     const struct record *record);
void cli_record_fini(struct cli_record *record);

#endif
