#include "spoe/hello.h"

#include "spoe/data.h"

/* What a HELLO says, as it says it. SPOE_TYPE_NULL: it does not. */
struct offer {
	struct spoe_data versions;
	struct spoe_data frame_size;
	struct spoe_data capabilities;
	struct spoe_data healthcheck;
	struct spoe_data engine_id;
};

static struct spoe_data *find_item(struct offer *offer, struct spoe_span name)
{
	const struct {
		const char *name;
		struct spoe_data *value;
	} items[] = {
	    {"supported-versions", &offer->versions},
	    {"max-frame-size", &offer->frame_size},
	    {"capabilities", &offer->capabilities},
	    {"healthcheck", &offer->healthcheck},
	    {"engine-id", &offer->engine_id},
	};

	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
		if (spoe_span_equal(name, spoe_span_of(items[i].name)))
			return items[i].value;
	}
	return NULL;
}

static bool read_items(struct spoe_reader payload, struct offer *ret_offer)
{
	struct spoe_span name;
	struct spoe_data value;

	*ret_offer = (struct offer){0};
	while (spoe_data_read_kv(&payload, &name, &value)) {
		struct spoe_data *item = find_item(ret_offer, name);

		if (item != NULL)
			*item = value;
	}
	return payload.left == 0;
}

static struct spoe_span trim(struct spoe_span text)
{
	while (text.size > 0 && text.data[0] == ' ')
		text = spoe_span(text.data + 1, text.size - 1);
	while (text.size > 0 && text.data[text.size - 1] == ' ')
		text.size--;
	return text;
}

/* Cuts the first item off a comma-separated list in which blanks mean
 * nothing; false when nothing is left. */
static bool next_of_list(struct spoe_span *list, struct spoe_span *ret_item)
{
	size_t end = 0;

	if (list->size == 0)
		return false;
	while (end < list->size && list->data[end] != ',')
		end++;
	*ret_item = trim(spoe_span(list->data, end));
	if (end < list->size)
		end++;
	*list = spoe_span(list->data + end, list->size - end);
	return true;
}

static bool is_version_2(struct spoe_span version)
{
	if (version.size < 3 || memcmp(version.data, "2.", 2) != 0)
		return false;
	for (size_t i = 2; i < version.size; i++) {
		if (version.data[i] < '0' || version.data[i] > '9')
			return false;
	}
	return true;
}

static bool has_version_2(struct spoe_span list)
{
	struct spoe_span item;

	while (next_of_list(&list, &item)) {
		if (is_version_2(item))
			return true;
	}
	return false;
}

static bool has_capability(struct spoe_span list, const char *name)
{
	struct spoe_span item;

	while (next_of_list(&list, &item)) {
		if (spoe_span_equal(item, spoe_span_of(name)))
			return true;
	}
	return false;
}

/* True when `data` is of `type`, or is not there at all. */
static bool is_optional(const struct spoe_data *data, enum spoe_type type)
{
	return data->type == type || data->type == SPOE_TYPE_NULL;
}

static enum spoe_status check_items(const struct offer *offer,
                                    uint64_t *ret_frame_size)
{
	if (offer->versions.type == SPOE_TYPE_NULL)
		return SPOE_STATUS_NO_VERSION;
	if (offer->versions.type != SPOE_TYPE_STRING ||
	    !has_version_2(offer->versions.bytes))
		return SPOE_STATUS_BAD_VERSION;
	if (offer->frame_size.type == SPOE_TYPE_NULL)
		return SPOE_STATUS_NO_FRAME_SIZE;
	if (!spoe_data_uint(&offer->frame_size, ret_frame_size) ||
	    *ret_frame_size < SPOE_FRAME_MIN)
		return SPOE_STATUS_BAD_FRAME_SIZE;
	if (offer->capabilities.type != SPOE_TYPE_STRING)
		return SPOE_STATUS_NO_CAPABILITIES;
	if (!is_optional(&offer->healthcheck, SPOE_TYPE_BOOL) ||
	    !is_optional(&offer->engine_id, SPOE_TYPE_STRING))
		return SPOE_STATUS_INVALID;
	return SPOE_STATUS_OK;
}

enum spoe_status spoe_hello_read(struct spoe_reader payload,
                                 struct spoe_hello *ret_hello)
{
	struct offer offer;
	uint64_t frame_size;
	enum spoe_status status;

	if (!read_items(payload, &offer))
		return SPOE_STATUS_INVALID;
	status = check_items(&offer, &frame_size);
	if (status != SPOE_STATUS_OK)
		return status;

	*ret_hello = (struct spoe_hello){.max_frame_size = frame_size};
	ret_hello->pipelining =
	    has_capability(offer.capabilities.bytes, "pipelining");
	ret_hello->async = has_capability(offer.capabilities.bytes, "async");
	if (offer.healthcheck.type == SPOE_TYPE_BOOL)
		ret_hello->healthcheck = offer.healthcheck.boolean;
	if (offer.engine_id.type == SPOE_TYPE_STRING)
		ret_hello->engine_id = offer.engine_id.bytes;
	return SPOE_STATUS_OK;
}
