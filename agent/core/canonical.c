#include "agent/core/canonical.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>

#include "spoe/writer.h"

/* --- numbers ------------------------------------------------------------- */

enum {
	INTEGER_DIGITS = 19, /* of 64 bits */
	/* Decimals of so many digits and such a size are told apart by
	 * doubles, and come out of them as they went in (DBL_DIG). */
	REAL_DIGITS = 15,
	REAL_POINT_MAX = 300,
	EXPONENT_MAX = 9999,
	/* ECMA-262, Number::toString(): longer ones have an exponent. */
	PLAIN_POINT_MIN = -5,
	PLAIN_POINT_MAX = 21,
	NUMBER_TEXT_MAX = 40,
};

/* 0.ddd × 10^point, without zeros at either end; no digits: zero. */
struct decimal {
	bool negative;
	char digits[INTEGER_DIGITS];
	size_t n_digits;
	int point;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* False when it has more digits than there is room for. */
static bool add_digit(struct decimal *d, char c, bool fraction, size_t *zeros)
{
	if (!fraction && (d->n_digits > 0 || c != '0'))
		d->point++;
	if (fraction && d->n_digits == 0 && c == '0')
		d->point--;
	if (c == '0') {
		*zeros += d->n_digits > 0;
		return true;
	}
	if (*zeros >= sizeof(d->digits) - d->n_digits)
		return false;
	memset(d->digits + d->n_digits, '0', *zeros);
	d->n_digits += *zeros;
	*zeros = 0;
	d->digits[d->n_digits++] = c;
	return true;
}

static bool read_exponent(const char *text, size_t size, int *ret_exponent)
{
	const bool negative = size > 0 && text[0] == '-';
	int exponent = 0;

	for (size_t i = size > 0 && !is_digit(text[0]); i < size; i++) {
		exponent = exponent * 10 + (text[i] - '0');
		if (exponent > EXPONENT_MAX)
			return false;
	}
	*ret_exponent = negative ? -exponent : exponent;
	return true;
}

/* Reads a number of valid JSON; false when it is beyond what we compare. */
static bool read_decimal(const char *text, size_t size,
                         struct decimal *ret_decimal)
{
	struct decimal d = {.negative = size > 0 && text[0] == '-'};
	size_t zeros = 0;
	bool fraction = false;
	int exponent = 0;

	for (size_t i = d.negative; i < size; i++) {
		if (text[i] == 'e' || text[i] == 'E') {
			if (!read_exponent(text + i + 1, size - i - 1,
			                   &exponent))
				return false;
			break;
		}
		if (text[i] == '.')
			fraction = true;
		else if (!add_digit(&d, text[i], fraction, &zeros))
			return false;
	}
	d.point += exponent;
	if (d.n_digits == 0)
		d = (struct decimal){.n_digits = 0};
	*ret_decimal = d;
	return true;
}

static bool write_text(struct spoe_writer *w, const char *text, size_t size)
{
	return spoe_writer_bytes(w, spoe_span(text, size));
}

static bool write_zeros(struct spoe_writer *w, int n)
{
	bool done = true;

	for (; n > 0; n--)
		done = done && spoe_writer_u8(w, '0');
	return done;
}

/* Digits, with a point before the one at `point` when that is among them. */
static bool write_digits(struct spoe_writer *w, const struct decimal *d,
                         size_t point)
{
	if (point >= d->n_digits)
		return write_text(w, d->digits, d->n_digits) &&
		       write_zeros(w, (int)(point - d->n_digits));
	return write_text(w, d->digits, point) && spoe_writer_u8(w, '.') &&
	       write_text(w, d->digits + point, d->n_digits - point);
}

static bool write_exponent(struct spoe_writer *w, int exponent)
{
	char text[8];
	size_t at = sizeof(text);
	bool done = write_text(w, exponent < 0 ? "e-" : "e+", 2);

	for (int left = abs(exponent); left > 0; left /= 10)
		text[--at] = (char)('0' + left % 10);
	return done && write_text(w, text + at, sizeof(text) - at);
}

static bool write_decimal(struct spoe_writer *w, const struct decimal *d)
{
	if (d->n_digits == 0)
		return spoe_writer_u8(w, '0');
	if (d->negative && !spoe_writer_u8(w, '-'))
		return false;
	if (d->point > 0 && d->point <= PLAIN_POINT_MAX)
		return write_digits(w, d, (size_t)d->point);
	if (d->point <= 0 && d->point >= PLAIN_POINT_MIN)
		return write_text(w, "0.", 2) && write_zeros(w, -d->point) &&
		       write_text(w, d->digits, d->n_digits);
	/* d, or d.ddd; the exponent counts from behind the first digit. */
	return (d->n_digits == 1 ? write_text(w, d->digits, 1)
	                         : write_digits(w, d, 1)) &&
	       write_exponent(w, d->point - 1);
}

/* Whether a number keeps its value as a double. */
static bool keeps_value(const char *number, size_t size)
{
	struct decimal d;

	for (size_t i = 0; i < size; i++) {
		const char c = number[i];

		if (c != '.' && c != 'e' && c != 'E')
			continue;
		return read_decimal(number, size, &d) &&
		       d.n_digits <= REAL_DIGITS &&
		       abs(d.point) <= REAL_POINT_MAX;
	}
	return true; /* an integer is not read as a double */
}

/* --- the text as it is written -------------------------------------------- */

struct cursor {
	const char *text;
	size_t size;
	size_t at;
};

static void skip_string(struct cursor *c)
{
	for (c->at++; c->at < c->size && c->text[c->at] != '"'; c->at++)
		c->at += c->text[c->at] == '\\';
	c->at++;
}

/* Whether the text is no deeper than we go. Asked before Jansson reads it: that
 * goes as deep as the text does, on the stack. */
static bool is_shallow(struct cursor c)
{
	size_t depth = 0;

	while (c.at < c.size && depth <= CANONICAL_DEPTH_MAX) {
		const char letter = c.text[c.at];

		if (letter == '"') {
			skip_string(&c);
			continue;
		}
		if (letter == '[' || letter == '{')
			depth++;
		else if (depth > 0 && (letter == ']' || letter == '}'))
			depth--;
		c.at++;
	}
	return depth <= CANONICAL_DEPTH_MAX;
}

/* The next number of a valid text, as it is written. */
static const char *next_number(struct cursor *n, size_t *ret_size)
{
	static const char letters[] = "0123456789-+.eE";
	size_t from;

	while (n->at < n->size && n->text[n->at] != '-' &&
	       !is_digit(n->text[n->at])) {
		if (n->text[n->at] == '"')
			skip_string(n);
		else
			n->at++;
	}
	from = n->at;
	while (n->at < n->size &&
	       memchr(letters, n->text[n->at], sizeof(letters) - 1))
		n->at++;
	*ret_size = n->at - from;
	return n->text + from;
}

/* Whether the numbers of `value` keep their values where they count. Jansson
 * remembers the order of members, so the numbers of the text come in turn. */
static bool is_faithful(const json_t *value, struct cursor *numbers,
                        const json_t *const *excluded, bool counts)
{
	json_t *all = (json_t *)(uintptr_t)value;
	bool faithful = true;
	const char *number;
	size_t size;

	for (size_t i = 0; i < POLICY_EXCLUDED_MAX; i++)
		counts = counts && excluded[i] != value;
	if (json_is_number(value)) {
		number = next_number(numbers, &size);
		return !counts || keeps_value(number, size);
	}
	for (size_t i = 0; faithful && i < json_array_size(value); i++)
		faithful = is_faithful(json_array_get(value, i), numbers,
		                       excluded, counts);
	for (void *at = json_object_iter(all); faithful && at;
	     at = json_object_iter_next(all, at))
		faithful = is_faithful(json_object_iter_value(at), numbers,
		                       excluded, counts);
	return faithful;
}

/* --- the form ------------------------------------------------------------- */

static bool write_escape(struct spoe_writer *w, uint8_t c)
{
	static const char hex[] = "0123456789abcdef";
	static const char named[] = "\b\t\n\f\r\"\\";
	static const char names[] = "btnfr\"\\";
	const char *name = memchr(named, c, sizeof(named) - 1);

	if (name)
		return spoe_writer_u8(w, '\\') &&
		       spoe_writer_u8(w, (uint8_t)names[name - named]);
	return write_text(w, "\\u00", 4) &&
	       spoe_writer_u8(w, (uint8_t)hex[c >> 4]) &&
	       spoe_writer_u8(w, (uint8_t)hex[c & 15]);
}

static bool write_string(struct spoe_writer *w, const char *text, size_t size)
{
	bool done = spoe_writer_u8(w, '"');

	for (size_t i = 0; i < size; i++) {
		const uint8_t c = (uint8_t)text[i];

		if (c < ' ' || c == '"' || c == '\\')
			done = done && write_escape(w, c);
		else
			done = done && spoe_writer_u8(w, c);
	}
	return done && spoe_writer_u8(w, '"');
}

static bool write_number(struct spoe_writer *w, const json_t *value)
{
	char text[NUMBER_TEXT_MAX];
	struct decimal d;
	const size_t size =
	    json_dumpb(value, text, sizeof(text),
	               JSON_ENCODE_ANY | JSON_REAL_PRECISION(REAL_DIGITS));
	bool done =
	    size > 0 && size <= sizeof(text) && read_decimal(text, size, &d);

	assert(done);
	return write_decimal(w, &d);
}

/* Where a byte of UTF-8 stands in the order of UTF-16: what needs surrogates
 * (F0 and above) comes before U+E000 to U+FFFF (EE and EF). */
static int rank_of(char c)
{
	const uint8_t byte = (uint8_t)c;

	return byte == 0xee || byte == 0xef ? byte + 0x10 : byte;
}

static int compare_names(const void *a, const void *b)
{
	const char *x = *(const char *const *)a;
	const char *y = *(const char *const *)b;

	while (*x && *x == *y) {
		x++;
		y++;
	}
	return rank_of(*x) - rank_of(*y);
}

static enum canonical_result write_value(struct spoe_writer *w,
                                         const json_t *value);

static enum canonical_result write_members(struct spoe_writer *w,
                                           const json_t *object,
                                           const char **names)
{
	size_t n = 0;
	void *at;

	for (at = json_object_iter((json_t *)(uintptr_t)object); at;
	     at = json_object_iter_next((json_t *)(uintptr_t)object, at))
		names[n++] = json_object_iter_key(at);
	qsort(names, n, sizeof(*names), compare_names);
	spoe_writer_u8(w, '{');
	for (size_t i = 0; i < n; i++) {
		enum canonical_result result;

		if (i > 0)
			spoe_writer_u8(w, ',');
		write_string(w, names[i], strlen(names[i]));
		spoe_writer_u8(w, ':');
		result = write_value(w, json_object_get(object, names[i]));
		if (result != CANONICAL_DONE)
			return result;
	}
	spoe_writer_u8(w, '}');
	return CANONICAL_DONE;
}

static enum canonical_result write_object(struct spoe_writer *w,
                                          const json_t *object)
{
	const char **names =
	    malloc((json_object_size(object) + 1) * sizeof(*names));
	enum canonical_result result;

	if (!names)
		return CANONICAL_NO_MEMORY;
	result = write_members(w, object, names);
	free(names);
	return result;
}

static enum canonical_result write_array(struct spoe_writer *w,
                                         const json_t *array)
{
	spoe_writer_u8(w, '[');
	for (size_t i = 0; i < json_array_size(array); i++) {
		enum canonical_result result;

		if (i > 0)
			spoe_writer_u8(w, ',');
		result = write_value(w, json_array_get(array, i));
		if (result != CANONICAL_DONE)
			return result;
	}
	spoe_writer_u8(w, ']');
	return CANONICAL_DONE;
}

static enum canonical_result write_value(struct spoe_writer *w,
                                         const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return write_object(w, value);
	case JSON_ARRAY:
		return write_array(w, value);
	case JSON_STRING:
		write_string(w, json_string_value(value),
		             json_string_length(value));
		break;
	case JSON_INTEGER:
	case JSON_REAL:
		write_number(w, value);
		break;
	case JSON_TRUE:
		write_text(w, "true", 4);
		break;
	case JSON_FALSE:
		write_text(w, "false", 5);
		break;
	case JSON_NULL:
		write_text(w, "null", 4);
		break;
	}
	return CANONICAL_DONE;
}

/* --- members that do not count ---------------------------------------------
 */

enum { TOKEN_SIZE = 256 };

/* One token of a JSON pointer, unescaped; returns what follows. */
static const char *read_token(const char *pointer, char ret_token[TOKEN_SIZE])
{
	assert(strlen(pointer) < TOKEN_SIZE);
	for (pointer++; *pointer && *pointer != '/'; pointer++) {
		if (pointer[0] == '~' && pointer[1]) {
			pointer++;
			*ret_token++ = *pointer == '0' ? '~' : '/';
		} else {
			*ret_token++ = *pointer;
		}
	}
	*ret_token = '\0';
	return pointer;
}

/* The object that has, or would have, the member; NULL when there is none. */
static json_t *find_object(json_t *root, const char *pointer,
                           char ret_name[TOKEN_SIZE])
{
	json_t *at = root;

	pointer = read_token(pointer, ret_name);
	while (*pointer) {
		at = json_object_get(at, ret_name);
		pointer = read_token(pointer, ret_name);
	}
	return at;
}

/* Takes the members out; false when what is left has no canonical form. */
static bool exclude(json_t *root, struct cursor text,
                    const struct policy *policy)
{
	const json_t *excluded[POLICY_EXCLUDED_MAX] = {NULL};
	char name[TOKEN_SIZE];

	for (size_t i = 0; i < policy->n_excluded; i++) {
		json_t *object = find_object(root, policy->excluded[i], name);

		excluded[i] = json_object_get(object, name);
	}
	if (!is_faithful(root, &text, excluded, true))
		return false;
	for (size_t i = 0; i < policy->n_excluded; i++) {
		json_t *object = find_object(root, policy->excluded[i], name);

		json_object_del(object, name);
	}
	return true;
}

/* --- all of it -------------------------------------------------------------
 */

static enum canonical_result write_root(const json_t *root, size_t text_size,
                                        uint8_t **ret_bytes, size_t *ret_size)
{
	/* What grows most is a number: `1e20,` to 22 bytes. */
	const size_t capacity = 6 * text_size;
	struct spoe_writer w = spoe_writer(malloc(capacity), capacity);
	enum canonical_result result;

	if (!w.data)
		return CANONICAL_NO_MEMORY;
	result = write_value(&w, root);
	if (result != CANONICAL_DONE) {
		free(w.data);
		return result;
	}
	assert(w.size < capacity);
	*ret_bytes = w.data;
	*ret_size = w.size;
	return CANONICAL_DONE;
}

enum canonical_result canonical_json(struct spoe_span text,
                                     const struct policy *policy,
                                     uint8_t **ret_bytes, size_t *ret_size)
{
	const struct cursor start = {
	    .text = (const char *)text.data,
	    .size = text.size,
	};
	enum canonical_result result = CANONICAL_NONE;
	json_error_t error;
	json_t *root;

	if (text.size == 0 || text.size > CANONICAL_TEXT_MAX ||
	    !is_shallow(start))
		return CANONICAL_NONE;
	root = json_loadb((const char *)text.data, text.size,
	                  JSON_REJECT_DUPLICATES, &error);
	if (!root)
		return json_error_code(&error) == json_error_out_of_memory
		           ? CANONICAL_NO_MEMORY
		           : CANONICAL_NONE;
	if (exclude(root, start, policy))
		result = write_root(root, text.size, ret_bytes, ret_size);
	json_decref(root);
	return result;
}
