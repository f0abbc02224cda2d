#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cli/cli_census.h"
#include "agent/cli/cli_private.h"
#include "agent/cli/cli_progress.h"
#include "agent/cli/cli_store.h"
#include "agent/clock.h"

enum { OPTION_JSON = 256 };

static const struct argp_option options[] = {
    {.name = "json", .key = OPTION_JSON, .doc = "One line of JSON"},
    {0},
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	bool *json = state->input;

	(void)value;
	if (key != OPTION_JSON)
		return ARGP_ERR_UNKNOWN;
	*json = true;
	return 0;
}

struct counting {
	struct cli_progress progress;
	struct store_census census;
};

static bool on_record(void *cookie, const uint8_t *record_key,
                      const struct record *record)
{
	struct counting *c = cookie;

	(void)record_key;
	store_census_add(&c->census, record);
	cli_progress_step(&c->progress);
	return true;
}

static void print_json(const struct store_census *census,
                       const struct store_stats *stats)
{
	fputs("{\"states\":{", stdout);
	for (size_t i = 0; i < RECORD_CONDITIONS; i++)
		printf("%s\"%s\":{\"records\":%" PRIu64
		       ",\"response_bytes\":%" PRIu64
		       ",\"oldest_age_ms\":%" PRIu64 "}",
		       i > 0 ? "," : "", condition_text(i), census->records[i],
		       census->bytes[i], store_census_age_ms(census, i));
	printf("},\"bytes_used\":%" PRIu64 ",\"bytes_size\":%" PRIu64 "}\n",
	       stats->bytes_used, stats->bytes_size);
}

static enum cli_status count(struct cli_store *s, void *cookie)
{
	const bool json = *(const bool *)cookie;
	struct counting c = {.census = {.now_ms = clock_now_ms()}};
	struct store_stats stats;
	enum cli_status status;

	c.progress = cli_progress("counting", cli_store_count(s));
	status = cli_store_scan(s, NULL, on_record, &c);
	cli_progress_end(&c.progress);
	if (status != CLI_DONE)
		return status;
	store_stats(s->store, &stats);
	if (json)
		print_json(&c.census, &stats);
	else
		cli_census_print(&c.census, &stats, stdout);
	return CLI_DONE;
}

enum cli_status cli_stats(const char *config_path, int argc, char **argv)
{
	struct argp argp = {.options = options, .parser = parse};
	bool json = false;

	cli_parse(&argp, argc, argv, &json);
	return cli_store_with(config_path, false, count, &json);
}
