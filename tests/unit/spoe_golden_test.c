/* What a real HAProxy sent, as tests/golden holds it, and what the session
 * makes of it, in every split (tests/unit/spoe_trace.h). */
#include "tests/unit/spoe_trace.h"

static const struct spoe_session_options defaults = {.max_frame_size = 16380};

/* Hex digits to bytes; blanks mean nothing, # starts a comment. */
static size_t read_hex(FILE *file, uint8_t *bytes, size_t size)
{
	char line[512];
	size_t count = 0;

	while (fgets(line, sizeof(line), file) != NULL) {
		const char *at = line;
		unsigned int byte;
		int width;

		line[strcspn(line, "#")] = '\0';
		while (sscanf(at, "%2x%n", &byte, &width) == 1) {
			assert_true(count < size);
			bytes[count++] = (uint8_t)byte;
			at += width;
		}
		assert_int_equal(at[strspn(at, " \n")], '\0');
	}
	return count;
}

static struct spoe_span golden(const char *name)
{
	static uint8_t bytes[4096];
	char path[4096];
	FILE *file;
	size_t size;

	snprintf(path, sizeof(path), "%s/golden/%s.hex", TESTS_DIR, name);
	file = fopen(path, "r");
	if (file == NULL)
		fail_msg("cannot open %s", path);
	size = read_hex(file, bytes, sizeof(bytes));
	fclose(file);
	assert_true(size > 0);
	return spoe_span(bytes, size);
}

/* `parts`, up to NULL, are the expected text. */
static void assert_golden(const char *name, const char *const *parts)
{
	static struct trace trace;
	static struct trace expected;

	trace_reset(&expected);
	for (; *parts != NULL; parts++)
		trace_add(&expected, "%s", *parts);
	trace_all(&trace, &defaults, golden(name));
	assert_string_equal(trace.text, expected.text);
}

#define ASSERT_GOLDEN(name, ...) \
	assert_golden((name), (const char *const[]){__VA_ARGS__, NULL})

/* --- what the recordings share; the engine-id is new in each --- */

#define HELLO(size, capabilities)             \
	"sent 101\n"                          \
	"  version: string 2.0\n"             \
	"  max-frame-size: uint32 " size "\n" \
	"  capabilities: string " capabilities "\n"

#define READY(engine) \
	"ready 16380 pipelining " engine "\n" HELLO("16380", "pipelining")

/* A request without the headers that the check looks at. */
#define CHECK_BARE(ids)                    \
	"notify " ids "\n"                 \
	"  idem-check\n"                   \
	"    key: null\n"                  \
	"    scope: string shop.example\n" \
	"    scope: null\n"                \
	"    method: string POST\n"        \
	"    path: string /\n"             \
	"    query: null\n"                \
	"    body: binary \n"              \
	"    body_size: int64 0\n"         \
	"    digest: null\n"               \
	"    policy: string payments\n"

#define COMPLETE(ids)                                                        \
	"notify " ids "\n"                                                   \
	"  idem-complete\n"                                                  \
	"    ticket: string T-1\n"                                           \
	"    status: int64 201\n"                                            \
	"    headers: binary \\0ccontent-type\\0atext/plain\\07x-twice\\01a" \
	"\\07x-twice\\01b\\0econtent-length\\015\\00\\00\n"                  \
	"    body: binary \\00ok\\00\\0a\n"                                  \
	"    body_size: int64 5\n"

#define BYE                         \
	"sent 102\n"                \
	"  status-code: uint32 0\n" \
	"  message: string normal\n"

static void healthcheck(void **state)
{
	(void)state;
	ASSERT_GOLDEN("healthcheck", "close 0 healthcheck\n",
	              HELLO("16380", ""));
}

static void request(void **state)
{
	(void)state;
	ASSERT_GOLDEN(
	    "request", READY("13c8ea52-1737-45a8-966c-a3909b8f44af"),
	    "notify 0:1\n"
	    "  idem-check\n"
	    "    key: string \"8e03978e-40d5-43dd-bc93-6894a57f9324\"\n"
	    "    scope: string shop.example\n"
	    "    scope: string Bearer t0ken\n"
	    "    method: string POST\n"
	    "    path: string /payments\n"
	    "    query: string amount=10\n"
	    "    body: binary \\00a\\ff\\00\\0d\\0a{}\\00\n"
	    "    body_size: int64 9\n"
	    "    digest: null\n"
	    "    policy: string payments\n",
	    COMPLETE("0:2"), CHECK_BARE("2:1"), COMPLETE("2:2"),
	    "close 2 by peer\n", BYE);
}

static void types(void **state)
{
	(void)state;
	ASSERT_GOLDEN("types", READY("889d6d6c-f6dc-45f3-b01a-7416ec6d977d"),
	              "notify 0:1\n"
	              "  types\n"
	              "    yes: bool 1\n"
	              "    no: bool 0\n"
	              "    one: int64 1\n"
	              "    minus: int64 -2\n"
	              "    big: int64 9223372036854775807\n"
	              "    v4: ipv4 c0000201\n"
	              "    v6: ipv6 20010db8000000000000000000000001\n"
	              "    text: string text\n"
	              "    bytes: binary \\00\\ff\\00\n"
	              "    nothing: null\n"
	              "    : bool 1\n"
	              "  second\n"
	              "    twice: int64 1\n"
	              "    twice: int64 2\n",
	              COMPLETE("0:2"));
}

static void serial(void **state)
{
	(void)state;
	ASSERT_GOLDEN("serial",
	              "ready 16380 c154c7e7-f93b-40e5-8c4a-8b2d9c0e87ed\n",
	              HELLO("16380", ""), CHECK_BARE("0:1"), COMPLETE("0:2"));
}

static void pipelined(void **state)
{
	(void)state;
	ASSERT_GOLDEN("pipelined",
	              READY("d1083534-28d6-4437-96d3-e350c425f04e"),
	              CHECK_BARE("0:1"), CHECK_BARE("1:1"), CHECK_BARE("2:1"),
	              CHECK_BARE("3:1"), COMPLETE("0:2"), COMPLETE("1:2"),
	              COMPLETE("2:2"), COMPLETE("3:2"));
}

/* HAProxy did not like the HELLO of the agent it was recorded with. */
static void refused(void **state)
{
	(void)state;
	ASSERT_GOLDEN("refused", READY("b4dd5205-5436-4ad2-b554-47ca7476806e"),
	              "close 8 by peer\n", BYE);
}

/* Ours never announces fragmentation; this is what it would see. */
static void fragments(void **state)
{
	(void)state;
	ASSERT_GOLDEN(
	    "fragments",
	    "ready 1020 pipelining ae09f446-c4c4-4ddb-9742-00544c304a82\n",
	    HELLO("1020", "pipelining"),
	    TRACE_CLOSE(10, "payload fragmentation is not supported"));
}

static void stopped(void **state)
{
	(void)state;
	ASSERT_GOLDEN("stop", READY("9d9a7d11-52f7-4942-95ab-6f552c9a5cda"),
	              CHECK_BARE("0:1"), COMPLETE("0:2"), "close 0 by peer\n",
	              BYE);
}

static void reload(void **state)
{
	(void)state;
	ASSERT_GOLDEN("reload", READY("5a91efd7-91f6-431d-8d48-a863a605f2cf"),
	              CHECK_BARE("0:1"), COMPLETE("0:2"), "close 0 by peer\n",
	              BYE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(healthcheck), cmocka_unit_test(request),
	    cmocka_unit_test(types),       cmocka_unit_test(serial),
	    cmocka_unit_test(pipelined),   cmocka_unit_test(refused),
	    cmocka_unit_test(fragments),   cmocka_unit_test(stopped),
	    cmocka_unit_test(reload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
