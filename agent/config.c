#include "agent/config.h"

#include <assert.h>
#include <stdlib.h>

#include "agent/config_table.h"
#include "agent/config_value.h"
#include "agent/net/tls.h"

struct config *config_ref(struct config *config)
{
	atomic_fetch_add_explicit(&config->references, 1, memory_order_relaxed);
	return config;
}

static void free_config(struct config *config)
{
	for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
		const struct config_option *o = &config_table_options[i];

		if (o->section != CONFIG_SECTION_POLICY) {
			config_value_clear(o, config);
			continue;
		}
		for (size_t j = 0; j < config->n_policies; j++)
			config_value_clear(o, &config->policies[j]);
	}
	tls_unref(config->redis.tls);
	keyring_free(config->keyring);
	free(config->path);
	free(config);
}

void config_unref(struct config *config)
{
	int before;

	if (!config)
		return;
	before = atomic_fetch_sub_explicit(&config->references, 1,
	                                   memory_order_acq_rel);
	assert(before > 0);
	if (before == 1)
		free_config(config);
}

void config_restart_needed(const struct config *running,
                           const struct config *loaded, char *ret_text,
                           size_t size)
{
	size_t used = 0;

	assert(size > 0);
	ret_text[0] = '\0';
	for (size_t i = 0; i < CONFIG_OPTION_COUNT && used < size; i++) {
		const struct config_option *o = &config_table_options[i];

		if (o->apply != CONFIG_APPLY_RESTART ||
		    config_value_equal(o, running, loaded))
			continue;
		used += (size_t)snprintf(
		    ret_text + used, size - used, "%s[%s] %s", used ? ", " : "",
		    config_table_sections[o->section].name, o->key);
	}
}

const struct policy *config_policy(const struct config *config,
                                   struct spoe_span name)
{
	if (name.size == 0)
		return &config->policies[0];
	for (size_t i = 0; i < config->n_policies; i++) {
		const struct policy *policy = &config->policies[i];

		if (spoe_span_equal(name, spoe_span_of(policy->name)))
			return policy;
	}
	return NULL;
}

const struct policy *config_policy_by_id(const struct config *config,
                                         uint32_t id)
{
	for (size_t i = 0; i < config->n_policies; i++) {
		if (config->policies[i].id == id)
			return &config->policies[i];
	}
	return &config->policies[0];
}

struct store_options config_store_options(const struct config *config)
{
	return (struct store_options){
	    .driver = config->store_driver,
	    .path = config->store_path,
	    .durability = config->store_durability,
	    .max_size = config->store_max_size,
	    .redis = &config->redis,
	};
}
