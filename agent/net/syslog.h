/* agent/net/syslog.h: log lines from a socket: datagrams, one line each, or TCP
 * connections (syslog_framer.h). HAProxy never waits for who reads its log, and
 * what is not read in time is lost; so this reads as much as it can at once,
 * but lets the loop go on in between. */
#ifndef AGENT_NET_SYSLOG_H
#define AGENT_NET_SYSLOG_H

#include <stddef.h>

#include "agent/net/syslog_framer.h"

struct address;
struct ev_loop;
struct syslog;

enum {
	/* Connections of one address; one more is closed. */
	SYSLOG_STREAMS_MAX = 64,
	/* What is asked of the kernel, which gives less by net.core.rmem_max.
	 */
	SYSLOG_BUFFER_SIZE = 8 << 20,
	/* Datagrams and bytes that are read before the loop goes on. */
	SYSLOG_TURN_DATAGRAMS = 256,
	SYSLOG_TURN_BYTES = 256 << 10,
};

struct syslog_handler {
	/* `line` is borrowed. Must not free the syslog. */
	void (*line)(void *cookie, struct spoe_span line);
	/* The kernel threw away so many more datagrams. */
	void (*dropped)(void *cookie, uint64_t datagrams);
};

/* Takes over `fd`, a bound datagram socket or a listening stream socket. NULL
 * when out of memory (then `fd` is still the caller's). `handler` must outlive
 * it. */
struct syslog *syslog_new(struct ev_loop *loop, int fd,
                          const struct syslog_handler *handler, void *cookie);

/* Closes the socket and the connections; NULL is fine. */
void syslog_free(struct syslog *s);

#endif
