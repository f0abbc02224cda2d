/* tests/unit/spoe_stage.h: one peer and one trace with HAProxy's default frame
 * size, for the tests that say what a session makes of what a peer sends. */
#ifndef TESTS_SPOE_STAGE_H
#define TESTS_SPOE_STAGE_H

#include "tests/unit/spoe_peer.h"
#include "tests/unit/spoe_trace.h"

static const struct spoe_session_options defaults = {.max_frame_size = 16380};
static struct peer peer;
static struct trace trace;

/* The peer's frames give these events and this output. */
static inline void assert_trace(const char *expected)
{
	trace_all(&trace, &defaults, peer_span(&peer));
	assert_string_equal(trace.text, expected);
}

/* They do, and what comes after the CLOSE does not matter. */
static inline void assert_closes(const char *expected)
{
	assert_trace(expected);
	peer_hello(&peer);
	peer_notify(&peer, 9, 9);
	peer_disconnect(&peer, 0);
	peer_raw(&peer, "GET / HTTP/1.1\r\n\r\n", 18);
	assert_trace(expected);
}

/* For cmocka: each test begins with a peer that has said nothing. */
static inline int empty_peer(void **state)
{
	(void)state;
	peer.size = 0;
	return 0;
}

#endif
