/* A file of any bytes is either refused, with printable words, or read; and
 * what --print-config writes of what was read is read back as the same. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_printable(const char *text)
{
	for (; *text; text++)
		check(*text == '\n' || (*text >= ' ' && *text <= '~'));
}

/* NULL when refused, which takes a word about it. */
static struct config *read_bytes(const void *data, size_t size)
{
	char *text;
	size_t length;
	FILE *errors = open_memstream(&text, &length);
	FILE *in = fmemopen((void *)(uintptr_t)data, size, "r");
	struct config *config;

	check(errors && in);
	config = config_read(in, "fuzz", errors);
	fclose(in);
	fclose(errors);
	check((config == NULL) == (length > 0));
	check_printable(text);
	free(text);
	return config;
}

static char *print(const struct config *config)
{
	char *text;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	check(out != NULL);
	config_print(config, out);
	fclose(out);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *config = read_bytes(data, size);
	struct config *again;
	char *printed;
	char *printed_again;
	char changed[256];

	if (!config)
		return 0;
	printed = print(config);
	again = read_bytes(printed, strlen(printed));
	check(again != NULL);
	printed_again = print(again);
	check(strcmp(printed, printed_again) == 0);
	config_restart_needed(config, again, changed, sizeof(changed));
	check(changed[0] == '\0');
	free(printed);
	free(printed_again);
	config_unref(config);
	config_unref(again);
	return 0;
}
