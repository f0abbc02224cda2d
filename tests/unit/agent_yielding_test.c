/* When a loop lets others go first: agent/yielding.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "agent/yielding.h"

enum { NOW = 5 * 1000 * 1000 };

static void only_a_turn_with_frames_to_share(void **state)
{
	struct yielding y = {.frames = 0};

	(void)state;
	assert_false(yielding_due(&y, 0, NOW));
	assert_false(yielding_due(&y, YIELDING_FRAMES - 1, NOW));
	/* It is what this turn brought that counts. */
	assert_false(yielding_due(&y, YIELDING_FRAMES, NOW));
	assert_true(yielding_due(&y, 2 * YIELDING_FRAMES, NOW));
	assert_true(yielding_due(&y, 1000, NOW));
	assert_false(yielding_due(&y, 1000, NOW));
}

static void short_ones_go_on(void **state)
{
	struct yielding y = {.frames = 0};
	uint64_t now = NOW;

	(void)state;
	for (uint64_t turn = 1; turn <= 100; turn++) {
		assert_true(yielding_due(&y, turn * YIELDING_FRAMES, now));
		yielding_done(&y, now, now + YIELDING_LONG_US - 1);
		now += YIELDING_LONG_US - 1;
	}
}

/* Beside somebody who computes, one turn in a second is late at most. */
static void a_long_one_is_the_last_for_a_while(void **state)
{
	struct yielding y = {.frames = 0};
	uint64_t frames = 0;
	uint64_t now = NOW;
	unsigned yields = 0;

	(void)state;
	while (now < NOW + 10 * YIELDING_REST_US) {
		frames += YIELDING_FRAMES;
		if (yielding_due(&y, frames, now)) {
			yields++;
			yielding_done(&y, now, now + 3000);
			now += 3000;
		}
		now += 100;
	}
	assert_int_equal(yields, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_a_turn_with_frames_to_share),
	    cmocka_unit_test(short_ones_go_on),
	    cmocka_unit_test(a_long_one_is_the_last_for_a_while),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
