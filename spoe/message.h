/* spoe/message.h: the LIST-OF-MESSAGES of a NOTIFY (SPOE specification 3.2).
 *
 *     struct spoe_reader payload = spoe_reader(event.payload);
 *     struct spoe_message message;
 *     while (spoe_message_next(&payload, &message)) {
 *             struct spoe_span name;
 *             struct spoe_data value;
 *             while (spoe_message_arg(&message, &name, &value))
 *                     ...
 *     }
 *
 * A payload that spoe_message_valid() accepts (every payload of a
 * SPOE_EVENT_NOTIFY is one) walks to its end. */
#ifndef SPOE_MESSAGE_H
#define SPOE_MESSAGE_H

#include "spoe/data.h"

struct spoe_message {
	struct spoe_span name;
	uint8_t args;            /* how many arguments it has */
	struct spoe_reader rest; /* private: the arguments not walked yet */
};

/* True when `payload` is a whole list of messages, the empty list included. */
bool spoe_message_valid(struct spoe_span payload);

/* The next message. Returns false at the end, or where the payload is
 * malformed. */
bool spoe_message_next(struct spoe_reader *payload,
                       struct spoe_message *ret_message);

/* The next argument of `message`; false at its end. Arguments may share a
 * name, and a name may be empty. */
bool spoe_message_arg(struct spoe_message *message, struct spoe_span *ret_name,
                      struct spoe_data *ret_value);

#endif
