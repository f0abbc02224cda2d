/* agent/core/hex.h: bytes as hexadecimal digits. */
#ifndef AGENT_CORE_HEX_H
#define AGENT_CORE_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes 2 * n lower-case digits and a NUL. */
void hex_write(char *ret_text, const uint8_t *bytes, size_t n);

/* Reads 2 * n digits of either case; false when one is none. */
bool hex_read(uint8_t *ret_bytes, const char *text, size_t n);

#endif
