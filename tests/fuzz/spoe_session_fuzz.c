/* Any bytes at all, through a session: the events and the output do not depend
 * on how the bytes were split, what the session accepts can be walked, and an
 * ACK to it is whole or nothing.
 *
 * The first bytes of the input choose the options and the split, the rest is
 * what the peer sends. Seeds: tests/golden/record.py --seeds. */
#include <assert.h>
#include <stdlib.h>

#include "spoe/ack.h"
#include "spoe/message.h"

enum {
	CHOICE_SIZE = 4, /* limit, pipelining, longest piece, seed */
	ACK_ROOM = 512,
};

/* A digest of all that came of the bytes; FNV-1a. */
struct outcome {
	uint64_t events;
	uint64_t output;
	size_t notifies;
};

static uint64_t mix(uint64_t digest, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size; i++)
		digest = (digest ^ bytes[i]) * 0x100000001b3;
	return digest;
}

static uint64_t mix_number(uint64_t digest, uint64_t number)
{
	return mix(digest, &number, sizeof(number));
}

static uint64_t mix_span(uint64_t digest, struct spoe_span span)
{
	return mix(mix_number(digest, span.size), span.data, span.size);
}

/* Reads every byte that is handed out, and checks that it can be written. */
static uint64_t mix_data(uint64_t digest, const struct spoe_data *data)
{
	uint8_t room[32];
	struct spoe_writer w = spoe_writer(room, sizeof(room));
	struct spoe_span bytes;
	uint64_t number;

	if (spoe_data_write(&w, data)) {
		struct spoe_reader r = spoe_reader(spoe_span(room, w.size));
		struct spoe_data back;

		assert(spoe_data_read(&r, &back) && r.left == 0);
		assert(back.type == data->type);
		digest = mix(digest, room, w.size);
	}
	if (spoe_data_bytes(data, &bytes))
		digest = mix_span(digest, bytes);
	if (spoe_data_uint(data, &number))
		digest = mix_number(digest, number);
	return mix_number(digest, data->type);
}

static uint64_t walk(uint64_t digest, struct spoe_span payload)
{
	struct spoe_message message = spoe_message(payload);

	assert(spoe_message_valid(payload));
	while (spoe_message_next(&message)) {
		struct spoe_span name;
		struct spoe_data value;
		size_t args = 0;

		digest = mix_span(digest, message.name);
		for (; spoe_message_arg(&message, &name, &value); args++)
			digest = mix_data(mix_span(digest, name), &value);
		assert(args == message.args);
	}
	assert(message.rest.left == 0);
	return digest;
}

/* Gives every argument back as a variable of the ACK. */
static uint64_t answer(uint64_t digest, const struct spoe_session *s,
                       const struct spoe_event *event)
{
	uint8_t *room = malloc(ACK_ROOM);
	struct spoe_message message = spoe_message(event->notify.payload);
	struct spoe_ack a;
	size_t size;

	assert(room != NULL);
	assert(spoe_ack_begin(&a, s, event->notify.stream_id,
	                      event->notify.frame_id,
	                      spoe_writer(room, ACK_ROOM)));
	while (spoe_message_next(&message)) {
		struct spoe_span name;
		struct spoe_data value;

		while (spoe_message_arg(&message, &name, &value))
			spoe_ack_set(&a, SPOE_SCOPE_TRANSACTION, "v", &value);
	}
	size = spoe_ack_finish(&a);
	assert(size <= ACK_ROOM && size <= spoe_ack_capacity(s));
	if (size > 0) {
		struct spoe_reader frame = spoe_reader(spoe_span(room, size));
		uint32_t length;

		assert(spoe_reader_u32(&frame, &length));
		assert(length == frame.left);
		digest = mix(digest, room, size);
	}
	free(room);
	return digest;
}

static void take_event(struct outcome *o, const struct spoe_session *s,
                       const struct spoe_event *event)
{
	if (event->type == SPOE_EVENT_NONE)
		return;
	o->events = mix_number(o->events, event->type);
	switch (event->type) {
	case SPOE_EVENT_READY:
		assert(s->max_frame_size >= SPOE_FRAME_MIN);
		assert(s->max_frame_size <= s->options.max_frame_size);
		o->events = mix_number(o->events, s->max_frame_size);
		o->events = mix_number(o->events, s->pipelining);
		o->events = mix_span(o->events, spoe_span_of(s->engine_id));
		break;
	case SPOE_EVENT_NOTIFY:
		o->notifies++;
		o->events = walk(o->events, event->notify.payload);
		o->events = answer(o->events, s, event);
		break;
	case SPOE_EVENT_CLOSE:
		o->events = mix_number(o->events, event->close.status);
		o->events = mix_number(o->events, event->close.by_peer);
		o->events = mix_number(o->events, event->close.healthcheck);
		break;
	default:
		break;
	}
}

static void take_output(struct outcome *o, struct spoe_session *s)
{
	struct spoe_span output = spoe_session_output(s);

	o->output = mix(o->output, output.data, output.size);
	spoe_session_output_taken(s);
}

static size_t feed(struct outcome *o, struct spoe_session *s,
                   struct spoe_span in)
{
	enum spoe_session_state before = s->state;
	size_t wanted = spoe_session_wanted(s, in);
	struct spoe_event event;
	size_t consumed;

	assert(wanted <= SPOE_FRAME_PREFIX + s->max_frame_size);
	consumed = spoe_session_feed(s, in, &event);
	assert(consumed <= in.size);
	if (before == SPOE_SESSION_CLOSED)
		assert(event.type == SPOE_EVENT_NONE && consumed == in.size);
	else if (event.type == SPOE_EVENT_NONE)
		assert(consumed == 0 && wanted > in.size);
	else if (event.type == SPOE_EVENT_CLOSE)
		assert(s->state == SPOE_SESSION_CLOSED);
	else
		assert(s->state == SPOE_SESSION_READY && consumed == wanted);
	take_event(o, s, &event);
	take_output(o, s);
	return consumed;
}

/* All at once when `piece` is 0, else in pieces of 1 to `piece` bytes; each
 * from a block that ends where they end. */
static struct outcome run(const struct spoe_session_options *options,
                          struct spoe_span bytes, size_t piece, uint32_t seed)
{
	struct outcome o = {.events = 0xcbf29ce484222325};
	uint8_t *block = malloc(bytes.size);
	struct spoe_session s;
	size_t arrived = 0;
	size_t taken = 0;

	assert(block != NULL);
	spoe_session_init(&s, options);
	while (arrived < bytes.size) {
		size_t left = bytes.size - arrived;
		size_t more = left;
		size_t consumed;

		seed = seed * 1664525 + 1013904223;
		if (piece > 0)
			more = 1 + (seed >> 8) % piece;
		arrived += more < left ? more : left;
		do {
			size_t size = arrived - taken;
			uint8_t *copy = block + bytes.size - size;

			memcpy(copy, bytes.data + taken, size);
			consumed = feed(&o, &s, spoe_span(copy, size));
			taken += consumed;
		} while (consumed > 0 && taken < arrived);
	}
	free(block);
	return o;
}

static void assert_same(const struct outcome *a, const struct outcome *b)
{
	assert(a->events == b->events);
	assert(a->output == b->output);
	assert(a->notifies == b->notifies);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t limits[] = {SPOE_FRAME_MIN, 1000, 16380,
	                                  SPOE_FRAME_MAX};
	struct spoe_session_options options;
	struct spoe_span bytes;
	struct outcome whole;
	struct outcome pieces;

	if (size <= CHOICE_SIZE)
		return 0;
	options.max_frame_size = limits[data[0] % 4];
	options.pipelining = data[1] % 3;
	bytes = spoe_span(data + CHOICE_SIZE, size - CHOICE_SIZE);
	whole = run(&options, bytes, 0, 0);
	pieces = run(&options, bytes, 1, 0);
	assert_same(&whole, &pieces);
	pieces = run(&options, bytes, 1 + (size_t)data[2], data[3]);
	assert_same(&whole, &pieces);
	return 0;
}
