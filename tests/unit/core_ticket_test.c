/* A ticket is one text, and only that text is the ticket. */
#include "agent/core/ticket.h"

#include "tests/unit/core_check.h"

static struct ticket sample(void)
{
	struct ticket ticket = {.policy_id = 0xdeadbeef, .head = true};

	for (unsigned i = 0; i < RECORD_KEY_SIZE; i++)
		ticket.record_key[i] = (uint8_t)(i * 7 + 1);
	for (unsigned i = 0; i < RECORD_OWNER_SIZE; i++)
		ticket.owner[i] = (uint8_t)(255 - i);
	return ticket;
}

static bool equal(const struct ticket *a, const struct ticket *b)
{
	return memcmp(a->record_key, b->record_key, RECORD_KEY_SIZE) == 0 &&
	       memcmp(a->owner, b->owner, RECORD_OWNER_SIZE) == 0 &&
	       a->policy_id == b->policy_id && a->head == b->head;
}

/* A ticket outlives the agent that made it: its text must not change. */
static void test_golden(void **state)
{
	static const char golden[TICKET_TEXT_SIZE + 1] =
	    "AQHerb7v__79_Pv6-fj39vX08_Lx8AEIDxYdJCsyOUBHTlVcY2pxeH-GjZSbo"
	    "qmwt77FzNPa";
	struct ticket ticket = sample(), back;
	char text[TICKET_TEXT_SIZE];

	(void)state;
	ticket_encode(&ticket, text);
	assert_memory_equal(text, golden, sizeof(text));
	assert_true(ticket_decode(spoe_span(text, sizeof(text)), &back));
	assert_true(equal(&ticket, &back));
}

/* Every field comes back, whatever its bits. */
static void test_round_trip(void **state)
{
	struct ticket ticket, back;
	char text[TICKET_TEXT_SIZE];

	(void)state;
	for (unsigned i = 0; i < 256; i++) {
		memset(ticket.record_key, (int)i, RECORD_KEY_SIZE);
		memset(ticket.owner, (int)(i ^ 0x5a), RECORD_OWNER_SIZE);
		ticket.policy_id = i * 0x01010101u;
		ticket.head = i % 2 == 1;
		ticket_encode(&ticket, text);
		for (size_t j = 0; j < sizeof(text); j++)
			assert_non_null(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			                       "abcdefghijklmnopqrstuvwxyz"
			                       "0123456789-_",
			                       text[j]));
		assert_true(
		    ticket_decode(spoe_span(text, sizeof(text)), &back));
		assert_true(equal(&ticket, &back));
	}
}

/* One character changed: another ticket or none, never the same one. */
static void test_every_change(void **state)
{
	struct ticket ticket = sample(), back;
	char text[TICKET_TEXT_SIZE];

	(void)state;
	ticket_encode(&ticket, text);
	for (size_t i = 0; i < sizeof(text); i++) {
		char good = text[i];

		for (unsigned byte = 0; byte < 256; byte++) {
			text[i] = (char)byte;
			if (text[i] != good &&
			    ticket_decode(spoe_span(text, sizeof(text)), &back))
				assert_false(equal(&ticket, &back));
		}
		text[i] = good;
	}
}

static const struct {
	const char *name;
	size_t at; /* character to replace, or the size to cut at */
	char with; /* 0: cut */
} bad[] = {
    {"empty", 0, 0},
    {"one short", TICKET_TEXT_SIZE - 1, 0},
    {"version 0", 1, 'A'},
    {"version 2", 1, 'g'},
    {"version 5", 0, 'B'},
    {"unknown flag", 2, 'L'},
    {"plus sign", 20, '+'},
    {"slash", 20, '/'},
    {"padding", TICKET_TEXT_SIZE - 1, '='},
    {"white space", 20, ' '},
    {"not ASCII", 20, (char)0xc3},
};

static void test_bad(void **state)
{
	struct ticket ticket = sample(), back;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		char text[TICKET_TEXT_SIZE];
		size_t size = bad[i].with == 0 ? bad[i].at : sizeof(text);

		ticket_encode(&ticket, text);
		if (bad[i].with != 0)
			text[bad[i].at] = bad[i].with;
		back = ticket;
		check_row(bad[i].name,
		          !ticket_decode(spoe_span(text, size), &back));
		check_row(bad[i].name, equal(&ticket, &back));
	}
}

static void test_too_long(void **state)
{
	struct ticket ticket = sample(), back;
	char text[TICKET_TEXT_SIZE + 1];

	(void)state;
	ticket_encode(&ticket, text);
	text[TICKET_TEXT_SIZE] = 'A';
	assert_false(ticket_decode(spoe_span(text, sizeof(text)), &back));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_golden),
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_every_change),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
