/* agent/store/lmdb_file.h: the LMDB environment of a store: opened and checked,
 * mapped, and mapped again when another process has grown it.
 *
 * Every transaction is begun and ended here, because mapping again needs a
 * moment without any. */
#ifndef AGENT_STORE_LMDB_FILE_H
#define AGENT_STORE_LMDB_FILE_H

#include <lmdb.h>
#include <pthread.h>

#include "agent/store/lmdb_index.h"
#include "agent/store/lmdb_journal.h"
#include "agent/store/store.h"

enum {
	LMDB_FILE_FORMAT = 3,
	/* Entries of `records` that are none: the format and `expiry`. */
	LMDB_FILE_NAMES = 2,
	/* Least max_size: a few records, and room to delete them. */
	LMDB_FILE_SIZE_MIN = 1 << 20,
	/* What a transaction that is held may need: a path from the root to a
	 * leaf for each operation, split all the way. */
	LMDB_FILE_RESERVE = 16 << 20,
	LMDB_FILE_RESERVE_OPS = 512,
};

struct lmdb_file {
	MDB_env *env;    /* NULL after a reopen that failed */
	MDB_dbi records; /* LMDB's main tree */
	MDB_dbi expiry;
	struct lmdb_index index;
	bool indexed; /* it is in use */
	struct lmdb_journal journal;
	uint64_t reserved; /* bytes of the file that have their blocks */
	size_t page_size;
	bool unmapped; /* mapping again failed: reopen */
	int lock_fd;   /* of LMDB's lock file, to look at; -1 */
	char *path;
	unsigned flags;
	size_t max_size; /* bytes */
	/* Held shared while a transaction lives, exclusively to map again. */
	pthread_rwlock_t remap;
};

/* Opens the directory, creating what is missing. Returns 0, or -1 with a text
 * and nothing to close. */
int lmdb_file_open(struct lmdb_file *file, const struct store_options *options,
                   char *reterr_text, size_t reterr_size);
void lmdb_file_close(struct lmdb_file *file);

/* The functions below return 0 or an error of LMDB or errno. */

/* Begins a read transaction, a new one when *txn is NULL, else that one again.
 * While it lasts, what was read stays where it is. */
int lmdb_file_read(struct lmdb_file *file, MDB_txn **txn);

/* Ends it; *txn stays with the caller for the next read. */
void lmdb_file_read_end(struct lmdb_file *file, MDB_txn *txn);

/* Frees a transaction that is not begun, if there is one, and clears *txn. */
void lmdb_file_read_free(struct lmdb_file *file, MDB_txn **txn);

/* Whether another process has the file open: then a write may wait for it, and
 * for as long as it likes. Not while the file is being opened or closed. */
bool lmdb_file_is_shared(const struct lmdb_file *file);

/* Begins the write transaction: waits for other processes to end theirs. Does
 * first, in one of its own, what the journal has that LMDB lacks. */
int lmdb_file_write(struct lmdb_file *file, MDB_txn **ret_txn);
int lmdb_file_commit(struct lmdb_file *file, MDB_txn *txn);
void lmdb_file_abort(struct lmdb_file *file, MDB_txn *txn);

/* Sees to it that neither the map nor the disk nor a limit on files can stand
 * in the way of a transaction of LMDB_FILE_RESERVE_OPS: what is answered before
 * it is committed must not wait for room that only a sweep would make, which
 * would wait for it. False where that is not so. Call it inside of a
 * transaction. */
bool lmdb_file_reserve(struct lmdb_file *file);

/* Writes the entry that names the store and its format: to make a new file
 * ours, and to find out whether a file can be written. */
int lmdb_file_mark(struct lmdb_file *file, MDB_txn *txn);

/* After MDB_PANIC: closes the environment and opens it again. The caller holds
 * `remap` exclusively and has freed every transaction. */
int lmdb_file_reopen(struct lmdb_file *file);

/* Gives back what readers of dead processes hold. */
void lmdb_file_free_dead_readers(struct lmdb_file *file);

/* Whether `rc` says that there is no room: the map's limit or the disk's. */
bool lmdb_file_is_full(int rc);

/* The health that `rc` is answered with; REASON_NONE for 0. */
enum reason lmdb_file_reason(int rc);

/* LMDB calls it EIO when only a part of a write fits the disk, or the limit on
 * the size of files; says what it was. */
int lmdb_file_explain(struct lmdb_file *file, int rc);

#endif
