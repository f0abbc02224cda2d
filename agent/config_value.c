#include "agent/config_value.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>

#include "agent/config_text.h"

_Static_assert((int)CONFIG_VALUE_ITEM_SIZE >= (int)CONFIG_LIST_ITEM_SIZE &&
                   (int)CONFIG_VALUE_ITEM_SIZE >= (int)CONFIG_TEXT_SIZE,
               "any item fits");

static void *field_of(const struct config_option *o, void *object)
{
	return (char *)object + o->offset;
}

static const void *const_field_of(const struct config_option *o,
                                  const void *object)
{
	return (const char *)object + o->offset;
}

static int out_of_memory(char *reterr_text, size_t reterr_size)
{
	snprintf(reterr_text, reterr_size, "out of memory");
	return -1;
}

static int failed(const struct config_option *o, char *reterr_text,
                  size_t reterr_size, const char *what)
{
	char expected[CONFIG_VALUE_EXPECTED_SIZE];

	config_value_expected(o, expected);
	snprintf(reterr_text, reterr_size, "%s; expected %s", what, expected);
	return -1;
}

/* --- numbers --- */

/* How each type of number is read and written. */
static const struct number {
	size_t size;      /* of the field; 0: the type is no number */
	const char *noun; /* "… from 1 to 64" */
	uint64_t factor;  /* the text's unit in the field's */
	int (*read)(const char *text, uint64_t *ret_number, char *reterr_text,
	            size_t reterr_size);
	void (*write)(uint64_t number, char ret_text[CONFIG_TEXT_SIZE]);
} numbers[CONFIG_TYPES] = {
    [CONFIG_TYPE_COUNT] = {sizeof(uint64_t), "a number", 1, config_text_count,
                           config_text_from_count},
    [CONFIG_TYPE_SIZE] = {sizeof(uint64_t), "a size", 1, config_text_bytes,
                          config_text_from_bytes},
    [CONFIG_TYPE_DURATION_MS] = {sizeof(uint64_t), "a duration", 1,
                                 config_text_duration,
                                 config_text_from_duration},
    [CONFIG_TYPE_DURATION_S] = {sizeof(uint64_t), "whole seconds", 1000,
                                config_text_duration,
                                config_text_from_duration},
    [CONFIG_TYPE_MODE] = {sizeof(unsigned), "octal permissions", 1,
                          config_text_mode, config_text_from_mode},
};

static bool is_number(const struct config_option *o)
{
	return numbers[o->type].size > 0;
}

static int set_number(const struct config_option *o, void *object,
                      const char *text, char *reterr_text, size_t reterr_size)
{
	const struct number *n = &numbers[o->type];
	char what[64];
	unsigned small;
	uint64_t number;

	if (n->read(text, &number, what, sizeof(what)) < 0)
		return failed(o, reterr_text, reterr_size, what);
	if (number % n->factor)
		return failed(o, reterr_text, reterr_size, "has a fraction");
	number /= n->factor;
	if (number < o->min || number > o->max)
		return failed(o, reterr_text, reterr_size, "is out of range");
	small = (unsigned)number;
	if (n->size == sizeof(small))
		memcpy(field_of(o, object), &small, sizeof(small));
	else
		memcpy(field_of(o, object), &number, sizeof(number));
	return 0;
}

static void number_item(const struct config_option *o, const void *object,
                        char ret_text[CONFIG_VALUE_ITEM_SIZE])
{
	const struct number *n = &numbers[o->type];
	unsigned small;
	uint64_t number;

	if (n->size == sizeof(small)) {
		memcpy(&small, const_field_of(o, object), sizeof(small));
		number = small;
	} else {
		memcpy(&number, const_field_of(o, object), sizeof(number));
	}
	n->write(number * n->factor, ret_text);
}

/* --- choices and texts --- */

static const char *text_of(const struct config_option *o, const void *object)
{
	char *text;

	memcpy(&text, const_field_of(o, object), sizeof(text));
	return text;
}

static int set_text(const struct config_option *o, void *object,
                    const char *text, char *reterr_text, size_t reterr_size)
{
	char *copy = strdup(text);

	if (!copy)
		return out_of_memory(reterr_text, reterr_size);
	config_value_clear(o, object);
	memcpy(field_of(o, object), &copy, sizeof(copy));
	return 0;
}

static int set_choice(const struct config_option *o, void *object,
                      const char *text, char *reterr_text, size_t reterr_size)
{
	for (const struct config_choice *c = o->choices; c->text; c++) {
		if (strcmp(c->text, text) != 0)
			continue;
		if (o->type == CONFIG_TYPE_NAME)
			return set_text(o, object, text, reterr_text,
			                reterr_size);
		memcpy(field_of(o, object), &c->value, sizeof(c->value));
		return 0;
	}
	return failed(o, reterr_text, reterr_size, "is none of the choices");
}

static const char *choice_of(const struct config_option *o, const void *object)
{
	const struct config_choice *c = o->choices;
	unsigned value;

	memcpy(&value, const_field_of(o, object), sizeof(value));
	while (c->text && c->value != value)
		c++;
	assert(c->text);
	return c->text;
}

static int set_path(const struct config_option *o, void *object,
                    const char *text, char *reterr_text, size_t reterr_size)
{
	if (text[0] == '\0' && o->min == 0)
		return set_text(o, object, text, reterr_text, reterr_size);
	if (text[0] != '/')
		return failed(o, reterr_text, reterr_size,
		              "does not begin with /");
	if (strlen(text) > o->max)
		return failed(o, reterr_text, reterr_size, "is too long");
	if (strstr(text, " #"))
		return failed(o, reterr_text, reterr_size, "has a #");
	for (const char *c = text; *c; c++) {
		if (iscntrl((unsigned char)*c))
			return failed(o, reterr_text, reterr_size,
			              "has a control character");
	}
	return set_text(o, object, text, reterr_text, reterr_size);
}

static int set_word(const struct config_option *o, void *object,
                    const char *text, char *reterr_text, size_t reterr_size)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._:@+-";
	const size_t length = strlen(text);

	if (text[strspn(text, letters)] != '\0')
		return failed(o, reterr_text, reterr_size,
		              "has another character");
	if (length < o->min)
		return failed(o, reterr_text, reterr_size, "is too short");
	if (length > o->max)
		return failed(o, reterr_text, reterr_size, "is too long");
	return set_text(o, object, text, reterr_text, reterr_size);
}

/* Whether the field is a text of its own memory. */
static bool is_text(const struct config_option *o)
{
	return o->type == CONFIG_TYPE_NAME || o->type == CONFIG_TYPE_PATH ||
	       o->type == CONFIG_TYPE_WORD;
}

/* --- lists --- */

static int add_items(const struct config_option *o, void *object,
                     const char *text, char *reterr_text, size_t reterr_size)
{
	static const char separators[] = " \t,";

	text += strspn(text, separators);
	while (*text) {
		size_t length = strcspn(text, separators);
		char item[CONFIG_LIST_ITEM_SIZE + 1];

		/* One byte longer than an item may be says so itself. */
		snprintf(item, sizeof(item), "%.*s", (int)length, text);
		if (config_list_add(o, object, item, reterr_text, reterr_size) <
		    0)
			return -1;
		text += length;
		text += strspn(text, separators);
	}
	return 0;
}

/* --- all of them --- */

int config_value_set(const struct config_option *o, void *object,
                     const char *text, bool more, char *reterr_text,
                     size_t reterr_size)
{
	if (config_list_is(o->type)) {
		if (!more)
			config_list_clear(o, object);
		return add_items(o, object, text, reterr_text, reterr_size);
	}
	if (more)
		return failed(o, reterr_text, reterr_size,
		              "goes on in an indented line");
	if (is_number(o))
		return set_number(o, object, text, reterr_text, reterr_size);
	if (o->type == CONFIG_TYPE_PATH)
		return set_path(o, object, text, reterr_text, reterr_size);
	if (o->type == CONFIG_TYPE_WORD)
		return set_word(o, object, text, reterr_text, reterr_size);
	return set_choice(o, object, text, reterr_text, reterr_size);
}

int config_value_check(const struct config_option *o, const void *object,
                       char *reterr_text, size_t reterr_size)
{
	const uint64_t min = o->type == CONFIG_TYPE_FLAGS ? 1 : o->min;

	if (config_list_is(o->type) && config_list_count(o, object) < min)
		return failed(o, reterr_text, reterr_size, "is empty");
	return 0;
}

/* Bytes of the fields that are copied as they are. */
static size_t plain_size(const struct config_option *o)
{
	if (o->type == CONFIG_TYPE_STATUSES)
		return sizeof(struct policy_statuses);
	if (o->type == CONFIG_TYPE_CHOICE || o->type == CONFIG_TYPE_MODE ||
	    o->type == CONFIG_TYPE_FLAGS)
		return sizeof(unsigned);
	return sizeof(uint64_t);
}

bool config_value_copy(const struct config_option *o, void *object,
                       const void *from)
{
	char item[CONFIG_VALUE_ITEM_SIZE];
	char error[256];

	if (is_text(o))
		return set_text(o, object, text_of(o, from), error,
		                sizeof(error)) == 0;
	if (o->type != CONFIG_TYPE_HEADERS && o->type != CONFIG_TYPE_MEMBERS &&
	    o->type != CONFIG_TYPE_ADDRESSES &&
	    o->type != CONFIG_TYPE_SERVERS) {
		memcpy(field_of(o, object), const_field_of(o, from),
		       plain_size(o));
		return true;
	}
	config_list_clear(o, object);
	for (size_t i = 0; config_list_item(o, from, i, item); i++) {
		if (config_list_add(o, object, item, error, sizeof(error)) < 0)
			return false;
	}
	return true;
}

void config_value_clear(const struct config_option *o, void *object)
{
	char *text;

	if (is_text(o)) {
		memcpy(&text, field_of(o, object), sizeof(text));
		free(text);
		memset(field_of(o, object), 0, sizeof(text));
	}
	config_list_clear(o, object);
}

bool config_value_item(const struct config_option *o, const void *object,
                       size_t index, char ret_text[CONFIG_VALUE_ITEM_SIZE])
{
	if (config_list_is(o->type))
		return config_list_item(o, object, index, ret_text);
	if (index > 0)
		return false;
	if (is_number(o))
		number_item(o, object, ret_text);
	else
		snprintf(ret_text, CONFIG_VALUE_ITEM_SIZE, "%s",
		         o->type == CONFIG_TYPE_CHOICE ? choice_of(o, object)
		                                       : text_of(o, object));
	return true;
}

bool config_value_equal(const struct config_option *o, const void *a,
                        const void *b)
{
	char of_a[CONFIG_VALUE_ITEM_SIZE] = "";
	char of_b[CONFIG_VALUE_ITEM_SIZE] = "";

	for (size_t i = 0;; i++) {
		bool more_a = config_value_item(o, a, i, of_a);
		bool more_b = config_value_item(o, b, i, of_b);

		if (more_a != more_b || (more_a && strcmp(of_a, of_b) != 0))
			return false;
		if (!more_a)
			return true;
	}
}

static void expected_choice(const struct config_choice *choices, char *ret_text,
                            size_t size)
{
	size_t used = strlen(ret_text);

	for (const struct config_choice *c = choices; c->text; c++) {
		const char *joint = c == choices    ? ""
		                    : (c + 1)->text ? ", "
		                                    : " or ";

		used += (size_t)snprintf(ret_text + used, size - used, "%s%s",
		                         joint, c->text);
		assert(used < size);
	}
}

static void expected_number(const struct config_option *o, char *ret_text,
                            size_t size)
{
	const struct number *n = &numbers[o->type];
	char min[CONFIG_TEXT_SIZE];
	char max[CONFIG_TEXT_SIZE];

	n->write(o->min * n->factor, min);
	n->write(o->max * n->factor, max);
	snprintf(ret_text, size, "%s from %s to %s", n->noun, min, max);
}

void config_value_expected(const struct config_option *o,
                           char ret_text[CONFIG_VALUE_EXPECTED_SIZE])
{
	size_t size = CONFIG_VALUE_EXPECTED_SIZE;

	strcpy(ret_text, o->type == CONFIG_TYPE_FLAGS ? "some of " : "");
	if (is_number(o))
		expected_number(o, ret_text, size);
	else if (o->choices)
		expected_choice(o->choices, ret_text, size);
	else if (o->type == CONFIG_TYPE_PATH)
		snprintf(ret_text, size,
		         "an absolute path of at most %" PRIu64 " bytes%s",
		         o->max, o->min == 0 ? ", or nothing" : "");
	else if (o->type == CONFIG_TYPE_WORD)
		snprintf(ret_text, size,
		         "%" PRIu64 " to %" PRIu64
		         " letters, digits and . _ : @ + -",
		         o->min, o->max);
	else if (o->type == CONFIG_TYPE_STATUSES)
		snprintf(ret_text, size, "a list of statuses");
	else
		snprintf(ret_text, size,
		         "a list of %" PRIu64 " to %" PRIu64 " %s", o->min,
		         o->max,
		         o->type == CONFIG_TYPE_ADDRESSES ? "addresses"
		         : o->type == CONFIG_TYPE_SERVERS ? "servers"
		         : o->type == CONFIG_TYPE_MEMBERS ? "JSON pointers"
		                                          : "header names");
}
