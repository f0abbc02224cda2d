/* Several processes on one directory: a key has one owner among them all, and
 * each follows when another has let the file grow. */
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/store_rig.h"

enum { PROCESSES = 3, KEYS = 400 };

struct racer {
	struct rig_call calls[KEYS];
};

static bool all_answered(const struct racer *r)
{
	for (unsigned i = 0; i < KEYS; i++) {
		if (r->calls[i].answers == 0)
			return false;
	}
	return true;
}

/* Claims all keys and says which it was granted. No asserts: it is a child. */
static void race(struct rig *rig, int in, int out, uint64_t owner)
{
	struct racer *r = calloc(1, sizeof(*r));
	uint8_t granted[KEYS] = {0};
	char go;

	rig_open(rig);
	if (write(out, granted, 1) != 1 || read(in, &go, 1) != 1)
		_exit(1);
	for (uint64_t i = 0; i < KEYS; i++) {
		rig_submit(rig, &r->calls[i], rig_claim_op(i, owner, RIG_NOW));
		if (i % 8 == owner)
			ev_run(rig->loop, EVRUN_NOWAIT);
	}
	rig_until(rig, all_answered(r));
	for (unsigned i = 0; i < KEYS; i++) {
		if (r->calls[i].health != REASON_NONE)
			_exit(2);
		granted[i] = r->calls[i].result == RECORD_GRANTED;
		rig_call_fini(&r->calls[i]);
	}
	free(r);
	rig_close(rig);
	_exit(write(out, granted, sizeof(granted)) == sizeof(granted) ? 0 : 3);
}

static void read_all(int fd, void *buffer, size_t size)
{
	uint8_t *at = buffer;

	while (size > 0) {
		ssize_t n = read(fd, at, size);

		assert_true(n > 0);
		at += n;
		size -= (size_t)n;
	}
}

static void race_for_keys(enum store_durability durability)
{
	int to[PROCESSES][2], from[PROCESSES][2];
	pid_t children[PROCESSES];
	uint8_t granted[PROCESSES][KEYS];
	struct rig rig;

	rig_init(&rig);
	rig.options.durability = durability;
	for (unsigned i = 0; i < PROCESSES; i++) {
		assert_int_equal(pipe(to[i]), 0);
		assert_int_equal(pipe(from[i]), 0);
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0)
			race(&rig, to[i][0], from[i][1], i);
	}
	for (unsigned i = 0; i < PROCESSES; i++)
		read_all(from[i][0], granted[i], 1);
	for (unsigned i = 0; i < PROCESSES; i++)
		assert_int_equal(write(to[i][1], "", 1), 1);
	for (unsigned i = 0; i < PROCESSES; i++)
		read_all(from[i][0], granted[i], KEYS);
	for (unsigned i = 0; i < PROCESSES; i++) {
		int status;

		waitpid(children[i], &status, 0);
		assert_int_equal(status, 0);
		close(to[i][0]);
		close(to[i][1]);
		close(from[i][0]);
		close(from[i][1]);
	}
	for (unsigned key = 0; key < KEYS; key++) {
		unsigned owners = 0;

		for (unsigned i = 0; i < PROCESSES; i++)
			owners += granted[i][key];
		assert_int_equal(owners, 1);
	}
	rig_fini(&rig);
}

static void racing_processes_have_one_owner(void **state)
{
	(void)state;
	race_for_keys(STORE_DURABILITY_NONE);
	race_for_keys(STORE_DURABILITY_COMMIT);
}

/* A child fills the store far beyond the map of the parent. */
static void fill(struct rig *rig, unsigned n)
{
	struct spoe_span response = rig_response(100000, 1);

	rig->options.max_size = 64 << 20;
	rig_open(rig);
	for (unsigned i = 0; i < n; i++) {
		if (rig_claim(rig, 1000 + i, 1) != RECORD_GRANTED ||
		    rig_settle(rig, 1000 + i, 1, RECORD_STORED, response) !=
		        RECORD_SETTLED)
			_exit(1);
	}
	rig_response_free(response);
	rig_close(rig);
	_exit(0);
}

static void run_fill(struct rig *rig, unsigned n)
{
	struct rig theirs = *rig;
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0)
		fill(&theirs, n);
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
}

static void a_larger_file_is_mapped_again(void **state)
{
	const enum store_durability durabilities[] = {STORE_DURABILITY_NONE,
	                                              STORE_DURABILITY_COMMIT};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct rig rig;
		struct rig_call c;

		rig_init(&rig);
		rig.options.durability = durabilities[i % 2];
		rig.options.max_size = 2 << 20;
		rig_open(&rig);
		assert_int_equal(rig_claim(&rig, 1, 1), RECORD_GRANTED);
		/* In a child of its own, not in one of ours: LMDB does not
		 * like to be forked, so nothing of it is used there. */
		run_fill(&rig, 100);
		if (i < 2) {
			/* The first to notice is a reader ... */
			c = rig_do(&rig, rig_claim_op(1099, 2, RIG_NOW));
			assert_int_equal(c.health, REASON_NONE);
			assert_int_equal(c.result, RECORD_FOUND);
			assert_true(c.found.response.size > 100000);
			rig_call_fini(&c);
		}
		/* ... or the writer. */
		assert_int_equal(
		    rig_settle(&rig, 1, 1, RECORD_SEALED, RIG_NO_RESPONSE),
		    RECORD_SETTLED);
		assert_int_equal(rig_claim(&rig, 1, 2), RECORD_FOUND);
		assert_true(store_healthy(rig.store));
		rig_fini(&rig);
	}
}

/* Killed while they hold a reader's place or the writer's lock. */
static void dead_processes_do_not_stand_in_the_way(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	for (unsigned i = 0; i < 5; i++) {
		struct rig theirs = rig;
		int ends[2];
		char byte;
		pid_t child;

		assert_int_equal(pipe(ends), 0);
		child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			rig_open(&theirs);
			rig_claim(&theirs, 100 + i, 1);
			if (write(ends[1], "", 1) != 1)
				_exit(1);
			for (uint64_t n = 0;; n++)
				rig_claim(&theirs, 10000 * (i + 1) + n, 1);
		}
		read_all(ends[0], &byte, 1);
		assert_int_equal(rig_claim(&rig, 100 + i, 2), RECORD_FOUND);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		assert_int_equal(rig_claim(&rig, 200 + i, 2), RECORD_GRANTED);
		close(ends[0]);
		close(ends[1]);
	}
	rig_fini(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(racing_processes_have_one_owner),
	    cmocka_unit_test(a_larger_file_is_mapped_again),
	    cmocka_unit_test(dead_processes_do_not_stand_in_the_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
