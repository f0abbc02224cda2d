#include <stdlib.h>
#include <string.h>

#include "agent/cli/cli_print.h"
#include "agent/cli/cli_private.h"
#include "agent/cli/cli_select.h"
#include "agent/clock.h"
#include "agent/config_text.h"
#include "agent/core/hex.h"

enum {
	OPTION_STATE = 256,
	OPTION_POLICY,
	OPTION_OLDER,
	OPTION_YOUNGER,
	OPTION_LIMIT,
	OPTION_AFTER,
	OPTION_JSON,
	LIMIT_DEFAULT = 100,
};

struct arguments {
	const char *state; /* NULL: any */
	const char *policy;
	uint64_t older_ms;
	uint64_t younger_ms; /* 0: any */
	uint64_t limit;      /* 0: none */
	bool json;
	bool has_after;
	uint8_t after[RECORD_KEY_SIZE];
};

static const struct argp_option options[] = {
    {.name = "state",
     .key = OPTION_STATE,
     .arg = "STATE",
     .doc = "Only locked (running), held (a lock past its deadline), pending, "
            "stored, sealed or unreadable ones"},
    {.name = "policy",
     .key = OPTION_POLICY,
     .arg = "NAME",
     .doc = "Only those of this policy"},
    {.name = "older-than",
     .key = OPTION_OLDER,
     .arg = "TIME",
     .doc = "Only those created so long ago, as 90s, 5m, 2h or 7d"},
    {.name = "younger-than",
     .key = OPTION_YOUNGER,
     .arg = "TIME",
     .doc = "Only those created since"},
    {.name = "limit",
     .key = OPTION_LIMIT,
     .arg = "N",
     .doc = "At most so many, 100 unless given; 0: all"},
    {.name = "after",
     .key = OPTION_AFTER,
     .arg = "HEX",
     .doc = "Go on behind this record key"},
    {.name = "json", .key = OPTION_JSON, .doc = "One line of JSON a record"},
    {0},
};

static const char *const states[] = {"locked", "held",   "pending",
                                     "stored", "sealed", "unreadable"};

static void check_state(const char *value, struct argp_state *state)
{
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (strcmp(states[i], value) == 0)
			return;
	}
	argp_error(state, "--state: no state is called \"%s\"", value);
}

static uint64_t duration(const char *value, struct argp_state *state)
{
	uint64_t ms = 0;
	char error[64];

	if (config_text_duration(value, &ms, error, sizeof(error)) != 0)
		argp_error(state, "\"%s\" %s", value, error);
	return ms;
}

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct arguments *a = state->input;
	char error[64];

	switch (key) {
	case OPTION_STATE:
		check_state(value, state);
		a->state = value;
		return 0;
	case OPTION_POLICY:
		a->policy = value;
		return 0;
	case OPTION_OLDER:
		a->older_ms = duration(value, state);
		return 0;
	case OPTION_YOUNGER:
		a->younger_ms = duration(value, state);
		return 0;
	case OPTION_LIMIT:
		if (config_text_count(value, &a->limit, error, sizeof(error)) !=
		    0)
			argp_error(state, "--limit: \"%s\" %s", value, error);
		return 0;
	case OPTION_AFTER:
		a->has_after = cli_record_key_read(value, a->after);
		if (!a->has_after)
			argp_error(state, "--after: \"%s\" is no record key",
			           value);
		return 0;
	case OPTION_JSON:
		a->json = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

struct listing {
	const struct arguments *arguments;
	const struct cli_store *store;
	uint64_t now_ms;
	uint64_t n;
	bool more;
	uint8_t last[RECORD_KEY_SIZE];
};

static bool wanted(const struct listing *l, const struct record *record)
{
	const struct arguments *a = l->arguments;
	const uint64_t age_ms =
	    l->now_ms > record->created_ms ? l->now_ms - record->created_ms : 0;
	char policy[POLICY_NAME_MAX + 1];

	if (a->state &&
	    strcmp(a->state, condition_text(condition_of(record, l->now_ms))) !=
	        0)
		return false;
	/* Nothing else is known of one that cannot be read. */
	if (record->state == RECORD_NONE)
		return !a->policy && !a->older_ms && !a->younger_ms;
	cli_policy_name(record, l->store->config, policy, sizeof(policy));
	return record_alive(record, l->now_ms) && age_ms >= a->older_ms &&
	       (a->younger_ms == 0 || age_ms < a->younger_ms) &&
	       (!a->policy || strcmp(a->policy, policy) == 0);
}

static bool on_record(void *cookie, const uint8_t *record_key,
                      const struct record *record)
{
	struct listing *l = cookie;
	struct cli_record shown = {.record = *record};
	const struct cli_print_options none = {.body_max = 0};

	if (!wanted(l, record))
		return true;
	if (l->arguments->limit > 0 && l->n == l->arguments->limit) {
		l->more = true;
		return false;
	}
	memcpy(shown.record_key, record_key, RECORD_KEY_SIZE);
	memcpy(l->last, record_key, RECORD_KEY_SIZE);
	if (l->arguments->json)
		cli_print_json(&shown, l->store->config, l->now_ms, &none,
		               stdout);
	else
		cli_print_row(&shown, l->store->config, l->now_ms, stdout);
	l->n++;
	return !ferror(stdout);
}

static enum cli_status list(struct cli_store *s, void *cookie)
{
	const struct arguments *a = cookie;
	struct listing l = {
	    .arguments = a, .store = s, .now_ms = clock_now_ms()};
	enum cli_status status;

	if (!a->json)
		cli_print_row_head(stdout);
	status =
	    cli_store_scan(s, a->has_after ? a->after : NULL, on_record, &l);
	if (status == CLI_DONE && l.more) {
		char last[2 * RECORD_KEY_SIZE + 1];

		hex_write(last, l.last, RECORD_KEY_SIZE);
		fprintf(stderr, "there are more: --after %s\n", last);
	}
	return status;
}

enum cli_status cli_list(const char *config_path, int argc, char **argv)
{
	struct argp argp = {.options = options, .parser = parse};
	struct arguments a = {.limit = LIMIT_DEFAULT};

	cli_parse(&argp, argc, argv, &a);
	return cli_store_with(config_path, false, list, &a);
}
