#include "agent/store/redis_info.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	VERSION_MIN = 50000,
	CLOCK_AHEAD_MAX_MS = 2000,
	LINE_SIZE = 256,
};

/* "7.0.15": 70015; what cannot be read counts 0. */
static unsigned read_version(const char *text)
{
	unsigned major = 0, minor = 0, patch = 0;

	sscanf(text, "%3u.%2u.%2u", &major, &minor, &patch);
	return major * 10000 + minor * 100 + patch;
}

static void copy(char ret_text[REDIS_INFO_TEXT_SIZE], const char *text)
{
	snprintf(ret_text, REDIS_INFO_TEXT_SIZE, "%s", text);
}

static bool is_on(const char *value)
{
	return strcmp(value, "1") == 0;
}

/* "db0": "keys=12,expires=12,avg_ttl=0" */
static void read_keys(struct redis_info *info, const char *name,
                      const char *value, uint64_t database)
{
	static const char keys[] = "keys=";

	if (strncmp(name, "db", 2) != 0 || name[2] < '0' || name[2] > '9' ||
	    strtoull(name + 2, NULL, 10) != database ||
	    strncmp(value, keys, strlen(keys)) != 0)
		return;
	info->keys = strtoull(value + strlen(keys), NULL, 10);
}

static void read_pair(struct redis_info *info, const char *name,
                      const char *value, uint64_t database)
{
	if (strcmp(name, "redis_version") == 0) {
		info->version = read_version(value);
		if (info->version_text[0] == '\0')
			snprintf(info->version_text, REDIS_INFO_TEXT_SIZE,
			         "Redis %.20s", value);
	} else if (strcmp(name, "valkey_version") == 0) {
		snprintf(info->version_text, REDIS_INFO_TEXT_SIZE,
		         "Valkey %.20s", value);
	} else if (strcmp(name, "role") == 0) {
		info->replica = strcmp(value, "master") != 0;
	} else if (strcmp(name, "loading") == 0) {
		info->loading = is_on(value);
	} else if (strcmp(name, "cluster_enabled") == 0) {
		info->cluster = is_on(value);
	} else if (strcmp(name, "aof_enabled") == 0) {
		info->append_only = is_on(value);
	} else if (strcmp(name, "maxmemory_policy") == 0) {
		copy(info->eviction, value);
	} else if (strcmp(name, "maxmemory") == 0) {
		info->max_memory = strtoull(value, NULL, 10);
	} else if (strcmp(name, "used_memory") == 0) {
		info->used_memory = strtoull(value, NULL, 10);
	} else if (strcmp(name, "connected_slaves") == 0) {
		info->replicas = strtoull(value, NULL, 10);
	} else {
		read_keys(info, name, value, database);
	}
}

void redis_info_read(struct redis_info *info, struct spoe_span text,
                     uint64_t database)
{
	size_t at = 0;

	info->known = true;
	info->keys = 0;
	while (at < text.size) {
		const uint8_t *line = text.data + at;
		const uint8_t *end = memchr(line, '\n', text.size - at);
		size_t size = end ? (size_t)(end - line) : text.size - at;
		char pair[LINE_SIZE];
		char *colon;

		at += size + 1;
		if (size > 0 && line[size - 1] == '\r')
			size--;
		if (size == 0 || line[0] == '#' || size >= sizeof(pair))
			continue;
		memcpy(pair, line, size);
		pair[size] = '\0';
		colon = strchr(pair, ':');
		if (!colon)
			continue;
		*colon = '\0';
		read_pair(info, pair, colon + 1, database);
	}
}

static bool evicts(const struct redis_info *info)
{
	return info->eviction[0] != '\0' &&
	       strcmp(info->eviction, "noeviction") != 0;
}

__attribute__((format(printf, 3, 4))) static bool refuse(char *reterr_text,
                                                         size_t reterr_size,
                                                         const char *format,
                                                         ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reterr_text, reterr_size, format, args);
	va_end(args);
	return false;
}

bool redis_info_accept(const struct redis_info *info,
                       const struct redis_info_wanted *wanted,
                       char *reterr_text, size_t reterr_size)
{
	if (!info->known)
		return true;
	if (info->version != 0 && info->version < VERSION_MIN)
		return refuse(reterr_text, reterr_size,
		              "%s is too old; 5.0 or newer is needed",
		              info->version_text);
	if (info->loading)
		return refuse(reterr_text, reterr_size,
		              "it is loading its data set");
	if (info->replica)
		return refuse(reterr_text, reterr_size,
		              "it is a replica and takes no writes; name the "
		              "master, or follow it with Sentinel");
	if (info->cluster && !wanted->cluster)
		return refuse(reterr_text, reterr_size,
		              "it is a node of a cluster (cluster-enabled "
		              "yes); set the mode to cluster");
	if (!info->cluster && wanted->cluster)
		return refuse(reterr_text, reterr_size,
		              "it is no node of a cluster (cluster-enabled "
		              "no)");
	if (evicts(info) && !wanted->allow_eviction)
		return refuse(reterr_text, reterr_size,
		              "its maxmemory-policy is %s: it may drop locks "
		              "and responses, and requests would be executed "
		              "again; set it to noeviction (or allow it: "
		              "eviction = allow)",
		              info->eviction);
	return true;
}

__attribute__((format(printf, 2, 3))) static void add(
    char text[REDIS_INFO_WARNING_SIZE], const char *format, ...)
{
	size_t used = strlen(text);
	va_list args;

	if (used > 0)
		used += (size_t)snprintf(text + used,
		                         REDIS_INFO_WARNING_SIZE - used, "; ");
	if (used >= REDIS_INFO_WARNING_SIZE)
		return;
	va_start(args, format);
	vsnprintf(text + used, REDIS_INFO_WARNING_SIZE - used, format, args);
	va_end(args);
}

void redis_info_warning(const struct redis_info *info,
                        const struct redis_info_wanted *wanted,
                        char ret_text[REDIS_INFO_WARNING_SIZE])
{
	const int64_t ahead = (int64_t)(info->server_ms - wanted->now_ms);

	ret_text[0] = '\0';
	if (!info->known)
		add(ret_text,
		    "INFO is forbidden: neither its role nor whether it evicts "
		    "keys can be checked");
	if (evicts(info) && wanted->allow_eviction)
		add(ret_text,
		    "its maxmemory-policy is %s: requests may be executed "
		    "again",
		    info->eviction);
	if (info->known && !info->append_only && info->saves_known &&
	    !info->saves)
		add(ret_text,
		    "it keeps nothing on disk: a restart forgets every record");
	else if (info->known && !info->append_only && info->saves_known)
		add(ret_text,
		    "appendonly is no: a crash forgets what came after the "
		    "last snapshot");
	if (info->server_ms != 0 &&
	    (ahead > CLOCK_AHEAD_MAX_MS || ahead < -CLOCK_AHEAD_MAX_MS))
		add(ret_text,
		    "its clock and ours are %" PRId64
		    " s apart; ages and Retry-After will be wrong by that",
		    (ahead > 0 ? ahead : -ahead) / 1000);
}
