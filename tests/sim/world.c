#include "tests/sim/flight.h"

#include "tests/sim/end.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const uint64_t EPOCH = 1700000000000;

static const char *const event_names[WORLD_EVENTS] = {
#define WORLD_EVENT(name) [WORLD_##name] = #name,
#include "tests/sim/world_event.def"
#undef WORLD_EVENT
};

const char *world_event_name(enum world_event event)
{
	return event_names[event];
}

struct world *world_new(const struct keys *keys)
{
	static const uint8_t key[KEYRING_KEY_SIZE] = "of the simulation";
	struct world *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->keys = keys;
	w->keyring = keyring_new();
	if (w->keyring != NULL &&
	    keyring_add(w->keyring, spoe_span_of("a"), key) == KEYRING_ADDED)
		return w;
	world_free(w);
	return NULL;
}

void world_free(struct world *w)
{
	if (w != NULL)
		keyring_free(w->keyring);
	free(w);
}

void world_happens(struct world *w, enum world_event event, unsigned who)
{
	w->stats->events[event]++;
	if (w->options->trace)
		fprintf(stderr, "%6" PRIu64 " %s %u\n", w->now,
		        event_names[event], who);
}

uint64_t world_agent_now(const struct world *w, unsigned agent)
{
	const struct agent *a = &w->agents[agent];

	return EPOCH + w->now + a->skew_ms - a->jumped_ms;
}

void world_plan(struct world *w, uint64_t in_ms, enum what what, unsigned who)
{
	timeline_add(&w->timeline, w->now + in_ms, (uint16_t)what,
	             (uint16_t)who);
}

void world_plan_request(struct world *w, unsigned chain)
{
	world_plan(w, rng_below(&w->rng, w->weather.pause_ms), PLAN_START,
	           chain);
}

/* Mostly the same request again: that is what this is about. */
static void choose_request(struct world *w, struct chain *chain)
{
	if (rng_permille(&w->rng, 300))
		chain->key = rng_below(&w->rng, w->weather.keys);
	if (rng_permille(&w->rng, 300))
		chain->variant = rng_permille(&w->rng, w->weather.variants);
}

/* A new check, known to the judge; FLIGHTS_MAX when there were enough. */
static unsigned new_check(struct world *w, unsigned number,
                          const uint8_t owner[RECORD_OWNER_SIZE])
{
	struct chain *chain = &w->chains[number];
	struct flight *f;
	unsigned id;

	if (chain->left == 0 || w->judge.n_tickets == JUDGE_TICKETS_MAX)
		return FLIGHTS_MAX;
	id = flight_new(w, number);
	if (id == FLIGHTS_MAX)
		return FLIGHTS_MAX;
	chain->left--;
	choose_request(w, chain);
	f = w->flights[id];
	f->replay_room = rng_permille(&w->rng, 800) ? 2000 : 120;
	f->ticket = judge_ticket(&w->judge, owner, chain->key, chain->variant,
	                         f->asked_ms, f->asked_true);
	w->ticket_chains[f->ticket] = number;
	world_happens(w, WORLD_CHECK, id);
	return id;
}

static void start_check(struct world *w, unsigned number)
{
	const struct chain *chain = &w->chains[number];
	struct idem_request request = {.body_partial = false};
	struct exchange_event event = {.type = EXCHANGE_CHECK};
	uint8_t owner[RECORD_OWNER_SIZE];
	unsigned id;

	rng_fill(&w->rng, owner, sizeof(owner));
	id = new_check(w, number, owner);
	if (id == FLIGHTS_MAX)
		return;
	memcpy(request.record_key, w->keys->record_keys[chain->key],
	       RECORD_KEY_SIZE);
	memcpy(request.fingerprint, w->keys->fingerprints[chain->variant],
	       RECORD_FINGERPRINT_SIZE);
	request.key = spoe_span_of(w->keys->texts[chain->key]);
	request.replay_room = w->flights[id]->replay_room;
	event.policy = &w->weather.policy;
	event.timeout_ms = w->weather.timeout_ms;
	event.look_ms = w->weather.look_ms;
	event.request = &request;
	event.owner = owner;
	flight_step(w, id, event);
}

static void note_completion(struct world *w, unsigned id)
{
	const struct flight *f = w->flights[id];
	struct judge_ticket *t = &w->judge.tickets[f->ticket];

	world_happens(w, WORLD_COMPLETE, id);
	if (f->asked_ms >= t->claimed_ms + w->weather.policy.lock_ttl_ms)
		world_happens(w, WORLD_LATE_COMPLETE, id);
	t->completing = true;
	if (rng_permille(&w->rng, w->weather.doubled)) {
		world_happens(w, WORLD_DUPLICATE_COMPLETE, id);
		world_plan(w, rng_below(&w->rng, w->weather.upstream_ms),
		           PLAN_COMPLETE, f->ticket);
	}
}

/* With keys the store sees no response that is not encrypted. */
static void look_at_response(struct world *w, unsigned id)
{
	const struct spoe_span response = w->flights[id]->x.op.record.response;

	if (w->encrypts == NULL || response.size == 0)
		return;
	world_happens(w, WORLD_ENCRYPTED, id);
	if (!keyring_encrypted(response, NULL))
		judge_fail(&w->judge, 0, "flight %u: not encrypted", id);
}

static void start_completion(struct world *w, unsigned ticket)
{
	const unsigned id = flight_new(w, w->ticket_chains[ticket]);
	struct exchange_event event = {.type = EXCHANGE_COMPLETE};
	struct content *content;
	struct ticket decoded;
	bool done;

	if (id == FLIGHTS_MAX)
		return;
	w->flights[id]->ticket = ticket;
	note_completion(w, id);
	done = ticket_decode(spoe_span(w->tickets[ticket], TICKET_TEXT_SIZE),
	                     &decoded);
	assert(done);
	content = &w->contents[w->n_contents++];
	content_make(content, &w->rng, &w->weather.policy, rng_next(&w->rng),
	             w->weather.notices, w->weather.broken);
	w->flights[id]->content = content;
	event.policy = &w->weather.policy;
	event.timeout_ms = w->weather.timeout_ms;
	event.ticket = &decoded;
	event.response = &content->response;
	event.keyring = w->encrypts;
	flight_step(w, id, event);
	look_at_response(w, id);
}

/* kill -9: the store may or may not have got what was on the way. */
static void restart(struct world *w, unsigned agent)
{
	world_happens(w, WORLD_RESTART, agent);
	for (unsigned id = 0; id < w->n_flights; id++) {
		struct flight *f = w->flights[id];

		if (f == NULL || f->agent != agent)
			continue;
		if (f->effect_pending && rng_permille(&w->rng, 500))
			flight_effect(w, id);
		if (!f->replied && !f->gone && f->line == NULL)
			flight_unanswered(w, id);
		w->judge.tickets[f->ticket].excused = true;
		flight_drop(w, id);
	}
	w->agents[agent].jumped_ms = w->jumped_ms;
}

/* The wall clock is set back. A process does not notice before it is started
 * again (agent/clock.h): then, by itself, it is behind the others. */
static void jump_back(struct world *w)
{
	const uint64_t by_ms = rng_between(&w->rng, 1, 3000);

	world_happens(w, WORLD_CLOCK_JUMP, 0);
	w->jumped_ms += by_ms;
	if (rng_permille(&w->rng, 500)) {
		for (unsigned i = 0; i < w->weather.agents; i++)
			restart(w, i);
	} else if (w->weather.agents > 1) {
		w->judge.skew_ms += by_ms;
	}
}

static void damage(struct world *w, unsigned key)
{
	struct judge_record *record = &w->judge.records[key];
	const bool head = rng_permille(&w->rng, 500);

	if (record->head_damaged || record->response_damaged ||
	    record->state == RECORD_NONE ||
	    !fake_store_damage(&w->store, w->keys->record_keys[key], head,
	                       rng_below(&w->rng, 1000000)))
		return;
	world_happens(w, WORLD_DAMAGE, key);
	if (head)
		record->head_damaged = true;
	else
		record->response_damaged = true;
}

/* Something that happens to a flight, unless it has landed. While its agent
 * is frozen (a stopped process, a busy machine) only the store goes on. */
static void fly(struct world *w, const struct plan *p)
{
	struct flight *f = w->flights[p->who];

	if (f == NULL)
		return;
	if (p->what == PLAN_EFFECT) {
		flight_effect(w, p->who);
	} else if (w->now < w->agents[f->agent].frozen_until) {
		world_plan(w, w->agents[f->agent].frozen_until - w->now,
		           (enum what)p->what, p->who);
	} else if (p->what == PLAN_ANSWER) {
		flight_answer(w, p->who);
	} else if (p->what == PLAN_TIMEOUT) {
		flight_time_out(w, p->who);
	} else if (p->what == PLAN_WAKE) {
		flight_wake(w, p->who);
	} else if (p->what == PLAN_HURRY) {
		flight_hurry(w, p->who);
	} else if (p->what == PLAN_UNTOLD) {
		flight_untold(w, p->who);
	} else {
		flight_gone(w, p->who);
	}
}

static void happen(struct world *w, const struct plan *p)
{
	w->now = p->at;
	switch ((enum what)p->what) {
	case PLAN_START:
		start_check(w, p->who);
		return;
	case PLAN_COMPLETE:
		start_completion(w, p->who);
		return;
	case PLAN_NOTICE:
		end_line(w, p->who);
		return;
	case PLAN_RESTART:
		restart(w, p->who);
		return;
	case PLAN_FREEZE:
		world_happens(w, WORLD_FREEZE, p->who);
		w->agents[p->who].frozen_until =
		    w->now + rng_between(&w->rng, 1, 600);
		return;
	case PLAN_JUMP:
		jump_back(w);
		return;
	case PLAN_DAMAGE:
		damage(w, p->who);
		return;
	default:
		fly(w, p);
		return;
	}
}

/* `n` accidents of one kind, each at any time and to anybody. */
static void plan_accidents(struct world *w, unsigned n, enum what what,
                           unsigned whos)
{
	for (unsigned i = 0; i < n; i++)
		world_plan(w, rng_below(&w->rng, w->weather.last_ms), what,
		           rng_below(&w->rng, whos));
}

static void begin(struct world *w, uint64_t seed)
{
	struct weather *weather = &w->weather;

	w->rng.state = seed;
	w->encrypts = seed % 2 ? w->keyring : NULL;
	w->now = 0;
	w->jumped_ms = 0;
	w->n_flights = 0;
	w->n_contents = 0;
	w->n_lines = 0;
	weather_make(weather, &w->rng, KEYS);
	judge_init(&w->judge, &weather->policy, weather->timeout_ms,
	           weather->skew_ms, w->options->blind);
	fake_store_init(&w->store, w->options->sabotage);
	timeline_init(&w->timeline);
	for (unsigned i = 0; i < weather->agents; i++)
		w->agents[i] = (struct agent){
		    .skew_ms = rng_below(&w->rng, weather->skew_ms + 1)};
	for (unsigned i = 0; i < weather->chains; i++) {
		w->chains[i] = (struct chain){.left = weather->requests};
		world_plan_request(w, i);
	}
	plan_accidents(w, weather->restarts, PLAN_RESTART, weather->agents);
	plan_accidents(w, weather->freezes, PLAN_FREEZE, weather->agents);
	plan_accidents(w, weather->jumps, PLAN_JUMP, 1);
	plan_accidents(w, weather->damages, PLAN_DAMAGE, KEYS);
}

const struct judge *world_play(struct world *w, uint64_t seed,
                               const struct world_options *options,
                               struct world_stats *stats)
{
	struct plan p;

	w->options = options;
	w->stats = stats;
	begin(w, seed);
	while (!w->judge.failed && timeline_next(&w->timeline, &p))
		happen(w, &p);
	/* What the store never answered is cancelled, as at an agent's end. */
	for (unsigned id = 0; id < w->n_flights; id++) {
		const struct flight *f = w->flights[id];

		if (f == NULL)
			continue;
		if (!f->replied && !f->gone && f->line == NULL)
			judge_fail(&w->judge, 0, "flight %u: forgotten", id);
		flight_drop(w, id);
	}
	judge_end(&w->judge);
	return &w->judge;
}
