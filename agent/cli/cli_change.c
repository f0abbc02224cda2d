/* What an operator may do to one record: release, seal, forget. All three are
 * a settle with the owner that the record names, so an answer of the
 * application that comes in between wins, and nothing is overwritten unseen. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/cli/cli_print.h"
#include "agent/cli/cli_private.h"
#include "agent/cli/cli_select.h"
#include "agent/clock.h"
#include "agent/core/idem.h"

enum { OPTION_YES = 256 };

/* One of the three. */
struct change {
	const char *warning; /* what it means, before it is confirmed */
	const char *done;
	bool (*allowed)(const struct record *record);
	const char *advice; /* when it is not */
	enum record_state to;
	bool any_state;
};

struct arguments {
	const struct change *change;
	struct cli_selector selector;
	bool yes;
};

static const struct argp_option options[] = {
    {.name = "yes", .key = OPTION_YES, .doc = "Do not ask"},
    {0},
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct arguments *a = state->input;

	(void)value;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->selector;
		return 0;
	case OPTION_YES:
		a->yes = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static bool confirmed(const char *warning)
{
	char answer[8];

	if (!isatty(STDIN_FILENO)) {
		fputs("nobody to ask: say --yes\n", stderr);
		return false;
	}
	fprintf(stderr, "%s Do it? [y/N] ", warning);
	if (!fgets(answer, sizeof(answer), stdin))
		return false;
	return answer[0] == 'y' || answer[0] == 'Y';
}

static enum cli_status apply(struct cli_store *s, const struct change *change,
                             const struct cli_record *r)
{
	const uint64_t now_ms = clock_now_ms();
	const struct policy *policy =
	    config_policy_by_id(s->config, r->record.policy_id);
	struct record_op op = {
	    .type = RECORD_OP_SETTLE,
	    .now_ms = now_ms,
	    .any_state = change->any_state,
	};
	enum record_result result;
	enum cli_status status;

	memcpy(op.record_key, r->record_key, RECORD_KEY_SIZE);
	idem_settle(change->to, policy, r->record.owner, now_ms, &op.record);
	status = cli_store_do(s, &op, &result, NULL);
	if (status != CLI_DONE)
		return status;
	if (result == RECORD_SETTLED) {
		puts(change->done);
		return CLI_DONE;
	}
	fputs("not done: the record changed meanwhile; look again\n", stderr);
	return CLI_UNCHANGED;
}

static enum cli_status decide(struct cli_store *s, const struct change *change,
                              const struct cli_record *r, bool yes)
{
	const struct cli_print_options none = {.body_max = 0};

	if (r->record.state == RECORD_NONE) {
		fputs("not done: the record cannot be read\n", stderr);
		return CLI_FAILED;
	}
	if (!yes)
		cli_print_record(r, s->config, clock_now_ms(), &none, stderr);
	if (!change->allowed(&r->record)) {
		fprintf(stderr, "not done: the record is %s; %s\n",
		        cli_state_name(r->record.state), change->advice);
		return CLI_UNCHANGED;
	}
	if (!yes && !confirmed(change->warning))
		return CLI_UNCHANGED;
	return apply(s, change, r);
}

static enum cli_status change_one(struct cli_store *s, void *cookie)
{
	const struct arguments *a = cookie;
	struct cli_found found;
	enum cli_status status = cli_select_one(s, &a->selector, &found);

	if (status != CLI_DONE)
		return status;
	status = decide(s, a->change, &found.records[0], a->yes);
	cli_found_fini(&found);
	return status;
}

static enum cli_status run(const struct change *change, const char *config_path,
                           int argc, char **argv)
{
	const struct argp_child children[] = {{.argp = &cli_select_argp}, {0}};
	struct argp argp = {
	    .options = options, .parser = parse, .children = children};
	struct arguments a = {.change = change};

	cli_parse(&argp, argc, argv, &a);
	return cli_store_with(config_path, false, change_one, &a);
}

static bool is_locked(const struct record *record)
{
	return record->state == RECORD_LOCKED;
}

static bool is_open(const struct record *record)
{
	return record->state == RECORD_LOCKED ||
	       record->state == RECORD_PENDING;
}

static bool is_any(const struct record *record)
{
	(void)record;
	return true;
}

enum cli_status cli_release(const char *config_path, int argc, char **argv)
{
	static const struct change release = {
	    .warning =
		"The next request with this key will be executed. If this "
		"one ran, that is twice.",
	    .done = "released",
	    .allowed = is_locked,
	    .advice =
		"only a lock can be released; `forget` removes any record",
	    .to = RECORD_NONE,
	};

	return run(&release, config_path, argc, argv);
}

enum cli_status cli_seal(const char *config_path, int argc, char **argv)
{
	static const struct change seal = {
	    .warning =
		"Repetitions will be answered `unknown`, and none will be "
		"executed.",
	    .done = "sealed",
	    .allowed = is_open,
	    .advice = "only what has not ended can be sealed",
	    .to = RECORD_SEALED,
	};

	return run(&seal, config_path, argc, argv);
}

enum cli_status cli_forget(const char *config_path, int argc, char **argv)
{
	static const struct change forget = {
	    .warning = "The next request with this key will be executed, again "
		       "if it was before.",
	    .done = "forgotten",
	    .allowed = is_any,
	    .advice = "",
	    .to = RECORD_NONE,
	    .any_state = true,
	};

	return run(&forget, config_path, argc, argv);
}
