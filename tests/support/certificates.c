#include "tests/support/certificates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/support/directory.h"

bool certificates_init(struct certificates *c)
{
	char command[512];

	strcpy(c->directory, "/tmp/idem-tls-XXXXXX");
	if (!mkdtemp(c->directory))
		return false;
	snprintf(command, sizeof(command), "bash '%s/certificates.sh' '%s'",
	         SUPPORT_DIR, c->directory);
	return system(command) == 0; /* NOLINT: a command of our own */
}

void certificates_fini(struct certificates *c)
{
	directory_remove(c->directory);
}

const char *certificates_file(const struct certificates *c, int slot,
                              const char *name)
{
	static char paths[8][128];

	snprintf(paths[slot], sizeof(paths[slot]), "%s/%s", c->directory, name);
	return paths[slot];
}
