/* agent/store/lmdb_boot.h: since when this machine has been running. What a
 * process left in a mapped file is whole when the machine has not gone down
 * since. */
#ifndef AGENT_STORE_LMDB_BOOT_H
#define AGENT_STORE_LMDB_BOOT_H

#include <stdbool.h>
#include <string.h>

enum { LMDB_BOOT_SIZE = 40 };

/* Empty: nobody can say. */
void lmdb_boot_read(char ret_boot[LMDB_BOOT_SIZE]);

/* Whether `boot` was read since the machine was started. */
static inline bool lmdb_boot_is_now(const char boot[LMDB_BOOT_SIZE])
{
	char now[LMDB_BOOT_SIZE];

	lmdb_boot_read(now);
	return now[0] != '\0' && memcmp(boot, now, sizeof(now)) == 0;
}

#endif
