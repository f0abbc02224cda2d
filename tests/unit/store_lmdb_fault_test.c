/* Disks that fail: whatever write fails, with whatever error, nothing is
 * granted that is not written, what is there can be read, and the store works
 * again, without a restart, when the disk does.
 *
 * LMDB's system calls end up here: a symbol of the program goes before one of
 * a library. */
#include <errno.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "tests/unit/store_rig.h"

enum { META_WRITE_MAX = 512 }; /* LMDB's meta page is written in part */

static atomic_int fault_errno;  /* 0: none */
static atomic_long fault_after; /* writes that still work */
static atomic_bool fault_meta;  /* only writes to a meta page fail */
static atomic_bool fault_sync;  /* only syncs fail */

static bool write_fails(size_t size)
{
	if (fault_errno == 0 || fault_sync)
		return false;
	if (fault_meta && size > META_WRITE_MAX)
		return false;
	if (fault_after > 0) {
		fault_after--;
		return false;
	}
	errno = fault_errno;
	return true;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
	if (write_fails(size))
		return -1;
	return syscall(SYS_pwrite64, fd, data, size, offset);
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
	if (write_fails(SIZE_MAX))
		return -1;
	return syscall(SYS_writev, fd, iov, n);
}

int fdatasync(int fd)
{
	if (fault_errno != 0 && fault_sync) {
		errno = fault_errno;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

static void heal(void)
{
	fault_errno = 0;
	fault_after = 0;
	fault_meta = false;
	fault_sync = false;
}

static void open_rig(struct rig *rig, enum store_durability durability)
{
	heal();
	rig_init(rig);
	rig->options.durability = durability;
	rig_open(rig);
}

/* Without syncs a claim is most often granted before the trouble is seen: it is
 * in the journal. Returns whether it was. */
static bool begin_failing(struct rig *rig, int error)
{
	bool granted;

	rig_show(rig);
	fault_errno = error;
	granted = rig_health(rig, rig_claim_op(9, 1, RIG_NOW)) == REASON_NONE;
	rig_until(rig, !store_healthy(rig->store));
	return granted;
}

static void end_failing(struct rig *rig, bool granted)
{
	heal();
	assert_int_equal(rig_claim(rig, 9, 2),
	                 granted ? RECORD_FOUND : RECORD_GRANTED);
}

static void expect_failing(struct rig *rig, uint64_t n, enum reason health)
{
	assert_int_equal(rig_health(rig, rig_claim_op(n, 1, RIG_NOW)), health);
	assert_false(store_healthy(rig->store));
	assert_int_equal(
	    rig_health(rig, rig_settle_op(1, 11, RIG_NOW, RECORD_SEALED,
	                                  RIG_NO_RESPONSE)),
	    health);
	/* Reading needs no disk that can be written. */
	assert_int_equal(rig_claim(rig, 1, 12), RECORD_FOUND);
	assert_int_equal(rig_result(rig, rig_peek_op(2, RIG_NOW)),
	                 RECORD_ABSENT);
	assert_false(store_healthy(rig->store));
}

static void fail_with(int error, enum reason health,
                      enum store_durability durability)
{
	struct rig rig;
	bool granted;

	open_rig(&rig, durability);
	assert_int_equal(rig_claim(&rig, 1, 11), RECORD_GRANTED);
	assert_true(store_healthy(rig.store));
	granted = begin_failing(&rig, error);
	expect_failing(&rig, 10, health);
	end_failing(&rig, granted);
	assert_int_equal(rig_claim(&rig, 10, 2), RECORD_GRANTED);
	assert_true(store_healthy(rig.store));
	rig_fini(&rig);
}

static void failing_writes_are_errors(void **state)
{
	static const struct {
		int error;
		enum reason health;
	} rows[] = {
	    {ENOSPC, REASON_STORE_FULL},  {EDQUOT, REASON_STORE_FULL},
	    {EFBIG, REASON_STORE_FULL},   {EIO, REASON_STORE_FAILED},
	    {EROFS, REASON_STORE_FAILED}, {ENOMEM, REASON_NO_MEMORY},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fail_with(rows[i].error, rows[i].health, STORE_DURABILITY_NONE);
		fail_with(rows[i].error, rows[i].health,
		          STORE_DURABILITY_COMMIT);
	}
}

/* Nobody asks anything, and it is found to work again. */
static void a_healed_disk_is_noticed(void **state)
{
	struct rig rig;
	bool granted;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		open_rig(&rig, i == 0 ? STORE_DURABILITY_NONE
		                      : STORE_DURABILITY_COMMIT);
		assert_int_equal(rig_claim(&rig, 1, 11), RECORD_GRANTED);
		granted = begin_failing(&rig, ENOSPC);
		expect_failing(&rig, 10, REASON_STORE_FULL);
		heal();
		rig_until(&rig, store_healthy(rig.store));
		end_failing(&rig, granted);
		assert_int_equal(
		    rig_settle(&rig, 1, 11, RECORD_SEALED, RIG_NO_RESPONSE),
		    RECORD_SETTLED);
		rig_fini(&rig);
	}
}

static void failing_syncs_are_errors(void **state)
{
	struct rig rig;

	(void)state;
	open_rig(&rig, STORE_DURABILITY_COMMIT);
	assert_int_equal(rig_claim(&rig, 1, 11), RECORD_GRANTED);
	fault_sync = true;
	fault_errno = EIO;
	expect_failing(&rig, 10, REASON_STORE_FAILED);
	heal();
	assert_int_equal(rig_claim(&rig, 10, 2), RECORD_GRANTED);
	rig_fini(&rig);
}

/* LMDB gives up for good when its meta page cannot be written: the store opens
 * it anew, under the feet of a second client. */
static void failing_meta_pages_are_errors(void **state)
{
	const enum store_durability durabilities[] = {STORE_DURABILITY_NONE,
	                                              STORE_DURABILITY_COMMIT};

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct rig rig, other;

		open_rig(&rig, durabilities[i % 2]);
		other = rig;
		other.loop = ev_loop_new(EVFLAG_AUTO);
		other.client = store_attach(rig.store, other.loop);
		assert_int_equal(rig_claim(&rig, 1, 11), RECORD_GRANTED);
		assert_int_equal(rig_claim(&other, 1, 11), RECORD_FOUND);
		fault_meta = true;
		fault_errno = EIO;
		assert_int_equal(rig_health(&rig, rig_claim_op(2, 1, RIG_NOW)),
		                 REASON_STORE_FAILED);
		assert_false(store_healthy(rig.store));
		if (i >= 4)
			assert_int_equal(
			    rig_health(&rig, rig_claim_op(3, 1, RIG_NOW)),
			    REASON_STORE_FAILED);
		heal();
		if (i < 2)
			rig_until(&rig, store_healthy(rig.store));
		assert_int_equal(
		    rig_settle(&rig, 1, 11, RECORD_SEALED, RIG_NO_RESPONSE),
		    RECORD_SETTLED);
		assert_int_equal(rig_claim(&other, 1, 12), RECORD_FOUND);
		assert_int_equal(rig_claim(&other, 4, 1), RECORD_GRANTED);
		assert_int_equal(rig_claim(&rig, 4, 2), RECORD_FOUND);
		assert_true(store_healthy(rig.store));
		store_detach(other.client);
		ev_loop_destroy(other.loop);
		rig_fini(&rig);
	}
}

enum { BATCH = 40 };

static bool all_answered(const struct rig_call *calls)
{
	for (unsigned i = 0; i < BATCH; i++) {
		if (calls[i].answers == 0)
			return false;
	}
	return true;
}

/* A batch of claims and settles, some of them large. */
static void submit_batch(struct rig *rig, struct rig_call *calls,
                         uint64_t first, struct spoe_span response)
{
	for (unsigned i = 0; i < BATCH; i++) {
		const uint64_t n = first + i;

		rig_submit(
		    rig, &calls[i],
		    i % 2 == 0
			? rig_claim_op(n, 1, RIG_NOW)
			: rig_settle_op(
			      n - BATCH - 1, 1, RIG_NOW, RECORD_STORED,
			      spoe_span(response.data,
		                        i % 8 == 1 ? response.size : 0)));
	}
	rig_until(rig, all_answered(calls));
}

static void check_batch(struct rig *rig, const struct rig_call *calls,
                        uint64_t first)
{
	for (unsigned i = 0; i < BATCH; i += 2) {
		struct rig_call c =
		    rig_do(rig, rig_peek_op(first + i, RIG_NOW));

		if (calls[i].health == REASON_NONE)
			assert_int_equal(calls[i].result, RECORD_GRANTED);
		/* What failed may have happened, but not by halves. */
		assert_int_equal(c.health, REASON_NONE);
		if (calls[i].health == REASON_NONE)
			assert_int_equal(c.result, RECORD_FOUND);
		rig_call_fini(&c);
	}
}

/* The n-th write fails and all behind it, for every n that a batch needs. */
static void any_write_may_be_the_first_to_fail(void **state)
{
	const int errors[] = {ENOSPC, EIO};
	struct spoe_span response = rig_response(30000, 1);

	(void)state;
	for (unsigned e = 0; e < 2; e++) {
		struct rig rig;
		struct store_stats stats;
		uint64_t n = 0;
		char text[256];

		open_rig(&rig, e == 0 ? STORE_DURABILITY_NONE
		                      : STORE_DURABILITY_COMMIT);
		for (long after = 0; after < 40; after++) {
			struct rig_call calls[BATCH] = {{.answers = 0}};
			const uint64_t first = (uint64_t)after * 2 * BATCH;

			fault_after = after;
			fault_errno = errors[e];
			submit_batch(&rig, calls, first + BATCH, response);
			rig_show(&rig);
			heal();
			rig_until(&rig, store_healthy(rig.store));
			check_batch(&rig, calls, first + BATCH);
			for (unsigned i = 0; i < BATCH; i++)
				rig_call_fini(&calls[i]);
		}
		assert_int_equal(store_scan(rig.store, NULL, rig_count_whole,
		                            &n, text, sizeof(text)),
		                 0);
		assert_int_equal(rig_claim(&rig, 1, 1), RECORD_GRANTED);
		store_stats(rig.store, &stats);
		assert_int_equal(stats.records, n + 1);
		rig_fini(&rig);
	}
	rig_response_free(response);
}

/* A disk that is full when the store is made: nothing half made stays. */
static void a_store_that_cannot_be_made_leaves_nothing(void **state)
{
	char name[512], text[256] = "";
	struct rig rig;

	(void)state;
	heal();
	rig_init(&rig);
	fault_errno = ENOSPC;
	assert_int_equal(
	    store_open(&rig.store, &rig.options, text, sizeof(text)), -1);
	assert_non_null(strstr(text, "the disk is full"));
	assert_non_null(strstr(text, rig.path));
	snprintf(name, sizeof(name), "%s/data.mdb", rig.path);
	assert_int_not_equal(access(name, F_OK), 0);
	heal();
	rig_open(&rig);
	assert_int_equal(rig_claim(&rig, 1, 1), RECORD_GRANTED);
	rig_fini(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(failing_writes_are_errors),
	    cmocka_unit_test(a_healed_disk_is_noticed),
	    cmocka_unit_test(failing_syncs_are_errors),
	    cmocka_unit_test(failing_meta_pages_are_errors),
	    cmocka_unit_test(any_write_may_be_the_first_to_fail),
	    cmocka_unit_test(a_store_that_cannot_be_made_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
