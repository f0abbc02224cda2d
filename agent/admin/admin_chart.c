#include "agent/admin/admin_chart.h"

#include "agent/human.h"

enum { STEP = 2, WIDTH = STEP * ADMIN_SAMPLES_INTERVALS, HEIGHT = 40, TOP = 2 };

double admin_chart_peak(const double rates[ADMIN_SAMPLES_INTERVALS], size_t n)
{
	double peak = 0;

	for (size_t i = ADMIN_SAMPLES_INTERVALS - n;
	     i < ADMIN_SAMPLES_INTERVALS; i++)
		if (rates[i] > peak)
			peak = rates[i];
	return peak;
}

/* The line through all values, from the first interval there was. */
static void put_line(FILE *out, const double *rates, size_t n, double peak)
{
	const size_t first = ADMIN_SAMPLES_INTERVALS - n;

	for (size_t i = first; i < ADMIN_SAMPLES_INTERVALS; i++)
		fprintf(
		    out, "%c%zu %.1f", i == first ? 'M' : 'L', STEP * (i + 1),
		    HEIGHT - (HEIGHT - TOP) * (peak > 0 ? rates[i] / peak : 0));
}

void admin_chart_write(FILE *out, const char *name,
                       const double rates[ADMIN_SAMPLES_INTERVALS], size_t n)
{
	const double peak = admin_chart_peak(rates, n);
	char text[HUMAN_SIZE];

	human_rate(peak, text);
	fprintf(out,
	        "<svg viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" "
	        "role=\"img\"><title>%s: at most %s a second in the last five "
	        "minutes</title><path class=\"axis\" d=\"M0 %dH%d\"/>",
	        WIDTH, HEIGHT + 1, name, text, HEIGHT, WIDTH);
	if (peak > 0) {
		fputs("<path class=\"area\" d=\"", out);
		put_line(out, rates, n, peak);
		fprintf(out, "V%dH%zuZ\"/><path class=\"line\" d=\"", HEIGHT,
		        STEP * (ADMIN_SAMPLES_INTERVALS - n + 1));
		put_line(out, rates, n, peak);
		fputs("\"/>", out);
	}
	fputs("</svg>\n", out);
}
