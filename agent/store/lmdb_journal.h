/* agent/store/lmdb_journal.h: what a transaction that stays open for several
 * turns of a loop has answered for: `journal`, a mapped file beside LMDB's.
 * When the agent is killed meanwhile, it is in the kernel's hands, and whoever
 * has the next write transaction does it again.
 *
 * The changes themselves are in it, so that doing them twice does no harm:
 *
 *     head: magic, since when the machine runs, transaction, bytes that count
 *     change: type u8, size of the key u8, of the value u32, room u32, both
 *
 * They count for the transaction that is named and no other: once LMDB has that
 * one, they are done, whether or not they are cleared away. */
#ifndef AGENT_STORE_LMDB_JOURNAL_H
#define AGENT_STORE_LMDB_JOURNAL_H

#include <stdatomic.h>

#include "agent/store/lmdb_boot.h"
#include "spoe/span.h"

enum lmdb_journal_type {
	LMDB_JOURNAL_RECORD,    /* a record is put */
	LMDB_JOURNAL_NO_RECORD, /* one is removed */
	LMDB_JOURNAL_EXPIRY,    /* an entry of `expiry` is put */
};

/* Spans are borrowed. */
struct lmdb_journal_change {
	enum lmdb_journal_type type;
	struct spoe_span key;   /* LMDB's */
	struct spoe_span value; /* without the room behind it */
	size_t room;
};

enum {
	LMDB_JOURNAL_HEAD = 4096,
	/* Bytes of changes. What does not fit is committed at once. */
	LMDB_JOURNAL_SIZE = 256 << 10,
};

/* The first page of the file. */
struct lmdb_journal_head {
	char magic[8];
	char boot[LMDB_BOOT_SIZE];
	atomic_uint_least64_t transaction; /* LMDB's */
	atomic_uint_least64_t counting;    /* bytes */
};

struct lmdb_journal {
	struct lmdb_journal_head *head; /* NULL: there is none */
	uint8_t *changes;
	size_t size; /* bytes for changes */
	size_t used; /* counting, and those of the batch that is written */
	bool full;   /* something did not fit */
};

/* Opens the journal in the directory, or finds that there is none; one is made
 * for who may `create`. Returns 0, an errno or MDB_CORRUPTED, and nothing to
 * close. */
int lmdb_journal_open(struct lmdb_journal *journal, const char *path,
                      bool create);
void lmdb_journal_close(struct lmdb_journal *journal);

/* The rest is for whoever has the write transaction. */

/* Forgets what is of no use, for the machine went down since: none of it need
 * be of one piece. Call it before anything else. */
void lmdb_journal_begin(struct lmdb_journal *journal);

/* Whether it has changes that LMDB lacks, where `transaction` is the one that
 * would be next. */
bool lmdb_journal_is_due(const struct lmdb_journal *journal,
                         uint64_t transaction);

/* Begins anew, for `transaction`. */
void lmdb_journal_start(struct lmdb_journal *journal, uint64_t transaction);

void lmdb_journal_add(struct lmdb_journal *journal,
                      const struct lmdb_journal_change *change);

/* From now on, all that was added counts. False: it does not fit, and nothing
 * of the batch is there. */
bool lmdb_journal_publish(struct lmdb_journal *journal);

/* All of it is in LMDB. */
void lmdb_journal_clear(struct lmdb_journal *journal);

/* The changes that count, one by one from *at on, which begins as 0.
 * MDB_NOTFOUND: that was the last. MDB_CORRUPTED: it is damaged. */
int lmdb_journal_next(const struct lmdb_journal *journal, size_t *at,
                      struct lmdb_journal_change *ret_change);

#endif
