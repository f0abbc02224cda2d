/* Commands on their way to a server; no server is needed. */
#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/store/redis_request.h"

/* As hiredis says it, byte by byte. */
static void commands_are_said_as_by_hiredis(void **state)
{
	static const size_t sizes[] = {0, 1, 9, 10, 99, 100, 4096, 1000000};
	char *bytes = calloc(1, 1000000);

	(void)state;
	for (int n = 1; n <= REDIS_COMMAND_ARGS_MAX; n++) {
		struct redis_command command = {.n = 0};
		struct redis_request request = {.asking = n % 2 == 0};
		const size_t skip = request.asking ? 16 : 0;
		char *text = NULL;
		int size;

		memset(bytes, 'a' + n, 1000);
		while (command.n < n)
			redis_command_add(&command, bytes,
			                  sizes[(n + command.n) % 8]);
		size = redisFormatCommandArgv(&text, n, command.args,
		                              command.sizes);
		assert_true(size > 0);
		assert_true(redis_request_say(&request, &command));
		assert_int_equal(request.text_size, (size_t)size + skip);
		assert_memory_equal(request.text, "*1\r\n$6\r\nASKING\r\n",
		                    skip);
		assert_memory_equal(request.text + skip, text, (size_t)size);
		redisFreeCommand(text);
		redis_request_drop(&request);
	}
	free(bytes);
}

static void numbers_are_written_whole(void **state)
{
	static const struct {
		uint64_t value;
		const char *text;
	} rows[] = {
	    {0, "0"},
	    {9, "9"},
	    {10, "10"},
	    {4294967296, "4294967296"},
	    {UINT64_MAX, "18446744073709551615"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char digits[DECIMAL_MAX];

		assert_int_equal(decimal_write(digits, rows[i].value),
		                 strlen(rows[i].text));
		assert_memory_equal(digits, rows[i].text, strlen(rows[i].text));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(commands_are_said_as_by_hiredis),
	    cmocka_unit_test(numbers_are_written_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
