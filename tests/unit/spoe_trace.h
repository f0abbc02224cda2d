/* tests/unit/spoe_trace.h: what a session made of some bytes, as text.
 *
 * Every event is a line, every message and argument of a NOTIFY one below it,
 * every frame of our own that the session put out another. trace_all() feeds
 * the same bytes whole, byte by byte and in random pieces, and fails the test
 * unless all give the same text and the same output. */
#ifndef TESTS_SPOE_TRACE_H
#define TESTS_SPOE_TRACE_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "spoe/message.h"
#include "spoe/session.h"

/* What a session says after HELLO of peer_hello(). */
#define TRACE_READY                         \
	"ready 16380 pipelining engine-1\n" \
	"sent 101\n"                        \
	"  version: string 2.0\n"           \
	"  max-frame-size: uint32 16380\n"  \
	"  capabilities: string pipelining\n"

/* What it says when it closes for `code`. */
#define TRACE_CLOSE(code, text)             \
	"close " #code "\n"                 \
	"sent 102\n"                        \
	"  status-code: uint32 " #code "\n" \
	"  message: string " text "\n"
#define TRACE_INVALID TRACE_CLOSE(4, "invalid frame received")

struct trace {
	char text[1 << 15];
	size_t text_size;
	uint8_t output[2 * SPOE_SESSION_OUTPUT_MAX];
	size_t output_size;
};

static inline void trace_reset(struct trace *t)
{
	t->text[0] = '\0';
	t->text_size = 0;
	t->output_size = 0;
}

__attribute__((format(printf, 2, 3))) static inline void trace_add(
    struct trace *t, const char *format, ...)
{
	size_t room = sizeof(t->text) - t->text_size;
	va_list args;
	int size;

	va_start(args, format);
	size = vsnprintf(t->text + t->text_size, room, format, args);
	va_end(args);
	assert_true(size >= 0 && (size_t)size < room);
	t->text_size += (size_t)size;
}

static inline void trace_bytes(struct trace *t, struct spoe_span bytes)
{
	for (size_t i = 0; i < bytes.size; i++) {
		uint8_t byte = bytes.data[i];

		if (byte >= ' ' && byte <= '~' && byte != '\\')
			trace_add(t, "%c", byte);
		else
			trace_add(t, "\\%02x", byte);
	}
}

static inline void trace_value(struct trace *t, const struct spoe_data *data)
{
	static const char *const names[] = {
	    "null",   "bool", "int32", "uint32", "int64",
	    "uint64", "ipv4", "ipv6",  "string", "binary"};

	trace_add(t, "%s", names[data->type]);
	switch (data->type) {
	case SPOE_TYPE_NULL:
		break;
	case SPOE_TYPE_BOOL:
		trace_add(t, " %d", data->boolean);
		break;
	case SPOE_TYPE_INT32:
	case SPOE_TYPE_INT64:
		trace_add(t, " %" PRId64, data->sint);
		break;
	case SPOE_TYPE_UINT32:
	case SPOE_TYPE_UINT64:
		trace_add(t, " %" PRIu64, data->uint);
		break;
	case SPOE_TYPE_IPV4:
	case SPOE_TYPE_IPV6:
		trace_add(t, " ");
		for (size_t i = 0; i < data->bytes.size; i++)
			trace_add(t, "%02x", data->bytes.data[i]);
		break;
	case SPOE_TYPE_STRING:
	case SPOE_TYPE_BINARY:
		trace_add(t, " ");
		trace_bytes(t, data->bytes);
		break;
	}
}

static inline void trace_item(struct trace *t, const char *indent,
                              struct spoe_span name,
                              const struct spoe_data *value)
{
	trace_add(t, "%s", indent);
	trace_bytes(t, name);
	trace_add(t, ": ");
	trace_value(t, value);
	trace_add(t, "\n");
}

static inline void trace_messages(struct trace *t, struct spoe_span payload)
{
	struct spoe_message message = spoe_message(payload);

	while (spoe_message_next(&message)) {
		struct spoe_span name;
		struct spoe_data value;
		unsigned int args = 0;

		trace_add(t, "  ");
		trace_bytes(t, message.name);
		trace_add(t, "\n");
		for (; spoe_message_arg(&message, &name, &value); args++)
			trace_item(t, "    ", name, &value);
		assert_int_equal(args, message.args);
	}
	assert_int_equal(message.rest.left, 0);
}

/* Our own frames, HELLO and DISCONNECT, read back. */
static inline void trace_output(struct trace *t, struct spoe_session *s)
{
	struct spoe_span output = spoe_session_output(s);
	struct spoe_reader r = spoe_reader(output);
	uint32_t length;

	assert_true(output.size <= sizeof(t->output) - t->output_size);
	if (output.size > 0)
		memcpy(t->output + t->output_size, output.data, output.size);
	t->output_size += output.size;
	while (spoe_reader_u32(&r, &length)) {
		struct spoe_span bytes = {0};
		struct spoe_reader frame;
		struct spoe_frame_head head;
		struct spoe_span name;
		struct spoe_data value;

		assert_true(spoe_reader_bytes(&r, length, &bytes));
		frame = spoe_reader(bytes);
		assert_true(spoe_frame_head_read(&frame, &head));
		assert_int_equal(head.flags, SPOE_FRAME_FIN);
		assert_int_equal(head.stream_id, 0);
		assert_int_equal(head.frame_id, 0);
		trace_add(t, "sent %u\n", head.type);
		while (spoe_data_read_kv(&frame, &name, &value))
			trace_item(t, "  ", name, &value);
		assert_int_equal(frame.left, 0);
	}
	assert_int_equal(r.left, 0);
	spoe_session_output_taken(s);
	assert_int_equal(spoe_session_output(s).size, 0);
}

static inline void trace_event(struct trace *t, const struct spoe_session *s,
                               const struct spoe_event *event)
{
	switch (event->type) {
	case SPOE_EVENT_NONE:
		break;
	case SPOE_EVENT_READY:
		trace_add(t, "ready %" PRIu32 "%s ", s->max_frame_size,
		          s->pipelining ? " pipelining" : "");
		trace_bytes(t, spoe_span_of(s->engine_id));
		trace_add(t, "\n");
		break;
	case SPOE_EVENT_NOTIFY:
		trace_add(t, "notify %" PRIu64 ":%" PRIu64 "\n",
		          event->notify.stream_id, event->notify.frame_id);
		trace_messages(t, event->notify.payload);
		break;
	case SPOE_EVENT_IGNORED:
		trace_add(t, "ignored\n");
		break;
	case SPOE_EVENT_CLOSE:
		trace_add(t, "close %d%s%s\n", event->close.status,
		          event->close.by_peer ? " by peer" : "",
		          event->close.healthcheck ? " healthcheck" : "");
		break;
	}
}

/* One feed, held to every promise of the contract. Returns the bytes
 * consumed. The bytes are fed from the very end of a block, so that a
 * sanitizer sees a read beyond them. */
static inline size_t trace_feed(struct trace *t, struct spoe_session *s,
                                struct spoe_span in)
{
	enum spoe_session_state before = s->state;
	size_t wanted = spoe_session_wanted(s, in);
	static uint8_t block[1 << 17];
	uint8_t *copy = block + sizeof(block) - in.size;
	struct spoe_event event;
	size_t consumed;

	assert_true(in.size <= sizeof(block));
	memcpy(copy, in.data, in.size);
	assert_true(wanted <= SPOE_FRAME_PREFIX + s->max_frame_size);
	consumed = spoe_session_feed(s, spoe_span(copy, in.size), &event);
	assert_true(consumed <= in.size);
	if (before == SPOE_SESSION_CLOSED) {
		assert_int_equal(event.type, SPOE_EVENT_NONE);
		assert_int_equal(consumed, in.size);
		assert_int_equal(wanted, 0);
		assert_int_equal(spoe_session_output(s).size, 0);
	} else if (event.type == SPOE_EVENT_NONE) {
		assert_int_equal(consumed, 0);
		assert_true(wanted > in.size);
	} else if (event.type == SPOE_EVENT_CLOSE) {
		assert_int_equal(s->state, SPOE_SESSION_CLOSED);
		assert_int_equal(consumed, in.size);
	} else {
		assert_int_equal(s->state, SPOE_SESSION_READY);
		assert_int_equal(consumed, wanted);
	}
	trace_event(t, s, &event);
	trace_output(t, s);
	return consumed;
}

/* splitmix64: any seed is a good one, and a run can be had again. */
static inline uint64_t trace_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* Feeds `bytes` in pieces of at most `piece` bytes: all of just that size when
 * `seed` is 0, else of random ones. */
static inline void trace_split(struct trace *ret_trace,
                               const struct spoe_session_options *options,
                               struct spoe_span bytes, size_t piece,
                               uint64_t seed)
{
	struct spoe_session s;
	size_t arrived = 0;
	size_t taken = 0;

	trace_reset(ret_trace);
	spoe_session_init(&s, options);
	while (arrived < bytes.size) {
		size_t more = piece;
		size_t consumed;

		if (seed != 0)
			more = 1 + trace_random(&seed) % piece;
		if (more > bytes.size - arrived)
			more = bytes.size - arrived;
		arrived += more;
		do {
			consumed = trace_feed(
			    ret_trace, &s,
			    spoe_span(bytes.data + taken, arrived - taken));
			taken += consumed;
		} while (consumed > 0 && taken < arrived);
	}
}

enum { TRACE_SEEDS = 20 };

/* All the splits; *ret_trace is what each of them gave. */
static inline void trace_all(struct trace *ret_trace,
                             const struct spoe_session_options *options,
                             struct spoe_span bytes)
{
	static struct trace other;

	trace_split(ret_trace, options, bytes, SIZE_MAX, 0);
	for (uint64_t seed = 0; seed <= TRACE_SEEDS; seed++) {
		size_t piece = seed == 0 ? 1 : (size_t)4 << seed % 8;

		trace_split(&other, options, bytes, piece, seed);
		assert_string_equal(other.text, ret_trace->text);
		assert_int_equal(other.output_size, ret_trace->output_size);
		assert_memory_equal(other.output, ret_trace->output,
		                    other.output_size);
	}
}

#endif
