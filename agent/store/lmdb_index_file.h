/* agent/store/lmdb_index_file.h: the file of the index: opened, believed or
 * made anew, closed.
 *
 * It is believed when it is of one piece with LMDB's file: it carries the
 * number of the last transaction, has been in use since the machine was started
 * or was closed and brought to the disk, and has as many numbers as there are
 * records, or a few more. Whether a process is the only one that uses it, a
 * lock on the file says; another is held while it is opened or closed. */
#ifndef AGENT_STORE_LMDB_INDEX_FILE_H
#define AGENT_STORE_LMDB_INDEX_FILE_H

#include "agent/store/lmdb_index.h"

/* What is indexed, for who makes the table anew. */
struct lmdb_index_source {
	uint64_t stamp;   /* LMDB's transaction that is looking */
	uint64_t records; /* there are */
	/* Puts them all; returns 0 or an error. */
	int (*put_all)(void *cookie, const struct lmdb_index *index);
	void *cookie;
};

/* Opens `index` in the directory; waits for who is opening or closing it. For
 * records of `max_size` bytes. Returns 0 or an errno and nothing to close. */
int lmdb_index_open(struct lmdb_index *index, const char *path,
                    uint64_t max_size);

/* Sees to it that the table is whole, and takes it into use; inside a write
 * transaction. Returns 0, or an error of LMDB or errno. */
int lmdb_index_begin(struct lmdb_index *index,
                     const struct lmdb_index_source *source);

/* `whole`: LMDB's file has all that belongs to the table, on disk. */
void lmdb_index_close(struct lmdb_index *index, bool whole);

#endif
