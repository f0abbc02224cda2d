/* agent/metrics.h: agent/metrics.def as a table in memory, and samples of it in
 * Prometheus's text format, version 0.0.4. */
#ifndef AGENT_METRICS_H
#define AGENT_METRICS_H

#include <stdio.h>

#include "agent/counter.h"

enum metric {
#define METRIC(id, name, kind, unit, labels, where, help) METRIC_##id,
#include "agent/metrics.def"
#undef METRIC
	METRICS
};

enum metrics_kind { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM };
enum metrics_where { METRICS_ALL, METRICS_LMDB, METRICS_REDIS };

struct metrics_row {
	const char *name;
	enum metrics_kind kind;
	const char *unit;
	const char *labels;
	enum metrics_where where;
	const char *help;
};

extern const struct metrics_row metrics_rows[METRICS];

/* Writes what stands above the samples of a metric. */
void metrics_head(FILE *out, enum metric metric);

/* Writes one sample: below the metric's head, with a value for each of its
 * labels (NULL when it has none). Both may be any text. */
void metrics_value(FILE *out, enum metric metric, const char *const *labels,
                   double value);
void metrics_count(FILE *out, enum metric metric, const char *const *labels,
                   uint64_t value);

/* The same for a histogram with `n` bounds, times `scale` in the metric's unit.
 */
void metrics_histogram(FILE *out, enum metric metric, const char *const *labels,
                       const struct histogram_view *view,
                       const uint32_t *bounds, size_t n, double scale);

/* Writes the table for the documents: Markdown, and manual page source. */
void metrics_print_table(FILE *out);
void metrics_print_manual(FILE *out);

#endif
