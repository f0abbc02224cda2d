/* The queue of bytes: order, growth, and no memory while it is empty. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/net/bytes.h"

static void add(struct bytes *b, const char *text)
{
	assert_true(bytes_append(b, spoe_span_of(text)));
}

static void assert_holds(const struct bytes *b, const char *text)
{
	assert_true(spoe_span_equal(bytes_span(b), spoe_span_of(text)));
}

static void keeps_the_order(void **state)
{
	struct bytes b = {.data = NULL};

	(void)state;
	add(&b, "abc");
	add(&b, "");
	add(&b, "def");
	assert_holds(&b, "abcdef");
	bytes_consume(&b, 2);
	assert_holds(&b, "cdef");
	add(&b, "gh");
	assert_holds(&b, "cdefgh");
	bytes_consume(&b, 0);
	bytes_consume(&b, 6);
	assert_int_equal(b.size, 0);
}

static void owns_nothing_when_empty(void **state)
{
	struct bytes b = {.data = NULL};

	(void)state;
	add(&b, "");
	assert_null(b.data);
	add(&b, "a");
	assert_non_null(b.data);
	bytes_consume(&b, 1);
	assert_null(b.data);
	assert_int_equal(b.capacity, 0);
	add(&b, "again");
	bytes_clear(&b);
	assert_null(b.data);
	bytes_clear(&b);
}

static void grows_with_what_is_in_it(void **state)
{
	struct bytes b = {.data = NULL};

	(void)state;
	for (size_t i = 0; i < 100000; i++) {
		uint8_t byte = (uint8_t)(i % 251);

		assert_true(bytes_append(&b, spoe_span(&byte, 1)));
		assert_true(b.capacity <= 2 * b.size || b.capacity <= 512);
	}
	for (size_t i = 0; i < 100000; i++) {
		assert_int_equal(bytes_span(&b).data[0], i % 251);
		bytes_consume(&b, 1);
	}
}

/* A queue that is written and read at the same pace stays as small as what is
 * in it. */
static void uses_its_memory_again(void **state)
{
	struct bytes b = {.data = NULL};
	uint8_t next_in = 0;
	uint8_t next_out = 0;

	(void)state;
	for (size_t round = 0; round < 20000; round++) {
		for (int i = 0; i < 3; i++, next_in++)
			assert_true(bytes_append(&b, spoe_span(&next_in, 1)));
		while (b.size > 100) {
			assert_int_equal(bytes_span(&b).data[0], next_out++);
			bytes_consume(&b, 1);
		}
		assert_true(b.capacity <= 1024);
	}
	bytes_clear(&b);
}

static void offers_room_to_read_into(void **state)
{
	struct bytes b = {.data = NULL};
	size_t size;
	uint8_t *room;

	(void)state;
	room = bytes_room(&b, &size);
	assert_non_null(room);
	assert_true(size > 0);
	memset(room, 'x', size);
	bytes_added(&b, size);
	assert_int_equal(b.size, size);
	room = bytes_room(&b, &size);
	assert_non_null(room);
	assert_true(size > 0 && size <= b.size);
	memcpy(room, "y", 1);
	bytes_added(&b, 1);
	assert_int_equal(bytes_span(&b).data[b.size - 1], 'y');
	assert_int_equal(bytes_span(&b).data[b.size - 2], 'x');
	bytes_clear(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keeps_the_order),
	    cmocka_unit_test(owns_nothing_when_empty),
	    cmocka_unit_test(grows_with_what_is_in_it),
	    cmocka_unit_test(uses_its_memory_again),
	    cmocka_unit_test(offers_room_to_read_into),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
