#include "agent/store/lmdb_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/store/lmdb_index_file.h"
#include "agent/store/lmdb_tree.h"

enum {
	READERS = 1000, /* event loops and tools, of all processes */
	/* What the lock file must hold for READERS, and its header. */
	LOCK_FILE_SIZE = READERS * 64 + 4096,
	TREES = 1, /* that have names */
	META_PAGES = 2,
	/* What deleting needs beyond a map that is full to the brim. */
	HEADROOM = 1 << 20,
	NEARLY_FULL = 1 << 20, /* bytes free on a disk */
};

static const char format_name[] = "spoa-idempotency store";

/* Where an error text goes. */
struct complaint {
	const char *path;
	char *text;
	size_t size;
};

static int complain(const struct complaint *c, const char *what,
                    const char *advice)
{
	snprintf(c->text, c->size, "store %s: %s; %s", c->path, what, advice);
	return -1;
}

static const struct {
	int rc;
	const char *what;
	const char *advice;
} explanations[] = {
    {EACCES, "permission denied",
     "let the agent's user own the directory and the files in it"},
    {EPERM, "not permitted",
     "let the agent's user own the directory and the files in it"},
    {EROFS, "the file system is read-only",
     "mount it for writing, or choose another path"},
    {ENOSPC, "the disk is full", "free some space"},
    {EDQUOT, "the disk quota is used up", "raise it, or free some space"},
    {EFBIG, "the file would be too large", "raise the limit on file sizes"},
    {ENOENT, "the directory it is in does not exist",
     "create that directory, or choose another path"},
    {ENOTDIR, "not a directory", "choose another path"},
    {ENOMEM, "cannot map the file",
     "lower max-size, or raise the limits on memory and address space"},
    {EMFILE, "too many open files", "raise the limit on open files"},
    {MDB_INVALID, "the files are damaged, or are not LMDB's",
     "restore them or move them away, or choose another path"},
    {MDB_CORRUPTED, "the files are damaged", "restore them or move them away"},
    {MDB_PAGE_NOTFOUND, "the files are damaged",
     "restore them or move them away"},
    {MDB_VERSION_MISMATCH, "the files come from another version of LMDB",
     "move them away, or choose another path"},
    {MDB_INCOMPATIBLE, "the files hold something else",
     "move them away, or choose another path"},
};

static int complain_rc(const struct complaint *c, int rc)
{
	for (size_t i = 0; i < sizeof(explanations) / sizeof(explanations[0]);
	     i++) {
		if (explanations[i].rc == rc)
			return complain(c, explanations[i].what,
			                explanations[i].advice);
	}
	return complain(c, mdb_strerror(rc), "see the system's log");
}

bool lmdb_file_is_full(int rc)
{
	return rc == MDB_MAP_FULL || rc == ENOSPC || rc == EDQUOT ||
	       rc == EFBIG;
}

enum reason lmdb_file_reason(int rc)
{
	if (rc == 0)
		return REASON_NONE;
	if (lmdb_file_is_full(rc))
		return REASON_STORE_FULL;
	return rc == ENOMEM ? REASON_NO_MEMORY : REASON_STORE_FAILED;
}

/* A write that the limit cut leaves the file just as large as the limit. */
static bool at_limit_of_files(const struct lmdb_file *file)
{
	struct rlimit limit;
	struct stat st;
	int fd;

	return mdb_env_get_fd(file->env, &fd) == 0 && fstat(fd, &st) == 0 &&
	       getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
	       (rlim_t)st.st_size >= limit.rlim_cur;
}

int lmdb_file_explain(struct lmdb_file *file, int rc)
{
	struct statvfs fs;

	if (rc != EIO)
		return rc;
	if (at_limit_of_files(file))
		return EFBIG;
	if (statvfs(file->path, &fs) == 0 &&
	    fs.f_bavail * fs.f_frsize < NEARLY_FULL)
		return ENOSPC;
	return EIO;
}

static int make_directory(const struct complaint *c)
{
	struct stat st;

	if (mkdir(c->path, 0700) != 0 && errno != EEXIST)
		return complain_rc(c, errno);
	if (stat(c->path, &st) != 0)
		return complain_rc(c, errno);
	if (!S_ISDIR(st.st_mode))
		return complain_rc(c, ENOTDIR);
	return 0;
}

/* A tool must not make a store where there is none. */
static int look_for_data(const struct complaint *c)
{
	char name[PATH_MAX];

	snprintf(name, sizeof(name), "%s/data.mdb", c->path);
	if (access(name, F_OK) == 0)
		return 0;
	if (errno == ENOENT)
		return complain(c, "there is no store",
		                "name the one the agent uses: -c FILE");
	return complain_rc(c, errno);
}

static int open_lock_file(const char *path, int *ret_fd)
{
	char name[PATH_MAX];

	if ((size_t)snprintf(name, sizeof(name), "%s/lock.mdb", path) >=
	    sizeof(name))
		return ENAMETOOLONG;
	*ret_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return *ret_fd < 0 ? errno : 0;
}

/* LMDB writes to its lock file through a map, and a full disk would be a
 * SIGBUS there: give the file its blocks first. */
static int allocate_lock_file(const char *path)
{
	int fd;
	int rc = open_lock_file(path, &fd);

	if (rc != 0)
		return rc;
	rc = posix_fallocate(fd, 0, LOCK_FILE_SIZE);
	close(fd);
	return rc;
}

static int create_env(struct lmdb_file *file)
{
	int rc = mdb_env_create(&file->env);

	file->unmapped = false;
	file->lock_fd = -1;
	if (rc != 0) {
		file->env = NULL;
		return rc;
	}
	rc = mdb_env_set_maxdbs(file->env, TREES);
	if (rc == 0)
		rc = mdb_env_set_maxreaders(file->env, READERS);
	if (rc == 0)
		rc = mdb_env_set_mapsize(file->env, file->max_size);
	if (rc == 0)
		rc = mdb_env_open(file->env, file->path, file->flags, 0600);
	/* Without it, the file counts as shared. */
	if (rc == 0)
		open_lock_file(file->path, &file->lock_fd);
	return rc;
}

/* The lock file last: closing any descriptor of it takes away the locks that
 * this process has there. */
static void close_env(struct lmdb_file *file)
{
	if (!file->env)
		return;
	mdb_env_close(file->env);
	file->env = NULL;
	if (file->lock_fd >= 0)
		close(file->lock_fd);
	file->lock_fd = -1;
}

/* As long as it has the file open, each process keeps a shared lock on the
 * first byte of LMDB's lock file. */
bool lmdb_file_is_shared(const struct lmdb_file *file)
{
	struct flock lock = {
	    .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};

	return fcntl(file->lock_fd, F_GETLK, &lock) != 0 ||
	       lock.l_type != F_UNLCK;
}

/* A limit that was lowered below what the file holds must leave room to remove
 * it. No transaction is begun yet. */
static int make_headroom(struct lmdb_file *file)
{
	MDB_envinfo info;
	size_t used;
	int rc = mdb_env_info(file->env, &info);

	if (rc != 0)
		return rc;
	used = (info.me_last_pgno + 1) * file->page_size;
	if (info.me_mapsize >= used + HEADROOM || used < file->max_size / 2)
		return 0;
	return mdb_env_set_mapsize(file->env, used + HEADROOM);
}

/* A file shorter than its own pages say would be a SIGBUS later. */
static int check_length(struct lmdb_file *file)
{
	MDB_envinfo info;
	MDB_stat stat;
	struct stat st;
	int fd;
	int rc = mdb_env_info(file->env, &info);

	if (rc == 0)
		rc = mdb_env_stat(file->env, &stat);
	if (rc == 0)
		rc = mdb_env_get_fd(file->env, &fd);
	if (rc != 0)
		return rc;
	file->page_size = stat.ms_psize;
	if (fstat(fd, &st) != 0)
		return errno;
	/* A new file ends behind its meta pages, which count two. */
	if ((uint64_t)st.st_size / stat.ms_psize < info.me_last_pgno + 1)
		return MDB_CORRUPTED;
	return 0;
}

static int open_expiry(struct lmdb_file *file, MDB_txn *txn, unsigned flags)
{
	const int rc = mdb_dbi_open(txn, "expiry", flags, &file->expiry);

	return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
}

/* The format entry: our name with its NUL, and a version. */
enum { FORMAT_SIZE = sizeof(format_name) + 4 };

int lmdb_file_mark(struct lmdb_file *file, MDB_txn *txn)
{
	uint8_t bytes[FORMAT_SIZE];
	struct spoe_writer w = spoe_writer(bytes, sizeof(bytes));
	char name[] = "format"; /* LMDB's pointers are not const */
	MDB_val key = {.mv_data = name, .mv_size = strlen(name)};
	MDB_val value = {.mv_data = bytes, .mv_size = sizeof(bytes)};

	spoe_writer_bytes(&w, spoe_span(format_name, sizeof(format_name)));
	spoe_writer_u32(&w, LMDB_FILE_FORMAT);
	return mdb_put(txn, file->records, &key, &value, 0);
}

/* MDB_NOTFOUND: nothing is there, or something that is not ours. */
static int get_format(struct lmdb_file *file, MDB_txn *txn,
                      uint32_t *ret_version)
{
	char name[] = "format"; /* LMDB's pointers are not const */
	MDB_val key = {.mv_data = name, .mv_size = strlen(name)};
	MDB_val value;
	struct spoe_span ours;
	struct spoe_reader r;
	int rc = mdb_get(txn, file->records, &key, &value);

	if (rc != 0)
		return rc;
	r = spoe_reader(spoe_span(value.mv_data, value.mv_size));
	if (!spoe_reader_bytes(&r, sizeof(format_name), &ours) ||
	    memcmp(ours.data, format_name, sizeof(format_name)) != 0 ||
	    !spoe_reader_u32(&r, ret_version))
		return MDB_NOTFOUND;
	return 0;
}

/* Makes sure that the file is ours, makes it ours when it is empty, and opens
 * its trees: one transaction, so another process sees all or nothing. */
static int open_content(struct lmdb_file *file, MDB_txn *txn)
{
	uint32_t version = LMDB_FILE_FORMAT;
	MDB_stat stat;
	int rc = mdb_dbi_open(txn, NULL, 0, &file->records);

	if (rc == 0)
		rc = mdb_stat(txn, file->records, &stat);
	if (rc != 0)
		return rc;
	if (stat.ms_entries == 0) {
		rc = lmdb_file_mark(file, txn);
		return rc != 0 ? rc : open_expiry(file, txn, MDB_CREATE);
	}
	rc = get_format(file, txn, &version);
	if (rc != 0)
		return rc == MDB_NOTFOUND ? MDB_INCOMPATIBLE : rc;
	if (version != LMDB_FILE_FORMAT)
		return MDB_VERSION_MISMATCH;
	return open_expiry(file, txn, 0);
}

/* Takes the index into use, but for when the file is opened again. */
static int begin_index(struct lmdb_file *file, MDB_txn *txn)
{
	struct lmdb_tree tree = {.txn = txn, .file = file};
	struct lmdb_index_source source = {
	    .stamp = mdb_txn_id(txn),
	    .put_all = lmdb_tree_put_all,
	    .cookie = &tree,
	};
	int rc;

	if (file->indexed)
		return 0;
	rc = lmdb_tree_records(&tree, &source.records);
	if (rc == 0)
		rc = lmdb_index_begin(&file->index, &source);
	file->indexed = rc == 0;
	return rc;
}

static int check_content(struct lmdb_file *file, const struct complaint *c)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(file->env, NULL, 0, &txn);

	if (rc != 0)
		return complain_rc(c, rc);
	rc = open_content(file, txn);
	if (rc == 0)
		rc = begin_index(file, txn);
	if (rc == 0)
		lmdb_journal_begin(&file->journal);
	if (rc != 0)
		mdb_txn_abort(txn);
	else
		rc = mdb_txn_commit(txn);
	if (rc == MDB_VERSION_MISMATCH)
		return complain(c, "written by another version of this agent",
		                "run that version, or move the files away");
	if (rc == MDB_INCOMPATIBLE)
		return complain(c, "the files hold something else, not a store",
		                "choose another path");
	return rc != 0 ? complain_rc(c, rc) : 0;
}

static int open_env(struct lmdb_file *file, const struct complaint *c)
{
	int rc = allocate_lock_file(file->path);

	if (rc == 0)
		rc = create_env(file);
	if (rc == 0)
		rc = check_length(file);
	if (rc == 0)
		rc = make_headroom(file);
	if (rc != 0) {
		close_env(file);
		return complain_rc(c, rc);
	}
	lmdb_file_free_dead_readers(file);
	if (check_content(file, c) != 0) {
		close_env(file);
		return -1;
	}
	return 0;
}

static int open_beside(struct lmdb_file *file, bool create_journal)
{
	int rc = lmdb_journal_open(&file->journal, file->path, create_journal);

	if (rc != 0)
		return rc;
	rc = lmdb_index_open(&file->index, file->path, file->max_size);
	if (rc != 0)
		lmdb_journal_close(&file->journal);
	return rc;
}

static void close_beside(struct lmdb_file *file, bool whole)
{
	lmdb_index_close(&file->index, whole);
	lmdb_journal_close(&file->journal);
}

/* Loops come and go all the time: the one that wants to map again must not
 * wait for a moment without any. */
static int init_remap(struct lmdb_file *file)
{
	pthread_rwlockattr_t attr;
	int rc;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(
	    &attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	rc = pthread_rwlock_init(&file->remap, &attr);
	pthread_rwlockattr_destroy(&attr);
	return rc;
}

/* What a process that was killed has left in the journal. */
static int redo(struct lmdb_file *file)
{
	MDB_txn *txn;
	const int rc = lmdb_file_write(file, &txn);

	if (rc == 0)
		lmdb_file_abort(file, txn);
	return rc;
}

/* Opens the files. One that could not be begun for want of space would look
 * damaged the next time: it goes again, if it was not there before. */
static int open_files(struct lmdb_file *file, const struct complaint *c,
                      bool create_journal)
{
	char name[PATH_MAX];
	struct stat st;
	bool fresh;
	int rc;

	snprintf(name, sizeof(name), "%s/data.mdb", file->path);
	fresh = stat(name, &st) != 0 && errno == ENOENT;
	rc = open_beside(file, create_journal);
	if (rc != 0)
		return complain_rc(c, rc);
	if (open_env(file, c) == 0) {
		rc = redo(file);
		if (rc == 0)
			return 0;
		close_env(file);
		complain_rc(c, rc);
	}
	close_beside(file, false);
	if (fresh && stat(name, &st) == 0 &&
	    st.st_size < META_PAGES * sysconf(_SC_PAGESIZE))
		unlink(name);
	return -1;
}

int lmdb_file_open(struct lmdb_file *file, const struct store_options *options,
                   char *reterr_text, size_t reterr_size)
{
	const struct complaint c = {options->path, reterr_text, reterr_size};
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const bool create_journal =
	    !options->must_exist &&
	    options->durability == STORE_DURABILITY_NONE;

	*file = (struct lmdb_file){
	    .flags = MDB_NOTLS | MDB_NORDAHEAD,
	    .max_size = options->max_size / page * page,
	};
	if (options->durability == STORE_DURABILITY_NONE)
		file->flags |= MDB_NOSYNC;
	if (options->max_size < LMDB_FILE_SIZE_MIN)
		return complain(&c, "max-size is too small",
		                "make it 1 MiB or more");
	if ((options->must_exist ? look_for_data(&c) : make_directory(&c)) != 0)
		return -1;
	file->path = strdup(options->path);
	if (!file->path || init_remap(file) != 0) {
		free(file->path);
		return complain_rc(&c, ENOMEM);
	}
	if (open_files(file, &c, create_journal) != 0) {
		pthread_rwlock_destroy(&file->remap);
		free(file->path);
		return -1;
	}
	return 0;
}

void lmdb_file_close(struct lmdb_file *file)
{
	const bool whole = file->env && mdb_env_sync(file->env, 1) == 0;

	close_env(file);
	close_beside(file, whole);
	pthread_rwlock_destroy(&file->remap);
	free(file->path);
}

int lmdb_file_reopen(struct lmdb_file *file)
{
	char text[256];
	const struct complaint c = {file->path, text, sizeof(text)};

	close_env(file);
	return open_env(file, &c) == 0 ? 0 : MDB_PANIC;
}
