#include "agent/config.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/config_encryption.h"
#include "agent/config_loader.h"
#include "agent/config_redis.h"
#include "agent/config_value.h"

static void set_defaults(struct config_loader *l)
{
	char what[CONFIG_LOADER_WHAT_MAX];

	if (!config_loader_add_policy(l, 0, "default"))
		return;
	for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
		const struct config_option *o = &config_table_options[i];
		void *object = o->section == CONFIG_SECTION_POLICY
		                   ? (void *)&l->config->policies[0]
		                   : l->config;

		if (config_value_set(o, object, o->fallback, false, what,
		                     sizeof(what)) < 0)
			config_loader_complain(
			    l, 0, "[%s] %s: %s",
			    config_table_sections[o->section].name, o->key,
			    what);
	}
}

/* Sets what the section of a policy does not: as its own preset says, or else
 * as in [policy default]. */
static bool inherit_option(struct config_loader *l, size_t index,
                           const struct config_option *o)
{
	struct policy *policy = &l->config->policies[index];
	const char *text = NULL;
	char what[CONFIG_LOADER_WHAT_MAX];

	if (l->policies[index].lines[CONFIG_POLICY_preset])
		text = config_table_preset(policy->preset, o);
	if (text)
		return config_value_set(o, policy, text, false, what,
		                        sizeof(what)) == 0;
	return index == 0 ||
	       config_value_copy(o, policy, &l->config->policies[0]);
}

static void inherit(struct config_loader *l)
{
	for (size_t i = 0; i < l->config->n_policies; i++) {
		for (size_t j = 0; j < CONFIG_OPTION_COUNT; j++) {
			const struct config_option *o =
			    &config_table_options[j];

			if (o->section != CONFIG_SECTION_POLICY ||
			    l->policies[i].lines[j] || inherit_option(l, i, o))
				continue;
			config_loader_complain(l, l->policies[i].line,
			                       "[policy %s] %s: out of memory",
			                       l->config->policies[i].name,
			                       o->key);
		}
	}
}

/* Lists that came out empty. */
static void check_place(struct config_loader *l,
                        const struct config_place *place)
{
	char what[CONFIG_LOADER_WHAT_MAX];

	if (!place->object)
		return;
	for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
		const struct config_option *o = &config_table_options[i];

		if (place->lines[i] && !place->wrong[i] &&
		    config_value_check(o, place->object, what, sizeof(what)) <
		        0)
			config_loader_complain_of(l, place, place->lines[i],
			                          o->key, "", what);
	}
}

/* Times that cannot work together. A policy that only inherits them is not
 * told what the default one was told. */
static void check_times(struct config_loader *l, size_t index)
{
	const struct policy *policy = &l->config->policies[index];
	const unsigned *lines = l->policies[index].lines;
	unsigned lock_line = lines[CONFIG_POLICY_lock_ttl_ms];
	unsigned hold_line = lines[CONFIG_POLICY_on_lock_expiry];

	if (!hold_line)
		hold_line = lines[CONFIG_POLICY_response_ttl_ms];
	if (!hold_line)
		hold_line = lock_line;
	if (!hold_line)
		hold_line = lines[CONFIG_POLICY_preset];
	if ((lock_line || index == 0) &&
	    policy->lock_ttl_ms <= l->config->answer_timeout_ms)
		config_loader_complain(
		    l, lock_line,
		    "[policy %s] lock-ttl: the lock may end before its "
		    "owner is told; expected more than answer-timeout "
		    "of [agent]",
		    policy->name);
	if (hold_line && policy->on_lock_expiry == POLICY_EXPIRY_HOLD &&
	    policy->response_ttl_ms <= policy->lock_ttl_ms)
		config_loader_complain(
		    l, hold_line,
		    "[policy %s] on-lock-expiry = hold: nothing is left "
		    "to hold when the lock ends; expected a response-ttl "
		    "above lock-ttl",
		    policy->name);
}

/* Files that belong to others. */
static void check_tls(struct config_loader *l)
{
	const struct config *config = l->config;
	const unsigned *agent = l->sections[CONFIG_SECTION_AGENT].lines;
	const unsigned *tls = l->sections[CONFIG_SECTION_TLS].lines;
	bool wanted = false;

	if (*config->tls_certificate)
		return;
	for (size_t i = 0; i < config->n_listen; i++)
		wanted = wanted || config->listen[i].tls;
	if (wanted)
		config_loader_complain(l, agent[CONFIG_AGENT_listen],
		                       "[agent] listen: TLS needs a "
		                       "certificate; expected certificate in "
		                       "[tls]");
	if (*config->tls_key)
		config_loader_complain(l, tls[CONFIG_TLS_tls_key],
		                       "[tls] key: there is no certificate for "
		                       "it; expected certificate in [tls]");
	if (*config->tls_client_ca)
		config_loader_complain(l, tls[CONFIG_TLS_tls_client_ca],
		                       "[tls] client-ca: there is no "
		                       "certificate to serve TLS with; "
		                       "expected certificate in [tls]");
}

static void check_excluded(struct config_loader *l, size_t index)
{
	const struct policy *policy = &l->config->policies[index];
	unsigned line = l->policies[index].lines[CONFIG_POLICY_excluded];

	if (line && policy->n_excluded > 0 &&
	    policy->fingerprint_body != POLICY_BODY_JSON)
		config_loader_complain(
		    l, line,
		    "[policy %s] fingerprint-exclude: bytes have no members; "
		    "expected fingerprint-body = json",
		    policy->name);
}

static void check_retry_after(struct config_loader *l, size_t index)
{
	const struct policy *policy = &l->config->policies[index];
	const unsigned *lines = l->policies[index].lines;
	unsigned line = lines[CONFIG_POLICY_retry_after_min_s];

	if (!line)
		line = lines[CONFIG_POLICY_retry_after_max_s];
	if (line && policy->retry_after_min_s > policy->retry_after_max_s)
		config_loader_complain(
		    l, line,
		    "[policy %s] retry-after-min: is above retry-after-max; "
		    "expected the smaller one",
		    policy->name);
}

static void finish_encryption(struct config_loader *l)
{
	const unsigned *lines = l->sections[CONFIG_SECTION_ENCRYPTION].lines;
	char what[CONFIG_LOADER_WHAT_MAX];

	if (config_encryption_finish(l->config, what, sizeof(what)) < 0)
		config_loader_complain(
		    l, lines[CONFIG_ENCRYPTION_encryption_key_file],
		    "[encryption] key-file: %s", what);
}

/* What is needed of [redis] only when it is used. */
static void finish_redis(struct config_loader *l)
{
	struct config *config = l->config;
	const struct config_place *place = &l->sections[CONFIG_SECTION_REDIS];
	const bool used = strcmp(config->store_driver, "redis") == 0;
	char what[CONFIG_LOADER_WHAT_MAX];

	if (config_redis_finish(config, used, what, sizeof(what)) < 0)
		config_loader_complain(
		    l, place->lines[CONFIG_REDIS_redis_password_file],
		    "[redis] password-file: %s", what);
	if (used && config_redis_tls(config, what, sizeof(what)) < 0)
		config_loader_complain(l, place->lines[CONFIG_REDIS_redis_tls],
		                       "[redis] tls: %s", what);
	if (used && config->redis_mode == REDIS_MODE_CLUSTER &&
	    config->redis_database != 0)
		config_loader_complain(
		    l, place->lines[CONFIG_REDIS_redis_database],
		    "[redis] database: a cluster has only one; expected 0");
	if (used && config->redis_wait_replicas > 0 &&
	    config->redis_wait_timeout_ms * 2 >= config->redis_timeout_ms)
		config_loader_complain(
		    l, place->lines[CONFIG_REDIS_redis_wait_timeout_ms],
		    "[redis] wait-timeout: an operation may wait for two of "
		    "them; expected less than half of timeout");
	if (used && config->redis_timeout_ms >= config->answer_timeout_ms)
		config_loader_complain(
		    l, place->lines[CONFIG_REDIS_redis_timeout_ms],
		    "[redis] timeout: nobody waits that long; expected less "
		    "than answer-timeout of [agent]");
}

/* What waits must be answered before HAProxy gives up, and must leave it
 * connections for the responses that are waited for. A policy that only
 * inherits its wait is not told what the default one was told. */
static void check_wait(struct config_loader *l, size_t index)
{
	const struct config *c = l->config;
	const struct policy *policy = &c->policies[index];
	unsigned line = l->policies[index].lines[CONFIG_POLICY_wait_ms];

	if (policy->wait_ms == 0 || (line == 0 && index > 0))
		return;
	if (policy->wait_ms + c->answer_timeout_ms >= c->processing_timeout_ms)
		config_loader_complain(
		    l, line,
		    "[policy %s] wait: HAProxy gives up before the wait is "
		    "over; expected less than processing-timeout less "
		    "answer-timeout of [agent], or a longer "
		    "processing-timeout there and `timeout processing` in "
		    "HAProxy",
		    policy->name);
	if (c->max_waiters > c->max_connections / 2)
		config_loader_complain(
		    l, line,
		    "[policy %s] wait: those who wait may take the "
		    "connections of those who are waited for; expected a "
		    "max-waiters of at most half of max-connections in "
		    "[agent]",
		    policy->name);
}

static void finish(struct config_loader *l)
{
	inherit(l);
	for (size_t i = 0; i < CONFIG_SECTION_COUNT; i++)
		check_place(l, &l->sections[i]);
	for (size_t i = 0; i < l->config->n_policies; i++)
		check_place(l, &l->policies[i]);
	/* A value that could not be read fits no other. */
	for (size_t i = 0; i < l->config->n_policies && !l->mistakes; i++) {
		check_times(l, i);
		check_retry_after(l, i);
		check_wait(l, i);
		check_excluded(l, i);
	}
	if (!l->mistakes)
		check_tls(l);
	if (!l->mistakes)
		finish_redis(l);
	if (!l->mistakes)
		finish_encryption(l);
}

/* Reads `in`, NULL for nothing, into l->config. */
static void load(struct config_loader *l, FILE *in)
{
	l->place = &l->unknown;
	set_defaults(l);
	if (in && !config_file_read(in, &config_loader_handler, l))
		config_loader_complain(
		    l, 0, "cannot be read: %s; expected a text file",
		    strerror(errno));
	finish(l);
	config_loader_fini(l);
}

struct config *config_read(FILE *in, const char *name, FILE *errors)
{
	struct config_loader *l = calloc(1, sizeof(*l));
	struct config *config = calloc(1, sizeof(*config));
	size_t mistakes;

	if (!l || !config) {
		fprintf(errors, "%s: out of memory\n", name);
		free(l);
		free(config);
		return NULL;
	}
	atomic_init(&config->references, 1);
	l->config = config;
	l->name = name;
	l->errors = errors;
	load(l, in);
	mistakes = l->mistakes;
	free(l);
	if (mistakes == 0)
		return config;
	config_unref(config);
	return NULL;
}

struct config *config_load(const char *path, FILE *errors)
{
	struct config *config;
	FILE *in;

	if (!path)
		return config_read(NULL, "defaults", errors);
	in = fopen(path, "re");
	if (!in) {
		fprintf(errors,
		        "%s: cannot be opened: %s; expected a readable file\n",
		        path, strerror(errno));
		return NULL;
	}
	config = config_read(in, path, errors);
	fclose(in);
	if (!config)
		return NULL;
	config->path = strdup(path);
	if (config->path)
		return config;
	fprintf(errors, "%s: out of memory\n", path);
	config_unref(config);
	return NULL;
}
