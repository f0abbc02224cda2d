#include "agent/core/ticket.h"

#include <assert.h>

/* Version, flags, policy id, owner, record key: a multiple of three, so that
 * no bit of the last character is left over and each ticket has one text. */
enum {
	VERSION = 1,
	FLAG_HEAD = 1u << 0,
	BYTES = 1 + 1 + 4 + RECORD_OWNER_SIZE + RECORD_KEY_SIZE,
};

_Static_assert(BYTES % 3 == 0 && BYTES / 3 * 4 == TICKET_TEXT_SIZE,
               "a ticket fills its text");

static const char alphabet[64] = {
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"};

/* The value of a base64url character (RFC 4648 section 5), or -1. */
static int sextet(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-')
		return 62;
	return c == '_' ? 63 : -1;
}

static bool base64_decode(struct spoe_span text, uint8_t ret_bytes[BYTES])
{
	for (size_t i = 0; i < TICKET_TEXT_SIZE; i += 4) {
		uint32_t group = 0;

		for (size_t j = 0; j < 4; j++) {
			int value = sextet(text.data[i + j]);

			if (value < 0)
				return false;
			group = group << 6 | (uint32_t)value;
		}
		*ret_bytes++ = (uint8_t)(group >> 16);
		*ret_bytes++ = (uint8_t)(group >> 8);
		*ret_bytes++ = (uint8_t)group;
	}
	return true;
}

void ticket_encode(const struct ticket *ticket, char ret_text[TICKET_TEXT_SIZE])
{
	uint8_t bytes[BYTES];
	struct spoe_writer w = spoe_writer(bytes, sizeof(bytes));
	bool done;

	done = spoe_writer_u8(&w, VERSION) &&
	       spoe_writer_u8(&w, ticket->head ? FLAG_HEAD : 0) &&
	       spoe_writer_u32(&w, ticket->policy_id) &&
	       spoe_writer_bytes(
		   &w, spoe_span(ticket->owner, sizeof(ticket->owner))) &&
	       spoe_writer_bytes(&w, spoe_span(ticket->record_key,
	                                       sizeof(ticket->record_key)));
	assert(done && w.size == BYTES);
	for (size_t i = 0; i < BYTES; i += 3) {
		uint32_t group = (uint32_t)bytes[i] << 16 |
		                 (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];

		for (unsigned shift = 24; shift > 0; shift -= 6)
			*ret_text++ = alphabet[group >> (shift - 6) & 63];
	}
}

bool ticket_decode(struct spoe_span text, struct ticket *ret_ticket)
{
	uint8_t bytes[BYTES] = {0};
	struct spoe_reader r = spoe_reader(spoe_span(bytes, sizeof(bytes)));
	struct spoe_span owner, record_key;
	uint8_t version, flags;
	uint32_t policy;

	if (text.size != TICKET_TEXT_SIZE || !base64_decode(text, bytes))
		return false;
	if (!spoe_reader_u8(&r, &version) || version != VERSION)
		return false;
	if (!spoe_reader_u8(&r, &flags) || (flags & ~FLAG_HEAD) != 0)
		return false;
	if (!spoe_reader_u32(&r, &policy) ||
	    !spoe_reader_bytes(&r, RECORD_OWNER_SIZE, &owner) ||
	    !spoe_reader_bytes(&r, RECORD_KEY_SIZE, &record_key))
		return false;
	ret_ticket->policy_id = policy;
	ret_ticket->head = (flags & FLAG_HEAD) != 0;
	memcpy(ret_ticket->owner, owner.data, owner.size);
	memcpy(ret_ticket->record_key, record_key.data, record_key.size);
	return true;
}
