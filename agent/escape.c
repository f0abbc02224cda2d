#include "agent/escape.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static bool is_plain(unsigned char byte)
{
	return byte >= ' ' && byte < 0x7f && byte != '"' && byte != '\\';
}

/* The escape of one byte; returns its length. */
static size_t escape_byte(char ret_text[ESCAPE_MAX + 1], unsigned char byte)
{
	static const char letters[256] = {
	    ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
	    ['"'] = '"',  ['\\'] = '\\',
	};

	if (is_plain(byte)) {
		ret_text[0] = (char)byte;
		return 1;
	}
	if (letters[byte]) {
		ret_text[0] = '\\';
		ret_text[1] = letters[byte];
		return 2;
	}
	return (size_t)snprintf(ret_text, ESCAPE_MAX + 1, "\\u%04x", byte);
}

size_t escape_text(char *ret_text, size_t size, const char *text, size_t length)
{
	size_t used = 0;
	size_t i;

	assert(size > 0);
	for (i = 0; i < length; i++) {
		char escaped[ESCAPE_MAX + 1];
		size_t n = escape_byte(escaped, (unsigned char)text[i]);

		if (n > size - 1 - used)
			break;
		memcpy(ret_text + used, escaped, n);
		used += n;
	}
	ret_text[used] = '\0';
	return i;
}

bool escape_is_plain(const char *text)
{
	for (; *text; text++) {
		if (!is_plain((unsigned char)*text))
			return false;
	}
	return true;
}
