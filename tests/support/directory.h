/* tests/support/directory.h: what a test leaves behind. */
#ifndef TESTS_SUPPORT_DIRECTORY_H
#define TESTS_SUPPORT_DIRECTORY_H

/* Removes the directory at `path` with all that is in it. */
void directory_remove(const char *path);

#endif
