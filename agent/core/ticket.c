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

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* The values of these characters (RFC 4648 section 5), each with a bit that
 * other characters lack. */
enum { IS = 1u << 6, VALUE = IS - 1 };
static const uint8_t values[UINT8_MAX + 1] = {
    0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
    0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
    0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
    0,   0,   0,   126, 0,   0,   116, 117, 118, 119, 120, 121, 122, 123,
    124, 125, 0,   0,   0,   0,   0,   0,   0,   64,  65,  66,  67,  68,
    69,  70,  71,  72,  73,  74,  75,  76,  77,  78,  79,  80,  81,  82,
    83,  84,  85,  86,  87,  88,  89,  0,   0,   0,   0,   127, 0,   90,
    91,  92,  93,  94,  95,  96,  97,  98,  99,  100, 101, 102, 103, 104,
    105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115,
};

static void base64_encode(const uint8_t bytes[BYTES],
                          char ret_text[TICKET_TEXT_SIZE])
{
	for (size_t i = 0; i < BYTES; i += 3) {
		const uint32_t group = (uint32_t)bytes[i] << 16 |
		                       (uint32_t)bytes[i + 1] << 8 |
		                       bytes[i + 2];

		*ret_text++ = alphabet[group >> 18];
		*ret_text++ = alphabet[group >> 12 & VALUE];
		*ret_text++ = alphabet[group >> 6 & VALUE];
		*ret_text++ = alphabet[group & VALUE];
	}
}

static bool base64_decode(const uint8_t text[TICKET_TEXT_SIZE],
                          uint8_t ret_bytes[BYTES])
{
	uint8_t all = IS;

	for (size_t i = 0; i < TICKET_TEXT_SIZE; i += 4) {
		const uint32_t a = values[text[i]];
		const uint32_t b = values[text[i + 1]];
		const uint32_t c = values[text[i + 2]];
		const uint32_t d = values[text[i + 3]];

		all &= a & b & c & d;
		*ret_bytes++ = (uint8_t)(a << 2 | (b & VALUE) >> 4);
		*ret_bytes++ = (uint8_t)(b << 4 | (c & VALUE) >> 2);
		*ret_bytes++ = (uint8_t)(c << 6 | (d & VALUE));
	}
	return all == IS;
}

void ticket_encode(const struct ticket *ticket, char ret_text[TICKET_TEXT_SIZE])
{
	uint8_t bytes[BYTES];
	struct spoe_writer w = spoe_writer(bytes, sizeof(bytes));
	bool done;

	done = spoe_writer_u8(&w, VERSION) &&
	       spoe_writer_u8(&w, ticket->head ? FLAG_HEAD : 0) &&
	       spoe_writer_u32(&w, ticket->policy_id) &&
	       spoe_writer_copy(&w, ticket->owner, sizeof(ticket->owner)) &&
	       spoe_writer_copy(&w, ticket->record_key,
	                        sizeof(ticket->record_key));
	assert(done && w.size == BYTES);
	base64_encode(bytes, ret_text);
}

bool ticket_decode(struct spoe_span text, struct ticket *ret_ticket)
{
	uint8_t bytes[BYTES];
	struct spoe_reader r = spoe_reader(spoe_span(bytes, sizeof(bytes)));
	struct ticket ticket;
	uint8_t version, flags;

	if (text.size != TICKET_TEXT_SIZE || !base64_decode(text.data, bytes))
		return false;
	if (!spoe_reader_u8(&r, &version) || version != VERSION)
		return false;
	if (!spoe_reader_u8(&r, &flags) || (flags & ~FLAG_HEAD) != 0)
		return false;
	ticket.head = (flags & FLAG_HEAD) != 0;
	if (!spoe_reader_u32(&r, &ticket.policy_id) ||
	    !spoe_reader_copy(&r, ticket.owner, sizeof(ticket.owner)) ||
	    !spoe_reader_copy(&r, ticket.record_key, sizeof(ticket.record_key)))
		return false;
	*ret_ticket = ticket;
	return true;
}
