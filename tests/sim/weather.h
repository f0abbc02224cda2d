/* tests/sim/weather.h: what a schedule is like: calm or rough. */
#ifndef TESTS_SIM_WEATHER_H
#define TESTS_SIM_WEATHER_H

#include "agent/core/policy.h"
#include "tests/sim/rng.h"

enum {
	WEATHER_AGENTS_MAX = 3,
	WEATHER_CHAINS_MAX = 4,
	WEATHER_SKEW_MAX = 20, /* ms between two agents' clocks */
};

/* Times are ms, at most; rates are permille. */
struct weather {
	struct policy policy;
	unsigned agents;
	unsigned chains;
	unsigned requests; /* of each chain */
	unsigned keys;
	unsigned skew_ms;
	unsigned timeout_ms; /* of an exchange: exactly */
	unsigned look_ms;    /* a waiter's first interval: exactly */
	unsigned hurries;    /* waits for which there is no place, or time */
	unsigned store_ms;   /* of an operation, to its effect and back */
	unsigned upstream_ms;
	unsigned pause_ms; /* of a client between two requests */
	unsigned last_ms;  /* when the last accident happens */
	unsigned restarts; /* how many of each accident */
	unsigned freezes;
	unsigned jumps;
	unsigned damages;
	unsigned fails;     /* operations that fail */
	unsigned full;      /* responses that find no room in the store */
	unsigned silent;    /* operations that are never answered */
	unsigned gone;      /* exchanges whose peer goes away */
	unsigned untold;    /* locks whose ACK does not go out */
	unsigned lost;      /* executions that no completion follows */
	unsigned doubled;   /* completions that come twice */
	bool notices;       /* HAProxy's log is read */
	unsigned refused;   /* executions that the upstream never saw */
	unsigned broken;    /* chunked responses that broke off */
	unsigned unheard;   /* notices that are lost */
	unsigned forged;    /* completions with a notice that is none */
	unsigned notice_ms; /* until one comes */
	unsigned variants;  /* requests that use a key for another body */
};

void weather_make(struct weather *weather, struct rng *rng, unsigned keys);

#endif
