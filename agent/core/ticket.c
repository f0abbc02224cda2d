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

/* The values of the base64url characters (RFC 4648 section 5). */
enum { NO = 0x40 }; /* none of them */
static const uint8_t values[128] = {
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, 62, NO, NO, 52, 53, 54, 55, 56, 57, 58, 59, 60,
    61, NO, NO, NO, NO, NO, NO, NO, 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
    11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, NO, NO, NO, NO,
    63, NO, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42,
    43, 44, 45, 46, 47, 48, 49, 50, 51, NO, NO, NO, NO, NO,
};

static uint32_t value_of(uint8_t c)
{
	return c < sizeof(values) ? values[c] : NO;
}

static bool base64_decode(struct spoe_span text, uint8_t ret_bytes[BYTES])
{
	uint32_t all = 0;

	for (size_t i = 0; i < TICKET_TEXT_SIZE; i += 4) {
		const uint32_t a = value_of(text.data[i]);
		const uint32_t b = value_of(text.data[i + 1]);
		const uint32_t c = value_of(text.data[i + 2]);
		const uint32_t d = value_of(text.data[i + 3]);
		const uint32_t group = a << 18 | b << 12 | c << 6 | d;

		all |= a | b | c | d;
		*ret_bytes++ = (uint8_t)(group >> 16);
		*ret_bytes++ = (uint8_t)(group >> 8);
		*ret_bytes++ = (uint8_t)group;
	}
	return (all & NO) == 0;
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
