/* agent/config_file.h: an INI file as a list of sections and pairs, each with
 * its line. Reading it is inih's work; counting lines, and telling what inih
 * would pass over in silence, is done here. Private to config*.c. */
#ifndef AGENT_CONFIG_FILE_H
#define AGENT_CONFIG_FILE_H

#include <stdbool.h>
#include <stdio.h>

/* In the order of the file; all texts are borrowed. */
struct config_file_handler {
	/* `[name]`; NULL when the line is malformed, which was said. */
	void (*section)(void *cookie, unsigned line, const char *name);
	/* `key = value`, or, with `more`, an indented line that goes on with
	 * the value of the pair before it. Both may be empty. */
	void (*pair)(void *cookie, unsigned line, const char *key,
	             const char *value, bool more);
	/* A line that is none of these: what is wrong; what was expected. */
	void (*mistake)(void *cookie, unsigned line, const char *text);
};

/* Reads `in` to its end. False when it cannot be read; errno says why. */
bool config_file_read(FILE *in, const struct config_file_handler *handler,
                      void *cookie);

#endif
