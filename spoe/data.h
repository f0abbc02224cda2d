/* spoe/data.h: typed data (SPOE specification 3.1) and KV lists (3.2). */
#ifndef SPOE_DATA_H
#define SPOE_DATA_H

#include "spoe/reader.h"
#include "spoe/writer.h"

/* The wire's own numbers. */
enum spoe_type {
	SPOE_TYPE_NULL = 0,
	SPOE_TYPE_BOOL = 1,
	SPOE_TYPE_INT32 = 2,
	SPOE_TYPE_UINT32 = 3,
	SPOE_TYPE_INT64 = 4,
	SPOE_TYPE_UINT64 = 5,
	SPOE_TYPE_IPV4 = 6,   /* 4 bytes, network order */
	SPOE_TYPE_IPV6 = 7,   /* 16 bytes */
	SPOE_TYPE_STRING = 8, /* any bytes; HAProxy promises nothing more */
	SPOE_TYPE_BINARY = 9,
};

struct spoe_data {
	enum spoe_type type;
	union {
		bool boolean;
		int64_t sint;           /* INT32, INT64 */
		uint64_t uint;          /* UINT32, UINT64 */
		struct spoe_span bytes; /* IPV4, IPV6, STRING, BINARY */
	};
};

static inline struct spoe_data spoe_data_string(struct spoe_span bytes)
{
	return (struct spoe_data){.type = SPOE_TYPE_STRING, .bytes = bytes};
}

static inline struct spoe_data spoe_data_binary(struct spoe_span bytes)
{
	return (struct spoe_data){.type = SPOE_TYPE_BINARY, .bytes = bytes};
}

static inline struct spoe_data spoe_data_int64(int64_t value)
{
	return (struct spoe_data){.type = SPOE_TYPE_INT64, .sint = value};
}

/* Refuses the reserved types 10 to 15 and a 32-bit type whose value does not
 * fit 32 bits (INT32 arrives sign-extended to 64 bits, or as its low 32). */
bool spoe_data_read(struct spoe_reader *r, struct spoe_data *ret_data);

bool spoe_data_write(struct spoe_writer *w, const struct spoe_data *data);

/* STRING or BINARY: *ret_bytes is the value. */
static inline bool spoe_data_bytes(const struct spoe_data *data,
                                   struct spoe_span *ret_bytes)
{
	if (data->type != SPOE_TYPE_STRING && data->type != SPOE_TYPE_BINARY)
		return false;
	*ret_bytes = data->bytes;
	return true;
}

/* Any integer type that is not negative: *ret_value is the value. */
bool spoe_data_uint(const struct spoe_data *data, uint64_t *ret_value);

/* One item of a KV list: name and value. */
bool spoe_data_read_kv(struct spoe_reader *r, struct spoe_span *ret_name,
                       struct spoe_data *ret_value);
bool spoe_data_write_kv(struct spoe_writer *w, const char *name,
                        const struct spoe_data *value);

#endif
