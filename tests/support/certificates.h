/* tests/support/certificates.h: what certificates.sh makes, in a directory of
 * its own. */
#ifndef TESTS_SUPPORT_CERTIFICATES_H
#define TESTS_SUPPORT_CERTIFICATES_H

#include <stdbool.h>

struct certificates {
	char directory[64];
};

/* False, with the reason on stderr, when openssl(1) does not do it. */
bool certificates_init(struct certificates *c);

void certificates_fini(struct certificates *c);

/* The path of one of its files; kept until the same `slot` (0 to 7) is asked
 * for again. */
const char *certificates_file(const struct certificates *c, int slot,
                              const char *name);

#endif
