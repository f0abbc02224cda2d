#include "agent/store/lmdb_index_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	/* Even of the smallest records, a table is less than a quarter. */
	MAP_PART = 4,
	MAP_PAGES_MIN = 256,
	/* Numbers of records that are gone: a process that is killed leaves
	 * those of its last transaction. */
	GONE_MAX = 4096,
};

/* Its last character is the version of the table. */
static const char magic[8] = {'i', 'd', 'e', 'm', 'i', 'd', 'x', '1'};

static int lock(int fd, int how)
{
	int rc;

	do
		rc = flock(fd, how);
	while (rc != 0 && errno == EINTR);
	return rc == 0 ? 0 : errno;
}

/* One process at a time opens or closes the file: so who finds it in use finds
 * it looked at and marked, and by somebody who still has it. `type` F_WRLCK or
 * F_UNLCK; `command` F_OFD_SETLKW or, not to wait, F_OFD_SETLK. */
static int gate(const struct lmdb_index *index, short type, int command)
{
	struct flock whole = {.l_type = type, .l_whence = SEEK_SET};
	int rc;

	do
		rc = fcntl(index->fd, command, &whole);
	while (rc != 0 && errno == EINTR);
	return rc == 0 ? 0 : errno;
}

/* Exclusively when nobody else has it, else shared. */
static int lock_open(struct lmdb_index *index)
{
	int rc = gate(index, F_WRLCK, F_OFD_SETLKW);

	if (rc == 0)
		rc = lock(index->fd, LOCK_EX | LOCK_NB);
	index->alone = rc == 0;
	return rc == EWOULDBLOCK ? lock(index->fd, LOCK_SH) : rc;
}

static int map(struct lmdb_index *index, uint64_t max_size)
{
	struct stat st;
	uint64_t pages;
	void *at;

	if (fstat(index->fd, &st) != 0)
		return errno;
	pages = (uint64_t)st.st_size / LMDB_INDEX_PAGE;
	index->map_pages = max_size / MAP_PART / LMDB_INDEX_PAGE;
	if (index->map_pages < 2 * pages)
		index->map_pages = 2 * pages;
	if (index->map_pages < MAP_PAGES_MIN)
		index->map_pages = MAP_PAGES_MIN;
	at = mmap(NULL, index->map_pages * LMDB_INDEX_PAGE,
	          PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, index->fd,
	          0);
	if (at == MAP_FAILED)
		return errno;
	index->map = at;
	index->head = at;
	return 0;
}

int lmdb_index_open(struct lmdb_index *index, const char *path,
                    uint64_t max_size)
{
	char name[PATH_MAX];
	int rc;

	*index = (struct lmdb_index){.fd = -1};
	if ((size_t)snprintf(name, sizeof(name), "%s/index", path) >=
	    sizeof(name))
		return ENAMETOOLONG;
	index->fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (index->fd < 0)
		return errno;
	rc = lock_open(index);
	if (rc == 0)
		rc = map(index, max_size);
	if (rc != 0)
		close(index->fd);
	return rc;
}

/* Whether the file is long enough to look at its head, and for what that says.
 */
static bool long_enough(const struct lmdb_index *index)
{
	struct stat st;
	uint64_t pages;

	if (fstat(index->fd, &st) != 0)
		return false;
	pages = (uint64_t)st.st_size / LMDB_INDEX_PAGE;
	return pages > 0 &&
	       memcmp(index->head->magic, magic, sizeof(magic)) == 0 &&
	       atomic_load(&index->head->allocated) <= pages;
}

static bool credible(const struct lmdb_index *index,
                     const struct lmdb_index_source *source)
{
	struct lmdb_index_head *head = index->head;
	uint64_t stamp, records;

	if (!long_enough(index))
		return false;
	if (!head->clean && !lmdb_boot_is_now(head->boot))
		return false;
	/* Marked before a commit, which may then not have come to be. */
	stamp = atomic_load(&head->stamp);
	if (stamp != source->stamp && stamp + 1 != source->stamp)
		return false;
	if (!lmdb_index_whole(index, &records) || records < source->records ||
	    records - source->records > GONE_MAX)
		return false;
	head->records = records;
	return true;
}

static int make_anew(const struct lmdb_index *index,
                     const struct lmdb_index_source *source)
{
	int rc;

	if (ftruncate(index->fd, 0) != 0)
		return errno;
	rc = posix_fallocate(index->fd, 0, LMDB_INDEX_PAGE);
	if (rc != 0)
		return rc;
	atomic_store(&index->head->allocated, 1);
	rc = lmdb_index_init(index);
	if (rc == 0)
		rc = source->put_all(source->cookie, index);
	if (rc == 0)
		memcpy(index->head->magic, magic, sizeof(magic));
	return rc;
}

/* Nobody else has it. */
static int begin_alone(struct lmdb_index *index,
                       const struct lmdb_index_source *source)
{
	int rc = 0;

	if (!credible(index, source))
		rc = make_anew(index, source);
	if (rc != 0)
		return rc;
	atomic_store(&index->head->stamp, source->stamp);
	index->head->clean = false;
	lmdb_boot_read(index->head->boot);
	/* From now on it may be ahead of what is on the disk, and says so
	 * there. */
	if (fdatasync(index->fd) != 0)
		return errno;
	index->alone = false;
	return lock(index->fd, LOCK_SH);
}

int lmdb_index_begin(struct lmdb_index *index,
                     const struct lmdb_index_source *source)
{
	int rc;

	if (index->alone)
		rc = begin_alone(index, source);
	else
		rc = long_enough(index) ? 0 : MDB_CORRUPTED;
	return rc == 0 ? gate(index, F_UNLCK, F_OFD_SETLK) : rc;
}

void lmdb_index_close(struct lmdb_index *index, bool whole)
{
	if (!index->head)
		return;
	/* Whoever is opening it meanwhile uses it next. */
	if (whole && gate(index, F_WRLCK, F_OFD_SETLK) == 0 &&
	    lock(index->fd, LOCK_EX | LOCK_NB) == 0 &&
	    fdatasync(index->fd) == 0) {
		index->head->clean = true;
		fdatasync(index->fd);
	}
	munmap(index->map, index->map_pages * LMDB_INDEX_PAGE);
	close(index->fd);
	index->head = NULL;
}
