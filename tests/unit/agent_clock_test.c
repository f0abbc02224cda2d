#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "agent/clock.h"
#include "agent/clock_step.h"

#define MS(ms) ((int64_t)(ms)*CLOCK_NS_PER_MS)

/* A timed story: what the two clocks show, and what must be told. */
static const struct {
	const char *what;
	int64_t wall_ms;
	int64_t boot_ms;
	uint64_t now_ms;
	uint64_t ahead_ms;
} story[] = {
    {"the first reading is the wall clock's", 1000000, 500, 1000000, 0},
    {"time passes", 1000100, 600, 1000100, 0},
    {"set back by ten seconds: it runs on", 990200, 700, 1000200, 10000},
    {"still behind: at the speed of time", 991200, 1700, 1001200, 10000},
    {"slept for an hour: it slept too", 4591200, 3601700, 4601200, 10000},
    {"set right again", 4601300, 3601800, 4601300, 0},
    {"set ahead by a day: it follows", 91001400, 3601900, 91001400, 0},
    {"and back by a day: it stays ahead", 4601500, 3602000, 91001500, 86400000},
    {"set to before 1970: it stays ahead", -5000, 3602100, 91001600, 91006600},
    {"nothing passed", -5000, 3602100, 91001600, 91006600},
};

static void tells_the_story(void **state)
{
	int64_t offset = CLOCK_OFFSET_NONE;
	uint64_t last = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(story) / sizeof(*story); i++) {
		struct clock_reading reading = {
		    .wall_ns = MS(story[i].wall_ms),
		    .boot_ns = MS(story[i].boot_ms),
		};
		uint64_t now;

		print_message("%s\n", story[i].what);
		offset = clock_step(offset, reading);
		now = clock_step_now_ms(offset, reading.boot_ns);
		assert_int_equal(now, story[i].now_ms);
		assert_int_equal(clock_step_ahead_ms(offset, reading),
		                 story[i].ahead_ms);
		assert_true(now >= last);
		last = now;
	}
}

/* Readings a moment apart, with every fraction of a millisecond, must not push
 * the clock ahead. */
static void does_not_creep_ahead(void **state)
{
	int64_t offset = CLOCK_OFFSET_NONE;

	(void)state;
	for (int64_t i = 0; i < 200000; i++) {
		int64_t boot_ns = i * 7919;
		/* The wall clock is read up to 300 us earlier. */
		struct clock_reading reading = {
		    .wall_ns = MS(1000) + boot_ns - i % 300001,
		    .boot_ns = boot_ns,
		};

		offset = clock_step(offset, reading);
		assert_true(offset <= MS(1000));
	}
	assert_int_equal(offset, MS(1000));
}

static void a_clock_before_1970_is_zero(void **state)
{
	struct clock_reading reading = {.wall_ns = MS(-5000),
	                                .boot_ns = MS(10)};
	int64_t offset = clock_step(CLOCK_OFFSET_NONE, reading);

	(void)state;
	assert_int_equal(clock_step_now_ms(offset, reading.boot_ns), 0);
}

static void looks_at_the_wall_clock_every_millisecond(void **state)
{
	(void)state;
	assert_true(clock_step_due(-CLOCK_LOOK_NS, 0));
	assert_false(clock_step_due(MS(500), MS(500)));
	assert_false(clock_step_due(MS(500), MS(501) - 1));
	assert_true(clock_step_due(MS(500), MS(501)));
	assert_true(clock_step_due(MS(500), MS(3600000)));
	/* The time since boot is another machine's. */
	assert_true(clock_step_due(MS(500), MS(500) - 1));
	assert_true(clock_step_due(MS(3600000), MS(500)));
}

static uint64_t wall_ms(void)
{
	struct timespec ts;

	assert_int_equal(clock_gettime(CLOCK_REALTIME, &ts), 0);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void now_is_the_wall_clock(void **state)
{
	/* Nobody has asked for the time yet. */
	uint64_t ahead = clock_ahead_ms();
	uint64_t before = wall_ms();
	uint64_t now = clock_now_ms();
	uint64_t after = wall_ms();

	(void)state;
	assert_int_equal(ahead, 0);
	assert_true(clock_wall_ms() >= before);
	assert_true(now >= before);
	assert_true(now <= after + clock_ahead_ms() + 1);
}

static void monotonic_moves(void **state)
{
	uint64_t first = clock_monotonic_ms();
	uint64_t last = first;

	(void)state;
	for (int i = 0; i < 1000 && last < first + 2; i++) {
		struct timespec pause = {.tv_nsec = 1000000};
		uint64_t next;

		nanosleep(&pause, NULL);
		next = clock_monotonic_ms();
		assert_true(next >= last);
		last = next;
	}
	assert_true(last >= first + 2);
}

enum { THREADS = 4, READINGS = 20000 };

/* The latest time that any thread was told. */
static _Atomic uint64_t told;

static void *read_often(void *cookie)
{
	size_t *went_back = cookie;

	for (int i = 0; i < READINGS; i++) {
		uint64_t latest = told;
		uint64_t now = clock_now_ms();

		if (now < latest)
			(*went_back)++;
		while (now > latest &&
		       !atomic_compare_exchange_weak(&told, &latest, now))
			;
	}
	return NULL;
}

static void never_goes_back_between_threads(void **state)
{
	pthread_t threads[THREADS];
	size_t went_back[THREADS] = {0};

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_often,
		                                &went_back[i]),
		                 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(went_back[i], 0);
	}
	assert_true(told > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tells_the_story),
	    cmocka_unit_test(does_not_creep_ahead),
	    cmocka_unit_test(a_clock_before_1970_is_zero),
	    cmocka_unit_test(looks_at_the_wall_clock_every_millisecond),
	    cmocka_unit_test(now_is_the_wall_clock),
	    cmocka_unit_test(monotonic_moves),
	    cmocka_unit_test(never_goes_back_between_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
