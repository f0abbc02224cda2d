/* Many random schedules of agents, clients and a rough store, against the
 * promises of DESIGN.md section 2; and proof that a broken rule is noticed.
 *
 *     core_sim_test                    what ctest runs
 *     core_sim_test SEED FIRST COUNT   those schedules only; one is traced
 *
 * SIM_SEED and SIM_COUNT in the environment change what ctest runs. */
#include "tests/sim/world.h"

#include "tests/unit/core_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNT_DEFAULT = 100000, SABOTAGE_COUNT = 5000, SEED_DEFAULT = 2 };

struct sim {
	struct keys keys;
	struct world *world;
	struct world_stats stats;
	uint64_t seed;
};

static uint64_t schedule_seed(uint64_t seed, uint64_t number)
{
	struct rng rng = {.state = seed ^ number << 32 ^ number};

	return rng_next(&rng);
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text == NULL ? otherwise : strtoull(text, NULL, 0);
}

static int setup(void **state)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	if (sim == NULL || !keys_init(&sim->keys))
		return -1;
	sim->world = world_new(&sim->keys);
	sim->seed = from_environment("SIM_SEED", SEED_DEFAULT);
	*state = sim;
	return sim->world == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	struct sim *sim = *state;

	world_free(sim->world);
	free(sim);
	return 0;
}

/* Plays schedules until one breaks a promise: its number, or `end`. */
static uint64_t play(struct sim *sim, uint64_t seed, uint64_t first,
                     uint64_t end, const struct world_options *options,
                     const struct judge **ret_judge)
{
	uint64_t number = first;

	for (; number < end; number++) {
		*ret_judge = world_play(sim->world, schedule_seed(seed, number),
		                        options, &sim->stats);
		if ((*ret_judge)->failed)
			break;
	}
	return number;
}

static void test_promises(void **state)
{
	struct sim *sim = *state;
	const uint64_t count = from_environment("SIM_COUNT", COUNT_DEFAULT);
	const struct world_options options = {.sabotage = SABOTAGE_NONE};
	const struct judge *judge;
	uint64_t number = play(sim, sim->seed, 0, count, &options, &judge);

	if (number < count)
		fail_msg("promise %u: %s; replay it with: core_sim_test "
		         "%" PRIu64 " %" PRIu64 " 1",
		         judge->promise, judge->text, sim->seed, number);
}

static void test_everything_happened(void **state)
{
	static const enum reason reasons[] = {
	    REASON_RUNNING,          REASON_OTHER_REQUEST,
	    REASON_WAS_SEALED,       REASON_LOCK_EXPIRED,
	    REASON_REPLAY_TOO_LARGE, REASON_STATUS_NOT_KEPT,
	    REASON_BODY_CUT,         REASON_BODY_OVER_LIMIT,
	    REASON_BODY_UNCONFIRMED, REASON_BAD_HEADERS,
	    REASON_BAD_STATUS,       REASON_NOT_OWNER,
	    REASON_STORE_FAILED,     REASON_STORE_SLOW,
	    REASON_RECORD_CORRUPT,   REASON_LONG_AGO,
	    REASON_BODY_MAY_BE_CUT,  REASON_STORE_FULL,
	};
	const struct world_stats *stats = &((struct sim *)*state)->stats;

	for (unsigned i = 0; i < IDEM_VERDICTS; i++) {
		printf("%10" PRIu64 " %s\n", stats->verdicts[i],
		       idem_verdict_text((enum idem_verdict)i));
		if (i != IDEM_MISSING && i != IDEM_INVALID)
			assert_true(stats->verdicts[i] > 0);
	}
	for (unsigned i = 0; i < IDEM_OUTCOMES; i++) {
		printf("%10" PRIu64 " %s\n", stats->outcomes[i],
		       idem_outcome_text((enum idem_outcome)i));
		assert_true(stats->outcomes[i] > 0);
	}
	for (unsigned i = 0; i < WORLD_EVENTS; i++) {
		printf("%10" PRIu64 " %s\n", stats->events[i],
		       world_event_name((enum world_event)i));
		assert_true(stats->events[i] > 0);
	}
	for (size_t i = 0; i < COUNT(reasons); i++)
		check_row(reason_text(reasons[i]),
		          stats->reasons[reasons[i]] > 0);
}

/* Each of these breaks a rule; the judge must say which promise went with
 * it, be it not in the first schedule that fails: one breach leads to the
 * next, and which shows first is up to the schedule. */
static const struct {
	const char *name;
	enum sabotage sabotage;
	unsigned promises; /* a bit each */
} sabotages[] = {
    {"ignores the owner", SABOTAGE_IGNORES_OWNER, 1u << 1 | 1u << 2 | 1u << 5},
    {"ignores a lock", SABOTAGE_IGNORES_LOCK, 1u << 1},
    {"ignores a stored record", SABOTAGE_IGNORES_STORED, 1u << 1},
    {"ignores a sealed record", SABOTAGE_IGNORES_SEALED, 1u << 1},
    {"ignores a lock's end", SABOTAGE_IGNORES_END, 1u << 2},
    {"never expires", SABOTAGE_NEVER_EXPIRES, 1u << 0 | 1u << 5},
    {"expires early", SABOTAGE_EXPIRES_EARLY, 1u << 1},
    {"forgets", SABOTAGE_FORGETS, 1u << 1},
    {"swallows a release", SABOTAGE_SWALLOWS, 1u << 0 | 1u << 2 | 1u << 5},
    {"mixes keys", SABOTAGE_MIXES_KEYS, 1u << 0 | 1u << 5},
    {"cuts a body", SABOTAGE_CUTS_BODY, 1u << 3},
    {"reads damage as nothing", SABOTAGE_READS_DAMAGE, 1u << 4},
    {"ignores what it must find", SABOTAGE_IGNORES_FROM,
     1u << 1 | 1u << 2 | 1u << 3},
    {"loses what is kept", SABOTAGE_LOSES_KEPT, 1u << 1 | 1u << 3},
    {"confirms what broke off", SABOTAGE_CONFIRMS_ALL, 1u << 3},
    {"releases what is held", SABOTAGE_RELEASES_RUN, 1u << 1},
    {"hides a failure", SABOTAGE_HIDES_FAILURE, 1u << 4},
    {"keeps orphans", SABOTAGE_KEEPS_ORPHANS, 1u << 0},
    {"tells nobody", SABOTAGE_TELLS_NOBODY, 1u << 0},
    {"sleeps", SABOTAGE_SLEEPS, 1u << 0},
    {"grants a lock to who waits", SABOTAGE_GRANTS_WAITERS, 1u << 1},
    {"forgets who waits", SABOTAGE_FORGETS_WAITERS, 1u << 0},
    {"keeps who waits too long", SABOTAGE_KEEPS_WAITERS, 1u << 0},
    {"does not let wait", SABOTAGE_TELLS_WAITERS, 1u << 0},
};

static void check_sabotage(struct sim *sim, const char *name,
                           const struct world_options *options,
                           unsigned promises)
{
	const struct judge *judge;
	uint64_t number = 0;

	for (;; number++) {
		number = play(sim, SEED_DEFAULT, number, SABOTAGE_COUNT,
		              options, &judge);
		if (number == SABOTAGE_COUNT ||
		    (promises >> judge->promise & 1))
			break;
	}
	check_row(name, number < SABOTAGE_COUNT);
	printf("%s: promise %u: %s (schedule %" PRIu64 ")\n", name,
	       judge->promise, judge->text, number);
}

static void test_sabotage_is_noticed(void **state)
{
	assert_int_equal(COUNT(sabotages), SABOTAGES - 1);
	for (size_t i = 0; i < COUNT(sabotages); i++) {
		const struct world_options options = {
		    .sabotage = sabotages[i].sabotage};

		check_sabotage(*state, sabotages[i].name, &options,
		               sabotages[i].promises);
	}
}

/* Two owners show even to who sees no record, only what HAProxy is told. */
static void test_blind_judge(void **state)
{
	for (size_t i = 0; i < COUNT(sabotages); i++) {
		const struct world_options options = {
		    .sabotage = sabotages[i].sabotage, .blind = true};

		if (sabotages[i].promises == 1u << 1)
			check_sabotage(*state, sabotages[i].name, &options,
			               sabotages[i].promises);
	}
}

/* The same seed is the same schedule: what is printed can be replayed. */
static void test_seed_tells_it_all(void **state)
{
	struct sim *sim = *state;
	struct world_stats first, second;
	const struct world_options options = {.sabotage = SABOTAGE_NONE};
	const struct judge *judge;

	memset(&sim->stats, 0, sizeof(sim->stats));
	play(sim, SEED_DEFAULT, 0, 100, &options, &judge);
	first = sim->stats;
	memset(&sim->stats, 0, sizeof(sim->stats));
	play(sim, SEED_DEFAULT, 0, 100, &options, &judge);
	second = sim->stats;
	assert_memory_equal(&first, &second, sizeof(first));
}

static int replay(char **args)
{
	struct world_options options = {.sabotage = SABOTAGE_NONE};
	const struct judge *judge;
	uint64_t seed = strtoull(args[0], NULL, 0);
	uint64_t first = strtoull(args[1], NULL, 0);
	uint64_t count = strtoull(args[2], NULL, 0);
	uint64_t number;
	void *state;
	struct sim *sim;

	if (setup(&state) != 0)
		return 1;
	sim = state;
	options.trace = count == 1;
	number = play(sim, seed, first, first + count, &options, &judge);
	if (number < first + count)
		printf("schedule %" PRIu64 ": promise %u: %s\n", number,
		       judge->promise, judge->text);
	teardown(&state);
	return number < first + count;
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_promises),
	    cmocka_unit_test(test_everything_happened),
	    cmocka_unit_test(test_sabotage_is_noticed),
	    cmocka_unit_test(test_blind_judge),
	    cmocka_unit_test(test_seed_tells_it_all),
	};

	if (argc == 4)
		return replay(argv + 1);
	return cmocka_run_group_tests(tests, setup, teardown);
}
