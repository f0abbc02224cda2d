#include "agent/cli/cli_census.h"

#include <inttypes.h>

#include "agent/human.h"

void cli_census_print(const struct store_census *census,
                      const struct store_stats *stats, FILE *out)
{
	char used[HUMAN_SIZE], size[HUMAN_SIZE];

	fprintf(out, "%-10s %12s %12s  %s\n", "STATE", "RECORDS", "RESPONSES",
	        "OLDEST");
	for (size_t i = 0; i < RECORD_CONDITIONS; i++) {
		char bytes[HUMAN_SIZE], age[HUMAN_SIZE] = "-";

		human_bytes(census->bytes[i], bytes);
		if (census->oldest_ms[i] > 0)
			human_span(store_census_age_ms(census, i), age);
		fprintf(out, "%-10s %12" PRIu64 " %12s  %s\n",
		        condition_text(i), census->records[i], bytes, age);
	}
	human_bytes(stats->bytes_used, used);
	human_bytes(stats->bytes_size, size);
	fprintf(out, "the store uses %s of the %s it takes\n", used, size);
}
