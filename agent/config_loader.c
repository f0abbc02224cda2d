#include "agent/config_loader.h"

#include <stdarg.h>

#include "agent/config_value.h"
#include "agent/escape.h"

/* --- saying what is wrong --- */

enum { SHOWN_MAX = 100 };

/* Foreign text as messages show it: printable, and cut to fit. */
static const char *show(const char *text, char *ret_text, size_t size)
{
	static const char cut[] = "...";
	size_t used = 0;

	for (; *text; text++) {
		char escaped[ESCAPE_MAX + 1];

		/* Quotes and backslashes are no danger to a message. */
		if (*text == '"' || *text == '\\')
			snprintf(escaped, sizeof(escaped), "%c", *text);
		else
			escape_text(escaped, sizeof(escaped), text, 1);
		if (strlen(escaped) + sizeof(cut) > size - used) {
			strcpy(ret_text + used, cut);
			return ret_text;
		}
		strcpy(ret_text + used, escaped);
		used += strlen(escaped);
	}
	ret_text[used] = '\0';
	return ret_text;
}

void config_loader_complain(struct config_loader *l, unsigned line,
                            const char *format, ...)
{
	va_list arguments;

	l->mistakes++;
	if (line)
		fprintf(l->errors, "%s:%u: ", l->name, line);
	else
		fprintf(l->errors, "%s: ", l->name);
	va_start(arguments, format);
	vfprintf(l->errors, format, arguments);
	va_end(arguments);
	fputc('\n', l->errors);
}

/* "agent" or "policy NAME" */
static const char *name_of(const struct config_place *place,
                           char ret_text[SHOWN_MAX])
{
	const struct policy *policy = place->object;
	bool named = place->section == CONFIG_SECTION_POLICY && policy->name[0];

	snprintf(ret_text, SHOWN_MAX, "%s%s%s",
	         config_table_sections[place->section].name, named ? " " : "",
	         named ? policy->name : "");
	return ret_text;
}

void config_loader_complain_of(struct config_loader *l,
                               const struct config_place *place, unsigned line,
                               const char *key, const char *value,
                               const char *what)
{
	char section[SHOWN_MAX];
	char shown_key[SHOWN_MAX];
	char shown_value[SHOWN_MAX];
	char shown_what[CONFIG_LOADER_WHAT_MAX];

	config_loader_complain(l, line, "[%s] %s = %s: %s",
	                       name_of(place, section),
	                       show(key, shown_key, sizeof(shown_key)),
	                       show(value, shown_value, sizeof(shown_value)),
	                       show(what, shown_what, sizeof(shown_what)));
}

/* --- sections --- */

static void enter(struct config_loader *l, unsigned line,
                  struct config_place *place, enum config_section section,
                  void *object)
{
	char name[SHOWN_MAX];

	place->section = section;
	place->object = object;
	l->place = place;
	if (place->line)
		config_loader_complain(
		    l, line,
		    "[%s]: begins in line %u already; expected each "
		    "section once",
		    name_of(place, name), place->line);
	else
		place->line = line;
}

static void clear_policy(struct policy *policy)
{
	for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
		if (config_table_options[i].section == CONFIG_SECTION_POLICY)
			config_value_clear(&config_table_options[i], policy);
	}
}

/* Reads what follows into a policy that is thrown away. */
static void refuse_policy(struct config_loader *l, unsigned line)
{
	clear_policy(&l->refused_policy);
	memset(&l->refused, 0, sizeof(l->refused));
	enter(l, line, &l->refused, CONFIG_SECTION_POLICY, &l->refused_policy);
}

static bool is_policy_name(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && length <= POLICY_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

bool config_loader_add_policy(struct config_loader *l, unsigned line,
                              const char *name)
{
	struct config *config = l->config;
	uint32_t id = policy_id(name);
	struct policy *policy = &config->policies[config->n_policies];

	if (config->n_policies == CONFIG_POLICIES_MAX) {
		config_loader_complain(
		    l, line,
		    "[policy %s]: is one too many; expected %d policies "
		    "at most",
		    name, CONFIG_POLICIES_MAX);
		return false;
	}
	for (size_t i = 0; i < config->n_policies; i++) {
		if (config->policies[i].id != id)
			continue;
		/* Tickets and records know a policy by its id alone. */
		config_loader_complain(
		    l, line,
		    "[policy %s]: has the same checksum as [policy %s]; "
		    "expected another name",
		    name, config->policies[i].name);
		return false;
	}
	strcpy(policy->name, name);
	policy->id = id;
	config->n_policies++;
	return true;
}

static void enter_policy(struct config_loader *l, unsigned line,
                         const char *name)
{
	char shown[SHOWN_MAX];
	size_t i = 0;

	if (!is_policy_name(name)) {
		config_loader_complain(
		    l, line,
		    "[policy%s%s]: is no name of a policy; expected 1 to "
		    "%d characters of a-z, 0-9 and -",
		    *name ? " " : "", show(name, shown, sizeof(shown)),
		    POLICY_NAME_MAX);
		refuse_policy(l, line);
		return;
	}
	while (i < l->config->n_policies &&
	       strcmp(l->config->policies[i].name, name) != 0)
		i++;
	if (i == l->config->n_policies &&
	    !config_loader_add_policy(l, line, name)) {
		refuse_policy(l, line);
		return;
	}
	enter(l, line, &l->policies[i], CONFIG_SECTION_POLICY,
	      &l->config->policies[i]);
}

static enum config_section find_section(const char *name)
{
	int i = 0;

	while (i < CONFIG_SECTION_COUNT &&
	       strcmp(config_table_sections[i].name, name) != 0)
		i++;
	return (enum config_section)i;
}

static void complain_of_section(struct config_loader *l, unsigned line,
                                const char *name, const char *first_word)
{
	enum config_section nearest = config_table_nearest_section(first_word);
	bool policy = nearest == CONFIG_SECTION_POLICY;
	char shown[SHOWN_MAX];

	show(name, shown, sizeof(shown));
	if (nearest == CONFIG_SECTION_COUNT)
		config_loader_complain(
		    l, line,
		    "[%s]: there is no such section; expected [agent], "
		    "[log], [store], [encryption], [tls], [redis], "
		    "[notices] or [policy NAME]",
		    shown);
	else
		config_loader_complain(
		    l, line,
		    "[%s]: there is no such section; expected [%s%s], "
		    "perhaps",
		    shown, config_table_sections[nearest].name,
		    policy ? " NAME" : "");
}

static void take_section(void *cookie, unsigned line, const char *name)
{
	struct config_loader *l = cookie;
	enum config_section section;
	char word[SHOWN_MAX];
	const char *rest;

	l->in_section = true;
	l->place = &l->unknown;
	l->option = NULL;
	if (!name)
		return;
	rest = name + strcspn(name, " \t");
	snprintf(word, sizeof(word), "%.*s", (int)(rest - name), name);
	rest += strspn(rest, " \t");
	section = find_section(word);
	if (section == CONFIG_SECTION_POLICY)
		enter_policy(l, line, rest);
	else if (section != CONFIG_SECTION_COUNT && !*rest)
		enter(l, line, &l->sections[section], section, l->config);
	else
		complain_of_section(l, line, name, word);
}

/* --- pairs --- */

/* What to say of a key that the section does not have. */
static void unknown_key(enum config_section section, const char *key,
                        char *ret_text, size_t size)
{
	const struct config_option *nearest =
	    config_table_nearest(section, key);
	size_t used;

	if (nearest) {
		snprintf(ret_text, size,
		         "there is no such key; expected %s in [%s], perhaps",
		         nearest->key,
		         config_table_sections[nearest->section].name);
		return;
	}
	used = (size_t)snprintf(ret_text, size,
	                        "there is no such key; expected one of");
	for (size_t i = 0; i < CONFIG_OPTION_COUNT && used < size; i++) {
		const struct config_option *o = &config_table_options[i];

		if (o->section == section)
			used += (size_t)snprintf(ret_text + used, size - used,
			                         " %s", o->key);
	}
}

/* Whether an indented line looks like a pair of its own. */
static bool is_pair(enum config_section section, const char *text)
{
	char word[SHOWN_MAX];
	size_t length = strcspn(text, " \t=");

	snprintf(word, sizeof(word), "%.*s", (int)length, text);
	text += length;
	text += strspn(text, " \t");
	return *text == '=' && config_table_find(section, word);
}

/* Sets l->option of the section; `more` as in config_value_set(). */
static void set_value(struct config_loader *l, unsigned line, const char *value,
                      bool more)
{
	const struct config_option *o = l->option;
	char what[CONFIG_LOADER_WHAT_MAX];
	size_t used;

	if (config_value_set(o, l->place->object, value, more, what,
	                     sizeof(what)) == 0)
		return;
	used = strlen(what);
	if (strstr(value, " #"))
		snprintf(what + used, sizeof(what) - used,
		         " (a comment behind a value begins with ;)");
	config_loader_complain_of(l, l->place, line, o->key, value, what);
	l->place->wrong[o - config_table_options] = true;
}

static void take_more(struct config_loader *l, unsigned line, const char *key,
                      const char *value)
{
	if (!l->option)
		return;
	if (is_pair(l->place->section, value))
		config_loader_complain_of(
		    l, l->place, line, key, value,
		    "an indented line goes on with the value above it; "
		    "expected a key at the beginning of the line");
	else
		set_value(l, line, value, true);
}

/* Takes a pair whose key the section has. */
static void take_option(struct config_loader *l, unsigned line,
                        const struct config_option *o, const char *value)
{
	unsigned *set_in = &l->place->lines[o - config_table_options];
	char what[CONFIG_LOADER_WHAT_MAX];

	if (*set_in) {
		snprintf(what, sizeof(what),
		         "is set in line %u already; expected each key once",
		         *set_in);
		config_loader_complain_of(l, l->place, line, o->key, value,
		                          what);
		return;
	}
	*set_in = line;
	l->option = o;
	set_value(l, line, value, false);
}

static void take_pair(void *cookie, unsigned line, const char *key,
                      const char *value, bool more)
{
	struct config_loader *l = cookie;
	const struct config_option *o;
	char what[CONFIG_LOADER_WHAT_MAX];
	char shown[SHOWN_MAX];

	if (!l->in_section) {
		config_loader_complain(
		    l, line,
		    "%s: stands before the first section; expected a "
		    "[section] above it",
		    show(key, shown, sizeof(shown)));
		return;
	}
	if (!l->place->object)
		return;
	if (more) {
		take_more(l, line, key, value);
		return;
	}
	l->option = NULL;
	o = config_table_find(l->place->section, key);
	if (o) {
		take_option(l, line, o, value);
		return;
	}
	unknown_key(l->place->section, key, what, sizeof(what));
	config_loader_complain_of(l, l->place, line, key, value, what);
}

static void take_mistake(void *cookie, unsigned line, const char *text)
{
	config_loader_complain(cookie, line, "%s", text);
}

const struct config_file_handler config_loader_handler = {
    .section = take_section,
    .pair = take_pair,
    .mistake = take_mistake,
};

void config_loader_fini(struct config_loader *l)
{
	clear_policy(&l->refused_policy);
}
