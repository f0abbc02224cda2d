#include "spoe/ack.h"

/* Action types and their number of arguments (3.4). */
enum {
	SET_VAR = 1,
	SET_VAR_ARGS = 3,
	UNSET_VAR = 2,
	UNSET_VAR_ARGS = 2,
};

size_t spoe_ack_capacity(const struct spoe_session *s)
{
	return SPOE_FRAME_PREFIX + s->max_frame_size - SPOE_ACK_SLACK;
}

bool spoe_ack_begin(struct spoe_ack *a, const struct spoe_session *s,
                    uint64_t stream_id, uint64_t frame_id,
                    struct spoe_writer buffer)
{
	struct spoe_frame_head head = {
	    .type = SPOE_FRAME_ACK,
	    .flags = SPOE_FRAME_FIN,
	    .stream_id = stream_id,
	    .frame_id = frame_id,
	};
	size_t room = buffer.capacity - buffer.size;
	size_t limit = spoe_ack_capacity(s);

	*a = (struct spoe_ack){.failed = true, .empty = true};
	if (s->state != SPOE_SESSION_READY || room == 0)
		return false;
	a->writer =
	    spoe_writer(buffer.data + buffer.size, room < limit ? room : limit);
	a->failed = !spoe_frame_begin(&a->writer, &head);
	return !a->failed;
}

/* What the actions share. Half an action may stay behind a failure: finish
 * returns 0 then, so it is never sent. */
static bool action(struct spoe_ack *a, uint8_t type, uint8_t args,
                   enum spoe_scope scope, const char *name)
{
	struct spoe_writer *w = &a->writer;

	if (a->failed)
		return false;
	a->empty = false;
	a->failed = !spoe_writer_u8(w, type) || !spoe_writer_u8(w, args) ||
	            !spoe_writer_u8(w, (uint8_t)scope) ||
	            !spoe_writer_string(w, spoe_span_of(name));
	return !a->failed;
}

bool spoe_ack_set(struct spoe_ack *a, enum spoe_scope scope, const char *name,
                  const struct spoe_data *value)
{
	if (!action(a, SET_VAR, SET_VAR_ARGS, scope, name))
		return false;
	a->failed = !spoe_data_write(&a->writer, value);
	return !a->failed;
}

bool spoe_ack_unset(struct spoe_ack *a, enum spoe_scope scope, const char *name)
{
	return action(a, UNSET_VAR, UNSET_VAR_ARGS, scope, name);
}

size_t spoe_ack_finish(struct spoe_ack *a)
{
	if (a->failed || a->empty)
		return 0;
	spoe_frame_end(&a->writer, 0);
	return a->writer.size;
}
