#include "agent/config_list.h"

#include <assert.h>
#include <stdlib.h>

static int failed(const char *item, char *reterr_text, size_t reterr_size,
                  const char *what)
{
	snprintf(reterr_text, reterr_size, "\"%s\" %s", item, what);
	return -1;
}

/* --- addresses --- */

/* Where a list of addresses is, and how many it has. */
struct addresses {
	size_t list;
	size_t n;
	bool may_tls;
};

static const struct addresses *addresses_of(const struct config_option *o)
{
	static const struct addresses lists[] = {
	    {offsetof(struct config, listen), offsetof(struct config, n_listen),
	     true},
	    {offsetof(struct config, notices_listen),
	     offsetof(struct config, n_notices_listen), false},
	    {offsetof(struct config, admin_listen),
	     offsetof(struct config, n_admin_listen), false},
	};
	size_t i = 0;

	while (lists[i].list != o->offset) {
		i++;
		assert(i < sizeof(lists) / sizeof(lists[0]));
	}
	return &lists[i];
}

static size_t *address_count(const struct config_option *o, void *config)
{
	return (size_t *)(void *)((char *)config + addresses_of(o)->n);
}

static struct address *address_list(const struct config_option *o, void *config)
{
	return (struct address *)(void *)((char *)config + o->offset);
}

static int add_address(const struct config_option *o, void *config,
                       const char *item, char *reterr_text, size_t reterr_size)
{
	size_t *n = address_count(o, config);
	struct address *list = address_list(o, config);
	struct address *address = &list[*n];
	char text[CONFIG_LIST_ITEM_SIZE];
	char other[CONFIG_LIST_ITEM_SIZE];

	if (*n == CONFIG_LISTEN_MAX)
		return failed(item, reterr_text, reterr_size,
		              "is one too many");
	if (address_parse(item, address, reterr_text, reterr_size) < 0)
		return -1;
	if (address->tls && !addresses_of(o)->may_tls)
		return failed(item, reterr_text, reterr_size,
		              "cannot have TLS; expected it without tls:");
	address_format(address, text, sizeof(text));
	for (size_t i = 0; i < *n; i++) {
		address_format(&list[i], other, sizeof(other));
		if (strcmp(text, other) == 0)
			return failed(item, reterr_text, reterr_size,
			              "is listed twice");
	}
	++*n;
	return 0;
}

/* --- servers --- */

static int add_server(struct config *config, const char *item,
                      char *reterr_text, size_t reterr_size)
{
	struct endpoint server;

	if (config->n_redis_servers == CONFIG_SERVERS_MAX)
		return failed(item, reterr_text, reterr_size,
		              "is one too many");
	if (endpoint_parse(item, &server, reterr_text, reterr_size) < 0)
		return -1;
	for (size_t i = 0; i < config->n_redis_servers; i++)
		if (endpoint_equal(&server, &config->redis_servers[i]))
			return failed(item, reterr_text, reterr_size,
			              "is listed twice");
	config->redis_servers[config->n_redis_servers++] = server;
	return 0;
}

static bool server_item(const struct config *config, size_t index,
                        char ret_text[CONFIG_LIST_ITEM_SIZE])
{
	if (index >= config->n_redis_servers)
		return false;
	endpoint_format(&config->redis_servers[index], ret_text,
	                CONFIG_LIST_ITEM_SIZE);
	return true;
}

/* --- statuses --- */

#define STATUS_EXPECTED                                               \
	"expected a status of 100 to 599 like 201, or many like 2xx " \
	"or 200-299, or ! and one of these"

/* `2xx` or `201`: the first and the last of them. Returns what follows, or
 * NULL. */
static const char *read_status(const char *text, unsigned *ret_first,
                               unsigned *ret_last)
{
	if (text[0] < '1' || text[0] > '5')
		return NULL;
	*ret_first = (unsigned)(text[0] - '0') * 100;
	*ret_last = *ret_first + 99;
	if (strncmp(text + 1, "xx", 2) == 0)
		return text + 3;
	if (strspn(text, "0123456789") != 3)
		return NULL;
	*ret_first += (unsigned)(text[1] - '0') * 10;
	*ret_first += (unsigned)(text[2] - '0');
	*ret_last = *ret_first;
	return text + 3;
}

static int add_statuses(struct policy_statuses *statuses, const char *item,
                        char *reterr_text, size_t reterr_size)
{
	bool there = item[0] != '!';
	unsigned first;
	unsigned last;
	unsigned end;
	const char *rest = read_status(item + !there, &first, &last);

	if (rest && *rest == '-') {
		/* `200-299`: two statuses, not `2xx`. */
		rest =
		    first == last ? read_status(rest + 1, &last, &end) : NULL;
		if (rest && last != end)
			rest = NULL;
	}
	if (!rest || *rest)
		return failed(item, reterr_text, reterr_size,
		              "is no status; " STATUS_EXPECTED);
	if (last < first)
		return failed(item, reterr_text, reterr_size,
		              "ends before it begins; " STATUS_EXPECTED);
	policy_statuses_set(statuses, first, last, there);
	return 0;
}

/* One item for each run of statuses within a hundred. */
static bool status_item(const struct policy_statuses *statuses, size_t index,
                        char ret_text[CONFIG_LIST_ITEM_SIZE])
{
	unsigned first = POLICY_STATUS_MIN;

	while (first <= POLICY_STATUS_MAX) {
		unsigned last = first;

		while (policy_statuses_has(statuses, last) && last % 100 < 99 &&
		       policy_statuses_has(statuses, last + 1))
			last++;
		if (policy_statuses_has(statuses, first) && index-- == 0) {
			if (last - first == 99)
				snprintf(ret_text, CONFIG_LIST_ITEM_SIZE,
				         "%uxx", first / 100);
			else if (last == first)
				snprintf(ret_text, CONFIG_LIST_ITEM_SIZE, "%u",
				         first);
			else
				snprintf(ret_text, CONFIG_LIST_ITEM_SIZE,
				         "%u-%u", first, last);
			return true;
		}
		first = last + 1;
	}
	return false;
}

static size_t count_statuses(const struct policy_statuses *statuses)
{
	size_t n = 0;

	for (unsigned s = POLICY_STATUS_MIN; s <= POLICY_STATUS_MAX; s++)
		n += policy_statuses_has(statuses, s);
	return n;
}

/* --- header names --- */

/* RFC 9110 section 5.6.2: tchar, less the `#` that would begin a comment; and
 * in lower case, as HAProxy gives names. */
static bool to_token(char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "0123456789!$%&'*+-.^_`|~";

	for (char *c = text; *c; c++) {
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	}
	return text[strspn(text, letters)] == '\0';
}

static int add_header(struct policy *policy, const char *item,
                      char *reterr_text, size_t reterr_size)
{
	char *name;

	if (policy->n_drops == POLICY_DROPS_MAX)
		return failed(item, reterr_text, reterr_size,
		              "is one too many");
	name = strdup(item);
	if (!name) {
		snprintf(reterr_text, reterr_size, "out of memory");
		return -1;
	}
	if (!to_token(name)) {
		free(name);
		return failed(item, reterr_text, reterr_size,
		              "is no header name; expected letters, digits "
		              "and -");
	}
	if (policy_drops(policy, spoe_span_of(name))) {
		free(name);
		return failed(item, reterr_text, reterr_size,
		              "is listed twice");
	}
	policy->drops[policy->n_drops++] = name;
	return 0;
}

static void clear_texts(char **texts, size_t *n)
{
	for (size_t i = 0; i < *n; i++)
		free(texts[i]);
	*n = 0;
}

/* --- members of JSON --- */

/* RFC 6901: each token behind a /, and in it ~0 and ~1 for ~ and /. */
static bool is_pointer(const char *text)
{
	for (const char *c = text; *c; c++) {
		if (*c < '!' || *c > '~' || *c == '#' || *c == ';')
			return false;
		if (*c == '~' && c[1] != '0' && c[1] != '1')
			return false;
	}
	return text[0] == '/' && text[1];
}

static int add_member(struct policy *policy, const char *item,
                      char *reterr_text, size_t reterr_size)
{
	char *pointer;

	if (policy->n_excluded == POLICY_EXCLUDED_MAX)
		return failed(item, reterr_text, reterr_size,
		              "is one too many");
	if (!is_pointer(item))
		return failed(item, reterr_text, reterr_size,
		              "is no JSON pointer; expected one like "
		              "/sent_at or /meta/attempt");
	for (size_t i = 0; i < policy->n_excluded; i++) {
		if (strcmp(policy->excluded[i], item) == 0)
			return failed(item, reterr_text, reterr_size,
			              "is listed twice");
	}
	pointer = strdup(item);
	if (!pointer) {
		snprintf(reterr_text, reterr_size, "out of memory");
		return -1;
	}
	policy->excluded[policy->n_excluded++] = pointer;
	return 0;
}

/* --- flags: some of the choices --- */

static int add_flag(const struct config_option *o, unsigned *flags,
                    const char *item, char *reterr_text, size_t reterr_size)
{
	size_t used;

	for (const struct config_choice *c = o->choices; c->text; c++) {
		if (strcmp(c->text, item) != 0)
			continue;
		if (*flags & c->value)
			return failed(item, reterr_text, reterr_size,
			              "is listed twice");
		*flags |= c->value;
		return 0;
	}
	used = (size_t)snprintf(reterr_text, reterr_size, "\"%s\" is none of",
	                        item);
	for (const struct config_choice *c = o->choices;
	     c->text && used < reterr_size; c++)
		used += (size_t)snprintf(reterr_text + used, reterr_size - used,
		                         " %s", c->text);
	return -1;
}

static const char *flag_item(const struct config_option *o, unsigned flags,
                             size_t index)
{
	for (const struct config_choice *c = o->choices; c->text; c++) {
		if ((flags & c->value) && index-- == 0)
			return c->text;
	}
	return NULL;
}

/* --- all of them --- */

static void *field_of(const struct config_option *o, void *object)
{
	return (char *)object + o->offset;
}

static const void *const_field_of(const struct config_option *o,
                                  const void *object)
{
	return (const char *)object + o->offset;
}

bool config_list_is(enum config_type type)
{
	return type == CONFIG_TYPE_ADDRESSES || type == CONFIG_TYPE_SERVERS ||
	       type == CONFIG_TYPE_STATUSES || type == CONFIG_TYPE_HEADERS ||
	       type == CONFIG_TYPE_MEMBERS || type == CONFIG_TYPE_FLAGS;
}

void config_list_clear(const struct config_option *o, void *object)
{
	struct policy *policy = object;

	if (o->type == CONFIG_TYPE_ADDRESSES)
		*address_count(o, object) = 0;
	else if (o->type == CONFIG_TYPE_SERVERS)
		((struct config *)object)->n_redis_servers = 0;
	else if (o->type == CONFIG_TYPE_STATUSES)
		policy_statuses_set(field_of(o, object), POLICY_STATUS_MIN,
		                    POLICY_STATUS_MAX, false);
	else if (o->type == CONFIG_TYPE_FLAGS)
		*(unsigned *)field_of(o, object) = 0;
	else if (o->type == CONFIG_TYPE_HEADERS)
		clear_texts(policy->drops, &policy->n_drops);
	else if (o->type == CONFIG_TYPE_MEMBERS)
		clear_texts(policy->excluded, &policy->n_excluded);
}

int config_list_add(const struct config_option *o, void *object,
                    const char *item, char *reterr_text, size_t reterr_size)
{
	assert(config_list_is(o->type));
	if (strlen(item) >= CONFIG_LIST_ITEM_SIZE)
		return failed(item, reterr_text, reterr_size, "is too long");
	if (o->type == CONFIG_TYPE_ADDRESSES)
		return add_address(o, object, item, reterr_text, reterr_size);
	if (o->type == CONFIG_TYPE_SERVERS)
		return add_server(object, item, reterr_text, reterr_size);
	if (o->type == CONFIG_TYPE_STATUSES)
		return add_statuses(field_of(o, object), item, reterr_text,
		                    reterr_size);
	if (o->type == CONFIG_TYPE_FLAGS)
		return add_flag(o, field_of(o, object), item, reterr_text,
		                reterr_size);
	if (o->type == CONFIG_TYPE_MEMBERS)
		return add_member(object, item, reterr_text, reterr_size);
	return add_header(object, item, reterr_text, reterr_size);
}

static unsigned flags_of(const struct config_option *o, const void *object)
{
	return *(const unsigned *)const_field_of(o, object);
}

size_t config_list_count(const struct config_option *o, const void *object)
{
	const struct policy *policy = object;
	size_t n;

	assert(config_list_is(o->type));
	if (o->type == CONFIG_TYPE_ADDRESSES)
		return *(const size_t *)(const void *)((const char *)object +
		                                       addresses_of(o)->n);
	if (o->type == CONFIG_TYPE_SERVERS)
		return ((const struct config *)object)->n_redis_servers;
	if (o->type == CONFIG_TYPE_STATUSES)
		return count_statuses(const_field_of(o, object));
	if (o->type == CONFIG_TYPE_FLAGS) {
		for (n = 0; flag_item(o, flags_of(o, object), n);)
			n++;
		return n;
	}
	return o->type == CONFIG_TYPE_MEMBERS ? policy->n_excluded
	                                      : policy->n_drops;
}

bool config_list_item(const struct config_option *o, const void *object,
                      size_t index, char ret_text[CONFIG_LIST_ITEM_SIZE])
{
	const struct policy *policy = object;
	const struct address *addresses = const_field_of(o, object);

	assert(config_list_is(o->type));
	if (o->type == CONFIG_TYPE_SERVERS)
		return server_item(object, index, ret_text);
	if (o->type == CONFIG_TYPE_STATUSES)
		return status_item(const_field_of(o, object), index, ret_text);
	if (index >= config_list_count(o, object))
		return false;
	if (o->type == CONFIG_TYPE_ADDRESSES)
		address_format(&addresses[index], ret_text,
		               CONFIG_LIST_ITEM_SIZE);
	else if (o->type == CONFIG_TYPE_FLAGS)
		snprintf(ret_text, CONFIG_LIST_ITEM_SIZE, "%s",
		         flag_item(o, flags_of(o, object), index));
	else
		snprintf(ret_text, CONFIG_LIST_ITEM_SIZE, "%s",
		         o->type == CONFIG_TYPE_MEMBERS
		             ? policy->excluded[index]
		             : policy->drops[index]);
	return true;
}
