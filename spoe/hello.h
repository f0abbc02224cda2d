/* spoe/hello.h: what a HAPROXY-HELLO offers (SPOE specification 3.2.4). */
#ifndef SPOE_HELLO_H
#define SPOE_HELLO_H

#include "spoe/frame.h"

struct spoe_hello {
	uint64_t max_frame_size; /* bytes, SPOE_FRAME_MIN at least */
	bool pipelining;         /* among the capabilities, as is async */
	bool async;
	bool healthcheck;
	struct spoe_span
	    engine_id; /* borrowed from the payload; may be empty */
};

/* Reads a KV list to its end. Returns SPOE_STATUS_OK, or why the offer cannot
 * be taken (*ret_hello says nothing then): see spoe/session.h. The version is
 * checked here, any 2.x will do. Unknown items and capabilities are ignored; of
 * an item that is there twice the last one counts. */
enum spoe_status spoe_hello_read(struct spoe_reader payload,
                                 struct spoe_hello *ret_hello);

#endif
