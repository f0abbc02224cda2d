#include "agent/admin/admin_private.h"
#include "agent/metrics.h"

static const double S_PER_US = 1e-6;
static const double S_PER_MS = 1e-3;

/* The values of a metric's labels. */
#define LABELS(...) ((const char *const[]){__VA_ARGS__})

static void write_count(FILE *out, enum metric metric, uint64_t value)
{
	metrics_head(out, metric);
	metrics_count(out, metric, NULL, value);
}

static void write_value(FILE *out, enum metric metric, double value)
{
	metrics_head(out, metric);
	metrics_value(out, metric, NULL, value);
}

static void write_two(FILE *out, enum metric metric, const char *first_label,
                      uint64_t first, const char *second_label, uint64_t second)
{
	metrics_head(out, metric);
	metrics_count(out, metric, LABELS(first_label), first);
	metrics_count(out, metric, LABELS(second_label), second);
}

/* --- the process --- */

static void write_process(const struct admin *a, FILE *out)
{
	const struct report *r = &a->report;

	metrics_head(out, METRIC_BUILD_INFO);
	metrics_count(
	    out, METRIC_BUILD_INFO,
	    LABELS(PROJECT_VERSION, a->store_driver, admin_durability(a)), 1);
	write_count(out, METRIC_READY, admin_health_ready(a, NULL));
	write_value(out, METRIC_START_TIME, (double)r->started_ms * S_PER_MS);
	write_value(out, METRIC_CPU, r->cpu_s);
	write_count(out, METRIC_RSS, r->rss_bytes);
	write_two(out, METRIC_RELOADS, "done", r->reloads, "failed",
	          r->reloads_failed);
	write_value(out, METRIC_CLOCK_AHEAD,
	            (double)r->clock_ahead_ms * S_PER_MS);
	if (r->certificate_until_s > 0)
		write_count(out, METRIC_CERTIFICATE,
		            (uint64_t)r->certificate_until_s);
}

/* --- what HAProxy asked --- */

static void write_verdicts(const struct report *r, FILE *out)
{
	metrics_head(out, METRIC_VERDICTS);
	for (size_t i = 0; i < r->verdicts.n; i++) {
		const struct tally_view_row *row = &r->verdicts.rows[i];

		for (size_t v = 0; v < IDEM_VERDICTS; v++)
			metrics_count(out, METRIC_VERDICTS,
			              LABELS(row->name, idem_verdict_text(v)),
			              row->verdicts[v]);
	}
	metrics_head(out, METRIC_OUTCOMES);
	for (size_t i = 0; i < IDEM_OUTCOMES; i++)
		metrics_count(out, METRIC_OUTCOMES,
		              LABELS(idem_outcome_text(i)), r->outcomes[i]);
}

static void write_notices(const struct report *r, FILE *out)
{
	metrics_head(out, METRIC_NOTICES);
	for (size_t i = 0; i < NOTICES_COUNTERS; i++) {
		if (i != NOTICES_LINES && i != NOTICES_DROPPED)
			metrics_count(out, METRIC_NOTICES,
			              LABELS(notices_counter_text(i)),
			              r->notices[i]);
	}
	write_count(out, METRIC_NOTICE_LINES, r->notices[NOTICES_LINES]);
	write_count(out, METRIC_NOTICE_DROPPED, r->notices[NOTICES_DROPPED]);
}

static void write_requests(const struct report *r, FILE *out)
{
	write_count(out, METRIC_LOCKS_GIVEN_BACK, r->given_back);
	write_count(out, METRIC_UNKNOWN_ARGUMENTS, r->unknown_arguments);
	write_count(out, METRIC_UNKNOWN_MESSAGES, r->unknown_messages);
	write_count(out, METRIC_IN_FLIGHT, r->in_flight);
	write_count(out, METRIC_LATE, r->late);
	write_count(out, METRIC_WAITERS, r->waiters);
	write_count(out, METRIC_WAITS, r->waits);
	write_count(out, METRIC_WAITS_REFUSED, r->waits_refused);
	write_count(out, METRIC_WAITS_OVER, r->waits_over);
	write_count(out, METRIC_WAITS_GONE, r->waits_gone);
	write_two(out, METRIC_WAIT_LOOKS, "settle", r->wait_wakes, "time",
	          r->wait_looks);
}

/* --- connections --- */

static void write_ends(const struct report *r, FILE *out)
{
	static const char *const statuses[REPORT_SPOE_STATUSES] = {
#define SPOE_STATUS(name, code, text) text,
#include "spoe/status.def"
#undef SPOE_STATUS
	};

	metrics_head(out, METRIC_CONNECTIONS_CLOSED);
	for (size_t i = 0; i < CONNECTION_ENDS; i++)
		metrics_count(out, METRIC_CONNECTIONS_CLOSED,
		              LABELS(connection_end_text(i)), r->closed[i]);
	metrics_head(out, METRIC_PROTOCOL_ERRORS);
	for (size_t i = 0; i < REPORT_SPOE_STATUSES; i++)
		metrics_count(out, METRIC_PROTOCOL_ERRORS, LABELS(statuses[i]),
		              r->protocol_errors[i]);
}

static void write_connections(const struct report *r, FILE *out)
{
	/* Both change while they are read. */
	const uint64_t hello =
	    r->connections > r->ready ? r->connections - r->ready : 0;

	write_two(out, METRIC_CONNECTIONS, "hello", hello, "ready", r->ready);
	write_count(out, METRIC_CONNECTIONS_MAX, r->connections_max);
	write_count(out, METRIC_CONNECTIONS_OPENED, r->opened);
	write_ends(r, out);
	write_count(out, METRIC_ENGINES, r->n_engines);
	write_two(out, METRIC_FRAMES, "in", r->frames_in, "out", r->frames_out);
	write_count(out, METRIC_FRAMES_IGNORED, r->frames_ignored);
	write_two(out, METRIC_BYTES, "in", r->bytes_in, "out", r->bytes_out);
	write_count(out, METRIC_PAUSES, r->pauses);
}

/* --- the store --- */

static void write_operations(const struct report *r, FILE *out)
{
	metrics_head(out, METRIC_STORE_OPERATIONS);
	for (size_t o = 0; o < METER_OPERATIONS; o++)
		for (size_t i = 0; i < METER_RESULTS; i++)
			metrics_count(out, METRIC_STORE_OPERATIONS,
			              LABELS(meter_operation_text(o),
			                     meter_result_text(i)),
			              r->meter.results[o][i]);
	metrics_head(out, METRIC_STORE_LATENCY);
	for (size_t o = 0; o < METER_OPERATIONS; o++)
		for (size_t h = 0; h < METER_HEALTHS; h++)
			metrics_histogram(out, METRIC_STORE_LATENCY,
			                  LABELS(meter_operation_text(o),
			                         meter_health_text(h)),
			                  &r->meter.took[o][h], meter_bounds,
			                  METER_BOUNDS, S_PER_US);
}

static void write_census(const struct store_census *census, FILE *out)
{
	metrics_head(out, METRIC_STORE_RECORDS);
	for (size_t i = 0; i < RECORD_CONDITIONS; i++)
		metrics_count(out, METRIC_STORE_RECORDS,
		              LABELS(condition_text(i)), census->records[i]);
	metrics_head(out, METRIC_STORE_RESPONSES);
	for (size_t i = 0; i < RECORD_CONDITIONS; i++)
		metrics_count(out, METRIC_STORE_RESPONSES,
		              LABELS(condition_text(i)), census->bytes[i]);
	write_value(out, METRIC_STORE_OLDEST_LOCK,
	            (double)store_census_age_ms(census, RECORD_IS_LOCKED) *
	                S_PER_MS);
	write_value(out, METRIC_STORE_COUNTED,
	            (double)census->now_ms * S_PER_MS);
}

static void write_lmdb(const struct admin *a, FILE *out)
{
	const struct store_stats *s = &a->report.store;

	write_count(out, METRIC_STORE_EXPIRED, s->expired);
	metrics_head(out, METRIC_STORE_COMMITS);
	metrics_histogram(out, METRIC_STORE_COMMITS, NULL, &s->commit_sizes,
	                  store_commit_bounds, STORE_COMMIT_BOUNDS, 1.);
	write_count(out, METRIC_STORE_LIMIT, a->store_max_size);
	if (a->census.done.now_ms > 0)
		write_census(&a->census.done, out);
}

static void write_redis(const struct store_stats *s, FILE *out)
{
	write_count(out, METRIC_STORE_ROUND_TRIPS, s->round_trips);
	write_count(out, METRIC_STORE_TIMEOUTS, s->time_outs);
	write_count(out, METRIC_STORE_CONNECTS, s->connects);
	write_count(out, METRIC_STORE_ORPHANS, s->orphans);
}

static void write_store(const struct admin *a, FILE *out)
{
	const struct store_stats *s = &a->report.store;

	write_count(out, METRIC_STORE_UP,
	            a->report.store_worked && !admin_probe_failure(&a->probe));
	write_operations(&a->report, out);
	write_count(out, METRIC_STORE_ENTRIES, s->records);
	write_count(out, METRIC_STORE_USED, s->bytes_used);
	write_count(out, METRIC_STORE_SIZE, s->bytes_size);
	if (admin_is_lmdb(a))
		write_lmdb(a, out);
	else
		write_redis(s, out);
}

void admin_metrics_write(const struct admin *a, FILE *out)
{
	const struct report *r = &a->report;

	write_process(a, out);
	write_verdicts(r, out);
	write_notices(r, out);
	write_requests(r, out);
	write_connections(r, out);
	write_store(a, out);
}
