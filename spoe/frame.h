/* spoe/frame.h: the frame header (SPOE specification 3.2) and the status codes
 * (3.5). */
#ifndef SPOE_FRAME_H
#define SPOE_FRAME_H

#include "spoe/reader.h"
#include "spoe/writer.h"

enum {
	SPOE_FRAME_PREFIX = 4,     /* bytes of the length before every frame */
	SPOE_FRAME_HEAD_MIN = 7,   /* type, flags and two one-byte varints */
	SPOE_FRAME_MIN = 256,      /* least max-frame-size a peer may offer */
	SPOE_FRAME_MAX = 16 << 20, /* largest frame this library takes */
};

enum spoe_frame_type {
	SPOE_FRAME_UNSET = 0, /* a later fragment */
	SPOE_FRAME_HAPROXY_HELLO = 1,
	SPOE_FRAME_HAPROXY_DISCONNECT = 2,
	SPOE_FRAME_NOTIFY = 3,
	SPOE_FRAME_AGENT_HELLO = 101,
	SPOE_FRAME_AGENT_DISCONNECT = 102,
	SPOE_FRAME_ACK = 103,
};

enum {
	SPOE_FRAME_FIN = 1u << 0,
	SPOE_FRAME_ABORT = 1u << 1,
};

struct spoe_frame_head {
	uint8_t type; /* enum spoe_frame_type, or a number unknown to it */
	uint32_t flags;
	uint64_t stream_id;
	uint64_t frame_id;
};

bool spoe_frame_head_read(struct spoe_reader *r,
                          struct spoe_frame_head *ret_head);
bool spoe_frame_head_write(struct spoe_writer *w,
                           const struct spoe_frame_head *head);

/* Starts a frame behind what `w` holds: room for the length prefix, then the
 * head. Write the payload, then call spoe_frame_end() with the w->size of
 * before: it fills in the length. */
bool spoe_frame_begin(struct spoe_writer *w,
                      const struct spoe_frame_head *head);
void spoe_frame_end(struct spoe_writer *w, size_t start);

/* Why a connection ends: the rows of spoe/status.def. */
enum spoe_status {
#define SPOE_STATUS(name, code, text) SPOE_STATUS_##name = (code),
#include "spoe/status.def"
#undef SPOE_STATUS
};

/* The text of a status: never NULL, "an unknown error occurred" for a code
 * that has no row. */
const char *spoe_frame_status_text(uint64_t status);

#endif
