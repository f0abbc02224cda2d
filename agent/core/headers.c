#include "agent/core/headers.h"

#include "agent/core/policy.h"

#include <strings.h>

static bool name_is(struct spoe_span name, struct spoe_span other)
{
	return name.size == other.size &&
	       strncasecmp((const char *)name.data, (const char *)other.data,
	                   name.size) == 0;
}

bool headers_next(struct spoe_reader *list, struct spoe_span *ret_name,
                  struct spoe_span *ret_value)
{
	struct spoe_reader at = *list;
	struct spoe_span name, value;

	if (!spoe_reader_string(&at, &name) || name.size == 0 ||
	    !spoe_reader_string(&at, &value))
		return false;
	*list = at;
	*ret_name = name;
	*ret_value = value;
	return true;
}

bool headers_valid(struct spoe_span list)
{
	struct spoe_reader at = spoe_reader(list);
	struct spoe_span name, value;

	if (list.size == 0)
		return true;
	while (headers_next(&at, &name, &value))
		;
	/* What is left is the end mark: two empty strings. */
	return at.left == 2 && at.at[0] == 0 && at.at[1] == 0;
}

/* Takes the next element off a comma-separated list, without the white space
 * around it; it may be empty. False when the list is at its end (NULL). */
static bool next_element(struct spoe_span *list, struct spoe_span *ret_element)
{
	const uint8_t *at = list->data;
	const uint8_t *comma;
	size_t size = list->size;

	if (at == NULL)
		return false;
	comma = memchr(at, ',', size);
	if (comma == NULL) {
		*list = spoe_span(NULL, 0);
	} else {
		size_t used = (size_t)(comma - at);

		*list = spoe_span(comma + 1, size - used - 1);
		size = used;
	}
	for (; size > 0 && (*at == ' ' || *at == '\t'); size--)
		at++;
	while (size > 0 && (at[size - 1] == ' ' || at[size - 1] == '\t'))
		size--;
	*ret_element = spoe_span(at, size);
	return true;
}

static bool parse_number(struct spoe_span text, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (text.size == 0)
		return false;
	for (size_t i = 0; i < text.size; i++) {
		unsigned digit = (unsigned)text.data[i] - '0';

		if (digit > 9 || number > (UINT64_MAX - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	*ret_number = number;
	return true;
}

/* Takes in one Content-Length value, itself a list when somebody on the way
 * joined repeated headers. */
static enum headers_length add_length(enum headers_length found,
                                      struct spoe_span value, uint64_t *length)
{
	struct spoe_span element;
	uint64_t number;

	while (next_element(&value, &element)) {
		if (!parse_number(element, &number))
			return HEADERS_LENGTH_BAD;
		if (found == HEADERS_LENGTH_VALID && number != *length)
			return HEADERS_LENGTH_BAD;
		found = HEADERS_LENGTH_VALID;
		*length = number;
	}
	return found;
}

enum headers_length headers_content_length(struct spoe_span list,
                                           uint64_t *ret_length)
{
	struct spoe_reader at = spoe_reader(list);
	enum headers_length found = HEADERS_LENGTH_NONE;
	struct spoe_span name, value;
	uint64_t length = 0;

	while (headers_next(&at, &name, &value)) {
		if (name_is(name, spoe_span_of("transfer-encoding")))
			return HEADERS_LENGTH_NONE;
		if (name_is(name, spoe_span_of("content-length")) &&
		    found != HEADERS_LENGTH_BAD)
			found = add_length(found, value, &length);
	}
	if (found == HEADERS_LENGTH_VALID)
		*ret_length = length;
	return found;
}

/* Never replayed, whatever the policy says: what is about one connection or
 * one hop (RFC 9110 sections 7.6.1, 11.7.1 and 11.7.3) and the length, which
 * the replayed body gives. */
static bool is_hop_by_hop(struct spoe_span name)
{
	static const char *const names[] = {
	    "connection",
	    "content-length",
	    "keep-alive",
	    "proxy-authenticate",
	    "proxy-authentication-info",
	    "proxy-connection",
	    "te",
	    "trailer",
	    "transfer-encoding",
	    "upgrade",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (name_is(name, spoe_span_of(names[i])))
			return true;
	}
	return false;
}

static bool has_connection(struct spoe_reader list)
{
	struct spoe_span name, value;

	while (headers_next(&list, &name, &value)) {
		if (name_is(name, spoe_span_of("connection")))
			return true;
	}
	return false;
}

/* Whether a Connection header of `list` names `wanted`. */
static bool connection_names(struct spoe_reader list, struct spoe_span wanted)
{
	struct spoe_span name, value, option;

	while (headers_next(&list, &name, &value)) {
		if (!name_is(name, spoe_span_of("connection")))
			continue;
		while (next_element(&value, &option)) {
			if (name_is(option, wanted))
				return true;
		}
	}
	return false;
}

bool headers_filter(struct spoe_span list, const struct policy *policy,
                    struct spoe_writer *out)
{
	const struct spoe_reader all = spoe_reader(list);
	const size_t size = out->size;
	bool connection = has_connection(all);
	struct spoe_reader at = all;
	struct spoe_span name, value;

	while (headers_next(&at, &name, &value)) {
		if (is_hop_by_hop(name) || policy_drops(policy, name) ||
		    (connection && connection_names(all, name)))
			continue;
		if (!spoe_writer_string(out, name) ||
		    !spoe_writer_string(out, value))
			goto full;
	}
	if (spoe_writer_u16(out, 0)) /* the end: two empty strings */
		return true;
full:
	out->size = size;
	return false;
}
