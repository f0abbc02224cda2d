#include "agent/config_text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

/* Smallest first; the last row has no name. */
static const struct unit byte_units[] = {
    {"", 1},
    {"k", UINT64_C(1) << 10},
    {"M", UINT64_C(1) << 20},
    {"G", UINT64_C(1) << 30},
    {"T", UINT64_C(1) << 40},
    {0},
};

static const struct unit time_units[] = {
    {"ms", 1},          {"s", 1000},         {"m", 60 * 1000},
    {"h", 3600 * 1000}, {"d", 86400 * 1000}, {0},
};

static int failed(char *reterr_text, size_t reterr_size, const char *text)
{
	snprintf(reterr_text, reterr_size, "%s", text);
	return -1;
}

/* The digits at the front of `text`, in `base`. NULL when there are none; else
 * what follows them, with *ret_fits saying whether the number does. */
static const char *read_digits(const char *text, unsigned base,
                               uint64_t *ret_number, bool *ret_fits)
{
	const char *at = text;

	*ret_number = 0;
	*ret_fits = true;
	for (; *at >= '0' && *at < (char)('0' + base); at++) {
		unsigned digit = (unsigned)(*at - '0');

		if (*ret_number > (UINT64_MAX - digit) / base)
			*ret_fits = false;
		else
			*ret_number = *ret_number * base + digit;
	}
	return at > text ? at : NULL;
}

int config_text_count(const char *text, uint64_t *ret_count, char *reterr_text,
                      size_t reterr_size)
{
	bool fits;
	const char *rest = read_digits(text, 10, ret_count, &fits);

	if (!rest || *rest)
		return failed(reterr_text, reterr_size, "is not a number");
	if (!fits)
		return failed(reterr_text, reterr_size, "is too large");
	return 0;
}

static const struct unit *find_unit(const struct unit *units, const char *name)
{
	for (; units->name; units++) {
		if (strcmp(units->name, name) == 0)
			return units;
	}
	return NULL;
}

/* A number with a unit behind it, white space between the two allowed. */
static int read_with_unit(const char *text, const struct unit *units,
                          uint64_t *ret_number, char *reterr_text,
                          size_t reterr_size)
{
	const struct unit *unit;
	uint64_t number;
	bool fits;
	const char *rest = read_digits(text, 10, &number, &fits);

	if (!rest)
		return failed(reterr_text, reterr_size,
		              "does not begin with a digit");
	rest += strspn(rest, " \t");
	unit = find_unit(units, rest);
	if (!unit && !*rest)
		return failed(reterr_text, reterr_size,
		              "has no unit (ms, s, m, h or d)");
	if (!unit)
		return failed(reterr_text, reterr_size, "has an unknown unit");
	if (!fits || number > UINT64_MAX / unit->factor)
		return failed(reterr_text, reterr_size, "is too large");
	*ret_number = number * unit->factor;
	return 0;
}

int config_text_bytes(const char *text, uint64_t *ret_bytes, char *reterr_text,
                      size_t reterr_size)
{
	return read_with_unit(text, byte_units, ret_bytes, reterr_text,
	                      reterr_size);
}

int config_text_duration(const char *text, uint64_t *ret_ms, char *reterr_text,
                         size_t reterr_size)
{
	return read_with_unit(text, time_units, ret_ms, reterr_text,
	                      reterr_size);
}

int config_text_mode(const char *text, uint64_t *ret_mode, char *reterr_text,
                     size_t reterr_size)
{
	bool fits;
	const char *rest = read_digits(text, 8, ret_mode, &fits);

	if (!rest || *rest)
		return failed(reterr_text, reterr_size,
		              "is not an octal number");
	if (!fits)
		return failed(reterr_text, reterr_size, "is too large");
	return 0;
}

void config_text_from_count(uint64_t count, char ret_text[CONFIG_TEXT_SIZE])
{
	snprintf(ret_text, CONFIG_TEXT_SIZE, "%" PRIu64, count);
}

/* In the largest unit that leaves no rest. */
static void write_with_unit(uint64_t number, const struct unit *units,
                            char ret_text[CONFIG_TEXT_SIZE])
{
	const struct unit *best = units;

	for (; units->name; units++) {
		if (number && number % units->factor == 0)
			best = units;
	}
	snprintf(ret_text, CONFIG_TEXT_SIZE, "%" PRIu64 "%s",
	         number / best->factor, best->name);
}

void config_text_from_bytes(uint64_t bytes, char ret_text[CONFIG_TEXT_SIZE])
{
	write_with_unit(bytes, byte_units, ret_text);
}

void config_text_from_duration(uint64_t ms, char ret_text[CONFIG_TEXT_SIZE])
{
	write_with_unit(ms, time_units, ret_text);
}

void config_text_from_mode(uint64_t mode, char ret_text[CONFIG_TEXT_SIZE])
{
	snprintf(ret_text, CONFIG_TEXT_SIZE, "%04" PRIo64, mode);
}
