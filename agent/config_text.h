/* agent/config_text.h: numbers, sizes and durations as people write them.
 * Private to config*.c. */
#ifndef AGENT_CONFIG_TEXT_H
#define AGENT_CONFIG_TEXT_H

#include <stddef.h>
#include <stdint.h>

enum { CONFIG_TEXT_SIZE = 32 }; /* what any of them takes, NUL included */

/* Each reads all of `text`: 0, or -1 with what is wrong with it ("is not a
 * number"). */
int config_text_count(const char *text, uint64_t *ret_count, char *reterr_text,
                      size_t reterr_size);

/* Bytes: a number, with k, M, G or T behind it for powers of 1024. */
int config_text_bytes(const char *text, uint64_t *ret_bytes, char *reterr_text,
                      size_t reterr_size);

/* A number and ms, s, m, h or d. */
int config_text_duration(const char *text, uint64_t *ret_ms, char *reterr_text,
                         size_t reterr_size);

/* Octal permissions. */
int config_text_mode(const char *text, uint64_t *ret_mode, char *reterr_text,
                     size_t reterr_size);

/* Each writes what its counterpart reads, in the largest unit that fits. */
void config_text_from_count(uint64_t count, char ret_text[CONFIG_TEXT_SIZE]);
void config_text_from_bytes(uint64_t bytes, char ret_text[CONFIG_TEXT_SIZE]);
void config_text_from_duration(uint64_t ms, char ret_text[CONFIG_TEXT_SIZE]);
void config_text_from_mode(uint64_t mode, char ret_text[CONFIG_TEXT_SIZE]);

#endif
