#include "agent/cli/cli_select.h"

#include <stdlib.h>
#include <string.h>

#include "agent/cli/cli_print.h"
#include "agent/clock.h"
#include "agent/core/hex.h"
#include "agent/core/reason.h"

enum { OPTION_SCOPE = 256, OPTION_RECORD_KEY, FOUND_MAX = 1000 };

static const struct argp_option options[] = {
    {.name = "scope",
     .key = OPTION_SCOPE,
     .arg = "PART",
     .doc = "A part of the scope, as haproxy.cfg sends it; one option for "
            "each, in order. Without it: in any scope"},
    {.name = "record-key",
     .key = OPTION_RECORD_KEY,
     .arg = "HEX",
     .doc = "The record key in place of KEY"},
    {0},
};

bool cli_record_key_read(const char *text, uint8_t ret_key[RECORD_KEY_SIZE])
{
	return strlen(text) == 2 * (size_t)RECORD_KEY_SIZE &&
	       hex_read(ret_key, text, RECORD_KEY_SIZE);
}

static void take_key(struct cli_selector *selector, const char *text,
                     struct argp_state *state)
{
	enum reason reason;

	if (selector->has_key)
		argp_error(state, "one KEY at a time: %s", text);
	reason = key_parse(spoe_span_of(text), &selector->key);
	if (reason != REASON_NONE)
		argp_error(state, "KEY: %s", reason_text(reason));
	selector->has_key = true;
}

static void take_scope(struct cli_selector *selector, const char *text,
                       struct argp_state *state)
{
	if (selector->n_scopes == DIGEST_SCOPES_MAX)
		argp_error(state, "--scope: at most %d parts",
		           DIGEST_SCOPES_MAX);
	selector->scopes[selector->n_scopes++] = spoe_span_of(text);
}

static void check(const struct cli_selector *selector, struct argp_state *state)
{
	if (selector->has_record_key == selector->has_key)
		argp_error(state,
		           "name the record: either KEY or --record-key");
	if (selector->n_scopes > 0 && selector->has_record_key)
		argp_error(state, "--record-key says it all: no --scope");
}

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct cli_selector *selector = state->input;

	switch (key) {
	case OPTION_SCOPE:
		take_scope(selector, value, state);
		return 0;
	case OPTION_RECORD_KEY:
		if (!cli_record_key_read(value, selector->record_key))
			argp_error(state,
			           "--record-key: expected %d hexadecimal "
			           "digits",
			           2 * RECORD_KEY_SIZE);
		selector->has_record_key = true;
		return 0;
	case ARGP_KEY_ARG:
		take_key(selector, value, state);
		return 0;
	case ARGP_KEY_END:
		check(selector, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp cli_select_argp = {.options = options, .parser = parse};

/* --- by record key ------------------------------------------------------- */

static bool append(struct cli_found *found, const uint8_t *record_key,
                   const struct record *record)
{
	struct cli_record *more = reallocarray(found->records, found->n + 1,
	                                       sizeof(found->records[0]));

	if (!more)
		return false;
	found->records = more;
	if (!cli_record_copy(&more[found->n], record_key, record))
		return false;
	found->n++;
	return true;
}

static enum cli_status look(struct cli_store *s,
                            const uint8_t record_key[RECORD_KEY_SIZE],
                            struct cli_found *found)
{
	struct record_op op = {.type = RECORD_OP_PEEK,
	                       .now_ms = clock_now_ms()};
	enum record_result result;
	enum cli_status status;

	found->records = calloc(1, sizeof(found->records[0]));
	if (!found->records) {
		fputs("out of memory\n", stderr);
		return CLI_FAILED;
	}
	memcpy(op.record_key, record_key, RECORD_KEY_SIZE);
	status = cli_store_do(s, &op, &result, &found->records[0]);
	if (status == CLI_DONE && result == RECORD_FOUND)
		found->n = 1;
	return status;
}

static enum cli_status look_in_scope(struct cli_store *s,
                                     const struct cli_selector *selector,
                                     struct cli_found *found)
{
	uint8_t record_key[RECORD_KEY_SIZE];
	struct digest *d = digest_new();
	bool hashed =
	    d && digest_record_key(d, selector->scopes, selector->n_scopes,
	                           key_span(&selector->key), record_key);

	digest_free(d);
	if (hashed)
		return look(s, record_key, found);
	fputs("cannot hash the key: out of memory\n", stderr);
	return CLI_FAILED;
}

/* --- in any scope ------------------------------------------------------- */

struct search {
	struct spoe_span key;
	uint64_t now_ms;
	struct cli_found *found;
	bool out_of_memory;
};

static bool on_record(void *cookie, const uint8_t *record_key,
                      const struct record *record)
{
	struct search *search = cookie;

	if (record->state == RECORD_NONE ||
	    !record_alive(record, search->now_ms) ||
	    !spoe_span_equal(record->key, search->key))
		return true;
	if (!append(search->found, record_key, record)) {
		search->out_of_memory = true;
		return false;
	}
	return search->found->n < FOUND_MAX;
}

static enum cli_status look_everywhere(struct cli_store *s,
                                       const struct cli_selector *selector,
                                       struct cli_found *found)
{
	struct search search = {.key = key_span(&selector->key),
	                        .now_ms = clock_now_ms(),
	                        .found = found};
	enum cli_status status = cli_store_scan(s, NULL, on_record, &search);

	if (!search.out_of_memory)
		return status;
	fputs("out of memory\n", stderr);
	return CLI_FAILED;
}

enum cli_status cli_select(struct cli_store *s,
                           const struct cli_selector *selector,
                           struct cli_found *ret_found)
{
	enum cli_status status;

	*ret_found = (struct cli_found){0};
	if (selector->has_record_key)
		status = look(s, selector->record_key, ret_found);
	else if (selector->n_scopes > 0)
		status = look_in_scope(s, selector, ret_found);
	else
		status = look_everywhere(s, selector, ret_found);
	if (status == CLI_DONE && ret_found->n == 0) {
		fputs("no such record: never seen, released, or expired\n",
		      stderr);
		status = CLI_NOT_FOUND;
	}
	if (status != CLI_DONE)
		cli_found_fini(ret_found);
	return status;
}

enum cli_status cli_select_one(struct cli_store *s,
                               const struct cli_selector *selector,
                               struct cli_found *ret_found)
{
	enum cli_status status = cli_select(s, selector, ret_found);

	if (status != CLI_DONE || ret_found->n == 1)
		return status;
	fputs(
	    "the key is used in several scopes; name one with --record-key:\n",
	    stderr);
	for (size_t i = 0; i < ret_found->n; i++)
		cli_print_row(&ret_found->records[i], s->config, clock_now_ms(),
		              stderr);
	cli_found_fini(ret_found);
	return CLI_USAGE;
}

void cli_found_fini(struct cli_found *found)
{
	for (size_t i = 0; i < found->n; i++)
		cli_record_fini(&found->records[i]);
	free(found->records);
	*found = (struct cli_found){0};
}
