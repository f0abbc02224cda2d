#include "agent/human.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void human_span(uint64_t ms, char ret_text[HUMAN_SIZE])
{
	static const struct {
		uint64_t ms;
		const char *unit;
	} units[] = {
	    {86400000, "d"},
	    {3600000, "h"},
	    {60000, "min"},
	    {1000, "s"},
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		/* Two of a unit at least: 90 s say more than 1 min. */
		if (ms >= 2 * units[i].ms) {
			snprintf(ret_text, HUMAN_SIZE, "%" PRIu64 " %s",
			         ms / units[i].ms, units[i].unit);
			return;
		}
	}
	snprintf(ret_text, HUMAN_SIZE, "%" PRIu64 " ms", ms);
}

void human_bytes(uint64_t bytes, char ret_text[HUMAN_SIZE])
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
	double value = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(ret_text, HUMAN_SIZE, "%" PRIu64 " B", bytes);
		return;
	}
	for (; value >= 1024 && unit < 3; unit++)
		value /= 1024;
	snprintf(ret_text, HUMAN_SIZE, "%.1f %s", value, units[unit]);
}

void human_latency(double us, char ret_text[HUMAN_SIZE])
{
	const char *unit = "µs";

	if (us >= 1e6) {
		us /= 1e6;
		unit = "s";
	} else if (us >= 1e3) {
		us /= 1e3;
		unit = "ms";
	}
	snprintf(ret_text, HUMAN_SIZE, us < 10 ? "%.1f %s" : "%.0f %s", us,
	         unit);
}

void human_rate(double per_s, char ret_text[HUMAN_SIZE])
{
	if (per_s > 0 && per_s < 9.95)
		snprintf(ret_text, HUMAN_SIZE, "%.1f", per_s);
	else
		human_count((uint64_t)(per_s + .5), ret_text);
}

void human_count(uint64_t count, char ret_text[HUMAN_SIZE])
{
	static const char blank[] = "\xe2\x80\xaf"; /* U+202F */
	char digits[24];
	const size_t n =
	    (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, count);
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		if (i > 0 && (n - i) % 3 == 0 &&
		    used + sizeof(blank) < HUMAN_SIZE) {
			memcpy(ret_text + used, blank, sizeof(blank) - 1);
			used += sizeof(blank) - 1;
		}
		if (used + 1 < HUMAN_SIZE)
			ret_text[used++] = digits[i];
	}
	ret_text[used] = '\0';
}

void human_time(uint64_t unix_ms, char ret_text[HUMAN_SIZE])
{
	const time_t seconds = (time_t)(unix_ms / 1000);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) ||
	    strftime(ret_text, HUMAN_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(ret_text, HUMAN_SIZE, "%" PRIu64 " ms", unix_ms);
}
