/* agent/config_redis.h: the section [redis] as the driver wants it. Private to
 * config*.c. */
#ifndef AGENT_CONFIG_REDIS_H
#define AGENT_CONFIG_REDIS_H

#include "agent/config.h"

/* Fills in config.redis; with `password` also reads the file or environment
 * variable that has it. 0, or -1 with a text for people. */
int config_redis_finish(struct config *config, bool password, char *reterr_text,
                        size_t reterr_size);

/* Reads the files that TLS needs into config.redis.tls, if it is on. After
 * config_redis_finish(). */
int config_redis_tls(struct config *config, char *reterr_text,
                     size_t reterr_size);

#endif
