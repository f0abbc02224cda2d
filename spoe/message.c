#include "spoe/message.h"

bool spoe_message_next(struct spoe_reader *payload,
                       struct spoe_message *ret_message)
{
	size_t left = payload->left;
	struct spoe_reader rest;
	struct spoe_span name;
	uint8_t args;

	if (!spoe_reader_string(payload, &name) ||
	    !spoe_reader_u8(payload, &args))
		return spoe_reader_rewind(payload, left);
	/* Only a walk over the arguments finds where the next message is. */
	rest = *payload;
	for (uint8_t i = 0; i < args; i++) {
		struct spoe_span arg;
		struct spoe_data value;

		if (!spoe_data_read_kv(payload, &arg, &value))
			return spoe_reader_rewind(payload, left);
	}
	rest.left -= payload->left;
	*ret_message = (struct spoe_message){
	    .name = name,
	    .args = args,
	    .rest = rest,
	};
	return true;
}

bool spoe_message_arg(struct spoe_message *message, struct spoe_span *ret_name,
                      struct spoe_data *ret_value)
{
	return spoe_data_read_kv(&message->rest, ret_name, ret_value);
}

bool spoe_message_valid(struct spoe_span payload)
{
	struct spoe_reader at = spoe_reader(payload);
	struct spoe_message message;

	while (spoe_message_next(&at, &message))
		continue;
	return at.left == 0;
}
