/* agent/config.h: the configuration file (INI) and its one table,
 * agent/options.def, from which parser, ranges, defaults, --print-config, the
 * man page and the sample file follow. */
#ifndef AGENT_CONFIG_H
#define AGENT_CONFIG_H

#include <stdatomic.h>
#include <stdio.h>

#include "agent/core/keyring.h"
#include "agent/core/policy.h"
#include "agent/log.h"
#include "agent/net/address.h"
#include "agent/store/redis_options.h"
#include "agent/store/store.h"
#include "spoe/session.h"

enum {
	CONFIG_LISTEN_MAX = 16,
	CONFIG_SERVERS_MAX = 16,
	CONFIG_POLICIES_MAX = 64,
	CONFIG_PASSWORD_SIZE = 512,
};

enum config_plain { CONFIG_PLAIN_ACCEPT, CONFIG_PLAIN_REFUSE };

enum config_eviction { CONFIG_EVICTION_REFUSE, CONFIG_EVICTION_ALLOW };

/* One configuration: immutable after config_load(); swapped whole on reload,
 * freed with its last reference. */
struct config {
	atomic_int references; /* private */
	char *path;            /* of the file; NULL: all defaults */

	/* [agent] */
	struct address listen[CONFIG_LISTEN_MAX];
	size_t n_listen;
	unsigned unix_mode;
	uint64_t threads;
	uint64_t backlog;
	uint64_t max_connections;
	uint64_t max_in_flight; /* per connection */
	uint64_t max_frame_size;
	enum spoe_pipelining pipelining;
	uint64_t hello_timeout_ms;
	uint64_t idle_timeout_ms;
	uint64_t drain_timeout_ms;
	uint64_t answer_timeout_ms; /* a check's, then the verdict is error */
	uint64_t processing_timeout_ms; /* HAProxy's */
	uint64_t max_waiters;
	uint64_t max_waiters_per_key;
	uint64_t wait_interval_ms; /* the first one; they grow */

	/* [log] */
	enum log_target log_target;
	enum log_level log_level;

	/* [tls]; "" is none */
	char *tls_certificate;
	char *tls_key;
	char *tls_client_ca;

	/* [store] */
	char *store_driver;
	char *store_path;
	enum store_durability store_durability;
	uint64_t store_max_size;

	/* [encryption] */
	char *encryption_key_file;
	enum config_plain encryption_plain;
	struct keyring *keyring; /* owned; NULL: nothing is encrypted */

	/* [redis] */
	enum redis_mode redis_mode;
	struct endpoint redis_servers[CONFIG_SERVERS_MAX];
	size_t n_redis_servers;
	char *redis_username;
	char *redis_password_file;
	uint64_t redis_database;
	char *redis_prefix;
	char *redis_client_name;
	uint64_t redis_timeout_ms;
	uint64_t redis_connect_timeout_ms;
	char *redis_sentinel_master;
	char *redis_sentinel_username;
	char *redis_sentinel_password_file;
	uint64_t redis_wait_replicas;
	uint64_t redis_wait_timeout_ms;
	unsigned redis_tls;
	char *redis_tls_ca;
	char *redis_tls_certificate;
	char *redis_tls_key;
	char *redis_tls_server_name;
	unsigned redis_tls_verify;
	enum config_eviction redis_eviction;
	/* What they come to; its texts are those above, but for the password,
	 * which no option has and nothing prints. */
	struct redis_options redis;
	char redis_password[CONFIG_PASSWORD_SIZE];
	char redis_sentinel_password[CONFIG_PASSWORD_SIZE];

	/* [notices] */
	struct address notices_listen[CONFIG_LISTEN_MAX];
	size_t n_notices_listen;

	/* [admin] */
	struct address admin_listen[CONFIG_LISTEN_MAX];
	size_t n_admin_listen;
	unsigned admin_unix_mode;

	/* [policy NAME]; policies[0] is "default" and always there */
	struct policy policies[CONFIG_POLICIES_MAX];
	size_t n_policies;
};

/* Reads the file at `path` (NULL: defaults only). Every mistake in it is
 * written to `errors`, not only the first, each as one line:
 *
 *     file:line: [section] key = value: what is wrong; expected ...
 *
 * in printable ASCII whatever is in the file. Returns one reference, or NULL
 * after at least one such line. */
struct config *config_load(const char *path, FILE *errors);

/* The same from an open file, which `name` stands for in messages; config.path
 * stays NULL. */
struct config *config_read(FILE *in, const char *name, FILE *errors);

struct config *config_ref(struct config *config);
void config_unref(struct config *config); /* NULL is fine */

/* Writes the configuration in force as a file that config_load() reads. */
void config_print(const struct config *config, FILE *out);

/* Writes the commented sample file with every option at its default. */
void config_print_sample(FILE *out);

/* Writes the options as man page source (mdoc), for the manual. */
void config_print_manual(FILE *out);

/* Names the options that differ between the two and need a restart (their
 * `apply` in agent/options.def), as "[agent] threads, [store] path", cut to
 * fit; "" when there are none. */
void config_restart_needed(const struct config *running,
                           const struct config *loaded, char *ret_text,
                           size_t size);

/* What store_open() needs; `now_ms` is the caller's. Spans of the config. */
struct store_options config_store_options(const struct config *config);

/* The policy called `name` (empty: "default"); NULL when there is none. */
const struct policy *config_policy(const struct config *config,
                                   struct spoe_span name);

/* The policy with this id; "default" when it is gone since. */
const struct policy *config_policy_by_id(const struct config *config,
                                         uint32_t id);

#endif
