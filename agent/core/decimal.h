/* agent/core/decimal.h: numbers as decimal digits, where printf() would be most
 * of the work. */
#ifndef AGENT_CORE_DECIMAL_H
#define AGENT_CORE_DECIMAL_H

#include <stdint.h>
#include <string.h>

enum { DECIMAL_MAX = 20 };

/* Writes the digits of `value`, no NUL; returns how many: 1 to DECIMAL_MAX. */
static inline size_t decimal_write(char ret_digits[DECIMAL_MAX], uint64_t value)
{
	char digits[DECIMAL_MAX];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	memcpy(ret_digits, digits + at, sizeof(digits) - at);
	return sizeof(digits) - at;
}

#endif
