/* Runs a fuzz target without libFuzzer: every file given, whole and cut short
 * at every length, each time in a buffer of exactly that size so that a
 * sanitizer sees the first byte read behind it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Cutting is quadratic in the size: only the beginning of a large file. */
enum { INPUT_MAX = 1 << 20, CUTS_MAX = 4096 };

static void run(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size > 0 ? size : 1);

	if (exact == NULL)
		abort();
	memcpy(exact, data, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

static int run_file(const char *path)
{
	static uint8_t data[INPUT_MAX];
	FILE *file = fopen(path, "rb");
	size_t size;

	if (file == NULL) {
		perror(path);
		return 1;
	}
	size = fread(data, 1, sizeof data, file);
	fclose(file);
	for (size_t cut = 0; cut < size && cut < CUTS_MAX; cut++)
		run(data, cut);
	run(data, size);
	return 0;
}

int main(int argc, char **argv)
{
	int failures = 0;

	for (int i = 1; i < argc; i++)
		failures += run_file(argv[i]);
	printf("%d inputs\n", argc - 1);
	return argc == 1 || failures > 0;
}
