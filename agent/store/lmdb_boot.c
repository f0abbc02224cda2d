#include "agent/store/lmdb_boot.h"

#include <fcntl.h>
#include <unistd.h>

void lmdb_boot_read(char ret_boot[LMDB_BOOT_SIZE])
{
	const int fd =
	    open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	memset(ret_boot, 0, LMDB_BOOT_SIZE);
	if (fd < 0)
		return;
	n = read(fd, ret_boot, LMDB_BOOT_SIZE - 1);
	if (n < 0)
		ret_boot[0] = '\0';
	close(fd);
}
