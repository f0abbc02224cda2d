/* agent/core/headers.h: a header list in the encoding of HAProxy's
 * res.hdrs_bin: (length-prefixed name, length-prefixed value)*, then two empty
 * strings; names in lower case (HAPROXY.md section 4). */
#ifndef AGENT_CORE_HEADERS_H
#define AGENT_CORE_HEADERS_H

#include "spoe/reader.h"
#include "spoe/writer.h"

struct policy;

/* True when `list` is one whole list and nothing follows it. An empty span is
 * the list without headers. */
bool headers_valid(struct spoe_span list);

/* The next header; false at the end of the list, or where it is malformed. */
bool headers_next(struct spoe_reader *list, struct spoe_span *ret_name,
                  struct spoe_span *ret_value);

enum headers_length {
	HEADERS_LENGTH_NONE,  /* none, or Transfer-Encoding overrides it */
	HEADERS_LENGTH_VALID, /* one, or several that agree */
	HEADERS_LENGTH_BAD,   /* not a number, or two that differ */
};

/* The Content-Length of a valid list; *ret_length is set when it is VALID.
 * Source: RFC 9110 section 8.6, RFC 9112 section 6.3. */
enum headers_length headers_content_length(struct spoe_span list,
                                           uint64_t *ret_length);

/* Copies the valid `list` without what must not be replayed: the hop-by-hop
 * headers, those that Connection names, Content-Length (it comes from the
 * body), and those the policy drops. Order and repeats are kept. Returns false
 * and writes nothing when `out` is too small, which cannot be while it has room
 * for list.size + 2 bytes. Source: RFC 9110 section 7.6.1. */
bool headers_filter(struct spoe_span list, const struct policy *policy,
                    struct spoe_writer *out);

#endif
