/* agent/admin/admin_page.h: the status page: one page of HTML that loads
 * nothing, and needs no JavaScript but to refresh itself. */
#ifndef AGENT_ADMIN_ADMIN_PAGE_H
#define AGENT_ADMIN_ADMIN_PAGE_H

#include "agent/admin/admin_private.h"

/* Writes it; a->report must be fresh. */
void admin_page_write(const struct admin *a, FILE *out,
                      struct admin_http_reply *ret_reply);

/* Its parts (admin_sections.c, admin_warnings.c). */
void admin_page_warnings(const struct admin *a, FILE *out);
void admin_page_verdicts(const struct admin *a, FILE *out);
void admin_page_store(const struct admin *a, FILE *out);
void admin_page_haproxy(const struct admin *a, FILE *out);
void admin_page_totals(const struct admin *a, FILE *out);

/* admin_style.c */
extern const char admin_page_style[];
extern const char admin_page_script[];

#endif
