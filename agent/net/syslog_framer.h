/* agent/net/syslog_framer.h: a TCP stream of log lines taken apart (RFC 6587):
 * `17 <134>a message...` with the octets counted in front, or lines that end in
 * a line feed, as each line likes. Bytes in, lines out; the same bytes give the
 * same lines however they were split. */
#ifndef AGENT_NET_SYSLOG_FRAMER_H
#define AGENT_NET_SYSLOG_FRAMER_H

#include "spoe/span.h"

/* The longest line that is handed on; of a longer one the beginning is. */
enum { SYSLOG_LINE_MAX = 8192 };

struct syslog_framer {
	/* private */
	enum {
		SYSLOG_FRAMER_START,
		SYSLOG_FRAMER_COUNT,  /* the digits of a count */
		SYSLOG_FRAMER_OCTETS, /* counted bytes */
		SYSLOG_FRAMER_LINE,   /* up to a line feed */
	} state;
	size_t left; /* of the count */
	size_t size; /* of the line so far, SYSLOG_LINE_MAX at most */
	uint8_t line[SYSLOG_LINE_MAX];
};

void syslog_framer_init(struct syslog_framer *f);

/* Takes bytes from the front of *in. True: *ret_line is the next line, borrowed
 * until the next call; call again. False: all bytes are taken. */
bool syslog_framer_next(struct syslog_framer *f, struct spoe_span *in,
                        struct spoe_span *ret_line);

#endif
