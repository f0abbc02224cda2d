/* agent/escape.h: foreign text made safe to show: what comes out is printable
 * ASCII, so it can neither end a line nor steer a terminal. */
#ifndef AGENT_ESCAPE_H
#define AGENT_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

enum { ESCAPE_MAX = 6 }; /* bytes that one byte of the text becomes at most */

/* Writes the first `length` bytes of `text` as the inside of a JSON string: a
 * quote and a backslash get a backslash in front, line feed, return and tab
 * become \n, \r and \t, every other byte that is not printable ASCII becomes
 * \u00XX. Writes whole escapes only, at most size - 1 bytes, and a NUL. Returns
 * how many bytes of the text were written: `length` unless it did not fit. */
size_t escape_text(char *ret_text, size_t size, const char *text,
                   size_t length);

/* Whether escape_text() would leave every byte of `text` as it is. */
bool escape_is_plain(const char *text);

#endif
