/* The n-th allocation fails, for every n. Linked with --wrap for each of the
 * allocators below (tests/CMakeLists.txt). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "tests/unit/agent_config_rig.h"

static size_t allocations;
static size_t fail_at; /* 0: never */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

static bool fails(void)
{
	return ++allocations == fail_at;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

/* Takes every path that allocates: texts set anew, lists given, inherited and
 * refused. */
static const char good[] = "[store]\n"
			   "path = /x\n"
			   "driver = lmdb\n"
			   "[policy early]\n"
			   "[policy default]\n"
			   "drop-headers = a b\n"
			   " c d\n"
			   "[policy late]\n"
			   "drop-headers = e\n";
static const char bad[] = "[store]\n"
			  "path = /x\n"
			  "path = /y\n"
			  "[policy NO]\n"
			  "drop-headers = a b\n"
			  "[policy NEITHER]\n"
			  "drop-headers = c d\n";

/* Reads `text` with allocation n failing. Returns whether it was reached. */
static bool read_failing(const char *text, size_t n, bool valid)
{
	char *errors;
	struct config *config;
	bool reached;

	allocations = 0;
	fail_at = n;
	config = rig_read(text, &errors);
	reached = allocations >= n;
	fail_at = 0;
	if (reached) {
		assert_null(config);
		assert_non_null(strstr(errors, "out of memory\n"));
	} else {
		assert_int_equal(config != NULL, valid);
		assert_null(strstr(errors, "out of memory"));
	}
	config_unref(config);
	free(errors);
	return reached;
}

static void a_valid_file(void **state)
{
	size_t n = 1;

	(void)state;
	while (read_failing(good, n, true))
		n++;
	assert_true(n > 15);
}

static void a_file_with_mistakes(void **state)
{
	size_t n = 1;

	(void)state;
	while (read_failing(bad, n, false))
		n++;
	assert_true(n > 10);
}

/* A file by its name; the name is kept, too. */
static void a_file_on_disk(void **state)
{
	char path[] = "/tmp/agent-config-XXXXXX";
	int fd = mkstemp(path);
	bool reached = true;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, good, sizeof(good) - 1), sizeof(good) - 1);
	close(fd);
	for (size_t n = 1; reached; n++) {
		char *errors;
		size_t size;
		FILE *stream = open_memstream(&errors, &size);
		struct config *config;

		allocations = 0;
		fail_at = n;
		config = config_load(path, stream);
		reached = allocations >= n;
		fail_at = 0;
		fclose(stream);
		assert_int_equal(config == NULL, reached);
		assert_int_equal(strstr(errors, "out of memory\n") != NULL,
		                 reached);
		config_unref(config);
		free(errors);
	}
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_valid_file),
	    cmocka_unit_test(a_file_with_mistakes),
	    cmocka_unit_test(a_file_on_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
