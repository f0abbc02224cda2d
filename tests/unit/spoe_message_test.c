/* The walk over the messages of a NOTIFY. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spoe/message.h"

#define PAYLOAD(text) spoe_span((text), sizeof(text) - 1)

/* Counts what there is to walk, in both orders: messages alone, and with
 * their arguments. */
static void count(struct spoe_span payload, size_t *ret_messages,
                  size_t *ret_args)
{
	struct spoe_message message = spoe_message(payload);
	size_t skipped = 0;

	*ret_messages = *ret_args = 0;
	while (spoe_message_next(&message)) {
		struct spoe_span name;
		struct spoe_data value;

		*ret_messages += 1;
		while (spoe_message_arg(&message, &name, &value))
			*ret_args += 1;
		assert_false(spoe_message_arg(&message, &name, &value));
	}
	assert_false(spoe_message_next(&message));
	for (message = spoe_message(payload); spoe_message_next(&message);)
		skipped++;
	assert_int_equal(skipped, *ret_messages);
}

static void empty_list(void **state)
{
	size_t messages;
	size_t args;

	(void)state;
	assert_true(spoe_message_valid(spoe_span(NULL, 0)));
	assert_true(spoe_message_valid(PAYLOAD("")));
	count(spoe_span(NULL, 0), &messages, &args);
	assert_int_equal(messages, 0);
}

static void message_without_arguments(void **state)
{
	struct spoe_span payload = PAYLOAD("\4ping\0");
	struct spoe_message message = spoe_message(payload);
	struct spoe_span name;
	struct spoe_data value;

	(void)state;
	assert_true(spoe_message_valid(payload));
	assert_true(spoe_message_next(&message));
	assert_true(spoe_span_equal(message.name, spoe_span_of("ping")));
	assert_int_equal(message.args, 0);
	assert_false(spoe_message_arg(&message, &name, &value));
	assert_false(spoe_message_next(&message));
	assert_int_equal(message.rest.left, 0);
}

static const char two[] = "\5check\4"
			  "\5scope\10\1a"
			  "\5scope\11\2\0b"
			  "\0\21"
			  "\3key\0"
			  "\4done\1"
			  "\6status\4\310";

static void names_may_repeat_or_be_empty(void **state)
{
	struct spoe_message message = spoe_message(PAYLOAD(two));
	struct spoe_span name;
	struct spoe_data value;

	(void)state;
	assert_true(spoe_message_next(&message));
	assert_true(spoe_span_equal(message.name, spoe_span_of("check")));
	assert_int_equal(message.args, 4);
	assert_true(spoe_message_arg(&message, &name, &value));
	assert_true(spoe_span_equal(name, spoe_span_of("scope")));
	assert_true(spoe_span_equal(value.bytes, spoe_span_of("a")));
	assert_true(spoe_message_arg(&message, &name, &value));
	assert_true(spoe_span_equal(name, spoe_span_of("scope")));
	assert_int_equal(value.type, SPOE_TYPE_BINARY);
	assert_true(spoe_span_equal(value.bytes, spoe_span("\0b", 2)));
	assert_true(spoe_message_arg(&message, &name, &value));
	assert_int_equal(name.size, 0);
	assert_true(value.type == SPOE_TYPE_BOOL && value.boolean);
	assert_true(spoe_message_arg(&message, &name, &value));
	assert_true(spoe_span_equal(name, spoe_span_of("key")));
	assert_int_equal(value.type, SPOE_TYPE_NULL);
	assert_false(spoe_message_arg(&message, &name, &value));

	assert_true(spoe_message_next(&message));
	assert_true(spoe_span_equal(message.name, spoe_span_of("done")));
	assert_true(spoe_message_arg(&message, &name, &value));
	assert_int_equal(value.type, SPOE_TYPE_INT64);
	assert_int_equal(value.sint, 200);
	assert_false(spoe_message_arg(&message, &name, &value));
	assert_false(spoe_message_next(&message));
}

/* Arguments that are not walked, or not all, are passed over. */
static void arguments_may_be_left(void **state)
{
	struct spoe_span name;
	struct spoe_data value;

	(void)state;
	for (size_t walked = 0; walked <= 4; walked++) {
		struct spoe_message message = spoe_message(PAYLOAD(two));

		assert_true(spoe_message_next(&message));
		for (size_t i = 0; i < walked; i++)
			assert_true(spoe_message_arg(&message, &name, &value));
		assert_true(spoe_message_next(&message));
		assert_true(
		    spoe_span_equal(message.name, spoe_span_of("done")));
		assert_true(spoe_message_arg(&message, &name, &value));
		assert_true(spoe_span_equal(name, spoe_span_of("status")));
		assert_false(spoe_message_next(&message));
	}
}

/* Cut in two where one message ends it is a shorter list; anywhere else it is
 * none. The walk goes as far as there is something whole, and stays there. */
static void cut_at_each_byte(void **state)
{
	const size_t first = sizeof(two) - 1 - 15; /* of the second message */
	const size_t done = first + 6;             /* its name and count */

	(void)state;
	for (size_t size = 0; size < sizeof(two); size++) {
		struct spoe_span payload = spoe_span(two, size);
		bool whole =
		    size == 0 || size == first || size == sizeof(two) - 1;
		struct spoe_message message = spoe_message(payload);
		size_t messages = 0;
		size_t left;

		assert_int_equal(spoe_message_valid(payload), whole);
		while (spoe_message_next(&message))
			messages++;
		assert_int_equal(messages, (size >= 7) + (size >= done));
		left = message.rest.left;
		assert_false(spoe_message_next(&message));
		assert_int_equal(message.rest.left, left);
		if (size >= first && size < done)
			assert_ptr_equal(message.rest.at, two + first);
	}
}

static void malformed(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
	} rows[] = {
#define ROW(text) {(text), sizeof(text) - 1}
	    ROW("\1m\0junk"),    /* behind the last message */
	    ROW("\1m\1\1a\12"),  /* a reserved type */
	    ROW("\1m\377\1a\0"), /* 255 arguments, 1 sent */
	    ROW("\xf0"),         /* a name length that is cut */
	    ROW("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"
	        "m"),                /* 2^64 more */
	    ROW("\1m\1\357a\0"),     /* an argument's name */
	    ROW("\1m\1\1a\10\357x"), /* its value */
#undef ROW
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_false(
		    spoe_message_valid(spoe_span(rows[i].bytes, rows[i].size)));
}

static void most_arguments(void **state)
{
	uint8_t payload[3 + 255 * 2] = {1, 'm', 255};
	size_t messages;
	size_t args;

	(void)state;
	assert_true(spoe_message_valid(spoe_span(payload, sizeof(payload))));
	count(spoe_span(payload, sizeof(payload)), &messages, &args);
	assert_int_equal(messages, 1);
	assert_int_equal(args, 255);
	assert_false(
	    spoe_message_valid(spoe_span(payload, sizeof(payload) - 1)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(empty_list),
	    cmocka_unit_test(message_without_arguments),
	    cmocka_unit_test(names_may_repeat_or_be_empty),
	    cmocka_unit_test(arguments_may_be_left),
	    cmocka_unit_test(cut_at_each_byte),
	    cmocka_unit_test(malformed),
	    cmocka_unit_test(most_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
