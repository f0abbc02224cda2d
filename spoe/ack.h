/* spoe/ack.h: builds one ACK frame, length prefix included, in a buffer of the
 * caller's (SPOE specification 3.2.7 and 3.4).
 *
 * The frame stays SPOE_ACK_SLACK bytes under the negotiated size (HAPROXY.md
 * 1.1), is never empty, and cannot be begun out of a session that is not
 * ready. Once a call failed, all that follow do, and finish returns 0. */
#ifndef SPOE_ACK_H
#define SPOE_ACK_H

#include "spoe/data.h"
#include "spoe/session.h"

enum { SPOE_ACK_SLACK = 16 };

enum spoe_scope {
	SPOE_SCOPE_PROCESS = 0,
	SPOE_SCOPE_SESSION = 1,
	SPOE_SCOPE_TRANSACTION = 2,
	SPOE_SCOPE_REQUEST = 3,
	SPOE_SCOPE_RESPONSE = 4,
};

struct spoe_ack {
	struct spoe_writer writer;
	bool failed;
	bool empty;
};

/* Bytes an ACK of this session may take with its length prefix, at most. */
size_t spoe_ack_capacity(const struct spoe_session *s);

/* Starts an ACK behind what `buffer` holds; its bytes must outlive `a`. Fails
 * when the session is not ready, or the buffer has no room for a head. */
bool spoe_ack_begin(struct spoe_ack *a, const struct spoe_session *s,
                    uint64_t stream_id, uint64_t frame_id,
                    struct spoe_writer buffer);

/* Appends set-var. `name` comes without HAProxy's prefix. */
bool spoe_ack_set(struct spoe_ack *a, enum spoe_scope scope, const char *name,
                  const struct spoe_data *value);

/* Appends unset-var. */
bool spoe_ack_unset(struct spoe_ack *a, enum spoe_scope scope,
                    const char *name);

/* Writes the length prefix. Returns the bytes to send, 0 when it failed or
 * holds no action. */
size_t spoe_ack_finish(struct spoe_ack *a);

#endif
