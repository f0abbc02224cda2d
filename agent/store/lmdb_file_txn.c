/* Its transactions: see lmdb_file.h. */
#include <fcntl.h>
#include <sys/statvfs.h>

#include "agent/store/lmdb_tree.h"

/* Another process has grown the file beyond our map. */
static void map_again(struct lmdb_file *file)
{
	pthread_rwlock_wrlock(&file->remap);
	/* A failure leaves no map at all: only opening anew helps. */
	if (file->env && mdb_env_set_mapsize(file->env, 0) != 0)
		file->unmapped = true;
	pthread_rwlock_unlock(&file->remap);
}

static int begin_read(struct lmdb_file *file, MDB_txn **txn)
{
	if (!file->env || file->unmapped)
		return MDB_PANIC;
	if (*txn)
		return mdb_txn_renew(*txn);
	return mdb_txn_begin(file->env, NULL, MDB_RDONLY, txn);
}

static int begin_write(struct lmdb_file *file, MDB_txn **txn)
{
	if (!file->env || file->unmapped)
		return MDB_PANIC;
	return mdb_txn_begin(file->env, NULL, 0, txn);
}

static int begin(struct lmdb_file *file, MDB_txn **txn,
                 int (*start)(struct lmdb_file *file, MDB_txn **txn))
{
	int rc = MDB_PANIC;

	for (int tries = 0; tries < 3; tries++) {
		pthread_rwlock_rdlock(&file->remap);
		rc = start(file, txn);
		if (rc == 0)
			return 0;
		if (rc == MDB_READERS_FULL)
			lmdb_file_free_dead_readers(file);
		pthread_rwlock_unlock(&file->remap);
		if (rc == MDB_MAP_RESIZED)
			map_again(file);
		else if (rc != MDB_READERS_FULL)
			return rc;
	}
	return rc;
}

int lmdb_file_read(struct lmdb_file *file, MDB_txn **txn)
{
	return begin(file, txn, begin_read);
}

void lmdb_file_read_end(struct lmdb_file *file, MDB_txn *txn)
{
	mdb_txn_reset(txn);
	pthread_rwlock_unlock(&file->remap);
}

void lmdb_file_read_free(struct lmdb_file *file, MDB_txn **txn)
{
	pthread_rwlock_rdlock(&file->remap);
	mdb_txn_abort(*txn);
	*txn = NULL;
	pthread_rwlock_unlock(&file->remap);
}

int lmdb_file_write(struct lmdb_file *file, MDB_txn **ret_txn)
{
	struct lmdb_tree tree = {.file = file};
	int rc = begin(file, ret_txn, begin_write);

	if (rc != 0 ||
	    !lmdb_journal_is_due(&file->journal, mdb_txn_id(*ret_txn)))
		return rc;
	tree.txn = *ret_txn;
	rc = lmdb_tree_redo(&tree);
	if (rc != 0) {
		lmdb_file_abort(file, *ret_txn);
		return rc;
	}
	rc = lmdb_file_commit(file, *ret_txn);
	if (rc != 0)
		return lmdb_file_explain(file, rc);
	return begin(file, ret_txn, begin_write);
}

/* Not the last of what a disk has. */
static bool has_disk_room(const struct lmdb_file *file)
{
	struct statvfs fs;

	return statvfs(file->path, &fs) == 0 &&
	       fs.f_bavail * fs.f_frsize >= 4 * (uint64_t)LMDB_FILE_RESERVE;
}

bool lmdb_file_reserve(struct lmdb_file *file)
{
	MDB_envinfo info;
	uint64_t end, wanted, more;
	int fd;

	if (mdb_env_info(file->env, &info) != 0)
		return false;
	end = (info.me_last_pgno + 1) * file->page_size;
	wanted = end + LMDB_FILE_RESERVE;
	if (wanted > info.me_mapsize)
		return false;
	if (file->reserved >= wanted)
		return true;
	more = wanted + LMDB_FILE_RESERVE;
	if (more > info.me_mapsize)
		more = info.me_mapsize;
	if (!has_disk_room(file) || mdb_env_get_fd(file->env, &fd) != 0 ||
	    posix_fallocate(fd, (off_t)end, (off_t)(more - end)) != 0)
		return false;
	file->reserved = more;
	return true;
}

int lmdb_file_commit(struct lmdb_file *file, MDB_txn *txn)
{
	int rc;

	/* Before: a record must not be there without its number. */
	atomic_store(&file->index.head->stamp, mdb_txn_id(txn));
	rc = mdb_txn_commit(txn);
	pthread_rwlock_unlock(&file->remap);
	return rc;
}

void lmdb_file_abort(struct lmdb_file *file, MDB_txn *txn)
{
	mdb_txn_abort(txn);
	pthread_rwlock_unlock(&file->remap);
}

void lmdb_file_free_dead_readers(struct lmdb_file *file)
{
	int dead;

	if (file->env)
		mdb_reader_check(file->env, &dead);
}
