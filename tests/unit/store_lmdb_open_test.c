/* What is said when a store cannot be opened: what, where, what to do. */
#include <fcntl.h>
#include <lmdb.h>
#include <sys/wait.h>

#include "agent/store/lmdb_index.h"
#include "tests/unit/store_rig.h"

static void expect_error(const struct store_options *options, const char *what)
{
	struct store *store = NULL;
	char text[256] = "";

	assert_int_equal(store_open(&store, options, text, sizeof(text)), -1);
	if (!strstr(text, what))
		fail_msg("\"%s\" does not say \"%s\"", text, what);
	/* Where, and behind a semicolon what to do. */
	assert_non_null(strstr(text, options->path));
	assert_non_null(strstr(text, "; "));
}

static void write_file(const char *directory, const char *name,
                       const void *data, size_t size)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, size, f), size);
	fclose(f);
}

static unsigned mode_of(const char *directory, const char *name)
{
	char path[512];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 0777;
}

static void a_store_is_made_for_its_user_alone(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	assert_int_equal(mode_of(rig.path, "."), 0700);
	assert_int_equal(mode_of(rig.path, "data.mdb"), 0600);
	assert_int_equal(mode_of(rig.path, "lock.mdb"), 0600);
	assert_int_equal(mode_of(rig.path, "index"), 0600);
	rig_fini(&rig);
}

static void unknown_drivers_are_named(void **state)
{
	struct store *store;
	char text[256] = "";
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig.options.driver = "cassandra";
	assert_int_equal(store_open(&store, &rig.options, text, sizeof(text)),
	                 -1);
	assert_non_null(strstr(text, "cassandra"));
	assert_non_null(strstr(text, "lmdb"));
	rig_fini(&rig);
}

static void the_path_must_be_a_directory(void **state)
{
	char path[256];
	struct rig rig;

	(void)state;
	rig_init(&rig);
	snprintf(path, sizeof(path), "%s/a/b", rig.directory);
	rig.options.path = path;
	expect_error(&rig.options, "does not exist");
	write_file(rig.directory, "a", "", 0);
	expect_error(&rig.options, "not a directory");
	snprintf(path, sizeof(path), "%s/a", rig.directory);
	expect_error(&rig.options, "not a directory");
	rig_fini(&rig);
}

/* As a user who may not write there; root drops its rights in a child. */
static int open_without_rights(struct rig *rig, char *text, size_t size)
{
	pid_t child;
	int ends[2], status;
	ssize_t n;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (geteuid() == 0 && setuid(65534) != 0)
			_exit(2);
		if (store_open(&rig->store, &rig->options, text, size) == 0)
			_exit(3);
		_exit(write(ends[1], text, strlen(text) + 1) < 0);
	}
	close(ends[1]);
	n = read(ends[0], text, size);
	close(ends[0]);
	waitpid(child, &status, 0);
	assert_true(n > 0);
	return status;
}

static void missing_rights_are_named(void **state)
{
	char text[256] = "";
	struct rig rig;

	(void)state;
	rig_init(&rig);
	assert_int_equal(chmod(rig.directory, 0555), 0);
	assert_int_equal(open_without_rights(&rig, text, sizeof(text)), 0);
	assert_non_null(strstr(text, "permission denied"));
	assert_int_equal(chmod(rig.directory, 0755), 0);
	assert_int_equal(mkdir(rig.path, 0555), 0);
	assert_int_equal(open_without_rights(&rig, text, sizeof(text)), 0);
	assert_non_null(strstr(text, "permission denied"));
	rig_fini(&rig);
}

static void limits_are_checked(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig.options.max_size = (1 << 20) - 1;
	expect_error(&rig.options, "max-size is too small");
	rig.options.max_size = (uint64_t)1 << 60;
	expect_error(&rig.options, "cannot map");
	rig.options.max_size = 1 << 20;
	rig_open(&rig);
	rig_fini(&rig);
}

static void files_of_others_are_left_alone(void **state)
{
	static const char poem[] = "Whose woods these are I think I know.";
	char noise[16384], path[512], text[sizeof(poem)] = "";
	struct rig rig;
	FILE *f;

	(void)state;
	rig_init(&rig);
	assert_int_equal(mkdir(rig.path, 0700), 0);
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (char)(i * 7919 >> 3);
	write_file(rig.path, "data.mdb", noise, sizeof(noise));
	expect_error(&rig.options, "damaged");
	write_file(rig.path, "data.mdb", poem, sizeof(poem));
	expect_error(&rig.options, "damaged");
	snprintf(path, sizeof(path), "%s/data.mdb", rig.path);
	f = fopen(path, "r");
	assert_int_equal(fread(text, 1, sizeof(text), f), sizeof(text));
	fclose(f);
	assert_string_equal(text, poem);
	rig_fini(&rig);
}

/* Opens the environment as any program would, to put `value` under `name`. */
static void put_entry(const char *path, const char *name, const void *value,
                      size_t size)
{
	char key_text[32], bytes[64];
	MDB_val key = {.mv_size = strlen(name), .mv_data = key_text};
	MDB_val data = {.mv_size = size, .mv_data = bytes};
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	memcpy(key_text, name, strlen(name));
	memcpy(bytes, value, size);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_open(env, path, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
	assert_int_equal(mdb_put(txn, dbi, &key, &data, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void stores_of_others_are_left_alone(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	assert_int_equal(mkdir(rig.path, 0700), 0);
	put_entry(rig.path, "poem", "frost", 5);
	expect_error(&rig.options, "not a store");
	put_entry(rig.path, "format", "frost", 5);
	expect_error(&rig.options, "not a store");
	rig_fini(&rig);
}

static void newer_formats_are_left_alone(void **state)
{
	static const char newer[] = "spoa-idempotency store\0\0\0\0\x04";
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	assert_int_equal(rig_claim(&rig, 1, 1), RECORD_GRANTED);
	rig_close(&rig);
	put_entry(rig.path, "format", newer, sizeof(newer) - 1);
	expect_error(&rig.options, "another version of this agent");
	put_entry(rig.path, "format", "spoa-idempotency store\0\0\0\0\x02",
	          sizeof(newer) - 1);
	expect_error(&rig.options, "another version of this agent");
	put_entry(rig.path, "format", "spoa-idempotency store\0\0\0\0\x03",
	          sizeof(newer) - 1);
	rig_open(&rig);
	assert_int_equal(rig_claim(&rig, 1, 2), RECORD_FOUND);
	rig_fini(&rig);
}

/* Reading behind the end of a mapped file would be a SIGBUS. */
static void a_file_that_was_cut_is_damaged(void **state)
{
	char path[512];
	struct stat st;
	struct rig rig;

	(void)state;
	rig_init(&rig);
	/* Without blocks behind what is in use. */
	rig.options.durability = STORE_DURABILITY_COMMIT;
	rig_open(&rig);
	for (uint64_t i = 0; i < 200; i++)
		assert_int_equal(rig_claim(&rig, i, 1), RECORD_GRANTED);
	rig_close(&rig);
	snprintf(path, sizeof(path), "%s/data.mdb", rig.path);
	assert_int_equal(stat(path, &st), 0);
	for (off_t size = st.st_size - 1; size > 0; size -= 4096 + 100) {
		assert_int_equal(truncate(path, size), 0);
		expect_error(&rig.options, "damaged");
	}
	rig_fini(&rig);
}

/* The lock file holds nothing that outlives its users. */
static void a_strange_lock_file_does_not_matter(void **state)
{
	char noise[100000];
	struct rig rig;

	(void)state;
	memset(noise, 0x5a, sizeof(noise));
	rig_init(&rig);
	rig_open(&rig);
	assert_int_equal(rig_claim(&rig, 1, 1), RECORD_GRANTED);
	rig_close(&rig);
	write_file(rig.path, "lock.mdb", noise, sizeof(noise));
	rig_open(&rig);
	assert_int_equal(rig_claim(&rig, 1, 2), RECORD_FOUND);
	assert_int_equal(rig_claim(&rig, 2, 2), RECORD_GRANTED);
	rig_close(&rig);
	write_file(rig.path, "lock.mdb", noise, 10);
	rig_open(&rig);
	assert_int_equal(rig_claim(&rig, 3, 2), RECORD_GRANTED);
	rig_fini(&rig);
}

static void copy(const struct rig *rig, const char *from, const char *to)
{
	static char bytes[1 << 20];
	char path[512];
	size_t size;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", rig->path, from);
	f = fopen(path, "r");
	assert_non_null(f);
	size = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	write_file(rig->path, to, bytes, size);
}

/* Without its index, with one of yesterday, or one of somebody's own: all that
 * is in the store is found. */
static void an_index_that_does_not_fit_is_made_anew(void **state)
{
	char path[512];
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	assert_int_equal(rig_claim(&rig, 1, 1), RECORD_GRANTED);
	rig_close(&rig);
	copy(&rig, "index", "yesterday");
	copy(&rig, "data.mdb", "data.yesterday");
	rig_open(&rig);
	assert_int_equal(rig_claim(&rig, 2, 1), RECORD_GRANTED);
	rig_close(&rig);
	copy(&rig, "index", "today");
	for (unsigned i = 0; i < 4; i++) {
		if (i == 0)
			copy(&rig, "yesterday", "index");
		else if (i == 1)
			write_file(rig.path, "index", "frost", 5);
		else if (i == 2)
			copy(&rig, "data.mdb", "index");
		snprintf(path, sizeof(path), "%s/index", rig.path);
		if (i == 3)
			assert_int_equal(unlink(path), 0);
		rig_open(&rig);
		assert_int_equal(rig_claim(&rig, 1, 2), RECORD_FOUND);
		assert_int_equal(rig_claim(&rig, 2, 2), RECORD_FOUND);
		rig_close(&rig);
	}
	copy(&rig, "today", "index");
	copy(&rig, "data.yesterday", "data.mdb");
	rig_open(&rig);
	assert_int_equal(rig_claim(&rig, 1, 2), RECORD_FOUND);
	assert_int_equal(rig_claim(&rig, 2, 2), RECORD_GRANTED);
	rig_fini(&rig);
}

/* The largest number that a record has had, as the closed index has it: to make
 * it anew forgets those that are gone. */
static uint64_t last_number(const struct rig *rig)
{
	struct lmdb_index_head head;
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/index", rig->path);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fread(&head, sizeof(head), 1, f), 1);
	fclose(f);
	return head.last;
}

/* A restart does not have to read all records. */
static void an_index_that_fits_is_used_again(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	for (uint64_t n = 1; n <= 5; n++)
		assert_int_equal(rig_claim(&rig, n, 1), RECORD_GRANTED);
	for (uint64_t n = 2; n <= 5; n++)
		assert_int_equal(
		    rig_settle(&rig, n, 1, RECORD_NONE, RIG_NO_RESPONSE),
		    RECORD_SETTLED);
	rig_close(&rig);
	rig_open(&rig);
	assert_int_equal(rig_claim(&rig, 1, 2), RECORD_FOUND);
	assert_int_equal(rig_claim(&rig, 2, 2), RECORD_GRANTED);
	rig_close(&rig);
	assert_int_equal(last_number(&rig), 6);
	rig_open(&rig);
	rig_fini(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_store_is_made_for_its_user_alone),
	    cmocka_unit_test(unknown_drivers_are_named),
	    cmocka_unit_test(the_path_must_be_a_directory),
	    cmocka_unit_test(missing_rights_are_named),
	    cmocka_unit_test(limits_are_checked),
	    cmocka_unit_test(files_of_others_are_left_alone),
	    cmocka_unit_test(stores_of_others_are_left_alone),
	    cmocka_unit_test(newer_formats_are_left_alone),
	    cmocka_unit_test(a_file_that_was_cut_is_damaged),
	    cmocka_unit_test(an_index_that_does_not_fit_is_made_anew),
	    cmocka_unit_test(an_index_that_fits_is_used_again),
	    cmocka_unit_test(a_strange_lock_file_does_not_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
