#include "tests/sim/flight.h"

#include "tests/sim/end.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned add(struct world *w, unsigned chain)
{
	const unsigned id = w->n_flights;
	struct flight *f;

	if (id == FLIGHTS_MAX)
		return FLIGHTS_MAX;
	f = calloc(1, sizeof(*f));
	assert(f != NULL);
	exchange_init(&f->x);
	f->agent = rng_below(&w->rng, w->weather.agents);
	f->chain = chain;
	f->asked_ms = world_agent_now(w, f->agent);
	f->asked_true = w->now;
	w->flights[id] = f;
	w->n_flights++;
	return id;
}

unsigned flight_new_notice(struct world *w, const struct line *line)
{
	const unsigned id = add(w, w->ticket_chains[line->ticket]);

	if (id == FLIGHTS_MAX)
		return FLIGHTS_MAX;
	w->flights[id]->ticket = line->ticket;
	w->flights[id]->line = line;
	w->flights[id]->expected = IDEM_OUTCOME_ERROR;
	return id;
}

unsigned flight_new(struct world *w, unsigned chain)
{
	const unsigned id = add(w, chain);

	if (id == FLIGHTS_MAX)
		return FLIGHTS_MAX;
	if (rng_permille(&w->rng, w->weather.gone))
		world_plan(
		    w,
		    rng_below(&w->rng, w->weather.timeout_ms +
		                           (unsigned)w->weather.policy.wait_ms),
		    PLAN_GONE, id);
	return id;
}

void flight_unanswered(struct world *w, unsigned id)
{
	const struct flight *f = w->flights[id];

	if (f->content != NULL)
		end_with_response(w, f->ticket, f->content, "-");
	world_plan_request(w, f->chain);
}

void flight_drop(struct world *w, unsigned id)
{
	exchange_fini(&w->flights[id]->x);
	free(w->flights[id]);
	w->flights[id] = NULL;
}

static enum fate choose_fate(struct world *w, const struct record_op *op)
{
	if (op->type == RECORD_OP_SETTLE && op->record.response.size > 0 &&
	    rng_permille(&w->rng, w->weather.full))
		return FULL;
	if (rng_permille(&w->rng, w->weather.fails))
		return rng_permille(&w->rng, 500) ? FAILS_BEFORE : FAILS_AFTER;
	return rng_permille(&w->rng, w->weather.silent) ? NEVER_ANSWERS : WORKS;
}

/* The settles of its key that its agent has seen. */
static uint64_t *settles_of(struct world *w, const struct flight *f)
{
	return &w->agents[f->agent].settles[w->judge.tickets[f->ticket].key];
}

static void submit(struct world *w, unsigned id)
{
	struct flight *f = w->flights[id];
	const bool release = f->x.state == EXCHANGE_RELEASING;
	uint64_t effect_in = rng_below(&w->rng, w->weather.store_ms);
	uint64_t answer_in =
	    effect_in + rng_below(&w->rng, w->weather.store_ms);

	f->fate = choose_fate(w, &f->x.op);
	f->moment = *settles_of(w, f);
	if (f->waited && f->x.state == EXCHANGE_CLAIMING)
		judge_asks_again(&w->judge, f->ticket,
		                 world_agent_now(w, f->agent), w->now);
	if (release)
		world_happens(w, WORLD_RELEASE, id);
	if (f->fate == NEVER_ANSWERS || (release && f->fate != WORKS))
		w->judge.tickets[f->ticket].excused = true;
	if (release && w->options->sabotage == SABOTAGE_KEEPS_ORPHANS)
		f->fate = FAILS_BEFORE;
	f->effect_pending = f->fate != FAILS_BEFORE && f->fate != FULL;
	if (f->effect_pending)
		world_plan(w, effect_in, PLAN_EFFECT, id);
	if (f->fate != NEVER_ANSWERS)
		world_plan(w, answer_in, PLAN_ANSWER, id);
	else
		world_happens(w, WORLD_NEVER_ANSWERED, id);
}

static void verdict(struct world *w, unsigned id)
{
	struct flight *f = w->flights[id];
	const struct exchange_reply *reply = &f->x.reply;

	f->untold = reply->answer.verdict == IDEM_PROCEED &&
	            rng_permille(&w->rng, w->weather.untold);
	judge_verdict(&w->judge, f->ticket, f->cause, &f->view, f->replay_room,
	              world_agent_now(w, f->agent), reply, !f->untold);
	w->stats->verdicts[reply->answer.verdict]++;
	if (w->options->trace)
		fprintf(stderr, "%6" PRIu64 "   %u: %s (%s)\n", w->now, id,
		        idem_verdict_text(reply->answer.verdict),
		        reason_text(reply->reason));
	if (reply->answer.verdict != IDEM_PROCEED || f->untold) {
		world_plan_request(w, f->chain);
		return;
	}
	ticket_encode(&reply->ticket, w->tickets[f->ticket]);
	if (w->weather.notices && rng_permille(&w->rng, w->weather.refused)) {
		world_happens(w, WORLD_NEVER_REACHED, id);
		end_without_response(w, f->ticket, JUDGE_NEVER_RAN);
		world_plan_request(w, f->chain);
		return;
	}
	if (rng_permille(&w->rng, w->weather.lost)) {
		world_happens(w, WORLD_CLIENT_LOST, id);
		end_without_response(w, f->ticket, JUDGE_MAY_HAVE);
		world_plan_request(w, f->chain);
		return;
	}
	world_plan(w, rng_below(&w->rng, w->weather.upstream_ms), PLAN_COMPLETE,
	           f->ticket);
}

/* Only who must not wait, or has waited long enough, is told to come again. */
static void judge_wait(struct world *w, unsigned id)
{
	const struct flight *f = w->flights[id];
	const enum idem_verdict verdict = f->x.reply.answer.verdict;
	const uint64_t end_ms = f->asked_ms + w->weather.policy.wait_ms;

	if (verdict == IDEM_CONFLICT && !f->hurried &&
	    world_agent_now(w, f->agent) < end_ms)
		judge_fail(&w->judge, 0, "flight %u: did not wait", id);
	if (!f->waited)
		return;
	if (verdict == IDEM_CONFLICT && !f->hurried)
		world_happens(w, WORLD_WAITED_IN_VAIN, id);
	else if (verdict == IDEM_CACHED)
		world_happens(w, WORLD_WAITED_FOR_RESPONSE, id);
	else if (verdict == IDEM_PROCEED)
		world_happens(w, WORLD_WAITED_FOR_LOCK, id);
}

static void outcome(struct world *w, unsigned id)
{
	struct flight *f = w->flights[id];
	const struct exchange_reply *reply = &f->x.reply;

	judge_outcome(&w->judge, f->ticket, f->cause, &f->view, f->content,
	              f->squeezed, f->asked_true, reply);
	w->stats->outcomes[reply->outcome]++;
	if (w->options->trace)
		fprintf(stderr, "%6" PRIu64 "   %u: %s (%s)\n", w->now, id,
		        idem_outcome_text(reply->outcome),
		        reason_text(reply->reason));
	end_with_response(w, f->ticket, f->content,
	                  idem_outcome_text(reply->outcome));
	world_plan_request(w, f->chain);
}

static void reply(struct world *w, unsigned id)
{
	struct flight *f = w->flights[id];
	const bool frozen = w->agents[f->agent].frozen_until > f->asked_true;
	uint64_t time_ms = w->weather.timeout_ms;

	if (f->replied || f->gone)
		judge_fail(&w->judge, 0, "flight %u: one reply too many", id);
	if (f->x.reply.is_check)
		time_ms += w->weather.policy.wait_ms;
	if (!frozen && w->now > f->asked_true + time_ms)
		judge_fail(&w->judge, 0, "flight %u: a late reply", id);
	f->replied = true;
	w->stats->reasons[f->x.reply.reason]++;
	if (f->x.reply.is_check) {
		judge_wait(w, id);
		verdict(w, id);
	} else {
		outcome(w, id);
	}
}

/* A time-out; the one before it counts no more. */
static void plan_time_out(struct world *w, unsigned id, uint64_t wake_ms)
{
	struct flight *f = w->flights[id];
	const enum sabotage sabotage = w->options->sabotage;
	uint64_t in_ms = wake_ms - world_agent_now(w, f->agent);

	f->due_true = 0;
	if (wake_ms == 0 || sabotage == SABOTAGE_SLEEPS)
		return;
	if (f->x.state == EXCHANGE_WAITING &&
	    sabotage == SABOTAGE_FORGETS_WAITERS)
		return;
	if (f->x.state == EXCHANGE_WAITING &&
	    sabotage == SABOTAGE_KEEPS_WAITERS)
		in_ms += 5000;
	f->due_true = w->now + in_ms;
	world_plan(w, in_ms, PLAN_TIMEOUT, id);
}

/* As agent/waiters.h does it: a settle that was seen meanwhile is no loss. */
static void wait_for_settle(struct world *w, unsigned id)
{
	struct flight *f = w->flights[id];

	f->waited = true;
	world_happens(w, WORLD_WAIT, id);
	if (rng_permille(&w->rng, w->weather.hurries)) {
		world_plan(w, rng_below(&w->rng, 2) * 100, PLAN_HURRY, id);
	} else if (w->options->sabotage == SABOTAGE_TELLS_WAITERS) {
		world_plan(w, 0, PLAN_HURRY, id);
	} else if (*settles_of(w, f) != f->moment) {
		world_happens(w, WORLD_SETTLED_MEANWHILE, id);
		world_plan(w, 0, PLAN_WAKE, id);
	}
}

/* A settle is seen: who waits for it at this agent is told. */
static void wake_waiters(struct world *w, unsigned id)
{
	const struct flight *by = w->flights[id];
	uint64_t *settles = settles_of(w, by);

	if (by->x.op.type != RECORD_OP_SETTLE || by->fate != WORKS ||
	    by->answer.health != REASON_NONE ||
	    by->answer.result != RECORD_SETTLED ||
	    by->x.op.record.state == RECORD_PENDING)
		return;
	++*settles;
	for (unsigned i = 0; i < w->n_flights; i++) {
		const struct flight *f = w->flights[i];

		if (f != NULL && f->agent == by->agent &&
		    f->x.state == EXCHANGE_WAITING &&
		    settles_of(w, f) == settles)
			world_plan(w, rng_below(&w->rng, 3), PLAN_WAKE, i);
	}
}

static void perform(struct world *w, unsigned id,
                    const struct exchange_todo *todo)
{
	struct flight *f = w->flights[id];

	if (todo->reply)
		reply(w, id);
	if (todo->submit)
		submit(w, id);
	if (todo->wake_ms != 0 || todo->wait)
		plan_time_out(w, id, todo->wake_ms);
	if (todo->wait)
		wait_for_settle(w, id);
	if (!todo->finished)
		return;
	if (f->untold && w->options->sabotage != SABOTAGE_TELLS_NOBODY) {
		f->due_true = 0;
		world_plan(w, rng_below(&w->rng, 3), PLAN_UNTOLD, id);
		return;
	}
	if (f->line != NULL)
		end_noticed(w, id);
	else if (!f->replied && !f->gone)
		judge_fail(&w->judge, 0, "flight %u: no reply", id);
	flight_drop(w, id);
}

void flight_step(struct world *w, unsigned id, struct exchange_event event)
{
	struct flight *f = w->flights[id];
	struct exchange_todo todo;

	event.now_ms = world_agent_now(w, f->agent);
	exchange_step(&f->x, &event, &todo);
	perform(w, id, &todo);
}

void flight_effect(struct world *w, unsigned id)
{
	struct flight *f = w->flights[id];
	const struct record_op *op = &f->x.op;
	const uint8_t *key =
	    w->keys->record_keys[w->judge.tickets[f->ticket].key];

	world_happens(w, WORLD_EFFECT, id);
	f->effect_pending = false;
	if (memcmp(op->record_key, key, RECORD_KEY_SIZE) != 0)
		judge_fail(&w->judge, 5, "flight %u: another record key", id);
	if (f->line != NULL)
		f->expected = judge_notice(&w->judge, f->ticket, f->line->end,
		                           f->asked_ms, f->asked_true);
	else if (f->x.state == EXCHANGE_CLAIMING)
		judge_claim(&w->judge, f->ticket, w->now, &f->view);
	else if (f->x.state == EXCHANGE_SETTLING)
		judge_settle(&w->judge, f->ticket, f->content, f->squeezed,
		             f->squeezed ? op->now_ms : f->asked_ms, &f->view);
	else
		judge_settle(&w->judge, f->ticket, NULL, false, op->now_ms,
		             &f->view);
	fake_store_apply(&w->store, op, &f->answer);
}

/* The answer to an operation that failed, whether it happened or not. */
static struct record_answer failure(struct world *w, unsigned id)
{
	struct flight *f = w->flights[id];

	world_happens(w,
	              f->fate == FAILS_BEFORE ? WORLD_FAILED_BEFORE
	                                      : WORLD_FAILED_AFTER,
	              id);
	f->cause = JUDGE_FAILED;
	if (w->options->sabotage == SABOTAGE_HIDES_FAILURE &&
	    f->x.state == EXCHANGE_CLAIMING)
		return (struct record_answer){.result = RECORD_GRANTED};
	return (struct record_answer){.health = REASON_STORE_FAILED};
}

static struct record_answer no_room(struct world *w, unsigned id)
{
	world_happens(w, WORLD_FULL, id);
	w->flights[id]->squeezed = true;
	return (struct record_answer){.health = REASON_STORE_FULL};
}

void flight_answer(struct world *w, unsigned id)
{
	struct flight *f = w->flights[id];
	struct record found;
	struct record_answer answer = {
	    .health = f->answer.health,
	    .result = f->answer.result,
	    .found = &found,
	};
	struct exchange_event event = {
	    .type = EXCHANGE_ANSWER,
	    .answer = &answer,
	    .keyring = w->encrypts,
	};

	world_happens(w, WORLD_ANSWER, id);
	wake_waiters(w, id);
	if (f->fate == FULL)
		answer = no_room(w, id);
	else if (f->fate == FAILS_BEFORE || f->fate == FAILS_AFTER)
		answer = failure(w, id);
	else if (answer.health == REASON_NONE && answer.result == RECORD_FOUND)
		fake_store_found(&f->answer, &found);
	if (answer.health == REASON_NONE && answer.result == RECORD_FOUND &&
	    f->waited && w->options->sabotage == SABOTAGE_GRANTS_WAITERS)
		answer.result = RECORD_GRANTED;
	flight_step(w, id, event);
}

void flight_wake(struct world *w, unsigned id)
{
	if (w->options->sabotage == SABOTAGE_FORGETS_WAITERS)
		return;
	world_happens(w, WORLD_WAKE, id);
	flight_step(w, id, (struct exchange_event){.type = EXCHANGE_WAKE});
}

void flight_hurry(struct world *w, unsigned id)
{
	struct flight *f = w->flights[id];
	const enum judge_cause cause = f->cause;

	if (w->options->sabotage != SABOTAGE_TELLS_WAITERS)
		f->hurried = true;
	world_happens(w, WORLD_HURRY, id);
	if (f->x.state == EXCHANGE_WAITING)
		f->cause = JUDGE_HURRIED;
	flight_step(w, id, (struct exchange_event){.type = EXCHANGE_HURRY});
	if (w->flights[id] != NULL)
		f->cause = cause;
}

void flight_time_out(struct world *w, unsigned id)
{
	struct flight *f = w->flights[id];
	const enum judge_cause cause = f->cause;

	if (f->due_true == 0 || w->now < f->due_true)
		return;
	f->due_true = 0;
	if (f->x.state == EXCHANGE_WAITING) {
		world_happens(w, WORLD_LOOK, id);
		flight_step(w, id,
		            (struct exchange_event){.type = EXCHANGE_TIMEOUT});
		return;
	}
	world_happens(w, WORLD_TIMEOUT, id);
	f->cause = JUDGE_TIMED_OUT;
	flight_step(w, id, (struct exchange_event){.type = EXCHANGE_TIMEOUT});
	f->cause = cause;
}

void flight_gone(struct world *w, unsigned id)
{
	struct flight *f = w->flights[id];

	if (f->untold)
		return;
	world_happens(w, WORLD_GONE, id);
	if (f->x.state == EXCHANGE_WAITING)
		world_happens(w, WORLD_GONE_WAITING, id);
	if (!f->replied)
		flight_unanswered(w, id);
	f->gone = true;
	flight_step(w, id, (struct exchange_event){.type = EXCHANGE_GONE});
}

void flight_untold(struct world *w, unsigned id)
{
	world_happens(w, WORLD_UNTOLD, id);
	w->flights[id]->untold = false;
	flight_step(w, id, (struct exchange_event){.type = EXCHANGE_UNTOLD});
}
