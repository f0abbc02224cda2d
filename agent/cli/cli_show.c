#include <stdlib.h>

#include "agent/cli/cli_print.h"
#include "agent/cli/cli_private.h"
#include "agent/cli/cli_select.h"
#include "agent/clock.h"
#include "agent/config_text.h"

enum { OPTION_BODY = 256, OPTION_SECRETS, OPTION_JSON, BODY_DEFAULT = 1024 };

struct arguments {
	struct cli_selector selector;
	struct cli_print_options print;
	bool json;
};

static const struct argp_option options[] = {
    {.name = "body",
     .key = OPTION_BODY,
     .arg = "BYTES",
     .flags = OPTION_ARG_OPTIONAL,
     .doc = "Show the beginning of the body, 1k unless BYTES says otherwise"},
    {.name = "secrets",
     .key = OPTION_SECRETS,
     .doc = "Show headers that may hold secrets, too"},
    {.name = "json", .key = OPTION_JSON, .doc = "One line of JSON a record"},
    {0},
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct arguments *a = state->input;
	char error[64];

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->selector;
		return 0;
	case OPTION_BODY:
		a->print.body_max = BODY_DEFAULT;
		if (value && config_text_bytes(value, &a->print.body_max, error,
		                               sizeof(error)) != 0)
			argp_error(state, "--body=%s: %s", value, error);
		return 0;
	case OPTION_SECRETS:
		a->print.secrets = true;
		return 0;
	case OPTION_JSON:
		a->json = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void print(const struct cli_found *found, const struct cli_store *s,
                  const struct arguments *a)
{
	const uint64_t now_ms = clock_now_ms();

	for (size_t i = 0; i < found->n; i++) {
		if (a->json) {
			cli_print_json(&found->records[i], s->config, now_ms,
			               &a->print, stdout);
			continue;
		}
		if (i > 0)
			putchar('\n');
		cli_print_record(&found->records[i], s->config, now_ms,
		                 &a->print, stdout);
	}
}

static enum cli_status show(struct cli_store *s, void *cookie)
{
	const struct arguments *a = cookie;
	struct cli_found found;
	enum cli_status status = cli_select(s, &a->selector, &found);

	if (status != CLI_DONE)
		return status;
	print(&found, s, a);
	cli_found_fini(&found);
	return CLI_DONE;
}

enum cli_status cli_show(const char *config_path, int argc, char **argv)
{
	const struct argp_child children[] = {{.argp = &cli_select_argp}, {0}};
	struct argp argp = {
	    .options = options, .parser = parse, .children = children};
	struct arguments a = {.json = false};

	cli_parse(&argp, argc, argv, &a);
	return cli_store_with(config_path, false, show, &a);
}
