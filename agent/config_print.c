#include "agent/config.h"

#include "agent/config_table.h"
#include "agent/config_value.h"
#include "agent/escape.h"
#include "agent/mdoc.h"

enum { LINE_MAX_COLUMNS = 78 };

static const char *apply_of(const struct config_option *o)
{
	return o->apply == CONFIG_APPLY_RELOAD ? "reload" : "restart";
}

/* --- a file with every value --- */

/* A list that does not fit the line goes on in indented ones. */
static void print_pair(const struct config_option *o, const void *object,
                       FILE *out)
{
	char item[CONFIG_VALUE_ITEM_SIZE];
	size_t column = (size_t)fprintf(out, "%s =", o->key);

	for (size_t i = 0; config_value_item(o, object, i, item); i++) {
		if (i > 0 && column + 1 + strlen(item) > LINE_MAX_COLUMNS)
			column = (size_t)fprintf(out, "\n       ") - 1;
		column += (size_t)fprintf(out, " %s", item);
	}
	fputc('\n', out);
}

static void print_section(enum config_section section, const void *object,
                          FILE *out)
{
	for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
		if (config_table_options[i].section == section)
			print_pair(&config_table_options[i], object, out);
	}
}

void config_print(const struct config *config, FILE *out)
{
	const char *path = config->path ? config->path : "defaults";
	char shown[CONFIG_VALUE_ITEM_SIZE];

	escape_text(shown, sizeof(shown), path, strlen(path));
	fprintf(out, "# spoa-idempotency %s: the configuration in force\n",
	        PROJECT_VERSION);
	fprintf(out, "# %s\n", shown);
	for (int s = 0; s < CONFIG_SECTION_COUNT; s++) {
		if (s == CONFIG_SECTION_POLICY)
			continue;
		fprintf(out, "\n[%s]\n", config_table_sections[s].name);
		print_section((enum config_section)s, config, out);
	}
	for (size_t i = 0; i < config->n_policies; i++) {
		fprintf(out, "\n[policy %s]\n", config->policies[i].name);
		print_section(CONFIG_SECTION_POLICY, &config->policies[i], out);
	}
}

/* --- the sample --- */

/* `text` as comment lines. */
static void print_comment(const char *text, FILE *out)
{
	size_t column = 0;

	while (*text) {
		int length = (int)strcspn(text, " ");

		if (column + 1 + (size_t)length > LINE_MAX_COLUMNS) {
			fputc('\n', out);
			column = 0;
		}
		if (column == 0)
			column = (size_t)fprintf(out, "#");
		column += (size_t)fprintf(out, " %.*s", length, text);
		text += length;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

static void print_sample_option(const struct config_option *o, FILE *out)
{
	char expected[CONFIG_VALUE_EXPECTED_SIZE];
	char text[CONFIG_VALUE_EXPECTED_SIZE + 80];

	fputc('\n', out);
	print_comment(o->help, out);
	config_value_expected(o, expected);
	snprintf(text, sizeof(text), "(%s; takes effect on %s)", expected,
	         apply_of(o));
	print_comment(text, out);
	fprintf(out, ";%s =%s%s\n", o->key, *o->fallback ? " " : "",
	        o->fallback);
}

void config_print_sample(FILE *out)
{
	print_comment(
	    "The agent's configuration; see spoa-idempotency.conf(5). Every "
	    "option is here at its default: remove the semicolon in front to "
	    "change it. Sizes are in bytes, or have k, M, G or T behind them; "
	    "durations always have ms, s, m, h or d. The items of a list stand "
	    "between spaces or commas, and may go on in an indented line. Then "
	    "`spoa-idempotency --check -c FILE` tells whether all is well. "
	    "SIGHUP reloads the file.",
	    out);
	for (int s = 0; s < CONFIG_SECTION_COUNT; s++) {
		fputc('\n', out);
		print_comment(config_table_sections[s].help, out);
		fprintf(out, "[%s%s]\n", config_table_sections[s].name,
		        s == CONFIG_SECTION_POLICY ? " default" : "");
		for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
			if (config_table_options[i].section ==
			    (enum config_section)s)
				print_sample_option(&config_table_options[i],
				                    out);
		}
	}
}

/* --- the manual --- */

static void print_manual_option(const struct config_option *o, FILE *out)
{
	char expected[CONFIG_VALUE_EXPECTED_SIZE];

	fputs(".It Cm ", out);
	mdoc_literal(o->key, (int)strlen(o->key), out);
	fputc('\n', out);
	mdoc_text(o->help, out);
	config_value_expected(o, expected);
	fprintf(out, ".Pp\nValue: %s.\n.br\nDefault: ", expected);
	mdoc_literal(*o->fallback ? o->fallback : "empty",
	             (int)strlen(*o->fallback ? o->fallback : "empty"), out);
	fprintf(out, "\n.br\nTakes effect on %s.\n", apply_of(o));
}

void config_print_manual(FILE *out)
{
	for (int s = 0; s < CONFIG_SECTION_COUNT; s++) {
		fprintf(out, ".Ss [%s%s]\n", config_table_sections[s].name,
		        s == CONFIG_SECTION_POLICY ? " NAME" : "");
		mdoc_text(config_table_sections[s].help, out);
		fputs(".Bl -tag -width Ds\n", out);
		for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
			if (config_table_options[i].section ==
			    (enum config_section)s)
				print_manual_option(&config_table_options[i],
				                    out);
		}
		fputs(".El\n", out);
	}
}
