#include "spoe/message.h"

bool spoe_message_arg(struct spoe_message *message, struct spoe_span *ret_name,
                      struct spoe_data *ret_value)
{
	if (message->args_left == 0 ||
	    !spoe_data_read_kv(&message->rest, ret_name, ret_value))
		return false;
	message->args_left--;
	return true;
}

bool spoe_message_next(struct spoe_message *message)
{
	struct spoe_reader at;
	struct spoe_span name;
	struct spoe_data value;

	/* Only a walk over the arguments finds where the next message is. */
	while (spoe_message_arg(message, &name, &value))
		continue;
	at = message->rest;
	if (message->args_left > 0 ||
	    !spoe_reader_string(&at, &message->name) ||
	    !spoe_reader_u8(&at, &message->args))
		return false;
	message->rest = at;
	message->args_left = message->args;
	return true;
}

bool spoe_message_valid(struct spoe_span payload)
{
	struct spoe_message message = spoe_message(payload);

	while (spoe_message_next(&message))
		continue;
	return message.args_left == 0 && message.rest.left == 0;
}
