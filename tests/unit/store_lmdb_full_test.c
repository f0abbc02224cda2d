/* A store at its limit, and a disk at its own. */
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/unit/store_rig.h"

/* Claims until one does not fit; returns how many did. */
static uint64_t claim_until_full(struct rig *rig, uint64_t first, uint64_t now)
{
	for (uint64_t n = 0; n < 100000; n++) {
		struct rig_call c =
		    rig_do(rig, rig_claim_op(first + n, 1, now));

		if (c.health == REASON_STORE_FULL)
			return n;
		assert_int_equal(c.health, REASON_NONE);
		assert_int_equal(c.result, RECORD_GRANTED);
	}
	fail_msg("it is never full");
	return 0;
}

static void limits_are_kept_and_left(enum store_durability durability)
{
	struct rig rig;
	struct store_stats stats;
	uint64_t n;

	rig_init(&rig);
	rig.options.durability = durability;
	rig.options.max_size = 1 << 20;
	rig_open(&rig);
	n = claim_until_full(&rig, 0, RIG_NOW);
	assert_true(n > 1000);
	assert_false(store_healthy(rig.store));
	store_stats(rig.store, &stats);
	assert_true(stats.bytes_size <= 1 << 20);
	assert_int_equal(stats.records, n);
	/* What is there works on: there is room to settle and release it. */
	assert_int_equal(rig_claim(&rig, 0, 2), RECORD_FOUND);
	for (uint64_t i = 0; i < 200; i++)
		assert_int_equal(
		    rig_settle(&rig, i, 1,
		               i % 2 == 0 ? RECORD_SEALED : RECORD_NONE,
		               RIG_NO_RESPONSE),
		    RECORD_SETTLED);
	/* Time goes by, locks expire, and there is room again. */
	rig_clock = RIG_NOW + 2 * RIG_LOCK_MS;
	assert_int_equal(rig_result(&rig, rig_claim_op(100000, 1, rig_clock)),
	                 RECORD_GRANTED);
	rig_until(&rig,
	          (store_stats(rig.store, &stats), stats.expired == n - 200));
	rig_until(&rig, store_healthy(rig.store));
	assert_true(claim_until_full(&rig, 200000, rig_clock) > n / 2);
	assert_int_equal(rig_result(&rig, rig_claim_op(0, 2, rig_clock)),
	                 RECORD_FOUND);
	rig_fini(&rig);
}

static void a_full_store_recovers(void **state)
{
	(void)state;
	limits_are_kept_and_left(STORE_DURABILITY_NONE);
	limits_are_kept_and_left(STORE_DURABILITY_COMMIT);
}

static bool all_answered(const struct rig_call *calls, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (calls[i].answers == 0)
			return false;
	}
	return true;
}

/* One that is too large does not take the others of its batch with it. */
static void only_the_large_one_fails(void **state)
{
	enum { N = 9 };
	struct spoe_span large = rig_response(2 << 20, 1);
	struct spoe_span small = rig_response(500, 1);
	struct rig_call calls[N] = {{.answers = 0}};
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig.options.max_size = 2 << 20;
	rig_open(&rig);
	for (uint64_t i = 0; i < N; i++)
		assert_int_equal(rig_claim(&rig, i, 1), RECORD_GRANTED);
	for (uint64_t i = 0; i < N; i++)
		rig_submit(&rig, &calls[i],
		           rig_settle_op(i, 1, RIG_NOW, RECORD_STORED,
		                         i == 4 ? large : small));
	rig_until(&rig, all_answered(calls, N));
	for (uint64_t i = 0; i < N; i++) {
		assert_int_equal(calls[i].health,
		                 i == 4 ? REASON_STORE_FULL : REASON_NONE);
		if (i != 4)
			assert_int_equal(calls[i].result, RECORD_SETTLED);
	}
	/* Its owner can still say that there is nothing to replay. */
	assert_int_equal(rig_settle(&rig, 4, 1, RECORD_SEALED, RIG_NO_RESPONSE),
	                 RECORD_SETTLED);
	assert_true(store_healthy(rig.store));
	rig_response_free(large);
	rig_response_free(small);
	rig_fini(&rig);
}

/* A limit that was lowered below what is there. */
static void a_lowered_limit_is_no_error(void **state)
{
	struct spoe_span response = rig_response(100000, 1);
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	for (uint64_t i = 0; i < 50; i++) {
		assert_int_equal(rig_claim(&rig, i, 1), RECORD_GRANTED);
		assert_int_equal(
		    rig_settle(&rig, i, 1, RECORD_STORED, response),
		    RECORD_SETTLED);
	}
	rig_close(&rig);
	rig.options.max_size = 1 << 20;
	rig_open(&rig);
	assert_int_equal(rig_claim(&rig, 49, 2), RECORD_FOUND);
	assert_int_equal(rig_health(&rig, rig_claim_op(60, 1, RIG_NOW)),
	                 REASON_STORE_FULL);
	rig_clock = RIG_NOW + RIG_KEEP_MS + 10000;
	rig_until(&rig, store_healthy(rig.store));
	assert_int_equal(rig_result(&rig, rig_claim_op(60, 1, rig_clock)),
	                 RECORD_GRANTED);
	rig_response_free(response);
	rig_fini(&rig);
}

/* Asserts do not work in a child. */
static void expect(bool condition, int line)
{
	if (condition)
		return;
	fprintf(stderr, "%s:%d: not so\n", __FILE__, line);
	_exit(1);
}

static void child_claim_until_full(struct rig *rig)
{
	struct rig_call c = {.answers = 0};

	for (uint64_t n = 0; c.health == REASON_NONE; n++) {
		expect(n < 100000, __LINE__);
		c = rig_do(rig, rig_claim_op(1000 + n, 1, RIG_NOW));
	}
	expect(c.health == REASON_STORE_FULL, __LINE__);
}

static enum record_result child_claim(struct rig *rig, uint64_t n)
{
	struct rig_call c = rig_do(rig, rig_claim_op(n, 1, RIG_NOW));

	rig_call_fini(&c);
	expect(c.health == REASON_NONE, __LINE__);
	return c.result;
}

static void child_await_health(struct rig *rig)
{
	for (int i = 0; i < 6000 && !store_healthy(rig->store); i++)
		rig_turn(rig->loop);
	expect(store_healthy(rig->store), __LINE__);
}

/* A limit on the size of files, as main() has SIGXFSZ handled. */
static void limit_on_files(rlim_t bytes)
{
	const struct rlimit limit = {.rlim_cur = bytes, .rlim_max = bytes};
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		struct rig rig;

		rig_init(&rig);
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		rig_open(&rig);
		expect(child_claim(&rig, 1) == RECORD_GRANTED, __LINE__);
		child_claim_until_full(&rig);
		expect(child_claim(&rig, 1) == RECORD_FOUND, __LINE__);
		expect(!store_healthy(rig.store), __LINE__);
		rig_clock = RIG_NOW + 2 * RIG_LOCK_MS;
		child_await_health(&rig);
		rig_fini(&rig);
		_exit(0);
	}
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
}

static void a_limit_on_files_is_a_full_disk(void **state)
{
	(void)state;
	limit_on_files(1 << 20);
}

/* The last write before the limit is cut by it, and LMDB has no errno then. */
static void a_write_cut_by_the_limit_is_a_full_disk(void **state)
{
	(void)state;
	limit_on_files((1 << 20) + 2048);
}

/* A file system of `size` in a mount namespace of this process; false where
 * that is not allowed. */
static bool mount_small(const char *path, const char *size)
{
	char options[64];

	if (unshare(CLONE_NEWNS) != 0 &&
	    unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
		return false;
	snprintf(options, sizeof(options), "size=%s,mode=0777", size);
	return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("store-test", path, "tmpfs", 0, options) == 0;
}

enum { NOT_ALLOWED = 77 };

/* Runs `test` in a child on a file system of its own. */
static void on_small_disk(void (*test)(struct rig *rig), const char *size)
{
	struct rig rig;
	pid_t child;
	int status;

	rig_init(&rig);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (!mount_small(rig.directory, size))
			_exit(NOT_ALLOWED);
		test(&rig);
		_exit(0);
	}
	waitpid(child, &status, 0);
	rig_remove(rig.directory);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_ALLOWED) {
		print_message("no mount namespace here: "
		              "store_lmdb_fault_test stands for this\n");
		skip();
	}
	assert_int_equal(status, 0);
}

static void fill_disk(struct rig *rig)
{
	char name[256];
	char block[4096] = {0};
	FILE *f;

	rig_open(rig);
	expect(child_claim(rig, 1) == RECORD_GRANTED, __LINE__);
	snprintf(name, sizeof(name), "%s/filler", rig->directory);
	f = fopen(name, "w");
	setbuf(f, NULL);
	while (fwrite(block, sizeof(block), 1, f) == 1)
		continue;
	child_claim_until_full(rig);
	expect(child_claim(rig, 1) == RECORD_FOUND, __LINE__);
	expect(!store_healthy(rig->store), __LINE__);
	fclose(f);
	unlink(name);
	child_await_health(rig);
	expect(child_claim(rig, 2) == RECORD_GRANTED, __LINE__);
	rig_close(rig);
}

static void a_full_disk_is_an_error(void **state)
{
	(void)state;
	on_small_disk(fill_disk, "1m");
}

/* LMDB writes its lock file through a map: too small a disk must not be seen
 * there, as a SIGBUS. */
static void open_on_tiny_disk(struct rig *rig)
{
	char text[256] = "";

	expect(store_open(&rig->store, &rig->options, text, sizeof(text)) == -1,
	       __LINE__);
	expect(strstr(text, "the disk is full"), __LINE__);
}

static void a_disk_that_is_too_small_is_an_error(void **state)
{
	(void)state;
	on_small_disk(open_on_tiny_disk, "8k");
	on_small_disk(open_on_tiny_disk, "64k");
	on_small_disk(open_on_tiny_disk, "76k");
}

static void remount_read_only(struct rig *rig)
{
	char text[256] = "";

	rig_open(rig);
	child_claim(rig, 1);
	rig_close(rig);
	expect(mount("none", rig->directory, NULL, MS_REMOUNT | MS_RDONLY,
	             NULL) == 0,
	       __LINE__);
	expect(store_open(&rig->store, &rig->options, text, sizeof(text)) == -1,
	       __LINE__);
	expect(strstr(text, "read-only"), __LINE__);
}

static void a_read_only_disk_is_an_error(void **state)
{
	(void)state;
	on_small_disk(remount_read_only, "1m");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_full_store_recovers),
	    cmocka_unit_test(only_the_large_one_fails),
	    cmocka_unit_test(a_lowered_limit_is_no_error),
	    cmocka_unit_test(a_limit_on_files_is_a_full_disk),
	    cmocka_unit_test(a_write_cut_by_the_limit_is_a_full_disk),
	    cmocka_unit_test(a_full_disk_is_an_error),
	    cmocka_unit_test(a_disk_that_is_too_small_is_an_error),
	    cmocka_unit_test(a_read_only_disk_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
