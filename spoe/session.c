#include "spoe/session.h"

#include <assert.h>

#include "spoe/data.h"
#include "spoe/hello.h"
#include "spoe/message.h"

/* The version we answer to any 2.x: the one HAProxy has always announced. */
#define AGENT_VERSION "2.0"

void spoe_session_init(struct spoe_session *s,
                       const struct spoe_session_options *options)
{
	assert(options->max_frame_size >= SPOE_FRAME_MIN);
	assert(options->max_frame_size <= SPOE_FRAME_MAX);
	assert(options->pipelining <= SPOE_PIPELINING_OFF);
	*s = (struct spoe_session){
	    .options = *options,
	    .state = SPOE_SESSION_CONNECTING,
	    .max_frame_size = options->max_frame_size,
	};
}

/* --- our own frames --- */

static void begin_output(struct spoe_session *s, struct spoe_writer *ret_writer,
                         enum spoe_frame_type type)
{
	struct spoe_frame_head head = {.type = (uint8_t)type,
	                               .flags = SPOE_FRAME_FIN};
	struct spoe_writer w = {.data = s->output,
	                        .capacity = sizeof(s->output),
	                        .size = s->output_size};
	bool fits = spoe_frame_begin(&w, &head);

	assert(fits);
	*ret_writer = w;
}

static void add_output(struct spoe_writer *w, const char *name,
                       struct spoe_data value)
{
	bool fits = spoe_data_write_kv(w, name, &value);

	/* One HELLO and one DISCONNECT of known texts are all there is. */
	assert(fits);
}

static void end_output(struct spoe_session *s, struct spoe_writer *w)
{
	spoe_frame_end(w, s->output_size);
	s->output_size = w->size;
}

static struct spoe_data text(const char *value)
{
	return spoe_data_string(spoe_span_of(value));
}

static struct spoe_data number(uint32_t value)
{
	return (struct spoe_data){.type = SPOE_TYPE_UINT32, .uint = value};
}

static void queue_hello(struct spoe_session *s)
{
	struct spoe_writer w;

	begin_output(s, &w, SPOE_FRAME_AGENT_HELLO);
	add_output(&w, "version", text(AGENT_VERSION));
	add_output(&w, "max-frame-size", number(s->max_frame_size));
	add_output(&w, "capabilities", text(s->pipelining ? "pipelining" : ""));
	end_output(s, &w);
}

static void queue_disconnect(struct spoe_session *s, enum spoe_status status)
{
	struct spoe_writer w;

	begin_output(s, &w, SPOE_FRAME_AGENT_DISCONNECT);
	add_output(&w, "status-code", number(status));
	add_output(&w, "message", text(spoe_frame_status_text(status)));
	end_output(s, &w);
}

/* --- frames of the peer: each returns why the session must end, or OK --- */

static bool may_pipeline(enum spoe_pipelining wish,
                         const struct spoe_hello *hello)
{
	switch (wish) {
	case SPOE_PIPELINING_AUTO:
		return hello->pipelining && hello->async;
	case SPOE_PIPELINING_ON:
		return hello->pipelining;
	case SPOE_PIPELINING_OFF:
		return false;
	}
	return false;
}

static void accept_hello(struct spoe_session *s, const struct spoe_hello *hello)
{
	size_t size = hello->engine_id.size;

	if (hello->max_frame_size < s->max_frame_size)
		s->max_frame_size = (uint32_t)hello->max_frame_size;
	s->pipelining = may_pipeline(s->options.pipelining, hello);
	if (size > SPOE_ENGINE_ID_MAX)
		size = SPOE_ENGINE_ID_MAX;
	/* The rest is zero since init. */
	if (size > 0)
		memcpy(s->engine_id, hello->engine_id.data, size);
}

static enum spoe_status take_hello(struct spoe_session *s,
                                   struct spoe_reader payload, size_t length,
                                   struct spoe_event *ret_event)
{
	struct spoe_hello hello;
	enum spoe_status status;

	if (s->state != SPOE_SESSION_CONNECTING)
		return SPOE_STATUS_INVALID;
	status = spoe_hello_read(payload, &hello);
	if (status != SPOE_STATUS_OK)
		return status;
	if (length > hello.max_frame_size)
		return SPOE_STATUS_TOO_BIG;

	accept_hello(s, &hello);
	queue_hello(s);
	if (hello.healthcheck) {
		s->state = SPOE_SESSION_CLOSED;
		ret_event->type = SPOE_EVENT_CLOSE;
		ret_event->close.healthcheck = true;
		return SPOE_STATUS_OK;
	}
	s->state = SPOE_SESSION_READY;
	ret_event->type = SPOE_EVENT_READY;
	return SPOE_STATUS_OK;
}

static enum spoe_status known_status(const struct spoe_data *code)
{
	uint64_t value;

	if (!spoe_data_uint(code, &value))
		return SPOE_STATUS_UNKNOWN;
	switch (value) {
#define SPOE_STATUS(name, number, message) case SPOE_STATUS_##name:
#include "spoe/status.def"
#undef SPOE_STATUS
		return (enum spoe_status)value;
	}
	return SPOE_STATUS_UNKNOWN;
}

static enum spoe_status take_disconnect(struct spoe_session *s,
                                        struct spoe_reader payload,
                                        struct spoe_event *ret_event)
{
	struct spoe_data code = {.type = SPOE_TYPE_NULL};
	struct spoe_data value;
	struct spoe_span name;

	while (spoe_data_read_kv(&payload, &name, &value)) {
		if (spoe_span_equal(name, spoe_span_of("status-code")))
			code = value;
	}
	if (payload.left > 0)
		return SPOE_STATUS_INVALID;
	spoe_session_disconnect(s, SPOE_STATUS_OK);
	ret_event->type = SPOE_EVENT_CLOSE;
	ret_event->close.by_peer = true;
	ret_event->close.status = known_status(&code);
	return SPOE_STATUS_OK;
}

/* HELLO and DISCONNECT belong to the connection, not to a stream. */
static enum spoe_status take_control(struct spoe_session *s,
                                     const struct spoe_frame_head *head,
                                     struct spoe_reader payload, size_t length,
                                     struct spoe_event *ret_event)
{
	if (!(head->flags & SPOE_FRAME_FIN))
		return SPOE_STATUS_FRAGMENTATION;
	if (head->stream_id != 0 || head->frame_id != 0)
		return SPOE_STATUS_INVALID;
	if (head->type == SPOE_FRAME_HAPROXY_HELLO)
		return take_hello(s, payload, length, ret_event);
	return take_disconnect(s, payload, ret_event);
}

static enum spoe_status take_notify(const struct spoe_frame_head *head,
                                    struct spoe_reader payload,
                                    struct spoe_event *ret_event)
{
	struct spoe_span messages = spoe_span(payload.at, payload.left);

	if (!(head->flags & SPOE_FRAME_FIN))
		return SPOE_STATUS_FRAGMENTATION;
	if (head->frame_id == 0)
		return SPOE_STATUS_NO_FRAME_ID;
	if (!spoe_message_valid(messages))
		return SPOE_STATUS_INVALID;
	ret_event->type = SPOE_EVENT_NOTIFY;
	ret_event->notify.stream_id = head->stream_id;
	ret_event->notify.frame_id = head->frame_id;
	ret_event->notify.payload = messages;
	return SPOE_STATUS_OK;
}

static enum spoe_status take_frame(struct spoe_session *s,
                                   struct spoe_span frame,
                                   struct spoe_event *ret_event)
{
	struct spoe_reader r = spoe_reader(frame);
	struct spoe_frame_head head;

	if (!spoe_frame_head_read(&r, &head))
		return SPOE_STATUS_INVALID;
	if (head.type == SPOE_FRAME_HAPROXY_HELLO ||
	    head.type == SPOE_FRAME_HAPROXY_DISCONNECT)
		return take_control(s, &head, r, frame.size, ret_event);
	if (s->state != SPOE_SESSION_READY)
		return SPOE_STATUS_INVALID;

	switch (head.type) {
	case SPOE_FRAME_NOTIFY:
		return take_notify(&head, r, ret_event);
	case SPOE_FRAME_UNSET:
		return SPOE_STATUS_FRAGMENTATION;
	case SPOE_FRAME_AGENT_HELLO:
	case SPOE_FRAME_AGENT_DISCONNECT:
	case SPOE_FRAME_ACK:
		return SPOE_STATUS_INVALID;
	default:
		ret_event->type = SPOE_EVENT_IGNORED;
		return SPOE_STATUS_OK;
	}
}

/* --- feeding --- */

static bool read_length(struct spoe_span in, uint32_t *ret_length)
{
	struct spoe_reader r = spoe_reader(in);

	return spoe_reader_u32(&r, ret_length);
}

static enum spoe_status check_length(const struct spoe_session *s,
                                     uint32_t length)
{
	if (length > s->max_frame_size)
		return SPOE_STATUS_TOO_BIG;
	if (length < SPOE_FRAME_HEAD_MIN)
		return SPOE_STATUS_INVALID;
	return SPOE_STATUS_OK;
}

size_t spoe_session_feed(struct spoe_session *s, struct spoe_span in,
                         struct spoe_event *ret_event)
{
	uint32_t length;
	enum spoe_status status;

	*ret_event = (struct spoe_event){.type = SPOE_EVENT_NONE};
	if (s->state == SPOE_SESSION_CLOSED)
		return in.size;
	if (!read_length(in, &length))
		return 0;
	status = check_length(s, length);
	if (status == SPOE_STATUS_OK) {
		if (in.size - SPOE_FRAME_PREFIX < length)
			return 0;
		status = take_frame(
		    s, spoe_span(in.data + SPOE_FRAME_PREFIX, length),
		    ret_event);
	}
	if (status != SPOE_STATUS_OK) {
		spoe_session_disconnect(s, status);
		ret_event->type = SPOE_EVENT_CLOSE;
		ret_event->close.status = status;
	}
	if (s->state == SPOE_SESSION_CLOSED)
		return in.size;
	return SPOE_FRAME_PREFIX + (size_t)length;
}

size_t spoe_session_wanted(const struct spoe_session *s, struct spoe_span in)
{
	uint32_t length;

	if (s->state == SPOE_SESSION_CLOSED)
		return 0;
	if (!read_length(in, &length) ||
	    check_length(s, length) != SPOE_STATUS_OK)
		return SPOE_FRAME_PREFIX;
	return SPOE_FRAME_PREFIX + (size_t)length;
}

void spoe_session_disconnect(struct spoe_session *s, enum spoe_status status)
{
	if (s->state == SPOE_SESSION_CLOSED)
		return;
	queue_disconnect(s, status);
	s->state = SPOE_SESSION_CLOSED;
}

struct spoe_span spoe_session_output(const struct spoe_session *s)
{
	return spoe_span(s->output, s->output_size);
}

void spoe_session_output_taken(struct spoe_session *s)
{
	s->output_size = 0;
}
