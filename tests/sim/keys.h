/* tests/sim/keys.h: the requests of all schedules, hashed once: two texts in
 * two scopes, each with two bodies. */
#ifndef TESTS_SIM_KEYS_H
#define TESTS_SIM_KEYS_H

#include "agent/core/digest.h"

enum { KEYS = 4, KEYS_VARIANTS = 2 };

struct keys {
	uint8_t record_keys[KEYS][RECORD_KEY_SIZE];
	uint8_t fingerprints[KEYS_VARIANTS][RECORD_FINGERPRINT_SIZE];
	char texts[KEYS][8];
};

/* False when OpenSSL fails. */
bool keys_init(struct keys *keys);

#endif
