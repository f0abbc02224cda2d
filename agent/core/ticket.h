/* agent/core/ticket.h: the opaque text that names one lock. It travels through
 * HAProxy's variables and log line, never to a client. */
#ifndef AGENT_CORE_TICKET_H
#define AGENT_CORE_TICKET_H

#include "agent/core/record.h"

enum { TICKET_TEXT_SIZE = 72 }; /* base64url, no padding; at most 96 */

struct ticket {
	uint8_t record_key[RECORD_KEY_SIZE];
	uint8_t owner[RECORD_OWNER_SIZE]; /* the fencing token */
	uint32_t policy_id;
	bool head; /* the request's method was HEAD */
};

/* Writes exactly TICKET_TEXT_SIZE characters, no NUL. */
void ticket_encode(const struct ticket *ticket,
                   char ret_text[TICKET_TEXT_SIZE]);

/* False when `text` is no ticket of this version. */
bool ticket_decode(struct spoe_span text, struct ticket *ret_ticket);

#endif
