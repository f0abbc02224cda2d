/* agent/cli/cli_archive.h: the file that export writes and import reads.
 *
 *     "spoa-idempotency export 1\n"
 *     (1 u8, record key 32, head size u16, response size u32, head, response)*
 *     0 u8, number of records u64
 *
 * Big-endian; head and response as in agent/core/record.h, with their own
 * checksums. A file without its last line was cut. */
#ifndef AGENT_CLI_CLI_ARCHIVE_H
#define AGENT_CLI_CLI_ARCHIVE_H

#include <stdio.h>

#include "agent/cli/cli_store.h"

bool cli_archive_begin(FILE *out);
bool cli_archive_write(FILE *out, const uint8_t *record_key,
                       const struct record *record);
bool cli_archive_end(FILE *out, uint64_t records);

enum cli_archive_read {
	CLI_ARCHIVE_RECORD,
	CLI_ARCHIVE_END,
	CLI_ARCHIVE_FOREIGN, /* not such a file, or a newer one */
	CLI_ARCHIVE_DAMAGED, /* a record is, or the count is wrong */
	CLI_ARCHIVE_CUT,     /* or it cannot be read, see ferror(3) */
	CLI_ARCHIVE_MEMORY,
};

/* What to tell people about it. */
const char *cli_archive_text(enum cli_archive_read result);

/* CLI_ARCHIVE_RECORD when the file is one. */
enum cli_archive_read cli_archive_open(FILE *in);

/* The next record, which the caller frees with cli_record_fini();
 * CLI_ARCHIVE_END when all `n_before` and no more are there. */
enum cli_archive_read cli_archive_read(FILE *in, uint64_t n_before,
                                       struct cli_record *ret_record);

#endif
