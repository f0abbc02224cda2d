/* agent/config_loader.h: takes the sections and pairs of a file into a struct
 * config, and says what is wrong with them. Private to config*.c. */
#ifndef AGENT_CONFIG_LOADER_H
#define AGENT_CONFIG_LOADER_H

#include "agent/config_file.h"
#include "agent/config_table.h"

enum { CONFIG_LOADER_WHAT_MAX = 400 }; /* a text of what is wrong */

/* What a section's pairs are written to. */
struct config_place {
	enum config_section section;
	void *object;  /* struct config or struct policy; NULL: nothing */
	unsigned line; /* of its [section]; 0: there is none */
	/* Where each option was set; 0: it was not. */
	unsigned lines[CONFIG_OPTION_COUNT];
	/* Its value was said to be wrong. */
	bool wrong[CONFIG_OPTION_COUNT];
};

struct config_loader {
	struct config *config;
	const char *name; /* of the file, for messages */
	FILE *errors;
	size_t mistakes;
	bool in_section; /* the first [section] has come */
	/* The section being read, and its option that an indented line would
	 * go on with; NULL: none. */
	struct config_place *place;
	const struct config_option *option;
	struct config_place sections[CONFIG_SECTION_COUNT]; /* but POLICY's */
	struct config_place policies[CONFIG_POLICIES_MAX];
	/* Where the pairs of a policy go that cannot be added: they are looked
	 * at all the same. */
	struct config_place refused;
	struct policy refused_policy;
	struct config_place unknown;
};

/* The call-backs that read a file into a loader, their cookie. It begins with
 * its config, name and errors set, `place` pointing to `unknown`, all else 0,
 * and config_loader_add_policy() called for "default". */
extern const struct config_file_handler config_loader_handler;

/* Adds a policy; false, after saying why, when it cannot be. */
bool config_loader_add_policy(struct config_loader *l, unsigned line,
                              const char *name);

/* Frees what the loader itself owns. */
void config_loader_fini(struct config_loader *l);

/* Writes one line to `errors` and counts it; `line` 0 is the whole file. */
__attribute__((format(printf, 3, 4))) void config_loader_complain(
    struct config_loader *l, unsigned line, const char *format, ...);

/* The same about a pair of `place`. */
void config_loader_complain_of(struct config_loader *l,
                               const struct config_place *place, unsigned line,
                               const char *key, const char *value,
                               const char *what);

#endif
