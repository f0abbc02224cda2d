/* agent/store/lmdb.h: the embedded store: an LMDB directory that every event
 * loop reads in place and one writer thread changes.
 *
 *     loop:    submit -> pending -> answered from the map, or handed over
 *     writer:  what all loops handed over -> one transaction -> answers
 *     loop:    ev_async -> done
 *
 * lmdb_file.c opens and maps the files, lmdb_tree.c knows what is in them,
 * lmdb_writer.c changes them, lmdb.c is the loops' side. Not twice on one
 * directory in one process (LMDB's own rule); several processes are fine. */
#ifndef AGENT_STORE_LMDB_H
#define AGENT_STORE_LMDB_H

#include "agent/store/store.h"

extern const struct store_driver lmdb_driver;

#endif
