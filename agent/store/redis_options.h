/* agent/store/redis_options.h: how the redis driver reaches its servers: made
 * by the shell from the section [redis], borrowed by the store while it is
 * open. */
#ifndef AGENT_STORE_REDIS_OPTIONS_H
#define AGENT_STORE_REDIS_OPTIONS_H

#include <stdint.h>

#include "agent/net/endpoint.h"

struct tls;

enum redis_mode {
	REDIS_MODE_SINGLE,
	REDIS_MODE_SENTINEL,
	REDIS_MODE_CLUSTER,
};

struct redis_options {
	enum redis_mode mode;
	/* The single one is the first; the sentinels; any nodes of the cluster.
	 */
	const struct endpoint *servers;
	size_t n_servers;
	const char *username; /* "": the default user */
	const char *password; /* "": none */
	uint64_t database;
	const char *client_name; /* "": none */
	const char *prefix;      /* of the keys */
	uint64_t timeout_ms;     /* of an operation */
	uint64_t connect_timeout_ms;
	bool allow_eviction; /* a server that may drop keys is good enough */
	const char *sentinel_master; /* what the sentinels call it */
	const char *sentinel_username;
	const char *sentinel_password;
	/* A claim or settle that fewer replicas have in time has failed; 0:
	 * nobody asks. */
	uint64_t wait_replicas;
	uint64_t wait_timeout_ms;
	struct tls *tls;             /* NULL: none */
	const char *tls_server_name; /* "": the host as it is written */
};

#endif
