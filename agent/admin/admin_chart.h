/* agent/admin/admin_chart.h: how often something happened lately, as a small
 * picture (SVG). */
#ifndef AGENT_ADMIN_ADMIN_CHART_H
#define AGENT_ADMIN_ADMIN_CHART_H

#include <stdio.h>

#include "agent/admin/admin_samples.h"

/* `rates` are the values per second of the last `n` intervals, which stand at
 * the end of its ADMIN_SAMPLES_INTERVALS. `name` is HTML. */
void admin_chart_write(FILE *out, const char *name,
                       const double rates[ADMIN_SAMPLES_INTERVALS], size_t n);

/* The largest of them. */
double admin_chart_peak(const double rates[ADMIN_SAMPLES_INTERVALS], size_t n);

#endif
