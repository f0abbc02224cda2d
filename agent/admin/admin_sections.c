#include <inttypes.h>
#include <string.h>

#include "agent/admin/admin_chart.h"
#include "agent/admin/admin_html.h"
#include "agent/admin/admin_page.h"
#include "agent/human.h"

enum { LATENCY_S = 60 }; /* what the percentiles are of */

/* --- verdicts --- */

static void put_card(const struct admin *a, enum idem_verdict verdict,
                     uint64_t total, FILE *out)
{
	const char *name = idem_verdict_text(verdict);
	double rates[ADMIN_SAMPLES_INTERVALS];
	const size_t n = admin_samples_rates(&a->samples, verdict, rates);
	char now[HUMAN_SIZE], all[HUMAN_SIZE];

	human_rate(n > 0 ? rates[ADMIN_SAMPLES_INTERVALS - 1] : 0, now);
	human_count(total, all);
	fprintf(
	    out,
	    "<section class=\"card v-%s\"><h3>%s</h3><p><span>"
	    "<strong>%s</strong> <span class=\"soft\">a second</span></span>"
	    "<span class=\"soft\">%s in all</span></p>",
	    name, name, now, all);
	admin_chart_write(out, name, rates, n);
	fputs("</section>\n", out);
}

void admin_page_verdicts(const struct admin *a, FILE *out)
{
	const struct tally_view *view = &a->report.verdicts;

	fputs("<h2>Verdicts <small>of the last five minutes</small></h2>"
	      "<div class=\"cards\">\n",
	      out);
	for (size_t v = 0; v < IDEM_VERDICTS; v++) {
		uint64_t total = 0;

		for (size_t i = 0; i < view->n; i++)
			total += view->rows[i].verdicts[v];
		put_card(a, (enum idem_verdict)v, total, out);
	}
	fputs("</div>\n", out);
}

/* --- the store --- */

static void put_percentile(const struct histogram_view *view, double q,
                           FILE *out)
{
	const double us =
	    admin_samples_quantile(view, meter_bounds, METER_BOUNDS, q);
	char text[HUMAN_SIZE];

	human_latency(us, text);
	fprintf(out, "<td class=\"n\">%s%s</td>",
	        us >= meter_bounds[METER_BOUNDS - 1] ? "over " : "", text);
}

static void put_operation(const struct admin *a, enum meter_operation operation,
                          FILE *out)
{
	struct histogram_view view;
	char text[HUMAN_SIZE];
	double per_s;
	const uint64_t n = admin_samples_took(&a->samples, operation, LATENCY_S,
	                                      &view, &per_s);

	human_rate(per_s, text);
	fprintf(out, "<tr><th scope=\"row\">%s</th><td class=\"n\">%s</td>",
	        meter_operation_text(operation), text);
	if (n > 0) {
		put_percentile(&view, .5, out);
		put_percentile(&view, .9, out);
		put_percentile(&view, .99, out);
	} else {
		fputs("<td class=\"n zero\">–</td><td class=\"n zero\">–</td>"
		      "<td class=\"n zero\">–</td>",
		      out);
	}
	fputs("</tr>\n", out);
}

static void put_latencies(const struct admin *a, FILE *out)
{
	fputs("<section><h2>Store <small>of the last minute</small></h2>"
	      "<div class=\"scroll\"><table><thead><tr><th scope=\"col\">"
	      "operation</th><th scope=\"col\" class=\"n\">a second</th>"
	      "<th scope=\"col\" class=\"n\">half within</th><th scope=\"col\" "
	      "class=\"n\">90 %</th><th scope=\"col\" class=\"n\">99 %</th>"
	      "</tr></thead><tbody>\n",
	      out);
	for (size_t o = 0; o < METER_OPERATIONS; o++)
		put_operation(a, (enum meter_operation)o, out);
	fputs("</tbody></table></div>\n", out);
}

static void put_records(const struct store_census *census, FILE *out)
{
	char text[HUMAN_SIZE];

	for (size_t i = 0; i < RECORD_CONDITIONS; i++) {
		char term[64];

		snprintf(term, sizeof(term), "records %s", condition_text(i));
		human_count(census->records[i], text);
		if (census->records[i] > 0 || i == RECORD_IS_LOCKED ||
		    i == RECORD_IS_STORED)
			admin_html_fact(out, term, text);
	}
	human_span(store_census_age_ms(census, RECORD_IS_LOCKED), text);
	admin_html_fact(out, "oldest lock",
	                census->oldest_ms[RECORD_IS_LOCKED] > 0 ? text : "–");
}

static void put_size(const struct admin *a, FILE *out)
{
	char used[HUMAN_SIZE], limit[HUMAN_SIZE];
	char text[3 * HUMAN_SIZE];

	human_bytes(a->report.store.bytes_used, used);
	human_bytes(admin_is_lmdb(a) ? a->store_max_size
	                             : a->report.store.bytes_size,
	            limit);
	snprintf(text, sizeof(text), "%s of %s", used, limit);
	admin_html_fact(out, "in use", text);
}

static void put_holdings(const struct admin *a, FILE *out)
{
	char text[HUMAN_SIZE];

	fprintf(out,
	        "</section><section><h2>Records <small>%s%s%s</small></h2>"
	        "<dl class=\"facts\">",
	        a->store_driver, admin_is_lmdb(a) ? ", durability " : "",
	        admin_durability(a));
	if (a->census.done.now_ms > 0) {
		put_records(&a->census.done, out);
	} else {
		human_count(a->report.store.records, text);
		admin_html_fact(out, "records", text);
	}
	put_size(a, out);
	human_count(a->report.waiters, text);
	admin_html_fact(out, "repetitions that wait", text);
	human_count(a->report.in_flight, text);
	admin_html_fact(out, "requests in flight", text);
	fputs("</dl></section>\n", out);
}

void admin_page_store(const struct admin *a, FILE *out)
{
	fputs("<div class=\"two\">", out);
	put_latencies(a, out);
	put_holdings(a, out);
	fputs("</div>\n", out);
}

/* --- HAProxy --- */

static void put_engine(const struct engines_entry *engine, FILE *out)
{
	fputs("<tr><th scope=\"row\">", out);
	admin_html_text(out, *engine->id ? engine->id : "(no name)");
	fputs("</th>", out);
	admin_html_count(out, engine->connections);
	admin_html_count(out, engine->max_frame_size);
	fprintf(out, "<td>%s</td></tr>\n", engine->pipelining ? "yes" : "no");
}

static void put_engines(const struct report *r, FILE *out)
{
	fprintf(out,
	        "<section><h2>HAProxy <small>%zu engine%s</small></h2>"
	        "<div class=\"scroll\"><table><thead><tr><th scope=\"col\">"
	        "engine</th><th scope=\"col\" class=\"n\">connections</th>"
	        "<th scope=\"col\" class=\"n\">largest frame</th>"
	        "<th scope=\"col\">pipelining</th></tr></thead><tbody>\n",
	        r->n_engines, r->n_engines == 1 ? "" : "s");
	for (size_t i = 0; i < r->n_engines && i < REPORT_ENGINES_MAX; i++)
		put_engine(&r->engines[i], out);
	if (r->n_engines == 0)
		fputs("<tr><td colspan=\"4\" class=\"zero\">none is "
		      "connected</td></tr>\n",
		      out);
	fputs("</tbody></table></div></section>\n", out);
}

static void put_connections(const struct report *r, FILE *out)
{
	char text[3 * HUMAN_SIZE];
	char in[HUMAN_SIZE], out_[HUMAN_SIZE];

	fputs("<section><h2>Connections</h2><dl class=\"facts\">", out);
	snprintf(text, sizeof(text), "%" PRIu64 " of %" PRIu64, r->connections,
	         r->connections_max);
	admin_html_fact(out, "open", text);
	human_count(r->frames_in, in);
	human_count(r->frames_out, out_);
	snprintf(text, sizeof(text), "%s in, %s out", in, out_);
	admin_html_fact(out, "frames", text);
	human_bytes(r->bytes_in, in);
	human_bytes(r->bytes_out, out_);
	snprintf(text, sizeof(text), "%s in, %s out", in, out_);
	admin_html_fact(out, "bytes", text);
	human_count(r->closed[CONNECTION_END_PROTOCOL], text);
	admin_html_fact(out, "protocol errors", text);
	human_count(r->pauses, text);
	admin_html_fact(out, "pauses for back-pressure", text);
	fputs("</dl></section>\n", out);
}

void admin_page_haproxy(const struct admin *a, FILE *out)
{
	fputs("<div class=\"two\">", out);
	put_engines(&a->report, out);
	put_connections(&a->report, out);
	fputs("</div>\n", out);
}

/* --- totals --- */

static void put_policies(const struct tally_view *view, FILE *out)
{
	fputs("<h2>Policies <small>verdicts since the start</small></h2>"
	      "<div class=\"scroll\"><table><thead><tr><th scope=\"col\">policy"
	      "</th>",
	      out);
	for (size_t v = 0; v < IDEM_VERDICTS; v++)
		fprintf(out, "<th scope=\"col\" class=\"n\">%s</th>",
		        idem_verdict_text(v));
	fputs("</tr></thead><tbody>\n", out);
	for (size_t i = 0; i < view->n; i++) {
		fputs("<tr><th scope=\"row\">", out);
		admin_html_text(out, view->rows[i].name);
		fputs("</th>", out);
		for (size_t v = 0; v < IDEM_VERDICTS; v++)
			admin_html_count(out, view->rows[i].verdicts[v]);
		fputs("</tr>\n", out);
	}
	fputs("</tbody></table></div>\n", out);
}

static void put_outcomes(const struct report *r, FILE *out)
{
	char text[HUMAN_SIZE];

	fputs("<section><h2>Outcomes <small>since the start</small></h2>"
	      "<dl class=\"facts\">",
	      out);
	for (size_t i = 0; i < IDEM_OUTCOMES; i++) {
		human_count(r->outcomes[i], text);
		admin_html_fact(out, idem_outcome_text(i), text);
	}
	fputs("</dl></section>\n", out);
}

static void put_notices(const struct report *r, FILE *out)
{
	char text[HUMAN_SIZE];

	fputs("<section><h2>Notices <small>since the start</small></h2>"
	      "<dl class=\"facts\">",
	      out);
	for (size_t i = 0; i < NOTICES_COUNTERS; i++) {
		char term[32];

		snprintf(term, sizeof(term), "%s", notices_counter_text(i));
		for (char *c = strchr(term, '_'); c; c = strchr(c, '_'))
			*c = ' ';
		human_count(r->notices[i], text);
		if (r->notices[i] > 0 || i == NOTICES_LINES)
			admin_html_fact(out, term, text);
	}
	fputs("</dl></section>\n", out);
}

void admin_page_totals(const struct admin *a, FILE *out)
{
	put_policies(&a->report.verdicts, out);
	fputs("<div class=\"two\">", out);
	put_outcomes(&a->report, out);
	put_notices(&a->report, out);
	fputs("</div>\n", out);
}
