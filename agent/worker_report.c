#include "agent/log.h"
#include "agent/worker_private.h"

static void log_service_stats(struct worker *w)
{
	const struct connection_counters *c = server_counters(w->server);
	const struct service_counters *s = service_counters(w->service);
	struct log_field fields[IDEM_VERDICTS + IDEM_OUTCOMES + 15];
	uint64_t verdicts[IDEM_VERDICTS];
	size_t n = 0;

	tally_sum(&s->verdicts, verdicts);
	for (size_t i = 0; i < IDEM_VERDICTS; i++)
		fields[n++] = LOG_INT(idem_verdict_text(i), verdicts[i]);
	/* `error` is a verdict too: one name, one meaning. */
	for (size_t i = 0; i < IDEM_OUTCOME_ERROR; i++)
		fields[n++] = LOG_INT(idem_outcome_text(i), s->outcomes[i]);
	fields[n++] =
	    LOG_INT("complete_error", s->outcomes[IDEM_OUTCOME_ERROR]);
	fields[n++] = LOG_INT("given_back", s->given_back);
	fields[n++] = LOG_INT("waits", s->waits);
	fields[n++] = LOG_INT("waits_refused", s->waits_refused);
	fields[n++] = LOG_INT("waits_over", s->waits_over);
	fields[n++] = LOG_INT("waits_gone", s->waits_gone);
	fields[n++] = LOG_INT("wait_wakes", s->wait_wakes);
	fields[n++] = LOG_INT("wait_looks", s->wait_looks);
	fields[n++] = LOG_INT("unknown_arguments", s->unknown_arguments);
	fields[n++] = LOG_INT("unknown_messages", s->unknown_messages);
	fields[n++] = LOG_INT("frames_in", c->frames_in);
	fields[n++] = LOG_INT("frames_out", c->frames_out);
	fields[n++] = LOG_INT("pauses", c->pauses);
	fields[n++] = LOG_INT("connections", worker_connections(w));
	fields[n++] = (struct log_field){.type = LOG_FIELD_END};
	log_event_fields(LOG_STATS, fields);
}

static void log_notice_stats(const struct notices *notices)
{
	const struct notices_counters *c = notices_counters(notices);
	struct log_field fields[NOTICES_COUNTERS + 2];
	size_t n = 0;

	fields[n++] = LOG_TEXT("of", "notices");
	for (size_t i = 0; i < NOTICES_COUNTERS; i++)
		fields[n++] = LOG_INT(notices_counter_text(i), c->counts[i]);
	fields[n++] = (struct log_field){.type = LOG_FIELD_END};
	log_event_fields(LOG_STATS, fields);
}

void worker_report_log(struct worker *w)
{
	log_service_stats(w);
	if (w->notices)
		log_notice_stats(w->notices);
}

static void report_counters(const struct worker *w, struct report *report)
{
	const struct connection_counters *c = server_counters(w->server);
	const struct service_counters *s = service_counters(w->service);

#define COUNTER(name) report->name += counter_get(&s->name);
	REPORT_SERVICE(COUNTER)
#undef COUNTER
#define COUNTER(name) report->name += counter_get(&c->name);
	REPORT_CONNECTIONS(COUNTER)
#undef COUNTER
	for (size_t i = 0; i < IDEM_OUTCOMES; i++)
		report->outcomes[i] += counter_get(&s->outcomes[i]);
	tally_read(&s->verdicts, &report->verdicts);
}

static void report_connections(struct worker *w, struct report *report)
{
	const struct worker_counters *c = &w->counters;

	report->connections += worker_connections(w);
	report->ready += counter_get(&c->ready);
	report->opened += counter_get(&c->opened);
	for (size_t i = 0; i < CONNECTION_ENDS; i++)
		report->closed[i] += counter_get(&c->closed[i]);
	for (size_t i = 0; i < REPORT_SPOE_STATUSES; i++)
		report->protocol_errors[i] +=
		    counter_get(&c->protocol_errors[i]);
}

void worker_report(struct worker *w, struct report *report)
{
	report_counters(w, report);
	report_connections(w, report);
	meter_read(&w->meter, &report->meter);
	report->in_flight += worker_busy(w);
	if (!w->notices)
		return;
	for (size_t i = 0; i < NOTICES_COUNTERS; i++)
		report->notices[i] +=
		    counter_get(&notices_counters(w->notices)->counts[i]);
}
