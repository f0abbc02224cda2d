/* HELLO: what each item may be, and the terms that come of it; in every split
 * (tests/unit/spoe_trace.h). */
#include "tests/unit/spoe_stage.h"

struct hello_row {
	const char *what;
	const struct peer_item *items;
	const char *expected;
};

#define TEXT  PEER_TEXT
#define VERS  TEXT("supported-versions", "2.0")
#define SIZE  PEER_UINT("max-frame-size", 16380)
#define CAPS  TEXT("capabilities", "pipelining,async")
#define HELLO PEER_ITEMS

#define NO_VERSION  TRACE_CLOSE(5, "version value not found")
#define NO_SIZE     TRACE_CLOSE(6, "max-frame-size value not found")
#define NO_CAPS     TRACE_CLOSE(7, "capabilities value not found")
#define BAD_VERSION TRACE_CLOSE(8, "unsupported version")
#define BAD_SIZE    TRACE_CLOSE(9, "max-frame-size too big or too small")

/* An AGENT-HELLO of these terms. */
#define AGREED(size, ready, capabilities)     \
	"ready " size ready " \n"             \
	"sent 101\n"                          \
	"  version: string 2.0\n"             \
	"  max-frame-size: uint32 " size "\n" \
	"  capabilities: string " capabilities "\n"
#define PIPELINED AGREED("16380", " pipelining", "pipelining")
#define SERIAL    AGREED("16380", "", "")

static void run_hellos(const struct hello_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		peer.size = 0;
		peer_control(&peer, SPOE_FRAME_HAPROXY_HELLO, rows[i].items);
		trace_all(&trace, &defaults, peer_span(&peer));
		if (strcmp(trace.text, rows[i].expected) != 0)
			print_error("row: %s\n", rows[i].what);
		assert_string_equal(trace.text, rows[i].expected);
	}
}

#define RUN_HELLOS(rows) run_hellos((rows), sizeof(rows) / sizeof((rows)[0]))

static void hello_lacks_or_spoils_an_item(void **state)
{
	const struct hello_row rows[] = {
	    {"nothing", HELLO({.name = NULL}), NO_VERSION},
	    {"no version", HELLO(SIZE, CAPS), NO_VERSION},
	    {"null version", HELLO(PEER_NULL("supported-versions"), SIZE, CAPS),
	     NO_VERSION},
	    {"number for a version",
	     HELLO(PEER_UINT("supported-versions", 2), SIZE, CAPS),
	     BAD_VERSION},
	    {"no size", HELLO(VERS, CAPS), NO_SIZE},
	    {"null size", HELLO(VERS, PEER_NULL("max-frame-size"), CAPS),
	     NO_SIZE},
	    {"text for a size", HELLO(VERS, TEXT("max-frame-size", "1"), CAPS),
	     BAD_SIZE},
	    {"negative size", HELLO(VERS, PEER_INT("max-frame-size", -1), CAPS),
	     BAD_SIZE},
	    {"size 0", HELLO(VERS, PEER_UINT("max-frame-size", 0), CAPS),
	     BAD_SIZE},
	    {"size 255", HELLO(VERS, PEER_UINT("max-frame-size", 255), CAPS),
	     BAD_SIZE},
	    {"no capabilities", HELLO(VERS, SIZE), NO_CAPS},
	    {"null capabilities", HELLO(VERS, SIZE, PEER_NULL("capabilities")),
	     NO_CAPS},
	    {"number for capabilities",
	     HELLO(VERS, SIZE, PEER_UINT("capabilities", 1)), NO_CAPS},
	    {"text for healthcheck",
	     HELLO(VERS, SIZE, CAPS, TEXT("healthcheck", "true")),
	     TRACE_INVALID},
	    {"number for engine-id",
	     HELLO(VERS, SIZE, CAPS, PEER_UINT("engine-id", 1)), TRACE_INVALID},
	    /* The last one counts. */
	    {"a bad size behind a good one",
	     HELLO(VERS, SIZE, CAPS, PEER_UINT("max-frame-size", 1)), BAD_SIZE},
	    {"a good size behind a bad one",
	     HELLO(VERS, PEER_UINT("max-frame-size", 1), SIZE, CAPS),
	     PIPELINED},
	};

	(void)state;
	RUN_HELLOS(rows);
}

#define VERSIONS(text) HELLO(TEXT("supported-versions", text), SIZE, CAPS)

static void hello_versions(void **state)
{
	const struct hello_row rows[] = {
	    {"2.0", VERSIONS("2.0"), PIPELINED},
	    {"2.1", VERSIONS("2.1"), PIPELINED},
	    {"2.15", VERSIONS("2.15"), PIPELINED},
	    {"in a list", VERSIONS("1.5,2.0,3.0"), PIPELINED},
	    {"last of a list", VERSIONS("3.1,2.0"), PIPELINED},
	    {"spaces", VERSIONS(" 3.0 ,  2.0  , 1.0"), PIPELINED},
	    {"empty items", VERSIONS(",,2.0,"), PIPELINED},
	    {"none", VERSIONS(""), BAD_VERSION},
	    {"spaces only", VERSIONS("   "), BAD_VERSION},
	    {"1.5", VERSIONS("1.5"), BAD_VERSION},
	    {"3.0", VERSIONS("3.0"), BAD_VERSION},
	    {"22.0", VERSIONS("22.0"), BAD_VERSION},
	    {"12.0", VERSIONS("12.0"), BAD_VERSION},
	    {"2", VERSIONS("2"), BAD_VERSION},
	    {"2.", VERSIONS("2."), BAD_VERSION},
	    {"2.x", VERSIONS("2.x"), BAD_VERSION},
	    {"2.0.1", VERSIONS("2.0.1"), BAD_VERSION},
	    {"2,0", VERSIONS("2,0"), BAD_VERSION},
	    {"inner space", VERSIONS("2. 0"), BAD_VERSION},
	    {"semicolon", VERSIONS("1.0;2.0"), BAD_VERSION},
	};

	(void)state;
	RUN_HELLOS(rows);
}

#define OFFER(item) HELLO(VERS, {.name = "max-frame-size", .value = item}, CAPS)
#define U64(number)                                        \
	{                                                  \
		.type = SPOE_TYPE_UINT64, .uint = (number) \
	}
#define I32(number)                                       \
	{                                                 \
		.type = SPOE_TYPE_INT32, .sint = (number) \
	}
#define I64(number)                                       \
	{                                                 \
		.type = SPOE_TYPE_INT64, .sint = (number) \
	}

static void hello_frame_size_is_the_smaller(void **state)
{
	const struct hello_row rows[] = {
	    {"less", OFFER(I32(256)),
	     AGREED("256", " pipelining", "pipelining")},
	    {"one less", OFFER(I64(16379)),
	     AGREED("16379", " pipelining", "pipelining")},
	    {"one more", OFFER(U64(16381)), PIPELINED},
	    {"much more", OFFER(U64(UINT64_MAX)), PIPELINED},
	    /* 256 when cut to 32 bits. */
	    {"over 32 bits", OFFER(U64(0x100000100)), PIPELINED},
	};

	(void)state;
	RUN_HELLOS(rows);
}

#define CAN(text) HELLO(VERS, SIZE, TEXT("capabilities", text))

static void hello_capabilities(void **state)
{
	const struct hello_row rows[] = {
	    {"the old engine", CAN("pipelining,async"), PIPELINED},
	    {"the other way round", CAN("async,pipelining"), PIPELINED},
	    {"spaces", CAN(" async , fragmentation,  pipelining "), PIPELINED},
	    {"the new engine", CAN("pipelining"), SERIAL},
	    {"async alone", CAN("async"), SERIAL},
	    {"none", CAN(""), SERIAL},
	    {"unknown ones", CAN("teleport,async,warp"), SERIAL},
	    {"longer words", CAN("pipelinings,asyncs"), SERIAL},
	    {"shorter words", CAN("pipelinin,asyn"), SERIAL},
	    {"NUL", CAN("pipelining\0,async"), SERIAL},
	};

	(void)state;
	RUN_HELLOS(rows);
}

static void assert_pipelining(enum spoe_pipelining wish, const char *can,
                              bool announced)
{
	struct spoe_session_options options = {.max_frame_size = 16380,
	                                       .pipelining = wish};
	struct peer_item items[] = {
	    VERS,
	    SIZE,
	    {.name = "capabilities",
	     .value = spoe_data_string(spoe_span_of(can))},
	    {.name = NULL}};

	peer.size = 0;
	peer_control(&peer, SPOE_FRAME_HAPROXY_HELLO, items);
	trace_all(&trace, &options, peer_span(&peer));
	assert_string_equal(trace.text, announced ? PIPELINED : SERIAL);
}

static void pipelining_as_configured(void **state)
{
	(void)state;
	assert_pipelining(SPOE_PIPELINING_AUTO, "pipelining,async", true);
	assert_pipelining(SPOE_PIPELINING_AUTO, "pipelining", false);
	assert_pipelining(SPOE_PIPELINING_ON, "pipelining,async", true);
	assert_pipelining(SPOE_PIPELINING_ON, "pipelining", true);
	assert_pipelining(SPOE_PIPELINING_ON, "async", false);
	assert_pipelining(SPOE_PIPELINING_ON, "", false);
	assert_pipelining(SPOE_PIPELINING_OFF, "pipelining,async", false);
}

#define ENGINE(text) HELLO(VERS, SIZE, CAN_NOT, TEXT("engine-id", text))
#define CAN_NOT      TEXT("capabilities", "")
#define SIXTY_FOUR \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CALLED(id)                         \
	"ready 16380 " id "\n"             \
	"sent 101\n"                       \
	"  version: string 2.0\n"          \
	"  max-frame-size: uint32 16380\n" \
	"  capabilities: string \n"

static void engine_id_is_cut(void **state)
{
	const struct hello_row rows[] = {
	    {"empty", ENGINE(""), CALLED("")},
	    {"short", ENGINE("e"), CALLED("e")},
	    {"just fits", ENGINE(SIXTY_FOUR), CALLED(SIXTY_FOUR)},
	    {"longer", ENGINE(SIXTY_FOUR "x"), CALLED(SIXTY_FOUR)},
	    {"NUL", ENGINE("a\0b"), CALLED("a")},
	};

	(void)state;
	RUN_HELLOS(rows);
}

static void unknown_items_are_ignored(void **state)
{
	const struct hello_row rows[] = {
	    {"any type",
	     HELLO(PEER_NULL("a"), VERS, PEER_BOOL("", true), SIZE,
	           TEXT("supported-version", "9"), CAPS, PEER_INT("z", -1)),
	     PIPELINED},
	    {"no health check",
	     HELLO(VERS, SIZE, CAPS, PEER_BOOL("healthcheck", false)),
	     PIPELINED},
	    {"null for what is optional",
	     HELLO(VERS, SIZE, CAPS, PEER_NULL("healthcheck"),
	           PEER_NULL("engine-id")),
	     PIPELINED},
	};

	(void)state;
	RUN_HELLOS(rows);
}

static void health_check(void **state)
{
	(void)state;
	peer_control(
	    &peer, SPOE_FRAME_HAPROXY_HELLO,
	    HELLO(VERS, SIZE, CAN_NOT, PEER_BOOL("healthcheck", true)));
	assert_closes("close 0 healthcheck\n"
	              "sent 101\n"
	              "  version: string 2.0\n"
	              "  max-frame-size: uint32 16380\n"
	              "  capabilities: string \n");
}

static void unfit_health_check(void **state)
{
	(void)state;
	peer_control(&peer, SPOE_FRAME_HAPROXY_HELLO,
	             HELLO(SIZE, CAN_NOT, PEER_BOOL("healthcheck", true)));
	assert_closes(NO_VERSION);
}

static void hello_longer_than_it_offers(void **state)
{
	static const char filler[512];
	struct peer_item items[] = {
	    VERS,
	    PEER_UINT("max-frame-size", 256),
	    CAPS,
	    {.name = "filler", .value = {.type = SPOE_TYPE_STRING}},
	    {.name = NULL}};
	size_t size;

	(void)state;
	/* 256 bytes exactly are still a HELLO. */
	items[3].value.bytes = spoe_span(filler, 10);
	peer_control(&peer, SPOE_FRAME_HAPROXY_HELLO, items);
	size = 10 + 256 - (peer.size - SPOE_FRAME_PREFIX);
	peer.size = 0;
	items[3].value.bytes = spoe_span(filler, size);
	peer_control(&peer, SPOE_FRAME_HAPROXY_HELLO, items);
	assert_int_equal(peer.size, SPOE_FRAME_PREFIX + 256);
	assert_trace(AGREED("256", " pipelining", "pipelining"));

	peer.size = 0;
	items[3].value.bytes = spoe_span(filler, size + 1);
	peer_control(&peer, SPOE_FRAME_HAPROXY_HELLO, items);
	assert_closes(TRACE_CLOSE(3, "frame is too big"));
}

static void hello_whose_list_is_cut(void **state)
{
	static const char items[] = "\7healthc";
	struct spoe_frame_head head = {.type = SPOE_FRAME_HAPROXY_HELLO,
	                               .flags = SPOE_FRAME_FIN};

	(void)state;
	peer_frame(&peer, head, spoe_span(items, sizeof(items) - 1));
	assert_closes(TRACE_INVALID);
}

#define RUN(name) cmocka_unit_test_setup(name, empty_peer)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RUN(hello_lacks_or_spoils_an_item),
	    RUN(hello_versions),
	    RUN(hello_frame_size_is_the_smaller),
	    RUN(hello_capabilities),
	    RUN(pipelining_as_configured),
	    RUN(engine_id_is_cut),
	    RUN(unknown_items_are_ignored),
	    RUN(health_check),
	    RUN(unfit_health_check),
	    RUN(hello_longer_than_it_offers),
	    RUN(hello_whose_list_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
