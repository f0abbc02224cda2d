/* Configurations out of strings, for the tests of agent/config*.c. */
#ifndef TESTS_UNIT_AGENT_CONFIG_RIG_H
#define TESTS_UNIT_AGENT_CONFIG_RIG_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config.h"

/* Reads `size` bytes as the file "test.ini". What was complained of is in
 * *ret_errors; free it. */
static inline struct config *rig_read_bytes(const void *bytes, size_t size,
                                            char **ret_errors)
{
	size_t length;
	FILE *errors = open_memstream(ret_errors, &length);
	FILE *in = fmemopen((void *)(uintptr_t)bytes, size, "r");
	struct config *config;

	assert_non_null(errors);
	assert_non_null(in);
	config = config_read(in, "test.ini", errors);
	fclose(in);
	fclose(errors);
	return config;
}

static inline struct config *rig_read(const char *text, char **ret_errors)
{
	return rig_read_bytes(text, strlen(text), ret_errors);
}

/* Reads a file that must have no mistake. */
static inline struct config *rig_good(const char *text)
{
	char *errors;
	struct config *config = rig_read(text, &errors);

	assert_string_equal(errors, "");
	assert_non_null(config);
	free(errors);
	return config;
}

/* Reads a file that must have exactly these mistakes. */
static inline void rig_bad(const char *text, const char *mistakes)
{
	char *errors;
	struct config *config = rig_read(text, &errors);

	assert_string_equal(errors, mistakes);
	assert_null(config);
	free(errors);
}

/* config_print() as a string; free it. */
static inline char *rig_print(const struct config *config)
{
	char *text;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(out);
	config_print(config, out);
	fclose(out);
	return text;
}

#endif
