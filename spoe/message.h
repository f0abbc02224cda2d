/* spoe/message.h: the LIST-OF-MESSAGES of a NOTIFY (SPOE specification 3.2).
 *
 *     struct spoe_message message = spoe_message(event.payload);
 *     while (spoe_message_next(&message)) {
 *             struct spoe_span name;
 *             struct spoe_data value;
 *             while (spoe_message_arg(&message, &name, &value))
 *                     ...
 *     }
 *
 * A payload that spoe_message_valid() accepts (every payload of a
 * SPOE_EVENT_NOTIFY is one) walks to its end. Another walks to where it is
 * malformed, and stays there. */
#ifndef SPOE_MESSAGE_H
#define SPOE_MESSAGE_H

#include "spoe/data.h"

/* Where the walk is: in this message. */
struct spoe_message {
	struct spoe_span name;
	uint8_t args; /* how many arguments it has */
	/* private: what is not walked yet */
	uint8_t args_left;
	struct spoe_reader rest;
};

/* True when `payload` is a whole list of messages, the empty list included. */
bool spoe_message_valid(struct spoe_span payload);

/* In front of the first message. */
static inline struct spoe_message spoe_message(struct spoe_span payload)
{
	return (struct spoe_message){.rest = spoe_reader(payload)};
}

/* Goes to the next message, past arguments that were not walked. Returns false
 * at the end; the fields say nothing then. */
bool spoe_message_next(struct spoe_message *message);

/* The next argument of `message`; false at its end. Arguments may share a
 * name, and a name may be empty. */
bool spoe_message_arg(struct spoe_message *message, struct spoe_span *ret_name,
                      struct spoe_data *ret_value);

#endif
