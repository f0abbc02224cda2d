/* A transaction that is held open for a few turns: what was answered out of it
 * survives a kill, everybody sees it, and nobody waits for long. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "agent/store/lmdb_file.h"
#include "tests/unit/store_rig.h"

enum { KEYS = 8, TRIES = 200, NOT_HELD = 77 };

/* --- faults ---------------------------------------------------------------
 * A symbol of the program goes before one of a library. */

static atomic_bool disk_nearly_full;
static atomic_int fault_put; /* what one mdb_cursor_put() fails with */

int statvfs(const char *path, struct statvfs *ret)
{
	struct statfs fs;

	if (statfs(path, &fs) != 0)
		return -1;
	*ret = (struct statvfs){
	    .f_frsize = (unsigned long)fs.f_bsize,
	    .f_bavail = disk_nearly_full ? 100 : fs.f_bavail,
	};
	return 0;
}

int mdb_cursor_put(MDB_cursor *cursor, MDB_val *key, MDB_val *value,
                   unsigned flags)
{
	static int (*real)(MDB_cursor *, MDB_val *, MDB_val *, unsigned);
	const int fault = atomic_exchange(&fault_put, 0);

	if (fault != 0)
		return fault;
	if (!real) {
		union {
			void *symbol;
			int (*put)(MDB_cursor *, MDB_val *, MDB_val *,
			           unsigned);
		} next = {.symbol = dlsym(RTLD_NEXT, "mdb_cursor_put")};

		real = next.put;
	}
	return real(cursor, key, value, flags);
}

static uint64_t commits_of(const struct rig *rig)
{
	struct store_stats stats;

	store_stats(rig->store, &stats);
	return stats.commits;
}

/* --- kills ---------------------------------------------------------------- */

/* Key 0 is stored, 1 released, 2 sealed, 3 claimed twice; the rest are locked.
 */
static void work(struct rig *rig, struct spoe_span response)
{
	for (uint64_t n = 0; n < KEYS; n++)
		assert_int_equal(rig_claim(rig, n, n), RECORD_GRANTED);
	assert_int_equal(rig_settle(rig, 0, 0, RECORD_STORED, response),
	                 RECORD_SETTLED);
	assert_int_equal(rig_settle(rig, 1, 1, RECORD_NONE, RIG_NO_RESPONSE),
	                 RECORD_SETTLED);
	assert_int_equal(rig_settle(rig, 2, 2, RECORD_SEALED, RIG_NO_RESPONSE),
	                 RECORD_SETTLED);
	assert_int_equal(rig_claim(rig, 3, 9), RECORD_FOUND);
}

/* Has a process killed that has all of it answered and nothing committed; what
 * was there before it is a store with nothing in it. */
static void kill_holder(struct rig *rig, struct spoe_span response)
{
	int status = 0;

	rig_open(rig);
	rig_close(rig);
	for (int i = 0; i < TRIES; i++) {
		const pid_t child = fork();

		assert_true(child >= 0);
		if (child == 0) {
			rig_open(rig);
			work(rig, response);
			/* A slow machine, or a sweep came between. */
			if (commits_of(rig) != 0)
				_exit(NOT_HELD);
			kill(getpid(), SIGKILL);
		}
		waitpid(child, &status, 0);
		if (WIFSIGNALED(status))
			break;
		assert_int_equal(WEXITSTATUS(status), NOT_HELD);
		rig_remove(rig->path);
		rig_open(rig);
		rig_close(rig);
	}
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void check_work(struct rig *rig, struct spoe_span response)
{
	struct rig_call c = rig_do(rig, rig_peek_op(0, RIG_NOW));
	struct store_stats stats;
	uint64_t n = 0;
	char text[256];

	assert_int_equal(c.result, RECORD_FOUND);
	assert_int_equal(c.found.state, RECORD_STORED);
	assert_true(spoe_span_equal(c.found.response, response));
	rig_call_fini(&c);
	assert_int_equal(rig_result(rig, rig_peek_op(1, RIG_NOW)),
	                 RECORD_ABSENT);
	c = rig_do(rig, rig_peek_op(2, RIG_NOW));
	assert_int_equal(c.found.state, RECORD_SEALED);
	rig_call_fini(&c);
	for (uint64_t i = 3; i < KEYS; i++)
		assert_int_equal(rig_claim(rig, i, 9), RECORD_FOUND);
	assert_int_equal(store_scan(rig->store, NULL, rig_count_whole, &n, text,
	                            sizeof(text)),
	                 0);
	store_stats(rig->store, &stats);
	assert_int_equal(n, KEYS - 1);
	assert_int_equal(stats.records, KEYS - 1);
}

static void what_is_held_survives_a_kill(void **state)
{
	const struct spoe_span response = rig_response(3000, 1);
	struct rig rig;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		rig_init(&rig);
		kill_holder(&rig, response);
		/* Whoever comes next: another agent, or a tool. */
		if (i == 1)
			rig.options.durability = STORE_DURABILITY_COMMIT;
		rig.options.must_exist = i == 2;
		rig_open(&rig);
		check_work(&rig, response);
		assert_int_equal(rig_claim(&rig, 1, 9), RECORD_GRANTED);
		assert_int_equal(
		    rig_settle(&rig, 4, 4, RECORD_SEALED, RIG_NO_RESPONSE),
		    RECORD_SETTLED);
		rig_fini(&rig);
	}
	rig_response_free(response);
}

static int open_journal(const struct rig *rig)
{
	char name[256];
	int fd;

	snprintf(name, sizeof(name), "%s/journal", rig->path);
	fd = open(name, O_RDWR);
	assert_true(fd >= 0);
	return fd;
}

/* The index is of no use then either, and made anew. */
static void nothing_is_believed_of_before_the_machine_was_started(void **state)
{
	const struct spoe_span response = rig_response(300, 1);
	struct rig rig;
	int fd;

	(void)state;
	rig_init(&rig);
	kill_holder(&rig, response);
	fd = open_journal(&rig);
	assert_int_equal(pwrite(fd, "yesterday", 9,
	                        offsetof(struct lmdb_journal_head, boot)),
	                 9);
	close(fd);
	rig_open(&rig);
	assert_int_equal(rig_claim(&rig, 0, 9), RECORD_GRANTED);
	rig_fini(&rig);
	rig_response_free(response);
}

/* Killed between the commit and the moment when the journal was cleared. */
static void what_is_done_is_not_done_again(void **state)
{
	enum { SIZE = LMDB_JOURNAL_HEAD + LMDB_JOURNAL_SIZE };
	const struct spoe_span response = rig_response(300, 1);
	uint8_t *journal = malloc(SIZE);
	struct rig rig;
	int fd;

	(void)state;
	rig_init(&rig);
	kill_holder(&rig, response);
	fd = open_journal(&rig);
	assert_int_equal(pread(fd, journal, SIZE, 0), SIZE);
	rig_open(&rig);
	assert_int_equal(rig_settle(&rig, 5, 5, RECORD_SEALED, RIG_NO_RESPONSE),
	                 RECORD_SETTLED);
	rig_close(&rig);
	assert_int_equal(pwrite(fd, journal, SIZE, 0), SIZE);
	close(fd);
	rig_open(&rig);
	assert_int_equal(rig_settle(&rig, 5, 5, RECORD_SEALED, RIG_NO_RESPONSE),
	                 RECORD_LOST);
	check_work(&rig, response);
	rig_fini(&rig);
	rig_response_free(response);
	free(journal);
}

static void expect_damaged(struct rig *rig)
{
	char text[256] = "";

	assert_int_equal(
	    store_open(&rig->store, &rig->options, text, sizeof(text)), -1);
	assert_non_null(strstr(text, "damaged"));
}

static void a_damaged_journal_is_an_error(void **state)
{
	const struct spoe_span response = rig_response(300, 1);
	uint8_t byte;
	struct rig rig;
	int fd;

	(void)state;
	rig_init(&rig);
	kill_holder(&rig, response);
	fd = open_journal(&rig);
	assert_int_equal(pread(fd, &byte, 1, LMDB_JOURNAL_HEAD), 1);
	assert_int_equal(pwrite(fd, "\xff", 1, LMDB_JOURNAL_HEAD), 1);
	expect_damaged(&rig);
	assert_int_equal(pwrite(fd, &byte, 1, LMDB_JOURNAL_HEAD), 1);
	assert_int_equal(pwrite(fd, "I", 1, 0), 1);
	expect_damaged(&rig);
	assert_int_equal(pwrite(fd, "i", 1, 0), 1);
	/* Whether or not it is made longer again by who opens it. */
	assert_int_equal(ftruncate(fd, LMDB_JOURNAL_HEAD + 1000), 0);
	rig.options.must_exist = true;
	expect_damaged(&rig);
	rig.options.must_exist = false;
	expect_damaged(&rig);
	close(fd);
	rig_fini(&rig);
	rig_response_free(response);
}

/* --- who else is there ---------------------------------------------------- */

/* Claims and says so, over and over; its loop has nothing else to do. */
struct other {
	struct rig rig;
	pthread_t thread;
	atomic_uint_fast64_t claimed; /* keys */
	atomic_bool stop;
};

static void *claim_on(void *cookie)
{
	struct other *o = cookie;

	while (!o->stop && o->claimed < 5000) {
		if (rig_claim(&o->rig, o->claimed, 1) != RECORD_GRANTED)
			abort();
		o->claimed++;
	}
	while (!o->stop)
		rig_turn(o->rig.loop);
	store_rest(o->rig.client);
	return NULL;
}

/* Opens the store, and has another loop run on a thread of its own. */
static void open_with_other(struct rig *rig, struct other *other,
                            void *(*run)(void *cookie))
{
	rig_init(rig);
	rig_open(rig);
	other->rig = *rig;
	other->rig.loop = ev_loop_new(EVFLAG_AUTO);
	other->rig.client = store_attach(rig->store, other->rig.loop);
	assert_non_null(other->rig.client);
	assert_int_equal(pthread_create(&other->thread, NULL, run, other), 0);
}

static void end_other(struct other *other)
{
	store_detach(other->rig.client);
	ev_loop_destroy(other->rig.loop);
}

static void what_one_loop_answers_another_finds(void **state)
{
	struct other other = {.claimed = 0};
	struct rig rig;

	(void)state;
	open_with_other(&rig, &other, claim_on);
	for (unsigned i = 0; i < 20; i++) {
		const uint64_t before = other.claimed;

		/* Both loops alone for a while: its clock stands still for the
		 * store else. */
		rig_clock += 1000;
		rig_until(&rig, other.claimed > before || before == 5000);
		assert_int_equal(
		    rig_result(&rig, rig_peek_op(other.claimed - 1, RIG_NOW)),
		    RECORD_FOUND);
		assert_int_equal(rig_claim(&rig, other.claimed - 1, 2),
		                 RECORD_FOUND);
	}
	other.stop = true;
	pthread_join(other.thread, NULL);
	end_other(&other);
	rig_fini(&rig);
}

static void *claim_and_end(void *cookie)
{
	struct other *o = cookie;

	for (uint64_t n = 0; n < KEYS; n++) {
		if (rig_claim(&o->rig, n, 1) != RECORD_GRANTED)
			abort();
	}
	store_rest(o->rig.client);
	return NULL;
}

/* As when an agent stops: its loops end one by one, and then are detached. */
static void a_loop_that_rests_holds_nothing(void **state)
{
	struct other other = {.claimed = 0};
	struct rig rig;

	(void)state;
	open_with_other(&rig, &other, claim_and_end);
	pthread_join(other.thread, NULL);
	for (uint64_t n = 0; n < KEYS; n++)
		assert_int_equal(rig_claim(&rig, n, 2), RECORD_FOUND);
	assert_int_equal(rig_claim(&rig, KEYS, 2), RECORD_GRANTED);
	end_other(&other);
	rig_fini(&rig);
}

/* Nobody has anything to do, and still it ends. */
static void a_hold_ends_by_itself(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	assert_int_equal(rig_claim(&rig, 1, 1), RECORD_GRANTED);
	rig_until(&rig, commits_of(&rig) == 1);
	rig_fini(&rig);
}

static void several_turns_share_a_commit(void **state)
{
	struct rig rig;
	bool shared = false;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	for (uint64_t n = 0; n < 10000 && !shared; n += 10) {
		const uint64_t before = commits_of(&rig);

		for (uint64_t i = n; i < n + 10; i++)
			assert_int_equal(rig_claim(&rig, i, 1), RECORD_GRANTED);
		rig_show(&rig);
		shared = commits_of(&rig) <= before + 5;
	}
	assert_true(shared);
	rig_fini(&rig);
}

static void expect_commits(struct rig *rig)
{
	rig_open(rig);
	for (uint64_t n = 0; n < 10; n++) {
		assert_int_equal(rig_claim(rig, n, 1), RECORD_GRANTED);
		assert_true(commits_of(rig) > n);
	}
	rig_fini(rig);
}

/* What is answered must not need room that may not be there by then. */
static void nothing_is_held_where_room_is_short(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	disk_nearly_full = true;
	expect_commits(&rig);
	disk_nearly_full = false;
	rig_init(&rig);
	rig.options.max_size = LMDB_FILE_RESERVE;
	expect_commits(&rig);
}

/* It takes all of LMDB's transaction with it, but nothing that was answered. */
static void an_operation_that_fails_loses_no_other(void **state)
{
	const struct spoe_span response = rig_response(600, 1);
	const int faults[] = {MDB_CORRUPTED, MDB_MAP_FULL, ENOMEM};
	struct rig rig;

	(void)state;
	for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		rig_init(&rig);
		rig_open(&rig);
		work(&rig, response);
		fault_put = faults[i];
		/* The second try works. */
		assert_int_equal(rig_claim(&rig, 100, 1), RECORD_GRANTED);
		assert_int_equal(fault_put, 0);
		assert_int_equal(
		    rig_settle(&rig, 100, 1, RECORD_NONE, RIG_NO_RESPONSE),
		    RECORD_SETTLED);
		check_work(&rig, response);
		rig_until(&rig, store_healthy(rig.store));
		rig_fini(&rig);
	}
	rig_response_free(response);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_held_survives_a_kill),
	    cmocka_unit_test(
		nothing_is_believed_of_before_the_machine_was_started),
	    cmocka_unit_test(what_is_done_is_not_done_again),
	    cmocka_unit_test(a_damaged_journal_is_an_error),
	    cmocka_unit_test(what_one_loop_answers_another_finds),
	    cmocka_unit_test(a_loop_that_rests_holds_nothing),
	    cmocka_unit_test(a_hold_ends_by_itself),
	    cmocka_unit_test(several_turns_share_a_commit),
	    cmocka_unit_test(nothing_is_held_where_room_is_short),
	    cmocka_unit_test(an_operation_that_fails_loses_no_other),
	};

	/* A memory file system may be too small to hold anything. */
	setenv("TMPDIR", "/var/tmp", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
