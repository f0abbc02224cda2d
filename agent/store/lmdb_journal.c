#include "agent/store/lmdb_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spoe/reader.h"
#include "spoe/writer.h"

/* Its last character is the version. */
static const char magic[8] = {'i', 'd', 'e', 'm', 'j', 'n', 'l', '1'};

/* --- the file ----------------------------------------------------------- */

/* Written through a map, a full disk would be a SIGBUS. When it is, the store
 * does without. */
static int allocate(int fd)
{
	const int rc =
	    posix_fallocate(fd, 0, LMDB_JOURNAL_HEAD + LMDB_JOURNAL_SIZE);

	return rc == ENOSPC || rc == EDQUOT || rc == EFBIG ? 0 : rc;
}

static int map(struct lmdb_journal *journal, int fd)
{
	struct stat st;
	void *at;

	if (fstat(fd, &st) != 0)
		return errno;
	/* It could not be given its blocks. */
	if (st.st_size <= LMDB_JOURNAL_HEAD)
		return 0;
	at = mmap(NULL, LMDB_JOURNAL_HEAD + LMDB_JOURNAL_SIZE,
	          PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return errno;
	journal->head = at;
	journal->changes = (uint8_t *)at + LMDB_JOURNAL_HEAD;
	journal->size = LMDB_JOURNAL_SIZE;
	/* What is not there must not be touched. */
	if (st.st_size < LMDB_JOURNAL_HEAD + LMDB_JOURNAL_SIZE)
		journal->size = (size_t)st.st_size - LMDB_JOURNAL_HEAD;
	return 0;
}

/* All zero, it has never been in use. */
static bool is_ours(const struct lmdb_journal_head *head)
{
	static const char none[sizeof(magic)];

	return memcmp(head->magic, magic, sizeof(magic)) == 0 ||
	       (memcmp(head->magic, none, sizeof(none)) == 0 &&
	        atomic_load(&head->counting) == 0);
}

int lmdb_journal_open(struct lmdb_journal *journal, const char *path,
                      bool create)
{
	char name[PATH_MAX];
	int fd;
	int rc = 0;

	*journal = (struct lmdb_journal){.head = NULL};
	if ((size_t)snprintf(name, sizeof(name), "%s/journal", path) >=
	    sizeof(name))
		return ENAMETOOLONG;
	fd = open(name, O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0600);
	if (fd < 0)
		return errno == ENOENT && !create ? 0 : errno;
	if (create)
		rc = allocate(fd);
	if (rc == 0)
		rc = map(journal, fd);
	close(fd);
	if (rc == 0 && journal->head && !is_ours(journal->head)) {
		lmdb_journal_close(journal);
		rc = MDB_CORRUPTED;
	}
	return rc;
}

void lmdb_journal_close(struct lmdb_journal *journal)
{
	if (journal->head)
		munmap(journal->head, LMDB_JOURNAL_HEAD + LMDB_JOURNAL_SIZE);
	journal->head = NULL;
}

void lmdb_journal_begin(struct lmdb_journal *journal)
{
	if (!journal->head || lmdb_boot_is_now(journal->head->boot))
		return;
	atomic_store(&journal->head->counting, 0);
	memcpy(journal->head->magic, magic, sizeof(magic));
	lmdb_boot_read(journal->head->boot);
	/* Nobody could believe it. */
	if (journal->head->boot[0] == '\0')
		lmdb_journal_close(journal);
}

/* --- changes ------------------------------------------------------------ */

bool lmdb_journal_is_due(const struct lmdb_journal *journal,
                         uint64_t transaction)
{
	return journal->head && atomic_load(&journal->head->counting) > 0 &&
	       atomic_load(&journal->head->transaction) == transaction;
}

void lmdb_journal_start(struct lmdb_journal *journal, uint64_t transaction)
{
	/* In this order: what is there must not come to count again. */
	atomic_store(&journal->head->counting, 0);
	atomic_store(&journal->head->transaction, transaction);
	journal->used = 0;
	journal->full = false;
}

void lmdb_journal_add(struct lmdb_journal *journal,
                      const struct lmdb_journal_change *change)
{
	struct spoe_writer w = spoe_writer(journal->changes + journal->used,
	                                   journal->size - journal->used);

	if (journal->full)
		return;
	journal->full = !spoe_writer_u8(&w, (uint8_t)change->type) ||
	                !spoe_writer_u8(&w, (uint8_t)change->key.size) ||
	                !spoe_writer_u32(&w, (uint32_t)change->value.size) ||
	                !spoe_writer_u32(&w, (uint32_t)change->room) ||
	                !spoe_writer_bytes(&w, change->key) ||
	                !spoe_writer_bytes(&w, change->value);
	if (!journal->full)
		journal->used += w.size;
}

bool lmdb_journal_publish(struct lmdb_journal *journal)
{
	if (journal->full)
		return false;
	atomic_store_explicit(&journal->head->counting, journal->used,
	                      memory_order_release);
	return true;
}

void lmdb_journal_clear(struct lmdb_journal *journal)
{
	atomic_store_explicit(&journal->head->counting, 0,
	                      memory_order_release);
}

int lmdb_journal_next(const struct lmdb_journal *journal, size_t *at,
                      struct lmdb_journal_change *ret_change)
{
	const size_t counting = atomic_load(&journal->head->counting);
	struct spoe_reader r;
	uint8_t type, key_size;
	uint32_t value_size, room;

	if (counting > journal->size || *at > counting)
		return MDB_CORRUPTED;
	if (*at == counting)
		return MDB_NOTFOUND;
	r = spoe_reader(spoe_span(journal->changes + *at, counting - *at));
	if (!spoe_reader_u8(&r, &type) || type > LMDB_JOURNAL_EXPIRY ||
	    !spoe_reader_u8(&r, &key_size) ||
	    !spoe_reader_u32(&r, &value_size) || !spoe_reader_u32(&r, &room) ||
	    !spoe_reader_bytes(&r, key_size, &ret_change->key) ||
	    !spoe_reader_bytes(&r, value_size, &ret_change->value))
		return MDB_CORRUPTED;
	ret_change->type = (enum lmdb_journal_type)type;
	ret_change->room = room;
	*at = counting - r.left;
	return 0;
}
