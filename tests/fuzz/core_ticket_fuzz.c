/* Any bytes at all, as a ticket's text and as a ticket: each ticket has one
 * text and each text at most one ticket. */
#include <assert.h>

#include "agent/core/ticket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_text(struct spoe_span text)
{
	char again[TICKET_TEXT_SIZE];
	struct ticket ticket;

	if (!ticket_decode(text, &ticket))
		return;
	ticket_encode(&ticket, again);
	assert(spoe_span_equal(text, spoe_span(again, sizeof(again))));
}

static void try_ticket(const uint8_t *data, size_t size)
{
	struct ticket ticket = {.head = false}, again;
	char text[TICKET_TEXT_SIZE];
	bool done;

	if (size < RECORD_KEY_SIZE + RECORD_OWNER_SIZE + 5)
		return;
	memcpy(ticket.record_key, data, RECORD_KEY_SIZE);
	memcpy(ticket.owner, data + RECORD_KEY_SIZE, RECORD_OWNER_SIZE);
	data += RECORD_KEY_SIZE + RECORD_OWNER_SIZE;
	memcpy(&ticket.policy_id, data, sizeof(ticket.policy_id));
	ticket.head = data[4] & 1;
	ticket_encode(&ticket, text);
	done = ticket_decode(spoe_span(text, sizeof(text)), &again);
	assert(done);
	assert(memcmp(ticket.record_key, again.record_key, RECORD_KEY_SIZE) ==
	       0);
	assert(memcmp(ticket.owner, again.owner, RECORD_OWNER_SIZE) == 0);
	assert(ticket.policy_id == again.policy_id);
	assert(ticket.head == again.head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_text(spoe_span(data, size));
	try_ticket(data, size);
	return 0;
}
