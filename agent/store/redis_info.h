/* agent/store/redis_info.h: what a server says of itself, and whether records
 * are safe with it. Pure: texts in, texts out. */
#ifndef AGENT_STORE_REDIS_INFO_H
#define AGENT_STORE_REDIS_INFO_H

#include <stdbool.h>
#include <stdint.h>

#include "spoe/span.h"

enum {
	REDIS_INFO_TEXT_SIZE = 48,
	REDIS_INFO_WARNING_SIZE = 400,
};

/* Of the reply to INFO; what is not in it stays 0. */
struct redis_info {
	bool known;       /* INFO was answered: an ACL may forbid it */
	unsigned version; /* 7.0.15 is 70015 */
	char version_text[REDIS_INFO_TEXT_SIZE]; /* "Valkey 8.0.1" */
	bool replica;
	bool loading;
	bool cluster;
	bool append_only;
	bool saves; /* CONFIG GET save: it has a schedule */
	bool saves_known;
	char eviction[REDIS_INFO_TEXT_SIZE]; /* maxmemory-policy */
	uint64_t max_memory;                 /* 0: no limit */
	uint64_t used_memory;
	uint64_t replicas;
	uint64_t keys;      /* in the database asked for */
	uint64_t server_ms; /* TIME, in Unix ms; 0: not known */
};

/* Reads the text of INFO; `database` is the one whose keys count. */
void redis_info_read(struct redis_info *info, struct spoe_span text,
                     uint64_t database);

/* What the server has to be. */
struct redis_info_wanted {
	bool cluster;
	bool allow_eviction;
	uint64_t now_ms; /* our clock */
};

/* Whether the server may be used; else why not, and what to do. */
bool redis_info_accept(const struct redis_info *info,
                       const struct redis_info_wanted *wanted,
                       char *reterr_text, size_t reterr_size);

/* What an operator should know of a server that is used; "" when nothing. */
void redis_info_warning(const struct redis_info *info,
                        const struct redis_info_wanted *wanted,
                        char ret_text[REDIS_INFO_WARNING_SIZE]);

/* Whether it knows SET with both NX and GET. */
static inline bool redis_info_set_nx_get(const struct redis_info *info)
{
	return info->version >= 70000;
}

#endif
