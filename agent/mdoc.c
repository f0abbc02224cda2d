#include "agent/mdoc.h"

#include <string.h>

enum { LINE_MAX_COLUMNS = 78 };

void mdoc_literal(const char *text, int length, FILE *out)
{
	/* A single punctuation mark would not be taken for text. */
	if (length == 1)
		fputs("\\&", out);
	for (int i = 0; i < length; i++) {
		if (text[i] == '-')
			fputc('\\', out);
		fputc(text[i], out);
	}
}

/* One word and the space behind it, or, between backquotes, several: these
 * become a line of their own, with the punctuation behind them. Returns what
 * follows. */
static const char *print_word(const char *text, size_t *column, FILE *out)
{
	int length;

	if (*text == '`') {
		text++;
		length = (int)strcspn(text, "`");
		fputs(*column ? "\n.Ql " : ".Ql ", out);
		mdoc_literal(text, length, out);
		text += length + 1;
		for (; *text && *text != ' '; text++)
			fprintf(out, " %c", *text);
		fputc('\n', out);
		*column = 0;
	} else {
		length = (int)strcspn(text, " ");
		if (*column &&
		    *column + 1 + (size_t)length > LINE_MAX_COLUMNS) {
			fputc('\n', out);
			*column = 0;
		}
		*column += (size_t)fprintf(out, "%s%.*s", *column ? " " : "",
		                           length, text);
		text += length;
		/* A new sentence begins on a new line. */
		if (text[-1] == '.' && *text) {
			fputc('\n', out);
			*column = 0;
		}
	}
	return text + strspn(text, " ");
}

void mdoc_text(const char *text, FILE *out)
{
	size_t column = 0;

	while (*text)
		text = print_word(text, &column, out);
	if (column)
		fputc('\n', out);
}
