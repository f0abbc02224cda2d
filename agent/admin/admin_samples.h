/* agent/admin/admin_samples.h: what the counters were every two seconds of the
 * last five minutes: how it went lately. */
#ifndef AGENT_ADMIN_ADMIN_SAMPLES_H
#define AGENT_ADMIN_ADMIN_SAMPLES_H

#include "agent/report.h"

enum {
	ADMIN_SAMPLES_EVERY_S = 2,
	ADMIN_SAMPLES_MAX = 151, /* the ends of 150 intervals */
	ADMIN_SAMPLES_INTERVALS = ADMIN_SAMPLES_MAX - 1,
};

struct admin_sample {
	uint64_t at_us; /* monotonic */
	uint64_t verdicts[IDEM_VERDICTS];
	struct histogram_view took[METER_OPERATIONS]; /* of all healths */
};

/* A ring; all zero is empty. */
struct admin_samples {
	struct admin_sample samples[ADMIN_SAMPLES_MAX];
	size_t n;
	size_t newest;
};

void admin_samples_add(struct admin_samples *s, const struct report *report,
                       uint64_t monotonic_us);

/* How many verdicts of a kind there were a second, interval by interval: the
 * last one is the newest. Returns how many intervals there have been; those
 * before are not written. */
size_t admin_samples_rates(const struct admin_samples *s,
                           enum idem_verdict verdict,
                           double ret_rates[ADMIN_SAMPLES_INTERVALS]);

/* Latencies of the last `seconds` or what there is of them. Returns their
 * number; *ret_per_s is how many that is a second. */
uint64_t admin_samples_took(const struct admin_samples *s,
                            enum meter_operation operation, unsigned seconds,
                            struct histogram_view *ret_view, double *ret_per_s);

/* The value that a part of `q` (0 to 1) of the values is below, as the buckets
 * tell: within one it is taken to be spread evenly. What is above all bounds
 * counts as the last. 0 when there are no values. */
double admin_samples_quantile(const struct histogram_view *view,
                              const uint32_t *bounds, size_t n, double q);

#endif
