/* agent/config_encryption.h: the keys that [encryption] names, read from their
 * file. Private to config*.c. A line is an id, a colon and 64 hexadecimal
 * digits; empty lines and those that begin with # do not count. */
#ifndef AGENT_CONFIG_ENCRYPTION_H
#define AGENT_CONFIG_ENCRYPTION_H

#include "agent/config.h"

/* Fills config->keyring, which stays NULL without a key file. Returns 0, or -1
 * with a text that names file and line and nothing that stands there. The
 * file's bytes are zeroed in memory in any case. */
int config_encryption_finish(struct config *config, char *reterr_text,
                             size_t reterr_size);

#endif
