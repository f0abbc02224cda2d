/* agent/config_value.h: the value of one option, in the struct that has its
 * field: struct config, or struct policy for the section POLICY. Private to
 * config*.c. */
#ifndef AGENT_CONFIG_VALUE_H
#define AGENT_CONFIG_VALUE_H

#include "agent/config_list.h"

enum {
	CONFIG_VALUE_PATH_MAX = 160,
	CONFIG_VALUE_ITEM_SIZE = CONFIG_VALUE_PATH_MAX + 1,
	CONFIG_VALUE_EXPECTED_SIZE = 200,
};

/* Reads `text` into the field, in place of what was there; with `more`, which
 * only lists can take, behind it. 0, or -1 with a text for people: what is
 * wrong with the value; what was expected. */
int config_value_set(const struct config_option *o, void *object,
                     const char *text, bool more, char *reterr_text,
                     size_t reterr_size);

/* What can be said only once the whole value was set: a list that is too short.
 * The same return. */
int config_value_check(const struct config_option *o, const void *object,
                       char *reterr_text, size_t reterr_size);

/* Makes the field of `object` a copy of that of `from`; false when out of
 * memory. */
bool config_value_copy(const struct config_option *o, void *object,
                       const void *from);

/* Frees what the field owns; it may be set again. */
void config_value_clear(const struct config_option *o, void *object);

/* Writes the index-th item of the value the way config_value_set() reads it; a
 * value that is no list has one. False behind the last. */
bool config_value_item(const struct config_option *o, const void *object,
                       size_t index, char ret_text[CONFIG_VALUE_ITEM_SIZE]);

bool config_value_equal(const struct config_option *o, const void *a,
                        const void *b);

/* What a value may be, for people: "a number from 1 to 64". */
void config_value_expected(const struct config_option *o,
                           char ret_text[CONFIG_VALUE_EXPECTED_SIZE]);

#endif
