#include "agent/admin/admin_html.h"

#include "agent/human.h"

static const char *escaped(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

void admin_html_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		const char *entity = escaped(*text);

		if (entity)
			fputs(entity, out);
		else
			fputc(*text, out);
	}
}

void admin_html_count(FILE *out, uint64_t count)
{
	char text[HUMAN_SIZE];

	human_count(count, text);
	fprintf(out, "<td class=\"n%s\">%s</td>", count ? "" : " zero", text);
}

void admin_html_fact(FILE *out, const char *term, const char *text)
{
	fprintf(out, "<div><dt>%s</dt><dd>", term);
	admin_html_text(out, text);
	fputs("</dd></div>\n", out);
}
