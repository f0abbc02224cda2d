#include "agent/config_file.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <string.h>

enum { CONFIG_FILE_MAX = 1 << 20 }; /* bytes; more is no configuration */

struct file {
	FILE *in;
	const struct config_file_handler *handler;
	void *cookie;
	int error; /* errno of a failed read, or 0 */
	size_t bytes;
	unsigned line;
	bool more;      /* the line goes on with a value */
	bool awaited;   /* inih should find a pair in the line */
	bool in_value;  /* inih takes an indented line for more of a value */
	bool skip_more; /* an indented line goes on with one it did not see */
	bool mistaken;  /* something was wrong */
};

static void mistake(struct file *f, unsigned line, const char *text)
{
	f->mistaken = true;
	f->handler->mistake(f->cookie, line, text);
}

/* inih says nothing about a line in which it finds no pair. */
static void finish_line(struct file *f)
{
	if (!f->awaited)
		return;
	f->awaited = false;
	f->skip_more = true;
	mistake(f, f->line,
	        "the line has no =; expected [section], key = value or a "
	        "comment");
}

static char *skip_space(char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	return text;
}

/* Takes a `[name]` apart; false when it is malformed. */
static bool read_section(char *text, char **ret_name)
{
	char *name = skip_space(text + 1);
	char *end = strchr(name, ']');
	char *rest;

	if (!end)
		return false;
	rest = skip_space(end + 1);
	if (*rest && *rest != ';' && *rest != '#')
		return false;
	while (end > name && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	*ret_name = name;
	return true;
}

/* `name` is NULL when the line is malformed. */
static void take_section(struct file *f, char *line, const char *name)
{
	f->handler->section(f->cookie, f->line, name);
	f->in_value = false;
	f->skip_more = false;
	/* inih cuts names; it only has to know that a section begins. */
	strcpy(line, "[]");
}

/* inih 55 leaves a comment behind an indented line where it is. */
static void cut_comment(char *text)
{
	for (char *c = text; *c; c++) {
		if (*c == ';' && c > text && isspace((unsigned char)c[-1]))
			*c = '\0';
	}
}

/* Tells what the line is, as inih will see it, and takes it away from inih when
 * it must not see it. */
static void sort_line(struct file *f, char *line)
{
	char *text = skip_space(line);
	char *name = NULL;

	f->more = false;
	if (!*text || *text == ';' || *text == '#')
		return;
	if (f->skip_more && text > line) {
		*line = '\0';
	} else if (f->in_value && text > line) {
		f->more = true;
		cut_comment(text);
	} else if (*text == '[') {
		if (!read_section(text, &name))
			mistake(f, f->line,
			        "the line is no section; expected [name] and "
			        "nothing behind it");
		take_section(f, line, name);
	} else {
		f->awaited = true;
	}
}

/* The same for a line that cannot be used: `line` is its beginning. */
static void sort_bad_line(struct file *f, char *line, const char *text)
{
	mistake(f, f->line, text);
	if (*line == '[') {
		take_section(f, line, NULL);
		return;
	}
	*line = '\0';
	f->skip_more = true;
}

/* Reads a line and cuts it to `size` - 1 bytes; *ret_length is all it had.
 * False at the end. */
static bool get_line(struct file *f, char *line, size_t size,
                     size_t *ret_length, bool *ret_has_nul)
{
	size_t length = 0;
	int c;

	*ret_has_nul = false;
	while ((c = getc(f->in)) != EOF && c != '\n') {
		*ret_has_nul |= c == '\0';
		if (length < size - 1)
			line[length] = (char)c;
		length++;
		if (++f->bytes > CONFIG_FILE_MAX) {
			f->error = EFBIG;
			return false;
		}
	}
	if (c == EOF && ferror(f->in))
		f->error = errno;
	if (c == EOF && (length == 0 || f->error))
		return false;
	line[length < size ? length : size - 1] = '\0';
	*ret_length = length;
	f->line++;
	return true;
}

/* The mark that some editors put in front of UTF-8. */
static void drop_mark(char *line)
{
	static const char mark[] = {'\xef', '\xbb', '\xbf'};
	size_t length = strlen(line);

	if (length >= sizeof(mark) && memcmp(line, mark, sizeof(mark)) == 0)
		memmove(line, line + sizeof(mark), length - sizeof(mark) + 1);
}

/* ini_reader, as fgets(): `size` is what inih has room for. */
static char *read_line(char *line, int size, void *cookie)
{
	struct file *f = cookie;
	/* Less the line feed: without it inih takes a full line for a part. */
	size_t room = (size_t)size - 1;
	size_t length;
	bool has_nul;
	char text[160];

	finish_line(f);
	if (!get_line(f, line, room, &length, &has_nul))
		return NULL;
	if (f->line == 1)
		drop_mark(line);
	if (has_nul) {
		sort_bad_line(f, line,
		              "the line has a NUL byte; expected a text file");
	} else if (length >= room) {
		snprintf(text, sizeof(text),
		         "the line has %zu bytes; expected at most %zu (the "
		         "items of a list may go on in an indented line)",
		         length, room - 1);
		sort_bad_line(f, line, text);
	} else {
		sort_line(f, line);
	}
	strcat(line, "\n");
	return line;
}

/* ini_handler */
static int take_pair(void *cookie, const char *section, const char *key,
                     const char *value)
{
	struct file *f = cookie;

	(void)section;
	if (!value)
		return 1;
	f->awaited = false;
	if (!f->more) {
		f->in_value = *key != '\0';
		f->skip_more = false;
	}
	f->handler->pair(f->cookie, f->line, key, value, f->more);
	return 1;
}

bool config_file_read(FILE *in, const struct config_file_handler *handler,
                      void *cookie)
{
	struct file f = {.in = in, .handler = handler, .cookie = cookie};
	int result = ini_parse_stream(read_line, &f, take_pair, &f);

	if (f.error || result < 0) {
		errno = f.error ? f.error : ENOMEM;
		return false;
	}
	finish_line(&f);
	/* An inih that knows a mistake which this one does not. */
	if (result > 0 && !f.mistaken)
		mistake(&f, (unsigned)result, "the line cannot be understood");
	return true;
}
