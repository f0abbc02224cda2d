/* agent/store/lmdb.h: the embedded store: an LMDB directory that every event
 * loop reads in place and one thread at a time changes.
 *
 *     loop:   submit -> pending -> answered from the map, or handed over
 *     writer: what all loops handed over -> one transaction -> answers
 *     loop:   ev_async -> done
 *
 * The writer is a thread of its own. With durability none, when nothing waits
 * for a disk, a loop that finds nobody writing writes itself.
 *
 * lmdb_file.c opens and maps the files, lmdb_index.c leads from a record key to
 * its record, lmdb_value.c knows its bytes, lmdb_tree.c what becomes of it and
 * lmdb_change.c what of the index with it, lmdb_commit.c changes them,
 * lmdb_writer.c says who does and tells the loops, lmdb.c is the loops' side,
 * lmdb_scan.c a tool's. Not twice on one directory in one process (LMDB's own
 * rule); several processes are fine.
 *
 * With durability none the files may be damaged when the machine itself goes
 * down: LMDB's pages reach the disk in any order. */
#ifndef AGENT_STORE_LMDB_H
#define AGENT_STORE_LMDB_H

#include "agent/store/store.h"

extern const struct store_driver lmdb_driver;

#endif
