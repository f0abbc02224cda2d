#include "tests/sim/end.h"

#include "tests/sim/flight.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

/* A line about this ticket's text, on its way. */
static void send_line(struct world *w, const char *ticket_text, unsigned ticket,
                      enum judge_end_of end, const char *tail)
{
	struct line *line = &w->lines[w->n_lines];
	const unsigned delay = w->weather.notice_ms;

	if (w->n_lines == NOTICES_MAX)
		return;
	line->ticket = ticket;
	line->end = end;
	snprintf(line->text, sizeof(line->text), "haproxy: idem=%.*s,%s",
	         TICKET_TEXT_SIZE, ticket_text, tail);
	world_plan(w, rng_below(&w->rng, delay), PLAN_NOTICE, w->n_lines);
	if (rng_permille(&w->rng, w->weather.doubled)) {
		world_happens(w, WORLD_NOTICE_DUPLICATE, ticket);
		world_plan(w, rng_below(&w->rng, 4 * delay), PLAN_NOTICE,
		           w->n_lines);
	}
	if (rng_permille(&w->rng, w->weather.doubled)) {
		world_happens(w, WORLD_NOTICE_OLD, ticket);
		world_plan(w, rng_below(&w->rng, 10000), PLAN_NOTICE,
		           w->n_lines);
	}
	w->n_lines++;
}

/* What HAProxy says, if it is heard. */
static void tell(struct world *w, unsigned ticket, enum judge_end_of end,
                 const char *tail)
{
	if (!w->weather.notices)
		return;
	if (rng_permille(&w->rng, w->weather.unheard)) {
		world_happens(w, WORLD_NOTICE_LOST, ticket);
		return;
	}
	send_line(w, w->tickets[ticket], ticket, end, tail);
}

/* What is not true, and must change nothing: from who has seen the ticket, or
 * from who has made one up. */
static void lie(struct world *w, unsigned ticket, const char *tail)
{
	const char *text = w->tickets[ticket];
	char forged[TICKET_TEXT_SIZE];
	struct ticket t;
	bool done;

	if (!w->weather.notices || !rng_permille(&w->rng, w->weather.forged))
		return;
	world_happens(w, WORLD_NOTICE_FORGED, ticket);
	if (rng_permille(&w->rng, 500)) {
		done = ticket_decode(spoe_span(text, TICKET_TEXT_SIZE), &t);
		assert(done);
		rng_fill(&w->rng, t.owner, sizeof(t.owner));
		ticket_encode(&t, forged);
		text = forged;
	}
	send_line(w, text, ticket, JUDGE_LIE, tail);
}

void end_without_response(struct world *w, unsigned ticket,
                          enum judge_end_of end)
{
	static const char *const unreached[] = {"503,SC--,0,-", "403,PR--,0,-",
	                                        "503,sQ--,0,-", "-1,CC--,0,-"};
	static const char *const unknown[] = {"504,sH--,0,-", "502,SH--,0,-",
	                                      "503,SC--,+1,-", "-1,CH--,0,-"};
	const unsigned which = rng_below(&w->rng, 4);

	/* Nothing is pending that could be confirmed. */
	lie(w, ticket, "201,--NI,0,pending");
	tell(w, ticket, end,
	     end == JUDGE_NEVER_RAN ? unreached[which] : unknown[which]);
}

static enum judge_end_of end_of(const struct content *content,
                                const char *outcome)
{
	if (strcmp(outcome, "pending") != 0)
		return JUDGE_UNRECORDED;
	return content->broken ? JUDGE_BROKEN : JUDGE_WHOLE;
}

void end_with_response(struct world *w, unsigned ticket,
                       const struct content *content, const char *outcome)
{
	char tail[48];

	if (content->broken)
		world_happens(w, WORLD_BROKE_OFF, ticket);
	/* It has run, and is not to be released. */
	if (strcmp(outcome, "pending") == 0)
		lie(w, ticket, "503,SC--,0,-");
	snprintf(tail, sizeof(tail), "201,%s--,0,%s",
	         content->broken ? "SD" : "--", outcome);
	tell(w, ticket, end_of(content, outcome), tail);
}

/* What the agent makes of a line. */
static enum notice_action decide(const struct world *w, const struct line *line,
                                 struct notice *ret_notice)
{
	enum notice_found found;
	enum notice_action action;

	found = notice_read(spoe_span_of(line->text), ret_notice);
	assert(found == NOTICE_PRESENT);
	action = notice_decide(ret_notice, &w->weather.policy);
	if (w->options->sabotage == SABOTAGE_CONFIRMS_ALL &&
	    line->end == JUDGE_BROKEN)
		return NOTICE_CONFIRM;
	if (w->options->sabotage == SABOTAGE_RELEASES_RUN &&
	    action == NOTICE_HOLD)
		return NOTICE_RELEASE;
	return action;
}

void end_line(struct world *w, unsigned number)
{
	const struct line *line = &w->lines[number];
	struct exchange_event event = {
	    .type = EXCHANGE_NOTICE,
	    .policy = &w->weather.policy,
	};
	struct notice notice;
	unsigned id;

	world_happens(w, WORLD_NOTICE, line->ticket);
	event.action = decide(w, line, &notice);
	if (event.action == NOTICE_NOTHING || event.action == NOTICE_HOLD)
		return;
	id = flight_new_notice(w, line);
	if (id == FLIGHTS_MAX)
		return;
	event.ticket = &notice.ticket;
	flight_step(w, id, event);
}

void end_noticed(struct world *w, unsigned id)
{
	const struct flight *f = w->flights[id];
	const enum idem_outcome outcome = f->x.reply.outcome;
	const bool failed = f->fate == FAILS_BEFORE || f->fate == FAILS_AFTER;

	if (w->options->trace)
		fprintf(stderr, "%6" PRIu64 "   %u: notice: %s\n", w->now, id,
		        idem_outcome_text(outcome));
	judge_noticed(&w->judge, f->ticket,
	              failed ? IDEM_OUTCOME_ERROR : f->expected, outcome);
	if (outcome == IDEM_OUTCOME_STORED)
		world_happens(w, WORLD_NOTICE_CONFIRMS, id);
	else if (outcome == IDEM_OUTCOME_RELEASED)
		world_happens(w, WORLD_NOTICE_RELEASES, id);
	else if (outcome == IDEM_OUTCOME_SEALED)
		world_happens(w, WORLD_NOTICE_SEALS, id);
}
