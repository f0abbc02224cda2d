#include "spoe/message.h"

bool spoe_message_next(struct spoe_reader *payload,
                       struct spoe_message *ret_message)
{
	struct spoe_reader at = *payload;
	struct spoe_reader args_at;
	struct spoe_span name;
	uint8_t args;

	if (!spoe_reader_string(&at, &name) || !spoe_reader_u8(&at, &args))
		return false;
	/* Only a walk over the arguments finds where the next message is. */
	args_at = at;
	for (uint8_t i = 0; i < args; i++) {
		struct spoe_span arg;
		struct spoe_data value;

		if (!spoe_data_read_kv(&at, &arg, &value))
			return false;
	}
	*payload = at;
	*ret_message = (struct spoe_message){
	    .name = name,
	    .args = args,
	    .rest = {.at = args_at.at, .left = args_at.left - at.left},
	    .rest_args = args,
	};
	return true;
}

bool spoe_message_arg(struct spoe_message *message, struct spoe_span *ret_name,
                      struct spoe_data *ret_value)
{
	if (message->rest_args == 0 ||
	    !spoe_data_read_kv(&message->rest, ret_name, ret_value))
		return false;
	message->rest_args--;
	return true;
}

bool spoe_message_valid(struct spoe_span payload)
{
	struct spoe_reader at = spoe_reader(payload);
	struct spoe_message message;

	while (spoe_message_next(&at, &message))
		continue;
	return at.left == 0;
}
