/* The n-th allocation fails, for every n: opening and attaching say so and
 * leave nothing behind, and what is open needs no memory of ours to work.
 * Linked with --wrap for malloc, calloc, realloc and strdup. */
#include "tests/unit/store_rig.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);

/* Allocations left until one fails; negative: none does. */
static long left = -1;
static unsigned asked;

static bool fails(void)
{
	if (left < 0)
		return false;
	asked++;
	return left-- == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
	return fails() ? NULL : __real_realloc(memory, size);
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

static void opening_without_memory_fails(void **state)
{
	struct rig rig;
	char text[256];
	long n = 0;
	int rc;

	(void)state;
	rig_init(&rig);
	do {
		text[0] = '\0';
		left = n++;
		rc = store_open(&rig.store, &rig.options, text, sizeof(text));
		left = -1;
		assert_true(rc == 0 || text[0] != '\0');
		assert_true(n < 100);
	} while (rc != 0);
	/* It did ask for memory, and did without none of it. */
	assert_true(n > 2);
	rig_fini(&rig);
}

static void attaching_without_memory_fails(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	store_detach(rig.client);
	left = 0;
	rig.client = store_attach(rig.store, rig.loop);
	left = -1;
	assert_null(rig.client);
	rig.client = store_attach(rig.store, rig.loop);
	assert_non_null(rig.client);
	assert_int_equal(rig_claim(&rig, 1, 1), RECORD_GRANTED);
	rig_fini(&rig);
}

static void operations_ask_for_no_memory(void **state)
{
	struct rig_call c = {.answers = 0};
	struct record_op ops[3];
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	ops[0] = rig_claim_op(1, 1, RIG_NOW);
	ops[1] = rig_settle_op(1, 1, RIG_NOW, RECORD_NONE, RIG_NO_RESPONSE);
	ops[2] = rig_peek_op(1, RIG_NOW);
	asked = 0;
	left = 1000;
	for (unsigned i = 0; i < 3; i++) {
		rig_submit(&rig, &c, ops[i]);
		rig_until(&rig, c.answers == i + 1);
		assert_int_equal(c.health, REASON_NONE);
	}
	left = -1;
	assert_int_equal(asked, 0);
	rig_fini(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(opening_without_memory_fails),
	    cmocka_unit_test(attaching_without_memory_fails),
	    cmocka_unit_test(operations_ask_for_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
