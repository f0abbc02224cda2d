#include "agent/config_redis.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/net/tls.h"

static int failed(char *reterr_text, size_t reterr_size, const char *what,
                  const char *why)
{
	snprintf(reterr_text, reterr_size, "the password %s: %s", what, why);
	return -1;
}

/* The first line of the file, without its end. */
static int read_file(char password[CONFIG_PASSWORD_SIZE], const char *path,
                     char *reterr_text, size_t reterr_size)
{
	FILE *file = fopen(path, "re");
	const char *read;

	if (!file)
		return failed(reterr_text, reterr_size, "cannot be read",
		              strerror(errno));
	read = fgets(password, CONFIG_PASSWORD_SIZE, file);
	fclose(file);
	if (!read)
		password[0] = '\0';
	if (strlen(password) == CONFIG_PASSWORD_SIZE - 1)
		return failed(reterr_text, reterr_size, "is too long",
		              "expected 510 bytes at most");
	password[strcspn(password, "\r\n")] = '\0';
	if (password[0] == '\0')
		return failed(reterr_text, reterr_size, "is missing",
		              "the file's first line is empty");
	return 0;
}

/* From the file, if there is one, else from the environment, if it is there. */
static int read_password(char password[CONFIG_PASSWORD_SIZE], const char *path,
                         const char *variable, char *reterr_text,
                         size_t reterr_size)
{
	const char *value = getenv(variable);

	if (path[0] != '\0')
		return read_file(password, path, reterr_text, reterr_size);
	if (!value)
		return 0;
	if (strlen(value) >= CONFIG_PASSWORD_SIZE - 1)
		return failed(reterr_text, reterr_size, "is too long",
		              "expected 510 bytes at most");
	strcpy(password, value);
	return 0;
}

static int read_passwords(struct config *config, char *reterr_text,
                          size_t reterr_size)
{
	if (read_password(config->redis_password, config->redis_password_file,
	                  "SPOA_IDEMPOTENCY_REDIS_PASSWORD", reterr_text,
	                  reterr_size) < 0)
		return -1;
	if (config->redis_mode != REDIS_MODE_SENTINEL)
		return 0;
	return read_password(config->redis_sentinel_password,
	                     config->redis_sentinel_password_file,
	                     "SPOA_IDEMPOTENCY_SENTINEL_PASSWORD", reterr_text,
	                     reterr_size);
}

int config_redis_finish(struct config *config, bool password, char *reterr_text,
                        size_t reterr_size)
{
	int rc = 0;

	if (password)
		rc = read_passwords(config, reterr_text, reterr_size);
	config->redis = (struct redis_options){
	    .mode = config->redis_mode,
	    .servers = config->redis_servers,
	    .n_servers = config->n_redis_servers,
	    .username = config->redis_username,
	    .password = config->redis_password,
	    .database = config->redis_database,
	    .client_name = config->redis_client_name,
	    .prefix = config->redis_prefix,
	    .timeout_ms = config->redis_timeout_ms,
	    .connect_timeout_ms = config->redis_connect_timeout_ms,
	    .allow_eviction = config->redis_eviction == CONFIG_EVICTION_ALLOW,
	    .sentinel_master = config->redis_sentinel_master,
	    .sentinel_username = config->redis_sentinel_username,
	    .sentinel_password = config->redis_sentinel_password,
	    .wait_replicas = config->redis_wait_replicas,
	    .wait_timeout_ms = config->redis_wait_timeout_ms,
	    .tls_server_name = config->redis_tls_server_name,
	};
	if (rc == 0 && config->redis.username[0] != '\0' &&
	    config->redis.password[0] == '\0' && password)
		return failed(reterr_text, reterr_size, "is missing",
		              "a username needs one");
	return rc;
}

int config_redis_tls(struct config *config, char *reterr_text,
                     size_t reterr_size)
{
	const struct tls_options options = {
	    .certificate = config->redis_tls_certificate,
	    .key = config->redis_tls_key,
	    .ca = config->redis_tls_ca,
	    .unverified = !config->redis_tls_verify,
	};

	if (!config->redis_tls)
		return 0;
	return tls_new_client(&config->redis.tls, &options, reterr_text,
	                      reterr_size);
}
