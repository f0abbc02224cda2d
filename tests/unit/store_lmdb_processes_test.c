/* Several processes on one directory: a key has one owner among them all, and
 * each follows when another has let the file grow. */
#include <lmdb.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* A child that has begun before the parent has threads, and waits for a word:
 * neither LMDB nor a sanitizer likes to be forked later. */
struct child {
	pid_t pid;
	int go;   /* to it */
	int said; /* from it */
};

static struct child begin_child(struct rig *rig,
                                void (*work)(struct rig *rig, int say))
{
	struct child child;
	int to[2], from[2];
	char go;

	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	child = (struct child){.pid = fork(), .go = to[1], .said = from[0]};
	assert_true(child.pid >= 0);
	if (child.pid == 0) {
		if (read(to[0], &go, 1) == 1)
			work(rig, from[1]);
		_exit(1);
	}
	close(to[0]);
	close(from[1]);
	return child;
}

static void go_on(struct child *child)
{
	char said;

	assert_int_equal(write(child->go, "", 1), 1);
	read_all(child->said, &said, 1);
}

static void end_child(struct child *child)
{
	kill(child->pid, SIGKILL);
	waitpid(child->pid, NULL, 0);
	close(child->go);
	close(child->said);
}

/* Fills the store far beyond the map of the parent. */
static void fill(struct rig *rig, int say)
{
	struct spoe_span response = rig_response(100000, 1);

	rig->options.max_size = 64 << 20;
	rig_open(rig);
	for (unsigned i = 0; i < 100; i++) {
		if (rig_claim(rig, 1000 + i, 1) != RECORD_GRANTED ||
		    rig_settle(rig, 1000 + i, 1, RECORD_STORED, response) !=
		        RECORD_SETTLED)
			_exit(1);
	}
	rig_response_free(response);
	rig_close(rig);
	_exit(write(say, "", 1) != 1);
}

static void follow_growth(enum store_durability durability, bool read_first)
{
	struct rig rig;
	struct rig_call c;
	struct child child;

	rig_init(&rig);
	rig.options.durability = durability;
	rig.options.max_size = 2 << 20;
	child = begin_child(&rig, fill);
	rig_open(&rig);
	assert_int_equal(rig_claim(&rig, 1, 1), RECORD_GRANTED);
	rig_show(&rig);
	go_on(&child);
	if (read_first) {
		c = rig_do(&rig, rig_claim_op(1099, 2, RIG_NOW));
		assert_int_equal(c.health, REASON_NONE);
		assert_int_equal(c.result, RECORD_FOUND);
		assert_true(c.found.response.size > 100000);
		rig_call_fini(&c);
	}
	assert_int_equal(rig_settle(&rig, 1, 1, RECORD_SEALED, RIG_NO_RESPONSE),
	                 RECORD_SETTLED);
	assert_int_equal(rig_claim(&rig, 1, 2), RECORD_FOUND);
	assert_true(store_healthy(rig.store));
	end_child(&child);
	rig_fini(&rig);
}

static void a_larger_file_is_mapped_again(void **state)
{
	(void)state;
	follow_growth(STORE_DURABILITY_NONE, true);
	follow_growth(STORE_DURABILITY_NONE, false);
	follow_growth(STORE_DURABILITY_COMMIT, true);
	follow_growth(STORE_DURABILITY_COMMIT, false);
}

/* Writes without end, under the numbers of its process. */
static void write_on(struct rig *rig, int say)
{
	const uint64_t first = (uint64_t)getpid() << 32;

	rig_open(rig);
	if (rig_claim(rig, 100, 1) > RECORD_FOUND || write(say, "", 1) != 1)
		_exit(1);
	for (uint64_t n = 0;; n++)
		rig_claim(rig, first + n, 1);
}

/* Killed while they hold a reader's place or the writer's lock. */
static void dead_processes_do_not_stand_in_the_way(void **state)
{
	enum { N = 8 };
	struct child children[N];
	struct rig rig;

	(void)state;
	rig_init(&rig);
	for (unsigned i = 0; i < N; i++)
		children[i] = begin_child(&rig, write_on);
	rig_open(&rig);
	for (unsigned i = 0; i < N; i++) {
		go_on(&children[i]);
		assert_int_equal(rig_claim(&rig, 100, 2), RECORD_FOUND);
		end_child(&children[i]);
		assert_int_equal(rig_claim(&rig, 200 + i, 2), RECORD_GRANTED);
		rig_show(&rig);
	}
	rig_fini(&rig);
}

/* Keeps the writer's lock, but no longer than a hanging test can wait. */
static void hold(struct rig *rig, int say)
{
	MDB_env *env;
	MDB_txn *txn;

	if (mdb_env_create(&env) != 0 || mdb_env_set_maxdbs(env, 8) != 0 ||
	    mdb_env_open(env, rig->options.path, 0, 0600) != 0 ||
	    mdb_txn_begin(env, NULL, 0, &txn) != 0 || write(say, "", 1) != 1)
		_exit(1);
	sleep(20);
	_exit(1);
}

/* A loop never waits for another process: it has requests to answer, if only
 * that the store is slow. */
static void hang(enum store_durability durability)
{
	struct rig rig;
	struct rig_call waits = {.answers = 0};
	struct child child;

	rig_init(&rig);
	rig.options.durability = durability;
	child = begin_child(&rig, hold);
	rig_open(&rig);
	assert_int_equal(rig_claim(&rig, 1, 1), RECORD_GRANTED);
	rig_show(&rig);
	go_on(&child);
	rig_submit(&rig, &waits, rig_claim_op(2, 1, RIG_NOW));
	for (unsigned i = 0; i < 10; i++)
		rig_turn(rig.loop);
	assert_int_equal(waits.answers, 0);
	assert_int_equal(rig_claim(&rig, 1, 2), RECORD_FOUND);
	end_child(&child);
	rig_until(&rig, waits.answers > 0);
	assert_int_equal(waits.result, RECORD_GRANTED);
	rig_call_fini(&waits);
	rig_fini(&rig);
}

static void a_loop_does_not_wait_for_another_process(void **state)
{
	(void)state;
	hang(STORE_DURABILITY_NONE);
	hang(STORE_DURABILITY_COMMIT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(racing_processes_have_one_owner),
	    cmocka_unit_test(a_larger_file_is_mapped_again),
	    cmocka_unit_test(dead_processes_do_not_stand_in_the_way),
	    cmocka_unit_test(a_loop_does_not_wait_for_another_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
