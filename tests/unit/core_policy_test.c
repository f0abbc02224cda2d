/* A policy's bit table, its drop list, and the number of its name. */
#include "agent/core/policy.h"

#include "agent/core/crc32c.h"
#include "tests/unit/core_check.h"

static void test_crc32c(void **state)
{
	uint8_t zeros[32] = {0}, ones[32];

	(void)state;
	/* RFC 3720 section B.4 */
	assert_int_equal(crc32c(spoe_span(zeros, sizeof(zeros))), 0x8a9136aa);
	memset(ones, 0xff, sizeof(ones));
	assert_int_equal(crc32c(spoe_span(ones, sizeof(ones))), 0x62a8ab43);
	assert_int_equal(crc32c(spoe_span_of("123456789")), 0xe3069283);
	assert_int_equal(crc32c(spoe_span(NULL, 0)), 0);
}

static void test_id(void **state)
{
	(void)state;
	assert_int_equal(policy_id("123456789"), 0xe3069283);
	assert_int_not_equal(policy_id("default"), policy_id("Default"));
}

/* The rule of DESIGN.md section 4: 2xx, 3xx and 4xx but 408, 425 and 429. */
static void test_statuses(void **state)
{
	struct policy policy = {.n_drops = 0};

	(void)state;
	policy_statuses_set(&policy.stored, 200, 499, true);
	policy_statuses_set(&policy.stored, 408, 408, false);
	policy_statuses_set(&policy.stored, 425, 425, false);
	policy_statuses_set(&policy.stored, 429, 429, false);
	for (uint64_t status = 0; status < 1200; status++) {
		bool stored = status >= 200 && status < 500 && status != 408 &&
		              status != 425 && status != 429;

		assert_int_equal(policy_statuses_has(&policy.stored, status),
		                 stored);
	}
}

static void test_status_edges(void **state)
{
	struct policy policy = {.n_drops = 0};

	(void)state;
	policy_statuses_set(&policy.stored, 0, 100000, true);
	assert_true(policy_statuses_has(&policy.stored, 100));
	assert_true(policy_statuses_has(&policy.stored, 599));
	assert_false(policy_statuses_has(&policy.stored, 99));
	assert_false(policy_statuses_has(&policy.stored, 600));
	assert_false(policy_statuses_has(&policy.stored, 0));
	assert_false(
	    policy_statuses_has(&policy.stored, 100 + (UINT64_C(1) << 32)));
	assert_false(policy_statuses_has(&policy.stored, UINT64_MAX));

	policy_statuses_set(&policy.stored, 100, 599, false);
	for (uint64_t status = 100; status < 600; status++)
		assert_false(policy_statuses_has(&policy.stored, status));

	policy_statuses_set(&policy.stored, 300, 200,
	                    true); /* an empty range */
	policy_statuses_set(&policy.stored, 600, 700, true);
	for (uint64_t status = 100; status < 600; status++)
		assert_false(policy_statuses_has(&policy.stored, status));
}

static void test_drops(void **state)
{
	static char cookie[] = "set-cookie", auth[] = "www-authenticate";
	struct policy policy = {.drops = {cookie, auth}, .n_drops = 2};

	(void)state;
	assert_true(policy_drops(&policy, spoe_span_of("set-cookie")));
	assert_true(policy_drops(&policy, spoe_span_of("www-authenticate")));
	assert_true(policy_drops(&policy, spoe_span_of("Set-Cookie")));
	assert_false(policy_drops(&policy, spoe_span_of("set-cookie2")));
	assert_false(policy_drops(&policy, spoe_span_of("set-cooki")));
	assert_false(policy_drops(&policy, spoe_span_of("")));
	policy.n_drops = 0;
	assert_false(policy_drops(&policy, spoe_span_of("set-cookie")));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_crc32c),
	    cmocka_unit_test(test_id),
	    cmocka_unit_test(test_statuses),
	    cmocka_unit_test(test_status_edges),
	    cmocka_unit_test(test_drops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
