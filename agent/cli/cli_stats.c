#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cli/cli_print.h"
#include "agent/cli/cli_private.h"
#include "agent/cli/cli_progress.h"
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

enum { N_STATES = RECORD_SEALED + 1, N_ROWS = N_STATES + 2 };

/* What was counted of the records in one state. */
struct row {
	const char *name;
	uint64_t records;
	uint64_t bytes; /* of their responses */
	uint64_t oldest_ms;
};

struct census {
	struct cli_progress progress;
	uint64_t now_ms;
	struct row states[N_STATES];
	struct row held;    /* locks past their deadline */
	struct row expired; /* to be removed */
};

static bool on_record(void *cookie, const uint8_t *record_key,
                      const struct record *record)
{
	struct census *census = cookie;
	struct row *row = &census->states[record->state];

	(void)record_key;
	if (record->state != RECORD_NONE &&
	    !record_alive(record, census->now_ms))
		row = &census->expired;
	else if (record->state == RECORD_LOCKED &&
	         census->now_ms >= record->deadline_ms)
		row = &census->held;
	row->records++;
	row->bytes += record->response.size;
	if (record->created_ms > 0 &&
	    (row->oldest_ms == 0 || record->created_ms < row->oldest_ms))
		row->oldest_ms = record->created_ms;
	cli_progress_step(&census->progress);
	return true;
}

static uint64_t age_ms(const struct census *census, const struct row *row)
{
	if (row->oldest_ms == 0 || row->oldest_ms > census->now_ms)
		return 0;
	return census->now_ms - row->oldest_ms;
}

static void print(const struct census *census, const struct row *const *rows,
                  const struct store_stats *stats)
{
	char used[CLI_SPAN_SIZE], size[CLI_SPAN_SIZE];

	printf("%-10s %12s %12s  %s\n", "STATE", "RECORDS", "RESPONSES",
	       "OLDEST");
	for (size_t i = 0; i < N_ROWS; i++) {
		char bytes[CLI_SPAN_SIZE], age[CLI_SPAN_SIZE] = "-";

		cli_bytes_text(rows[i]->bytes, bytes);
		if (rows[i]->oldest_ms > 0)
			cli_span_text(age_ms(census, rows[i]), age);
		printf("%-10s %12" PRIu64 " %12s  %s\n", rows[i]->name,
		       rows[i]->records, bytes, age);
	}
	cli_bytes_text(stats->bytes_used, used);
	cli_bytes_text(stats->bytes_size, size);
	printf("the store uses %s of the %s it takes\n", used, size);
}

static void print_json(const struct census *census,
                       const struct row *const *rows,
                       const struct store_stats *stats)
{
	fputs("{\"states\":{", stdout);
	for (size_t i = 0; i < N_ROWS; i++)
		printf("%s\"%s\":{\"records\":%" PRIu64
		       ",\"response_bytes\":%" PRIu64
		       ",\"oldest_age_ms\":%" PRIu64 "}",
		       i > 0 ? "," : "", rows[i]->name, rows[i]->records,
		       rows[i]->bytes, age_ms(census, rows[i]));
	printf("},\"bytes_used\":%" PRIu64 ",\"bytes_size\":%" PRIu64 "}\n",
	       stats->bytes_used, stats->bytes_size);
}

static void report(const struct census *census, struct cli_store *s, bool json)
{
	const struct row *rows[N_ROWS] = {
	    &census->states[RECORD_LOCKED],  &census->held,
	    &census->states[RECORD_PENDING], &census->states[RECORD_STORED],
	    &census->states[RECORD_SEALED],  &census->expired,
	    &census->states[RECORD_NONE],
	};
	struct store_stats stats;

	store_stats(s->store, &stats);
	(json ? print_json : print)(census, rows, &stats);
}

static enum cli_status count(struct cli_store *s, void *cookie)
{
	struct census census = {.now_ms = clock_now_ms(),
	                        .held = {.name = "held"},
	                        .expired = {.name = "expired"}};
	enum cli_status status;

	for (size_t i = 0; i < N_STATES; i++)
		census.states[i].name = cli_state_name((enum record_state)i);
	census.progress = cli_progress("counting", cli_store_count(s));
	status = cli_store_scan(s, NULL, on_record, &census);
	cli_progress_end(&census.progress);
	if (status == CLI_DONE)
		report(&census, s, *(const bool *)cookie);
	return status;
}

enum cli_status cli_stats(const char *config_path, int argc, char **argv)
{
	struct argp argp = {.options = options, .parser = parse};
	bool json = false;

	cli_parse(&argp, argc, argv, &json);
	return cli_store_with(config_path, false, count, &json);
}
