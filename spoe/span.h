/* spoe/span.h: a run of bytes that somebody else owns. */
#ifndef SPOE_SPAN_H
#define SPOE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed: whoever hands out a span says how long it stays valid. */
struct spoe_span {
	const uint8_t *data; /* may be NULL when size is 0 */
	size_t size;         /* bytes */
};

static inline struct spoe_span spoe_span(const void *data, size_t size)
{
	return (struct spoe_span){.data = data, .size = size};
}

static inline struct spoe_span spoe_span_of(const char *text)
{
	return spoe_span(text, strlen(text));
}

static inline bool spoe_span_equal(struct spoe_span a, struct spoe_span b)
{
	return a.size == b.size &&
	       (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

#endif
