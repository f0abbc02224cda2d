/* The table that leads from record keys to numbers: nothing that was put is
 * ever missed, by readers in between either, and a file that does not belong to
 * the records is made anew. */
#include <errno.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "agent/store/lmdb_index_file.h"
#include "tests/unit/store_rig.h"

enum { MAX_SIZE = 256 << 20, STAMP = 7 };

struct table {
	struct lmdb_index index;
	char directory[128];
	uint64_t records; /* that there are to be indexed: 1..records */
	unsigned made;    /* how often it was made anew */
};

static int put_all(void *cookie, const struct lmdb_index *index)
{
	struct table *t = cookie;

	t->made++;
	for (uint64_t n = 1; n <= t->records; n++) {
		uint8_t key[RECORD_KEY_SIZE];
		int rc;

		rig_key(key, n);
		rc = lmdb_index_put(index, key, n);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static void begin(struct table *t, uint64_t stamp)
{
	const struct lmdb_index_source source = {
	    .stamp = stamp,
	    .records = t->records,
	    .put_all = put_all,
	    .cookie = t,
	};

	assert_int_equal(lmdb_index_open(&t->index, t->directory, MAX_SIZE), 0);
	assert_int_equal(lmdb_index_begin(&t->index, &source), 0);
}

static void open_table(struct table *t)
{
	struct rig rig;

	rig_init(&rig);
	*t = (struct table){.records = 0};
	memcpy(t->directory, rig.directory, sizeof(t->directory));
	begin(t, STAMP);
	assert_int_equal(t->made, 1);
}

static void close_table(struct table *t)
{
	lmdb_index_close(&t->index, true);
	rig_remove(t->directory);
}

static int put(struct table *t, uint64_t n)
{
	uint8_t key[RECORD_KEY_SIZE];

	rig_key(key, n);
	return lmdb_index_put(&t->index, key, n);
}

static void take(struct table *t, uint64_t n)
{
	uint8_t key[RECORD_KEY_SIZE];

	rig_key(key, n);
	lmdb_index_remove(&t->index, lmdb_index_prefix(key), n);
}

/* The number of the key, 0 when it has none. */
static uint64_t find(const struct table *t, uint64_t n)
{
	uint8_t key[RECORD_KEY_SIZE];
	unsigned place = 0;
	uint64_t number;

	rig_key(key, n);
	assert_int_equal(lmdb_index_find(&t->index, key, &place, &number), 0);
	return number;
}

static void all_are_found_and_listed_in_order(void **state)
{
	enum { N = 100000 };
	struct table t;
	struct lmdb_index_list list = {.next = 0};
	uint64_t records, n_listed = 0, last = 0;

	(void)state;
	open_table(&t);
	for (uint64_t n = 1; n <= N; n++)
		assert_int_equal(put(&t, n), 0);
	for (uint64_t n = 1; n <= N; n += 2)
		take(&t, n);
	for (uint64_t n = 1; n <= N + 1000; n++)
		assert_int_equal(find(&t, n), n % 2 == 0 && n <= N ? n : 0);
	assert_true(lmdb_index_whole(&t.index, &records));
	assert_int_equal(records, N / 2);
	do {
		const uint64_t from = list.next;

		assert_int_equal(lmdb_index_list(&t.index, from, &list), 0);
		for (size_t i = 0; i < list.n; i++) {
			uint8_t key[RECORD_KEY_SIZE];

			rig_key(key, list.numbers[i]);
			assert_true(lmdb_index_prefix(key) >= from);
			assert_true(list.next == 0 ||
			            lmdb_index_prefix(key) < list.next);
		}
		n_listed += list.n;
		assert_true(list.next == 0 || list.next > last);
		last = list.next;
	} while (list.next != 0);
	assert_int_equal(n_listed, N / 2);
	close_table(&t);
}

/* Records come and go; the table is as large as what is there at once. */
static void what_was_removed_leaves_its_room(void **state)
{
	enum { N = 200000, AT_ONCE = 2000 };
	struct table t;

	(void)state;
	open_table(&t);
	for (uint64_t n = 1; n <= N; n++) {
		assert_int_equal(put(&t, n), 0);
		if (n > AT_ONCE)
			take(&t, n - AT_ONCE);
	}
	assert_int_equal(t.index.head->records, AT_ONCE);
	assert_true(t.index.head->pages < t.index.map_pages / 4);
	for (uint64_t n = N - AT_ONCE + 1; n <= N; n++)
		assert_int_equal(find(&t, n), n);
	close_table(&t);
}

/* A number may be put for a key that has one: each is found. */
static void a_key_may_have_several_numbers(void **state)
{
	uint8_t key[RECORD_KEY_SIZE];
	unsigned place = 0;
	uint64_t number;
	struct table t;

	(void)state;
	open_table(&t);
	rig_key(key, 1);
	for (uint64_t n = 1; n <= 100; n++)
		assert_int_equal(lmdb_index_put(&t.index, key, n), 0);
	lmdb_index_remove(&t.index, lmdb_index_prefix(key), 3);
	lmdb_index_remove(&t.index, lmdb_index_prefix(key), 1000);
	for (unsigned nth = 0; nth < 99; nth++) {
		assert_int_equal(
		    lmdb_index_find(&t.index, key, &place, &number), 0);
		assert_int_equal(number, nth < 2 ? nth + 1 : nth + 2);
		/* Its being gone makes nobody miss the next. */
		lmdb_index_remove(&t.index, lmdb_index_prefix(key), number);
	}
	assert_int_equal(lmdb_index_find(&t.index, key, &place, &number), 0);
	assert_int_equal(number, 0);
	close_table(&t);
}

/* A client chooses his key, and tries as many as he likes until its hash begins
 * as he wants: whose hash begins alike has his place all the same. */
static void keys_that_begin_alike_keep_nobody_out(void **state)
{
	enum { N = 1000 };
	struct table t;
	uint8_t key[RECORD_KEY_SIZE];

	(void)state;
	open_table(&t);
	for (uint64_t n = 1; n <= 2 * N; n++) {
		rig_key(key, n);
		key[0] = 0x5a;
		if (n <= N)
			key[1] = 0x5a;
		assert_int_equal(lmdb_index_put(&t.index, key, n), 0);
	}
	close_table(&t);
}

/* Whoever has very many of them fills his page, not the disk. */
static void keys_that_begin_alike_are_bounded(void **state)
{
	struct table t;
	int rc = 0;

	(void)state;
	open_table(&t);
	for (uint64_t n = 1; n <= 1000 && rc == 0; n++) {
		uint8_t key[RECORD_KEY_SIZE] = {0x5a, 0x5a, 0x5a, 0x5a};

		memcpy(key + 4, &n, sizeof(n));
		rc = lmdb_index_put(&t.index, key, n);
	}
	assert_int_equal(rc, MDB_MAP_FULL);
	assert_true(t.index.head->pages < t.index.map_pages / 4);
	assert_int_equal(put(&t, 5000), 0);
	assert_int_equal(find(&t, 5000), 5000);
	close_table(&t);
}

static void a_full_disk_is_an_error(void **state)
{
	struct rlimit limit, before;
	struct table t;
	uint64_t n = 0;
	int rc = 0;

	(void)state;
	open_table(&t);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 1 << 20;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	while (rc == 0)
		rc = put(&t, ++n);
	assert_int_equal(rc, EFBIG);
	assert_true(n > 20000);
	assert_int_equal(put(&t, n), EFBIG);
	assert_int_equal(find(&t, n), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(put(&t, n), 0);
	for (uint64_t i = 1; i <= n; i++)
		assert_int_equal(find(&t, i), i);
	close_table(&t);
}

/* Any flipped bit of the slot that leads to a number is seen, and of the way
 * to it: it is never as if there were none. */
static void damage_is_seen(void **state)
{
	enum { N = 1000 };
	struct table t;
	unsigned n_seen = 0;
	uint8_t key[RECORD_KEY_SIZE];

	(void)state;
	open_table(&t);
	for (uint64_t n = 1; n <= N; n++)
		assert_int_equal(put(&t, n), 0);
	rig_key(key, 77);
	for (size_t at = LMDB_INDEX_PAGE;
	     at < t.index.head->pages * LMDB_INDEX_PAGE; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			unsigned place = 0;
			uint64_t number = 0;
			int rc;

			t.index.map[at] ^= (uint8_t)(1 << bit);
			rc = lmdb_index_find(&t.index, key, &place, &number);
			t.index.map[at] ^= (uint8_t)(1 << bit);
			n_seen += rc == MDB_CORRUPTED;
			assert_true(rc == MDB_CORRUPTED || number == 77);
		}
	}
	assert_true(n_seen >= 128);
	close_table(&t);
}

struct reading {
	struct table *t;
	atomic_uint_fast64_t put; /* 1..put are there */
	atomic_bool stop;
	uint64_t missed;
};

static void *read_on(void *cookie)
{
	struct reading *r = cookie;
	uint64_t n = 1;

	while (!r->stop) {
		const uint64_t put = r->put;
		uint8_t key[RECORD_KEY_SIZE];
		unsigned place = 0;
		uint64_t number;

		n = n * 6364136223846793005u + 1442695040888963407u;
		if (put == 0)
			continue;
		rig_key(key, (n >> 33) % put + 1);
		if (lmdb_index_find(&r->t->index, key, &place, &number) != 0 ||
		    number != (n >> 33) % put + 1)
			r->missed++;
	}
	return NULL;
}

/* While pages are divided, cleared of what was removed, and used again. */
static void readers_miss_nothing(void **state)
{
	enum { N = 60000, OTHERS = 1000000 };
	struct table t;
	struct reading r = {.t = &t};
	pthread_t thread;

	(void)state;
	open_table(&t);
	assert_int_equal(pthread_create(&thread, NULL, read_on, &r), 0);
	for (uint64_t n = 1; n <= N; n++) {
		assert_int_equal(put(&t, n), 0);
		r.put = n;
		assert_int_equal(put(&t, OTHERS + n), 0);
		if (n > 10)
			take(&t, OTHERS + n - 10);
	}
	r.stop = true;
	pthread_join(thread, NULL);
	assert_int_equal(r.missed, 0);
	close_table(&t);
}

static void reopen(struct table *t, uint64_t stamp, unsigned made)
{
	begin(t, stamp);
	assert_int_equal(t->made, made);
	for (uint64_t n = 1; n <= t->records; n++)
		assert_int_equal(find(t, n), n);
	assert_int_equal(find(t, t->records + 1), 0);
}

static void cut(const struct table *t, off_t size)
{
	char name[256];

	snprintf(name, sizeof(name), "%s/index", t->directory);
	assert_int_equal(truncate(name, size), 0);
}

/* What was killed, closed, lost, cut, or belongs to other records. */
static void a_table_is_believed_when_it_fits(void **state)
{
	enum { N = 1000 };
	struct table t, other;

	(void)state;
	open_table(&t);
	for (t.records = 0; t.records < N; t.records++)
		assert_int_equal(put(&t, t.records + 1), 0);
	/* As if it had been killed, between its mark and its commit as well. */
	lmdb_index_close(&t.index, false);
	reopen(&t, STAMP, 1);
	lmdb_index_close(&t.index, false);
	reopen(&t, STAMP + 1, 1);
	lmdb_index_close(&t.index, true);
	/* LMDB's file is newer, or older. */
	reopen(&t, STAMP + 3, 2);
	lmdb_index_close(&t.index, true);
	reopen(&t, STAMP + 2, 3);
	/* The machine went down: with what of it on the disk? */
	t.index.head->boot[0] ^= 1;
	lmdb_index_close(&t.index, false);
	reopen(&t, STAMP + 2, 4);
	/* ... or all of it was on the disk. */
	t.index.head->boot[0] ^= 1;
	lmdb_index_close(&t.index, true);
	reopen(&t, STAMP + 2, 4);
	/* Numbers of records that are gone do no harm, unless they are many;
	 * but none may be missing. */
	for (uint64_t n = 1; n <= 4096; n++)
		assert_int_equal(put(&t, 2 * N + n), 0);
	lmdb_index_close(&t.index, false);
	reopen(&t, STAMP + 2, 4);
	assert_int_equal(t.index.head->records, N + 4096);
	assert_int_equal(put(&t, 2 * N), 0);
	lmdb_index_close(&t.index, true);
	reopen(&t, STAMP + 2, 5);
	take(&t, 1);
	lmdb_index_close(&t.index, true);
	reopen(&t, STAMP + 2, 6);
	/* Somebody else comes and goes, and finds it as it is. */
	other = t;
	other.records = 0;
	begin(&other, STAMP + 5);
	assert_int_equal(other.made, 6);
	assert_int_equal(find(&other, 1), 1);
	lmdb_index_close(&other.index, true);
	assert_false(t.index.head->clean);
	lmdb_index_close(&t.index, true);
	for (off_t size = 4 * LMDB_INDEX_PAGE; size >= 0; size -= 1000) {
		cut(&t, size);
		reopen(&t, STAMP + 2, t.made + 1);
		lmdb_index_close(&t.index, true);
	}
	begin(&t, STAMP + 2);
	close_table(&t);
}

/* Opens the table while somebody else opens or closes it. */
struct opener {
	struct table table;
	pthread_t thread;
	uint64_t stamp;
	int rc;
};

static void *open_meanwhile(void *cookie)
{
	struct opener *o = cookie;
	const struct lmdb_index_source source = {
	    .stamp = o->stamp,
	    .records = o->table.records,
	    .put_all = put_all,
	    .cookie = &o->table,
	};

	o->rc = lmdb_index_open(&o->table.index, o->table.directory, MAX_SIZE);
	if (o->rc == 0)
		o->rc = lmdb_index_begin(&o->table.index, &source);
	return NULL;
}

/* Whether somebody waits for a lock on the file. */
static bool is_awaited(const struct table *t)
{
	FILE *f = fopen("/proc/locks", "r");
	char name[256], inode[32], line[256];
	struct stat st;
	bool found = false;

	snprintf(name, sizeof(name), "%s/index", t->directory);
	assert_int_equal(stat(name, &st), 0);
	snprintf(inode, sizeof(inode), ":%lu ", (unsigned long)st.st_ino);
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		found = found || (strstr(line, "->") && strstr(line, inode));
	fclose(f);
	return found;
}

/* Until it waits for who is at it. */
static void start_opener(struct opener *o, const struct table *t,
                         uint64_t stamp)
{
	*o = (struct opener){.table = *t, .stamp = stamp};
	assert_int_equal(pthread_create(&o->thread, NULL, open_meanwhile, o),
	                 0);
	for (int i = 0; !is_awaited(t); i++) {
		assert_true(i < 30000);
		usleep(1000);
	}
}

static void join_opener(struct opener *o)
{
	pthread_join(o->thread, NULL);
	assert_int_equal(o->rc, 0);
}

static struct opener late;
static const struct table *closing; /* whom it comes too late for */

/* In the place of the C library's: the table is closed, and says so, but its
 * file is not yet. */
int fdatasync(int fd)
{
	const struct table *t = closing;

	if (t && t->index.head->clean) {
		closing = NULL;
		start_opener(&late, t, STAMP);
	}
	return (int)syscall(SYS_fdatasync, fd);
}

/* Else the machine could go down while it is in use, and it would be believed
 * afterwards, whatever of it was on the disk. */
static void who_comes_while_it_is_closed_takes_it_into_use(void **state)
{
	struct table t;

	(void)state;
	open_table(&t);
	closing = &t;
	lmdb_index_close(&t.index, true);
	join_opener(&late);
	assert_int_equal(late.table.made, 1);
	assert_false(late.table.index.head->clean);
	close_table(&late.table);
}

/* The machine went down, and the first who opened it since gave up. */
static void who_comes_while_it_is_opened_trusts_nobody(void **state)
{
	struct table t;
	struct opener second;

	(void)state;
	open_table(&t);
	t.index.head->boot[0] ^= 1;
	lmdb_index_close(&t.index, false);
	assert_int_equal(lmdb_index_open(&t.index, t.directory, MAX_SIZE), 0);
	start_opener(&second, &t, STAMP);
	lmdb_index_close(&t.index, false);
	join_opener(&second);
	assert_int_equal(second.table.made, 2);
	close_table(&second.table);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_are_found_and_listed_in_order),
	    cmocka_unit_test(what_was_removed_leaves_its_room),
	    cmocka_unit_test(a_key_may_have_several_numbers),
	    cmocka_unit_test(keys_that_begin_alike_keep_nobody_out),
	    cmocka_unit_test(keys_that_begin_alike_are_bounded),
	    cmocka_unit_test(a_full_disk_is_an_error),
	    cmocka_unit_test(damage_is_seen),
	    cmocka_unit_test(readers_miss_nothing),
	    cmocka_unit_test(a_table_is_believed_when_it_fits),
	    cmocka_unit_test(who_comes_while_it_is_closed_takes_it_into_use),
	    cmocka_unit_test(who_comes_while_it_is_opened_trusts_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
