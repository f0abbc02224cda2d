/* tests/unit/spoe_peer.h: builds what HAProxy sends, frame by frame.
 *
 * It stands on spoe/writer.h and spoe/data.h, which tests of their own hold
 * to literal bytes. Nothing here checks what it builds: a test may ask for
 * nonsense. */
#ifndef TESTS_SPOE_PEER_H
#define TESTS_SPOE_PEER_H

#include <assert.h>

#include "spoe/data.h"
#include "spoe/frame.h"

/* Frames one behind the other. Start with .size = 0. */
struct peer {
	uint8_t bytes[1 << 16];
	size_t size;
};

static inline struct spoe_span peer_span(const struct peer *p)
{
	return spoe_span(p->bytes, p->size);
}

/* Any bytes, without a frame around them. */
static inline void peer_raw(struct peer *p, const void *data, size_t size)
{
	assert(size <= sizeof(p->bytes) - p->size);
	if (size > 0)
		memcpy(p->bytes + p->size, data, size);
	p->size += size;
}

static inline void peer_frame(struct peer *p, struct spoe_frame_head head,
                              struct spoe_span payload)
{
	struct spoe_writer w = {
	    .data = p->bytes, .capacity = sizeof(p->bytes), .size = p->size};
	bool fits =
	    spoe_frame_begin(&w, &head) && spoe_writer_bytes(&w, payload);

	assert(fits);
	spoe_frame_end(&w, p->size);
	p->size = w.size;
}

/* One item of a KV list. The last one of an array has no name. */
struct peer_item {
	const char *name;
	struct spoe_data value;
};

#define PEER_ITEMS(...) \
	((const struct peer_item[]){__VA_ARGS__, {.name = NULL}})
#define PEER_NULL(name_)                                            \
	{                                                           \
		.name = (name_), .value = {.type = SPOE_TYPE_NULL } \
	}
#define PEER_TEXT(name_, text_)                                     \
	{                                                           \
		.name = (name_), .value = {                         \
			.type = SPOE_TYPE_STRING,                   \
			.bytes = {.data = (const uint8_t *)(text_), \
			          .size = sizeof(text_) - 1}        \
		}                                                   \
	}
#define PEER_UINT(name_, value_)                  \
	{                                         \
		.name = (name_), .value = {       \
			.type = SPOE_TYPE_UINT32, \
			.uint = (value_)          \
		}                                 \
	}
#define PEER_INT(name_, value_)                  \
	{                                        \
		.name = (name_), .value = {      \
			.type = SPOE_TYPE_INT64, \
			.sint = (value_)         \
		}                                \
	}
#define PEER_BOOL(name_, value_)                \
	{                                       \
		.name = (name_), .value = {     \
			.type = SPOE_TYPE_BOOL, \
			.boolean = (value_)     \
		}                               \
	}

static inline void peer_control(struct peer *p, enum spoe_frame_type type,
                                const struct peer_item *items)
{
	struct spoe_frame_head head = {.type = (uint8_t)type,
	                               .flags = SPOE_FRAME_FIN};
	uint8_t payload[2048];
	struct spoe_writer w = spoe_writer(payload, sizeof(payload));

	for (; items->name != NULL; items++) {
		bool fits = spoe_data_write_kv(&w, items->name, &items->value);

		assert(fits);
	}
	peer_frame(p, head, spoe_span(payload, w.size));
}

/* HELLO as HAProxy 2.6 says it. */
static inline void peer_hello(struct peer *p)
{
	peer_control(p, SPOE_FRAME_HAPROXY_HELLO,
	             PEER_ITEMS(PEER_TEXT("supported-versions", "2.0"),
	                        PEER_UINT("max-frame-size", 16380),
	                        PEER_TEXT("capabilities", "pipelining,async"),
	                        PEER_TEXT("engine-id", "engine-1")));
}

static inline void peer_disconnect(struct peer *p, uint32_t status)
{
	peer_control(p, SPOE_FRAME_HAPROXY_DISCONNECT,
	             PEER_ITEMS(PEER_UINT("status-code", status),
	                        PEER_TEXT("message", "bye")));
}

/* A message; its arguments as one array. */
static inline void peer_message(struct spoe_writer *w, const char *name,
                                const struct peer_item *args)
{
	uint8_t count = 0;
	bool fits;

	while (args[count].name != NULL)
		count++;
	fits = spoe_writer_string(w, spoe_span_of(name)) &&
	       spoe_writer_u8(w, count);
	for (; args->name != NULL; args++)
		fits = fits && spoe_data_write_kv(w, args->name, &args->value);
	assert(fits);
}

/* A NOTIFY with one message of one argument. */
static inline void peer_notify(struct peer *p, uint64_t stream_id,
                               uint64_t frame_id)
{
	struct spoe_frame_head head = {
	    .type = SPOE_FRAME_NOTIFY,
	    .flags = SPOE_FRAME_FIN,
	    .stream_id = stream_id,
	    .frame_id = frame_id,
	};
	uint8_t payload[64];
	struct spoe_writer w = spoe_writer(payload, sizeof(payload));

	peer_message(&w, "ask", PEER_ITEMS(PEER_TEXT("key", "k")));
	peer_frame(p, head, spoe_span(payload, w.size));
}

#endif
