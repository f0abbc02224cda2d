/* agent/mdoc.h: the texts of our tables as manual page source, mdoc(7). */
#ifndef AGENT_MDOC_H
#define AGENT_MDOC_H

#include <stdio.h>

/* Writes the `length` bytes of `text` as arguments of a macro, literally. */
void mdoc_literal(const char *text, int length, FILE *out);

/* Writes `text` as lines: each sentence begins a new one, and what stands
 * between backquotes is literal. */
void mdoc_text(const char *text, FILE *out);

#endif
