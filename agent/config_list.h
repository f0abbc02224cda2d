/* agent/config_list.h: the lists among the options, item by item. Private to
 * config*.c. */
#ifndef AGENT_CONFIG_LIST_H
#define AGENT_CONFIG_LIST_H

#include "agent/config_table.h"

enum { CONFIG_LIST_ITEM_SIZE = 160 }; /* of an item's text, NUL included */

bool config_list_is(enum config_type type);

/* Empties the list. */
void config_list_clear(const struct config_option *o, void *object);

/* Takes one item over into the list; 0, or -1 with a text for people. */
int config_list_add(const struct config_option *o, void *object,
                    const char *item, char *reterr_text, size_t reterr_size);

/* How many items there are; statuses count one by one. */
size_t config_list_count(const struct config_option *o, const void *object);

/* Writes the index-th item the way config_list_add() reads it; statuses are
 * put together into as few items as can be. False behind the last one. */
bool config_list_item(const struct config_option *o, const void *object,
                      size_t index, char ret_text[CONFIG_LIST_ITEM_SIZE]);

#endif
