/* agent/config_table.h: agent/options.def as a table in memory. Private to
 * config*.c. */
#ifndef AGENT_CONFIG_TABLE_H
#define AGENT_CONFIG_TABLE_H

#include "agent/config.h"

enum config_section {
#define SECTION(id, name, help) CONFIG_SECTION_##id,
#define OPTION(section, key, field, type, default_, min, max, apply, help)
#define OPTION_CHOICE(section, key, field, type, default_, choices, apply, help)
#include "agent/options.def"
#undef SECTION
#undef OPTION
#undef OPTION_CHOICE
	CONFIG_SECTION_COUNT
};

/* The rows' numbers: CONFIG_POLICY_lock_ttl_ms, ... */
enum config_option_id {
#define SECTION(id, name, help)
#define OPTION(section, key, field, type, default_, min, max, apply, help) \
	CONFIG_##section##_##field,
#define OPTION_CHOICE(section, key, field, type, default_, choices, apply, \
                      help)                                                \
	CONFIG_##section##_##field,
#include "agent/options.def"
#undef SECTION
#undef OPTION
#undef OPTION_CHOICE
	CONFIG_OPTION_COUNT
};

/* How a value is written, and what its field is. */
enum config_type {
	CONFIG_TYPE_COUNT,       /* 12; uint64_t */
	CONFIG_TYPE_SIZE,        /* 4096, 16k, 1M, 2G, 1T (binary); uint64_t */
	CONFIG_TYPE_DURATION_MS, /* 400ms, 5s, 10m, 1h, 2d; uint64_t */
	CONFIG_TYPE_DURATION_S,  /* the same; uint64_t, in seconds */
	CONFIG_TYPE_MODE,        /* 0660; unsigned */
	CONFIG_TYPE_CHOICE,      /* one of the choices; an enum */
	CONFIG_TYPE_NAME,        /* one of the choices; owned text */
	CONFIG_TYPE_PATH,        /* /absolute; owned text of min..max bytes;
	                          * min 0: or nothing */
	CONFIG_TYPE_WORD,        /* letters, digits, `._:@+-`; owned text of
	                          * min..max bytes */
	/* Lists of min..max items, between spaces or commas. */
	CONFIG_TYPE_ADDRESSES, /* config.listen and config.notices_listen */
	CONFIG_TYPE_SERVERS,   /* config.redis_servers */
	CONFIG_TYPE_STATUSES,  /* struct policy_statuses */
	CONFIG_TYPE_FLAGS,     /* some of the choices; unsigned, a bit each */
	CONFIG_TYPE_HEADERS,   /* policy.drops, policy.n_drops */
	CONFIG_TYPE_MEMBERS,   /* policy.excluded, policy.n_excluded */
	CONFIG_TYPES
};

struct config_choice {
	const char *text; /* NULL ends a table of choices */
	unsigned value;
};

enum config_apply { CONFIG_APPLY_RELOAD, CONFIG_APPLY_RESTART };

struct config_option {
	enum config_section section;
	const char *key;
	enum config_type type;
	size_t offset; /* in struct config, or in struct policy */
	const char *fallback;
	uint64_t min;
	uint64_t max;
	const struct config_choice *choices;
	enum config_apply apply;
	const char *help;
};

struct config_section_row {
	const char *name;
	const char *help;
};

extern const struct config_option config_table_options[CONFIG_OPTION_COUNT];
extern const struct config_section_row
    config_table_sections[CONFIG_SECTION_COUNT];

/* What a policy that follows `preset` has where its section does not say
 * otherwise; NULL when the presets do not speak of this option. */
const char *config_table_preset(enum policy_preset preset,
                                const struct config_option *o);

/* The option called `key` in `section`, or NULL. */
const struct config_option *config_table_find(enum config_section section,
                                              const char *key);

/* The option that `key` is a slip of the pen for, in `section` rather than
 * elsewhere; NULL when none is much like it. */
const struct config_option *config_table_nearest(enum config_section section,
                                                 const char *key);

/* The same for the name of a section; CONFIG_SECTION_COUNT when none is. */
enum config_section config_table_nearest_section(const char *name);

#endif
