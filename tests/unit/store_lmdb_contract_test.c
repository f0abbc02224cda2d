/* The rules of store.h against the LMDB driver, in both durabilities. */
#include "tests/unit/store_contract.h"

static int open_with(void **state, enum store_durability durability)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	rig_init(rig);
	rig->options.durability = durability;
	rig_open(rig);
	*state = rig;
	return 0;
}

static int open_none(void **state)
{
	return open_with(state, STORE_DURABILITY_NONE);
}

static int open_commit(void **state)
{
	return open_with(state, STORE_DURABILITY_COMMIT);
}

int main(void)
{
	static const struct CMUnitTest none[] = {
	    STORE_CONTRACT_TESTS(open_none),
	};
	static const struct CMUnitTest commit[] = {
	    STORE_CONTRACT_TESTS(open_commit),
	};
	int failed =
	    cmocka_run_group_tests_name("durability none", none, NULL, NULL);

	return failed + cmocka_run_group_tests_name("durability commit", commit,
	                                            NULL, NULL);
}
