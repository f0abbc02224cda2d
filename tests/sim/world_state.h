/* tests/sim/world_state.h: what the parts of the world share. */
#ifndef TESTS_SIM_WORLD_STATE_H
#define TESTS_SIM_WORLD_STATE_H

#include "tests/sim/timeline.h"
#include "tests/sim/weather.h"
#include "tests/sim/world.h"

enum { FLIGHTS_MAX = 480, NOTICES_MAX = 480, LINE_MAX = 160 };

enum what {
	PLAN_START,    /* who: a chain */
	PLAN_COMPLETE, /* who: a ticket; the upstream answered */
	PLAN_NOTICE,   /* who: a notice; its line comes */
	PLAN_EFFECT,   /* who: a flight, from here on */
	PLAN_ANSWER,
	PLAN_TIMEOUT,
	PLAN_GONE,
	PLAN_UNTOLD,
	PLAN_WAKE,
	PLAN_HURRY,
	PLAN_RESTART, /* who: an agent */
	PLAN_FREEZE,  /* who: an agent */
	PLAN_JUMP,
	PLAN_DAMAGE, /* who: a key */
};

/* How the store will treat an operation. */
enum fate { WORKS, FAILS_BEFORE, FAILS_AFTER, FULL, NEVER_ANSWERS };

/* A line on its way, and what is true of it. */
struct line {
	unsigned ticket;
	enum judge_end_of end;
	char text[LINE_MAX];
};

/* One exchange and the operation it waits for. */
struct flight {
	struct exchange x;
	unsigned agent;
	unsigned chain;
	unsigned ticket;
	bool gone;
	bool replied;
	bool untold;   /* its ACK will not go out, which it is about to hear */
	bool squeezed; /* there was no room for its response */
	bool effect_pending;
	bool waited;
	bool hurried;
	uint64_t due_true; /* of the time-out that counts; 0: none does */
	uint64_t moment;   /* agent.settles when the store was asked */
	enum fate fate;
	struct fake_answer answer;
	struct judge_view view;
	enum judge_cause cause;
	size_t replay_room;
	const struct content *content; /* a completion */
	const struct line *line;       /* a notice */
	enum idem_outcome expected;    /* of it */
	uint64_t asked_ms;
	uint64_t asked_true;
};

/* A client: one request after the other. */
struct chain {
	unsigned left; /* requests to come */
	unsigned key;
	unsigned variant;
};

struct agent {
	uint64_t skew_ms;       /* its clock is ahead by this */
	uint64_t jumped_ms;     /* and behind by this */
	uint64_t frozen_until;  /* true time */
	uint64_t settles[KEYS]; /* that it has seen */
};

struct world {
	const struct keys *keys;
	struct keyring *keyring;        /* owned */
	const struct keyring *encrypts; /* that, or NULL: every other seed */
	struct rng rng;
	const struct world_options *options;
	struct world_stats *stats;
	struct weather weather;
	struct judge judge;
	struct fake_store store;
	struct timeline timeline;
	uint64_t now;       /* true time, ms since the schedule began */
	uint64_t jumped_ms; /* the wall clock is behind by this */
	struct agent agents[WEATHER_AGENTS_MAX];
	struct chain chains[WEATHER_CHAINS_MAX];
	unsigned n_flights;
	struct flight *flights[FLIGHTS_MAX];
	char tickets[JUDGE_TICKETS_MAX][TICKET_TEXT_SIZE];
	unsigned ticket_chains[JUDGE_TICKETS_MAX];
	unsigned n_lines;
	struct line lines[NOTICES_MAX];
	unsigned n_contents;
	struct content contents[FLIGHTS_MAX];
};

/* Counts the event, and tells it when the schedule is traced. */
void world_happens(struct world *w, enum world_event event, unsigned who);

/* What the agent's clock shows. */
uint64_t world_agent_now(const struct world *w, unsigned agent);

void world_plan(struct world *w, uint64_t in_ms, enum what what, unsigned who);

/* The chain's client does what it does next, after a pause. */
void world_plan_request(struct world *w, unsigned chain);

#endif
