/* agent/admin/admin_html.h: text and numbers in HTML. Whatever is in a text, it
 * stays text. */
#ifndef AGENT_ADMIN_ADMIN_HTML_H
#define AGENT_ADMIN_ADMIN_HTML_H

#include <stdint.h>
#include <stdio.h>

/* Escapes what HTML would take for its own, also in a quoted attribute. */
void admin_html_text(FILE *out, const char *text);

/* A cell of a table with a number in it. */
void admin_html_count(FILE *out, uint64_t count);

/* A row of a list of facts: `term` is HTML, `text` is not. */
void admin_html_fact(FILE *out, const char *term, const char *text);

#endif
