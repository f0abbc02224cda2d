#include "spoe/frame.h"

#include <assert.h>

bool spoe_frame_head_read(struct spoe_reader *r,
                          struct spoe_frame_head *ret_head)
{
	struct spoe_reader at = *r;
	struct spoe_frame_head head;

	if (!spoe_reader_u8(&at, &head.type) ||
	    !spoe_reader_u32(&at, &head.flags) ||
	    !spoe_reader_varint(&at, &head.stream_id) ||
	    !spoe_reader_varint(&at, &head.frame_id))
		return false;
	*r = at;
	*ret_head = head;
	return true;
}

bool spoe_frame_head_write(struct spoe_writer *w,
                           const struct spoe_frame_head *head)
{
	size_t size = w->size;

	if (spoe_writer_u8(w, head->type) && spoe_writer_u32(w, head->flags) &&
	    spoe_writer_varint(w, head->stream_id) &&
	    spoe_writer_varint(w, head->frame_id))
		return true;
	w->size = size;
	return false;
}

bool spoe_frame_begin(struct spoe_writer *w, const struct spoe_frame_head *head)
{
	size_t size = w->size;

	if (spoe_writer_u32(w, 0) && spoe_frame_head_write(w, head))
		return true;
	w->size = size;
	return false;
}

void spoe_frame_end(struct spoe_writer *w, size_t start)
{
	struct spoe_writer prefix;
	size_t length;

	assert(start + SPOE_FRAME_PREFIX <= w->size);
	length = w->size - start - SPOE_FRAME_PREFIX;
	assert(length <= UINT32_MAX);
	prefix = spoe_writer(w->data + start, SPOE_FRAME_PREFIX);
	spoe_writer_u32(&prefix, (uint32_t)length);
}

const char *spoe_frame_status_text(uint64_t status)
{
	switch (status) {
#define SPOE_STATUS(name, code, text) \
	case SPOE_STATUS_##name:      \
		return text;
#include "spoe/status.def"
#undef SPOE_STATUS
	}
	return spoe_frame_status_text(SPOE_STATUS_UNKNOWN);
}
