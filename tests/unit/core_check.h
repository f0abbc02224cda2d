/* tests/unit/core_check.h: what the tests of agent/core share: cmocka, and
 * header lists built from text. */
#ifndef TESTS_UNIT_CORE_CHECK_H
#define TESTS_UNIT_CORE_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spoe/writer.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { CORE_LIST_MAX = 4096 };

struct core_list {
	size_t size;
	uint8_t bytes[CORE_LIST_MAX];
};

/* Builds the res.hdrs_bin list of `text`: "name: value\n" lines, in order. */
static inline struct spoe_span core_list(struct core_list *list,
                                         const char *text)
{
	struct spoe_writer w = spoe_writer(list->bytes, sizeof(list->bytes));

	while (*text != '\0') {
		const char *colon = strchr(text, ':');
		const char *end = strchr(text, '\n');
		const char *value = colon + 1 + (colon[1] == ' ');

		assert_true(colon != NULL && end != NULL && value <= end);
		assert_true(spoe_writer_string(
		    &w, spoe_span(text, (size_t)(colon - text))));
		assert_true(spoe_writer_string(
		    &w, spoe_span(value, (size_t)(end - value))));
		text = end + 1;
	}
	assert_true(spoe_writer_u16(&w, 0));
	list->size = w.size;
	return spoe_span(list->bytes, list->size);
}

/* Fails with the row's name when a table's row does not hold. */
#define check_row(row, condition)                              \
	do {                                                   \
		if (!(condition))                              \
			fail_msg("%s: %s", (row), #condition); \
	} while (0)

#endif
