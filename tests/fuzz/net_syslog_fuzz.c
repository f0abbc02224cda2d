/* Any bytes at all, as a TCP stream of log lines: the same lines come out
 * however it was split, and none is longer than it may be. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "agent/net/syslog_framer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct lines {
	size_t n;
	size_t bytes;
	uint64_t sum;
};

static void take(struct syslog_framer *f, struct spoe_span in,
                 struct lines *lines)
{
	struct spoe_span line;

	while (syslog_framer_next(f, &in, &line)) {
		assert(line.size > 0 && line.size <= SYSLOG_LINE_MAX);
		lines->n++;
		lines->bytes += line.size;
		for (size_t i = 0; i < line.size; i++)
			lines->sum = lines->sum * 31 + line.data[i];
	}
	assert(in.size == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct syslog_framer *f = malloc(sizeof(*f));
	struct lines whole = {0}, split = {0};

	assert(f != NULL);
	syslog_framer_init(f);
	take(f, spoe_span(data, size), &whole);
	syslog_framer_init(f);
	for (size_t at = 0; at < size;) {
		size_t n = 1 + data[at] % 7;

		if (n > size - at)
			n = size - at;
		take(f, spoe_span(data + at, n), &split);
		at += n;
	}
	assert(memcmp(&whole, &split, sizeof(whole)) == 0);
	free(f);
	return 0;
}
