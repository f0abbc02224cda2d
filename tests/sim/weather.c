#include "tests/sim/weather.h"

#include "tests/sim/content.h"

/* One of a few values, so that extremes meet each other often. */
#define ONE_OF(rng, ...)                             \
	one_of(rng, (const unsigned[]){__VA_ARGS__}, \
	       sizeof((const unsigned[]){__VA_ARGS__}) / sizeof(unsigned))

static unsigned one_of(struct rng *rng, const unsigned *values, size_t n)
{
	return values[rng_below(rng, (unsigned)n)];
}

static void make_policy(struct policy *policy, struct rng *rng)
{
	*policy = (struct policy){
	    .id = policy_id("sim"),
	    .lock_ttl_ms = ONE_OF(rng, 50, 200, 1000, 3000),
	    .response_ttl_ms = ONE_OF(rng, 100, 1000, 5000, 60000),
	    .refuse_after_ms = ONE_OF(rng, 0, 0, 100, 10000),
	    .wait_ms = ONE_OF(rng, 0, 0, 30, 500, 3000),
	    .retry_after_max_s = ONE_OF(rng, 1, 2, 30),
	    .on_lock_expiry = rng_permille(rng, 500) ? POLICY_EXPIRY_HOLD
	                                             : POLICY_EXPIRY_RETRY,
	    .unconfirmed = rng_permille(rng, 500) ? POLICY_UNCONFIRMED_TRUST
	                                          : POLICY_UNCONFIRMED_SEAL,
	    .on_unknown_outcome = rng_permille(rng, 400) ? POLICY_UNKNOWN_HOLD
	                          : rng_permille(rng, 500)
	                              ? POLICY_UNKNOWN_SEAL
	                              : POLICY_UNKNOWN_RELEASE,
	    .retry_after_min_s = 1,
	    .oversize_response = rng_permille(rng, 300)
	                             ? POLICY_OVERSIZE_RELEASE
	                             : POLICY_OVERSIZE_SEAL,
	};
	content_policy(policy, rng_permille(rng, 300));
}

void weather_make(struct weather *weather, struct rng *rng, unsigned keys)
{
	const bool rough = rng_permille(rng, 600);
	struct weather w = {
	    .agents = rng_between(rng, 1, WEATHER_AGENTS_MAX),
	    .chains = rng_between(rng, 1, WEATHER_CHAINS_MAX),
	    .requests = rng_between(rng, 2, 5),
	    .keys = ONE_OF(rng, 1, 1, 2, keys),
	    .timeout_ms = ONE_OF(rng, 20, 100, 400),
	    .look_ms = ONE_OF(rng, 1, 20, 10000),
	    .hurries = ONE_OF(rng, 0, 0, 200),
	    .store_ms = ONE_OF(rng, 1, 10, 50),
	    .upstream_ms = ONE_OF(rng, 1, 50, 500, 5000),
	    .pause_ms = ONE_OF(rng, 1, 50, 1000, 10000),
	    .last_ms = ONE_OF(rng, 100, 2000, 20000),
	    .variants = ONE_OF(rng, 0, 100, 500),
	    .notices = rng_permille(rng, 600),
	    .refused = ONE_OF(rng, 0, 50, 300),
	    .broken = ONE_OF(rng, 0, 300),
	    .notice_ms = ONE_OF(rng, 1, 20, 500),
	};

	make_policy(&w.policy, rng);
	if (rough) {
		w.skew_ms = ONE_OF(rng, 0, WEATHER_SKEW_MAX);
		w.store_ms = ONE_OF(rng, 10, 50, 100, 1000);
		w.restarts = ONE_OF(rng, 0, 0, 1, 3);
		w.freezes = ONE_OF(rng, 0, 0, 1, 3);
		w.jumps = ONE_OF(rng, 0, 0, 1, 3);
		w.damages = ONE_OF(rng, 0, 0, 0, 2);
		w.fails = ONE_OF(rng, 0, 30, 300);
		w.full = ONE_OF(rng, 0, 0, 300);
		w.silent = ONE_OF(rng, 0, 0, 50);
		w.gone = ONE_OF(rng, 0, 30, 300);
		w.untold = ONE_OF(rng, 0, 0, 300);
		w.lost = ONE_OF(rng, 0, 100, 500);
		w.doubled = ONE_OF(rng, 0, 100, 300);
		w.unheard = ONE_OF(rng, 0, 100, 500);
		w.forged = ONE_OF(rng, 0, 100);
	}
	*weather = w;
}
