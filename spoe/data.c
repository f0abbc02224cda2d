#include "spoe/data.h"

/* The first byte of typed data: the type below, flags above (3.1). */
enum {
	TYPE_MASK = 0x0f,
	FLAG_TRUE = 0x10,
	IPV4_SIZE = 4,
	IPV6_SIZE = 16,
};

static bool read_int32(struct spoe_reader *r, int64_t *ret_value)
{
	uint64_t wire;

	if (!spoe_reader_varint(r, &wire))
		return false;
	if (wire > UINT32_MAX &&
	    ((int64_t)wire < INT32_MIN || (int64_t)wire >= 0))
		return false;
	*ret_value = (int32_t)(uint32_t)wire;
	return true;
}

static bool read_uint32(struct spoe_reader *r, uint64_t *ret_value)
{
	uint64_t wire;

	if (!spoe_reader_varint(r, &wire) || wire > UINT32_MAX)
		return false;
	*ret_value = wire;
	return true;
}

static bool read_int64(struct spoe_reader *r, int64_t *ret_value)
{
	uint64_t wire;

	if (!spoe_reader_varint(r, &wire))
		return false;
	*ret_value = (int64_t)wire;
	return true;
}

/* May leave the cursor anywhere when it fails, but never touches *ret_data. */
static inline bool read_value(struct spoe_reader *r, uint8_t head,
                              struct spoe_data *ret_data)
{
	switch ((enum spoe_type)(head & TYPE_MASK)) {
	case SPOE_TYPE_NULL:
		return true;
	case SPOE_TYPE_BOOL:
		ret_data->boolean = (head & FLAG_TRUE) != 0;
		return true;
	case SPOE_TYPE_INT32:
		return read_int32(r, &ret_data->sint);
	case SPOE_TYPE_UINT32:
		return read_uint32(r, &ret_data->uint);
	case SPOE_TYPE_INT64:
		return read_int64(r, &ret_data->sint);
	case SPOE_TYPE_UINT64:
		return spoe_reader_varint(r, &ret_data->uint);
	case SPOE_TYPE_IPV4:
		return spoe_reader_bytes(r, IPV4_SIZE, &ret_data->bytes);
	case SPOE_TYPE_IPV6:
		return spoe_reader_bytes(r, IPV6_SIZE, &ret_data->bytes);
	case SPOE_TYPE_STRING:
	case SPOE_TYPE_BINARY:
		return spoe_reader_string(r, &ret_data->bytes);
	}
	return false; /* reserved: its size is not known */
}

static inline bool read_data(struct spoe_reader *r, struct spoe_data *ret_data)
{
	uint8_t head;

	if (!spoe_reader_u8(r, &head) || !read_value(r, head, ret_data))
		return false;
	ret_data->type = head & TYPE_MASK;
	return true;
}

bool spoe_data_read(struct spoe_reader *r, struct spoe_data *ret_data)
{
	struct spoe_reader at = *r;

	if (!read_data(&at, ret_data))
		return false;
	*r = at;
	return true;
}

static bool write_value(struct spoe_writer *w, const struct spoe_data *data)
{
	switch (data->type) {
	case SPOE_TYPE_NULL:
	case SPOE_TYPE_BOOL:
		return true;
	case SPOE_TYPE_INT32:
		return data->sint >= INT32_MIN && data->sint <= INT32_MAX &&
		       spoe_writer_varint(w, (uint64_t)data->sint);
	case SPOE_TYPE_UINT32:
		return data->uint <= UINT32_MAX &&
		       spoe_writer_varint(w, data->uint);
	case SPOE_TYPE_INT64:
		return spoe_writer_varint(w, (uint64_t)data->sint);
	case SPOE_TYPE_UINT64:
		return spoe_writer_varint(w, data->uint);
	case SPOE_TYPE_IPV4:
		return data->bytes.size == IPV4_SIZE &&
		       spoe_writer_bytes(w, data->bytes);
	case SPOE_TYPE_IPV6:
		return data->bytes.size == IPV6_SIZE &&
		       spoe_writer_bytes(w, data->bytes);
	case SPOE_TYPE_STRING:
	case SPOE_TYPE_BINARY:
		return spoe_writer_string(w, data->bytes);
	}
	return false;
}

bool spoe_data_write(struct spoe_writer *w, const struct spoe_data *data)
{
	size_t size = w->size;
	uint8_t head = (uint8_t)data->type;

	if (data->type == SPOE_TYPE_BOOL && data->boolean)
		head |= FLAG_TRUE;
	if (spoe_writer_u8(w, head) && write_value(w, data))
		return true;
	w->size = size;
	return false;
}

bool spoe_data_uint(const struct spoe_data *data, uint64_t *ret_value)
{
	switch (data->type) {
	case SPOE_TYPE_INT32:
	case SPOE_TYPE_INT64:
		if (data->sint < 0)
			return false;
		*ret_value = (uint64_t)data->sint;
		return true;
	case SPOE_TYPE_UINT32:
	case SPOE_TYPE_UINT64:
		*ret_value = data->uint;
		return true;
	default:
		return false;
	}
}

bool spoe_data_read_kv(struct spoe_reader *r, struct spoe_span *ret_name,
                       struct spoe_data *ret_value)
{
	struct spoe_reader at = *r;
	struct spoe_span name;

	if (!spoe_reader_string(&at, &name) || !read_data(&at, ret_value))
		return false;
	*r = at;
	*ret_name = name;
	return true;
}

bool spoe_data_write_kv(struct spoe_writer *w, const char *name,
                        const struct spoe_data *value)
{
	size_t size = w->size;

	if (spoe_writer_string(w, spoe_span_of(name)) &&
	    spoe_data_write(w, value))
		return true;
	w->size = size;
	return false;
}
