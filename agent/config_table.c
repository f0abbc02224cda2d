#include "agent/config_table.h"

#include <stdlib.h>

/* --- what options.def speaks of --- */

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };
#define DAY (UINT64_C(24) * HOUR)

static const struct config_choice pipelinings[] = {
    {"auto", SPOE_PIPELINING_AUTO},
    {"on", SPOE_PIPELINING_ON},
    {"off", SPOE_PIPELINING_OFF},
    {0},
};

static const struct config_choice log_targets[] = {
    {"auto", LOG_TARGET_AUTO},
    {"stderr", LOG_TARGET_STDERR},
    {"journal", LOG_TARGET_JOURNAL},
    {"syslog", LOG_TARGET_SYSLOG},
    {0},
};

static const struct config_choice log_levels[] = {
    {"error", LOG_LEVEL_ERROR},
    {"warning", LOG_LEVEL_WARNING},
    {"info", LOG_LEVEL_INFO},
    {"debug", LOG_LEVEL_DEBUG},
    {0},
};

static const struct config_choice store_drivers[] = {
    {.text = "lmdb"},
    {.text = "redis"},
    {0},
};

static const struct config_choice switches[] = {
    {"on", true},
    {"off", false},
    {0},
};

static const struct config_choice encryption_plains[] = {
    {"accept", CONFIG_PLAIN_ACCEPT},
    {"refuse", CONFIG_PLAIN_REFUSE},
    {0},
};

static const struct config_choice redis_modes[] = {
    {"single", REDIS_MODE_SINGLE},
    {"sentinel", REDIS_MODE_SENTINEL},
    {"cluster", REDIS_MODE_CLUSTER},
    {0},
};

static const struct config_choice redis_evictions[] = {
    {"refuse", CONFIG_EVICTION_REFUSE},
    {"allow", CONFIG_EVICTION_ALLOW},
    {0},
};

static const struct config_choice durabilities[] = {
    {"commit", STORE_DURABILITY_COMMIT},
    {"none", STORE_DURABILITY_NONE},
    {0},
};

static const struct config_choice presets[] = {
    {"ietf", POLICY_PRESET_IETF},
    {"stripe-v1", POLICY_PRESET_STRIPE_V1},
    {0},
};

static const struct config_choice fingerprint_parts[] = {
    {"method", POLICY_PART_METHOD}, {"path", POLICY_PART_PATH},
    {"query", POLICY_PART_QUERY},   {"body", POLICY_PART_BODY},
    {"digest", POLICY_PART_DIGEST}, {0},
};

static const struct config_choice fingerprint_bodies[] = {
    {"bytes", POLICY_BODY_BYTES},
    {"json", POLICY_BODY_JSON},
    {0},
};

static const struct config_choice oversize_requests[] = {
    {"partial", POLICY_OVERSIZE_PARTIAL},
    {"reject", POLICY_OVERSIZE_REJECT},
    {0},
};

static const struct config_choice lock_expiries[] = {
    {"retry", POLICY_EXPIRY_RETRY},
    {"hold", POLICY_EXPIRY_HOLD},
    {0},
};

static const struct config_choice oversizes[] = {
    {"seal", POLICY_OVERSIZE_SEAL},
    {"release", POLICY_OVERSIZE_RELEASE},
    {0},
};

static const struct config_choice unknown_outcomes[] = {
    {"hold", POLICY_UNKNOWN_HOLD},
    {"release", POLICY_UNKNOWN_RELEASE},
    {"seal", POLICY_UNKNOWN_SEAL},
    {0},
};

static const struct config_choice unconfirmeds[] = {
    {"seal", POLICY_UNCONFIRMED_SEAL},
    {"trust", POLICY_UNCONFIRMED_TRUST},
    {0},
};

/* --- the table --- */

/* What a section's fields are of. */
#define OBJECT_AGENT      struct config
#define OBJECT_LOG        struct config
#define OBJECT_STORE      struct config
#define OBJECT_ENCRYPTION struct config
#define OBJECT_REDIS      struct config
#define OBJECT_NOTICES    struct config
#define OBJECT_ADMIN      struct config
#define OBJECT_TLS        struct config
#define OBJECT_POLICY     struct policy

const struct config_option config_table_options[CONFIG_OPTION_COUNT] = {
#define SECTION(id, name, help)
#define OPTION(section_, key_, field_, type_, default_, min_, max_, apply_, \
               help_)                                                       \
	[CONFIG_##section_##_##field_] = {                                  \
	    .section = CONFIG_SECTION_##section_,                           \
	    .key = key_,                                                    \
	    .type = CONFIG_TYPE_##type_,                                    \
	    .offset = offsetof(OBJECT_##section_, field_),                  \
	    .fallback = default_,                                           \
	    .min = min_,                                                    \
	    .max = max_,                                                    \
	    .apply = CONFIG_APPLY_##apply_,                                 \
	    .help = help_,                                                  \
	},
#define OPTION_CHOICE(section_, key_, field_, type_, default_, choices_, \
                      apply_, help_)                                     \
	[CONFIG_##section_##_##field_] = {                               \
	    .section = CONFIG_SECTION_##section_,                        \
	    .key = key_,                                                 \
	    .type = CONFIG_TYPE_##type_,                                 \
	    .offset = offsetof(OBJECT_##section_, field_),               \
	    .fallback = default_,                                        \
	    .choices = choices_,                                         \
	    .apply = CONFIG_APPLY_##apply_,                              \
	    .help = help_,                                               \
	},
#include "agent/options.def"
#undef SECTION
#undef OPTION
#undef OPTION_CHOICE
};

const struct config_section_row config_table_sections[CONFIG_SECTION_COUNT] = {
#define SECTION(id, name_, help_) [CONFIG_SECTION_##id] = {name_, help_},
#define OPTION(section, key, field, type, default_, min, max, apply, help)
#define OPTION_CHOICE(section, key, field, type, default_, choices, apply, help)
#include "agent/options.def"
#undef SECTION
#undef OPTION
#undef OPTION_CHOICE
};

/* Every field has the size that its type writes. */
#define FIELD(object, field) (((object *)0)->field)
#define SIZE_COUNT           sizeof(uint64_t)
#define SIZE_SIZE            sizeof(uint64_t)
#define SIZE_DURATION_MS     sizeof(uint64_t)
#define SIZE_DURATION_S      sizeof(uint64_t)
#define SIZE_MODE            sizeof(unsigned)
#define SIZE_CHOICE          sizeof(unsigned)
#define SIZE_NAME            sizeof(char *)
#define SIZE_PATH            sizeof(char *)
#define SIZE_WORD            sizeof(char *)
#define SIZE_SERVERS         sizeof(FIELD(struct config, redis_servers))
#define SIZE_ADDRESSES       sizeof(FIELD(struct config, listen))
#define SIZE_STATUSES        sizeof(struct policy_statuses)
#define SIZE_FLAGS           sizeof(unsigned)
#define SIZE_HEADERS         sizeof(FIELD(struct policy, drops))
#define SIZE_MEMBERS         sizeof(FIELD(struct policy, excluded))
#define SECTION(id, name, help)
#define OPTION(section, key, field, type, default_, min, max, apply, help)    \
	_Static_assert(sizeof(FIELD(OBJECT_##section, field)) == SIZE_##type, \
	               "the field of " key);
#define OPTION_CHOICE(section, key, field, type, default_, choices, apply, \
                      help)                                                \
	OPTION(section, key, field, type, default_, 0, 0, apply, help)
#include "agent/options.def"
#undef SECTION
#undef OPTION
#undef OPTION_CHOICE

/* --- presets --- */

static const struct {
	enum policy_preset preset;
	enum config_option_id option;
	const char *text;
} preset_values[] = {
#define PRESET_VALUE(preset, field, text) \
	{POLICY_PRESET_##preset, CONFIG_POLICY_##field, text},
#include "agent/presets.def"
#undef PRESET_VALUE
};

const char *config_table_preset(enum policy_preset preset,
                                const struct config_option *o)
{
	const char *text = NULL;

	for (size_t i = 0; i < sizeof(preset_values) / sizeof(*preset_values);
	     i++) {
		if (&config_table_options[preset_values[i].option] != o)
			continue;
		if (preset_values[i].preset == preset)
			return preset_values[i].text;
		text = o->fallback;
	}
	return text;
}

/* --- finding --- */

const struct config_option *config_table_find(enum config_section section,
                                              const char *key)
{
	for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
		const struct config_option *o = &config_table_options[i];

		if (o->section == section && strcmp(o->key, key) == 0)
			return o;
	}
	return NULL;
}

enum { WORD_MAX = 31 };
#define UNLIKE UINT32_MAX

/* Levenshtein's distance, one row of his table at a time; `b` is at most
 * WORD_MAX long. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[WORD_MAX + 1];
	size_t length = strlen(b);

	for (size_t j = 0; j <= length; j++)
		row[j] = (unsigned)j;
	for (size_t i = 0; a[i]; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i + 1;
		for (size_t j = 0; j < length; j++) {
			unsigned best = diagonal + (a[i] != b[j]);

			diagonal = row[j + 1];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (diagonal + 1 < best)
				best = diagonal + 1;
			row[j + 1] = best;
		}
	}
	return row[length];
}

/* How many letters are wrong in `written` for `meant`; UNLIKE when nobody would
 * have meant it. */
static unsigned unlikeness(const char *written, const char *meant)
{
	unsigned differ;

	if (strlen(written) > WORD_MAX)
		return UNLIKE;
	differ = distance(written, meant);
	return differ <= 1 + strlen(meant) / 4 ? differ : UNLIKE;
}

const struct config_option *config_table_nearest(enum config_section section,
                                                 const char *key)
{
	const struct config_option *nearest = NULL;
	unsigned least = UNLIKE;

	for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
		const struct config_option *o = &config_table_options[i];
		unsigned differ = unlikeness(key, o->key);
		bool here = o->section == section;

		if (differ < least || (differ == least && nearest && here &&
		                       nearest->section != section)) {
			least = differ;
			nearest = o;
		}
	}
	return nearest;
}

enum config_section config_table_nearest_section(const char *name)
{
	enum config_section nearest = CONFIG_SECTION_COUNT;
	unsigned least = UNLIKE;

	for (int i = 0; i < CONFIG_SECTION_COUNT; i++) {
		unsigned differ =
		    unlikeness(name, config_table_sections[i].name);

		if (differ < least) {
			least = differ;
			nearest = (enum config_section)i;
		}
	}
	return nearest;
}
