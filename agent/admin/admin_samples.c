#include "agent/admin/admin_samples.h"

static void sum_verdicts(const struct tally_view *view, uint64_t *ret_sum)
{
	for (size_t v = 0; v < IDEM_VERDICTS; v++) {
		ret_sum[v] = 0;
		for (size_t i = 0; i < view->n; i++)
			ret_sum[v] += view->rows[i].verdicts[v];
	}
}

static void add(struct histogram_view *to, const struct histogram_view *from)
{
	for (size_t i = 0; i <= HISTOGRAM_BOUNDS_MAX; i++)
		to->counts[i] += from->counts[i];
	to->sum += from->sum;
}

void admin_samples_add(struct admin_samples *s, const struct report *report,
                       uint64_t monotonic_us)
{
	struct admin_sample *sample;

	s->newest = (s->newest + 1) % ADMIN_SAMPLES_MAX;
	if (s->n < ADMIN_SAMPLES_MAX)
		s->n++;
	sample = &s->samples[s->newest];
	*sample = (struct admin_sample){.at_us = monotonic_us};
	sum_verdicts(&report->verdicts, sample->verdicts);
	for (size_t o = 0; o < METER_OPERATIONS; o++)
		for (size_t h = 0; h < METER_HEALTHS; h++)
			add(&sample->took[o], &report->meter.took[o][h]);
}

/* The sample of `age` intervals ago. */
static const struct admin_sample *ago(const struct admin_samples *s, size_t age)
{
	return &s->samples[(s->newest + ADMIN_SAMPLES_MAX - age) %
	                   ADMIN_SAMPLES_MAX];
}

static double rate(uint64_t count, uint64_t us)
{
	return us > 0 ? (double)count * 1e6 / (double)us : 0;
}

size_t admin_samples_rates(const struct admin_samples *s,
                           enum idem_verdict verdict,
                           double ret_rates[ADMIN_SAMPLES_INTERVALS])
{
	const size_t n = s->n > 0 ? s->n - 1 : 0;

	for (size_t age = 0; age < n; age++) {
		const struct admin_sample *to = ago(s, age);
		const struct admin_sample *from = ago(s, age + 1);

		ret_rates[ADMIN_SAMPLES_INTERVALS - 1 - age] =
		    rate(to->verdicts[verdict] - from->verdicts[verdict],
		         to->at_us - from->at_us);
	}
	return n;
}

uint64_t admin_samples_took(const struct admin_samples *s,
                            enum meter_operation operation, unsigned seconds,
                            struct histogram_view *ret_view, double *ret_per_s)
{
	size_t age = seconds / ADMIN_SAMPLES_EVERY_S;
	const struct admin_sample *to = ago(s, 0);
	const struct admin_sample *from;
	uint64_t count = 0;

	if (age + 1 > s->n)
		age = s->n > 0 ? s->n - 1 : 0;
	from = ago(s, age);
	for (size_t i = 0; i <= HISTOGRAM_BOUNDS_MAX; i++) {
		ret_view->counts[i] = to->took[operation].counts[i] -
		                      from->took[operation].counts[i];
		count += ret_view->counts[i];
	}
	ret_view->sum = to->took[operation].sum - from->took[operation].sum;
	*ret_per_s = rate(count, to->at_us - from->at_us);
	return count;
}

double admin_samples_quantile(const struct histogram_view *view,
                              const uint32_t *bounds, size_t n, double q)
{
	double wanted;
	uint64_t total = 0;
	uint64_t below = 0;

	for (size_t i = 0; i <= n; i++)
		total += view->counts[i];
	if (total == 0)
		return 0;
	wanted = q * (double)total;
	for (size_t i = 0; i < n; i++) {
		const double from = i > 0 ? bounds[i - 1] : 0;

		if ((double)(below + view->counts[i]) >= wanted &&
		    view->counts[i] > 0)
			return from + (bounds[i] - from) *
			                  (wanted - (double)below) /
			                  (double)view->counts[i];
		below += view->counts[i];
	}
	return bounds[n - 1];
}
