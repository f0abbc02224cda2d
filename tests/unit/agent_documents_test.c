/* One fact, one place: what the documents say of the tables is what the tables
 * say. With UPDATE_DOCUMENTS in the environment the documents are written
 * first; then look at the difference and commit it with the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>

#include "agent/cli/cli.h"
#include "agent/config_table.h"
#include "agent/core/idem.h"
#include "agent/metrics.h"
#include "tests/unit/agent_config_rig.h"

#define ROOT TESTS_DIR "/../"

/* --- files --- */

static char *read_file(const char *path)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = fopen(path, "r");

	if (!f)
		fail_msg("%s is not there", path);
	/* No document has a NUL byte. */
	if (getdelim(&text, &size, '\0', f) < 0)
		fail_msg("%s is empty", path);
	fclose(f);
	return text;
}

static void write_file(const char *path, const char *before, size_t length,
                       const char *part, const char *after)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fprintf(f, "%.*s%s%s", (int)length, before, part, after);
	fclose(f);
}

static bool updating(void)
{
	return getenv("UPDATE_DOCUMENTS") != NULL;
}

/* The part of `text` between the lines that hold `begin` and `end`. */
static char *find_part(const char *path, char *text, const char *begin,
                       const char *end, char **ret_end)
{
	char *from = strstr(text, begin);
	char *to = from ? strstr(from, end) : NULL;

	if (!to)
		fail_msg("%s: no %s and %s", path, begin, end);
	*ret_end = to;
	return from + strlen(begin);
}

/* --- what must be there --- */

static char *generated(void (*print)(FILE *out))
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	print(out);
	fclose(out);
	return text;
}

static void print_entry(FILE *out, const char *text, const char *help)
{
	fprintf(out, ".It Cm %s\n%c%s.\n", text,
	        toupper((unsigned char)help[0]), help + 1);
}

static void print_verdicts(FILE *out)
{
	fputs(".Bl -tag -width Ds\n", out);
#define IDEM_VERDICT(name, text, help) print_entry(out, text, help);
#include "agent/core/verdict.def"
#undef IDEM_VERDICT
	fputs(".El\n", out);
}

static void print_outcomes(FILE *out)
{
	fputs(".Bl -tag -width Ds\n", out);
#define IDEM_OUTCOME(name, text, help) print_entry(out, text, help);
#include "agent/core/outcome.def"
#undef IDEM_OUTCOME
	fputs(".El\n", out);
}

static void print_reason(FILE *out, const char *text)
{
	if (*text)
		fprintf(out, ".It\n%s\n", text);
}

static void print_reasons(FILE *out)
{
	fputs(".Bl -bullet -compact\n", out);
#define IDEM_REASON(name, text) print_reason(out, text);
#include "agent/core/reason.def"
#undef IDEM_REASON
	fputs(".El\n", out);
}

/* Up to where the first sentence of `help` ends. */
static int first_sentence(const char *help)
{
	const char *end = strstr(help, ". ");

	return (int)(end ? (size_t)(end - help) : strlen(help) - 1);
}

static void print_options_table(FILE *out)
{
	fputs("\n| option | default | what it is |\n|---|---|---|\n", out);
	for (int s = 0; s < CONFIG_SECTION_COUNT; s++) {
		const struct config_section_row *row =
		    &config_table_sections[s];

		fprintf(out, "| **[%s%s]** | | %.*s |\n", row->name,
		        s == CONFIG_SECTION_POLICY ? " NAME" : "",
		        first_sentence(row->help), row->help);
		for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
			const struct config_option *o =
			    &config_table_options[i];

			if (o->section == (enum config_section)s)
				fprintf(out, "| `%s` | %s%s%s | %.*s |\n",
				        o->key, *o->fallback ? "`" : "",
				        *o->fallback ? o->fallback : "empty",
				        *o->fallback ? "`" : "",
				        first_sentence(o->help), o->help);
		}
	}
	fputc('\n', out);
}

/* What the presets set, as a table of Markdown and as source of the manual. */
static void print_presets(FILE *out, const char *row)
{
	for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
		const struct config_option *o = &config_table_options[i];

		if (config_table_preset(POLICY_PRESET_IETF, o))
			fprintf(
			    out, row, o->key,
			    config_table_preset(POLICY_PRESET_IETF, o),
			    config_table_preset(POLICY_PRESET_STRIPE_V1, o));
	}
}

static void print_presets_table(FILE *out)
{
	fputs("\n| option | `ietf` | `stripe-v1` |\n|---|---|---|\n", out);
	print_presets(out, "| `%s` | `%s` | `%s` |\n");
	fputc('\n', out);
}

static void print_presets_manual(FILE *out)
{
	print_presets(out, ".It Cm %s\nietf: %s\n.br\nstripe\\-v1: %s\n");
}

static const struct {
	const char *path;  /* below the root */
	const char *begin; /* the part that is written; NULL: all of it */
	const char *end;
	void (*print)(FILE *out);
} parts[] = {
    {"haproxy/spoa-idempotency.ini", NULL, NULL, config_print_sample},
    {"README.md", "<!-- BEGIN options -->\n", "<!-- END options -->",
     print_options_table},
    {"README.md", "<!-- BEGIN presets -->\n", "<!-- END presets -->",
     print_presets_table},
    {"haproxy/man/spoa-idempotency.conf.5", ".\\\" BEGIN presets\n",
     ".\\\" END presets\n", print_presets_manual},
    {"haproxy/man/spoa-idempotency.conf.5", ".\\\" BEGIN options\n",
     ".\\\" END options\n", config_print_manual},
    {"README.md", "<!-- BEGIN metrics -->\n", "<!-- END metrics -->",
     metrics_print_table},
    {"haproxy/man/spoa-idempotency.8", ".\\\" BEGIN metrics\n",
     ".\\\" END metrics\n", metrics_print_manual},
    {"haproxy/man/spoa-idempotency.8", ".\\\" BEGIN commands\n",
     ".\\\" END commands\n", cli_print_manual},
    {"haproxy/man/spoa-idempotency.8", ".\\\" BEGIN verdicts\n",
     ".\\\" END verdicts\n", print_verdicts},
    {"haproxy/man/spoa-idempotency.8", ".\\\" BEGIN outcomes\n",
     ".\\\" END outcomes\n", print_outcomes},
    {"haproxy/man/spoa-idempotency.8", ".\\\" BEGIN reasons\n",
     ".\\\" END reasons\n", print_reasons},
    {"haproxy/man/spoa-idempotency.8", ".\\\" BEGIN events\n",
     ".\\\" END events\n", log_print_manual},
};

static void say_what_the_tables_say(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		char path[512];
		char *expected = generated(parts[i].print);
		char *text;
		char *part;
		char *end;

		snprintf(path, sizeof(path), ROOT "%s", parts[i].path);
		if (updating() && !parts[i].begin)
			write_file(path, "", 0, expected, "");
		text = read_file(path);
		part = text;
		end = text + strlen(text);
		if (parts[i].begin)
			part = find_part(path, text, parts[i].begin,
			                 parts[i].end, &end);
		if (updating()) {
			write_file(path, text, (size_t)(part - text), expected,
			           end);
		} else {
			*end = '\0';
			print_message("%s, %s", parts[i].path,
			              parts[i].begin ? parts[i].begin
			                             : "all of it\n");
			assert_string_equal(part, expected);
		}
		free(text);
		free(expected);
	}
}

/* The number that the manual tells of is the number. */
static void the_manual_knows_the_burst(void **state)
{
	char *text = read_file(ROOT "haproxy/man/spoa-idempotency.8");
	char burst[32];

	(void)state;
	snprintf(burst, sizeof(burst), "at most %d lines", LOG_BURST);
	assert_non_null(strstr(text, burst));
	free(text);
}

/* The example in the manual is one. */
static void the_example_is_valid(void **state)
{
	const char *path = ROOT "haproxy/man/spoa-idempotency.conf.5";
	char *text = read_file(path);
	char *end;
	char *example =
	    find_part(path, text, ".Bd -literal -offset indent\n", ".Ed", &end);
	struct config *config;

	(void)state;
	*end = '\0';
	config = rig_good(example);
	assert_int_equal(config->n_listen, 2);
	assert_int_equal(config->n_policies, 2);
	config_unref(config);
	free(text);
}

/* mandoc(1) finds nothing to complain of. */
static void the_manual_is_clean(void **state)
{
	char line[512];
	FILE *lint = popen(
	    "mandoc -T lint -W warning '" ROOT "'haproxy/man/*.[58] 2>&1", "r");

	(void)state;
	assert_non_null(lint);
	while (fgets(line, sizeof(line), lint))
		print_message("%s", line);
	assert_int_equal(pclose(lint), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(say_what_the_tables_say),
	    cmocka_unit_test(the_manual_knows_the_burst),
	    cmocka_unit_test(the_example_is_valid),
	    cmocka_unit_test(the_manual_is_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
