/* agent/human.h: numbers as people read them. */
#ifndef AGENT_HUMAN_H
#define AGENT_HUMAN_H

#include <stdint.h>

enum { HUMAN_SIZE = 32 };

/* "3 min": whole units, rounded down, and two of a unit at least. */
void human_span(uint64_t ms, char ret_text[HUMAN_SIZE]);

/* "1.5 MiB" */
void human_bytes(uint64_t bytes, char ret_text[HUMAN_SIZE]);

/* "38 µs", "1.2 ms", "2.5 s", in UTF-8 */
void human_latency(double us, char ret_text[HUMAN_SIZE]);

/* How often a second: "0", "0.3", "12", "1 520" */
void human_rate(double per_s, char ret_text[HUMAN_SIZE]);

/* "1 234 567", with narrow blanks that do not break, in UTF-8. */
void human_count(uint64_t count, char ret_text[HUMAN_SIZE]);

/* RFC 3339, UTC, in seconds. */
void human_time(uint64_t unix_ms, char ret_text[HUMAN_SIZE]);

#endif
