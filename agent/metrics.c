#include "agent/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/mdoc.h"

const struct metrics_row metrics_rows[METRICS] = {
#define METRIC(id, name_, kind_, unit_, labels_, where_, help_) \
	[METRIC_##id] = {name_,   METRICS_##kind_,  unit_,      \
	                 labels_, METRICS_##where_, help_},
#include "agent/metrics.def"
#undef METRIC
};

static const char *kind_text(enum metrics_kind kind)
{
	switch (kind) {
	case METRICS_COUNTER:
		return "counter";
	case METRICS_GAUGE:
		return "gauge";
	case METRICS_HISTOGRAM:
		return "histogram";
	}
	return "untyped";
}

/* --- samples --- */

void metrics_head(FILE *out, enum metric metric)
{
	const struct metrics_row *row = &metrics_rows[metric];

	fprintf(out, "# HELP %s %s.\n# TYPE %s %s\n", row->name, row->help,
	        row->name, kind_text(row->kind));
}

static void put_value(FILE *out, const char *value)
{
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			fputc('\\', out);
		if (*value == '\n')
			fputs("\\n", out);
		else
			fputc(*value, out);
	}
}

/* `bound` is the label `le` of a bucket; NULL: none. */
static void put_name(FILE *out, enum metric metric, const char *suffix,
                     const char *const *labels, const char *bound)
{
	const struct metrics_row *row = &metrics_rows[metric];
	const char *name = row->labels;
	const char *between = "{";

	fprintf(out, "%s%s", row->name, suffix);
	for (; *name; name += strspn(name, " ")) {
		const int length = (int)strcspn(name, " ");

		assert(labels && *labels);
		fprintf(out, "%s%.*s=\"", between, length, name);
		put_value(out, *labels++);
		fputc('"', out);
		between = ",";
		name += length;
	}
	if (bound)
		fprintf(out, "%sle=\"%s\"", between, bound);
	fputs(bound || *row->labels ? "} " : " ", out);
}

void metrics_value(FILE *out, enum metric metric, const char *const *labels,
                   double value)
{
	put_name(out, metric, "", labels, NULL);
	fprintf(out, "%.15g\n", value);
}

void metrics_count(FILE *out, enum metric metric, const char *const *labels,
                   uint64_t value)
{
	put_name(out, metric, "", labels, NULL);
	fprintf(out, "%" PRIu64 "\n", value);
}

void metrics_histogram(FILE *out, enum metric metric, const char *const *labels,
                       const struct histogram_view *view,
                       const uint32_t *bounds, size_t n, double scale)
{
	uint64_t count = 0;
	char bound[32];

	for (size_t i = 0; i <= n; i++) {
		snprintf(bound, sizeof(bound), "%g",
		         i < n ? bounds[i] * scale : 0.);
		count += view->counts[i];
		put_name(out, metric, "_bucket", labels,
		         i < n ? bound : "+Inf");
		fprintf(out, "%" PRIu64 "\n", count);
	}
	put_name(out, metric, "_sum", labels, NULL);
	fprintf(out, "%.15g\n", (double)view->sum * scale);
	put_name(out, metric, "_count", labels, NULL);
	fprintf(out, "%" PRIu64 "\n", count);
}

/* --- documents --- */

static const char *where_text(enum metrics_where where)
{
	switch (where) {
	case METRICS_LMDB:
		return " (with `lmdb`)";
	case METRICS_REDIS:
		return " (with `redis`)";
	case METRICS_ALL:
		break;
	}
	return "";
}

static void print_labels(FILE *out, const char *labels, const char *between)
{
	for (; *labels; labels += strspn(labels, " ")) {
		const int length = (int)strcspn(labels, " ");

		fprintf(out, "%s`%.*s`", between, length, labels);
		between = ", ";
		labels += length;
	}
}

void metrics_print_table(FILE *out)
{
	fputs("\n| metric | kind, labels | what it is |\n|---|---|---|\n", out);
	for (size_t i = 0; i < METRICS; i++) {
		const struct metrics_row *row = &metrics_rows[i];

		fprintf(out, "| `%s` | %s", row->name, kind_text(row->kind));
		print_labels(out, row->labels, ": ");
		fprintf(out, " | %s%s |\n", row->help, where_text(row->where));
	}
	fputc('\n', out);
}

static void print_manual_row(FILE *out, const struct metrics_row *row)
{
	char *text;
	size_t size;
	FILE *sentence;

	fputs(".It Cm ", out);
	mdoc_literal(row->name, (int)strlen(row->name), out);
	fputc('\n', out);
	sentence = open_memstream(&text, &size);
	if (!sentence)
		return;
	fprintf(sentence, "%s%s. A %s", row->help, where_text(row->where),
	        kind_text(row->kind));
	print_labels(sentence, row->labels, ", by ");
	fputc('.', sentence);
	fclose(sentence);
	mdoc_text(text, out);
	free(text);
}

void metrics_print_manual(FILE *out)
{
	fputs(".Bl -tag -width Ds\n", out);
	for (size_t i = 0; i < METRICS; i++)
		print_manual_row(out, &metrics_rows[i]);
	fputs(".El\n", out);
}
