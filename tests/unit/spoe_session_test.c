/* The session: every status it can raise, what is skipped, what follows CLOSE;
 * in every split (tests/unit/spoe_trace.h). */
#include "tests/unit/spoe_stage.h"

/* --- lengths --- */

static void put_length(uint32_t length)
{
	uint8_t prefix[SPOE_FRAME_PREFIX];
	struct spoe_writer w = spoe_writer(prefix, sizeof(prefix));

	assert_true(spoe_writer_u32(&w, length));
	peer_raw(&peer, prefix, sizeof(prefix));
}

/* Refused by the length alone: none of the frame has to come. */
static void strangers_are_refused_at_once(void **state)
{
	static const char *const strangers[] = {
	    "GET ",             /* HTTP */
	    "\x16\x03\x01\x02", /* TLS */
	    "PRI ",             /* HTTP/2 */
	    "SSH-",
	    "\xff\xff\xff\xff",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
		peer.size = 0;
		peer_raw(&peer, strangers[i], 4);
		assert_closes(TRACE_CLOSE(3, "frame is too big"));
	}
}

static void length_over_our_own_limit(void **state)
{
	(void)state;
	put_length(16381);
	assert_closes(TRACE_CLOSE(3, "frame is too big"));
	peer.size = 0;
	put_length(16380);
	assert_trace("");
}

static void length_over_the_negotiated_limit(void **state)
{
	static const struct spoe_session_options ample = {.max_frame_size =
	                                                      65536};

	(void)state;
	/* Ours holds until there is an offer. */
	put_length(65536);
	trace_all(&trace, &ample, peer_span(&peer));
	assert_string_equal(trace.text, "");
	peer.size = 0;
	peer_hello(&peer);
	put_length(16380);
	trace_all(&trace, &ample, peer_span(&peer));
	assert_string_equal(trace.text, TRACE_READY);
	peer.size = 0;
	peer_hello(&peer);
	put_length(16381);
	trace_all(&trace, &ample, peer_span(&peer));
	assert_string_equal(trace.text,
	                    TRACE_READY TRACE_CLOSE(3, "frame is too big"));
}

static void length_under_a_head(void **state)
{
	(void)state;
	for (uint32_t length = 0; length < SPOE_FRAME_HEAD_MIN; length++) {
		peer.size = 0;
		put_length(length);
		assert_closes(TRACE_INVALID);
		peer.size = 0;
		peer_hello(&peer);
		put_length(length);
		assert_closes(TRACE_READY TRACE_INVALID);
	}
}

static void largest_frame(void **state)
{
	static uint8_t payload[16380];
	struct spoe_frame_head head = {
	    .type = SPOE_FRAME_NOTIFY, .flags = SPOE_FRAME_FIN, .frame_id = 1};
	struct spoe_writer w = spoe_writer(payload, sizeof(payload) - 7);
	static uint8_t body[16380];
	struct peer_item args[] = {
	    {.name = "b", .value = {.type = SPOE_TYPE_BINARY}}, {.name = NULL}};

	(void)state;
	/* Name, count, argument name, type and a length of 3 bytes. */
	args[0].value.bytes = spoe_span(body, w.capacity - 2 - 1 - 2 - 1 - 3);
	memset(body, '.', sizeof(body));
	peer_message(&w, "m", args);
	assert_int_equal(w.size, w.capacity);
	peer_hello(&peer);
	peer_frame(&peer, head, spoe_span(payload, w.size));
	peer_notify(&peer, 1, 2);
	trace_all(&trace, &defaults, peer_span(&peer));
	assert_memory_equal(
	    trace.text, TRACE_READY "notify 0:1\n  m\n    b: binary .",
	    sizeof(TRACE_READY "notify 0:1\n  m\n    b: binary .") - 1);
	assert_non_null(strstr(trace.text, ".\nnotify 1:2\n"));
}

/* --- frames --- */

static void put_head(uint8_t type, uint32_t flags, uint64_t stream_id,
                     uint64_t frame_id)
{
	struct spoe_frame_head head = {.type = type,
	                               .flags = flags,
	                               .stream_id = stream_id,
	                               .frame_id = frame_id};

	peer_frame(&peer, head, spoe_span(NULL, 0));
}

static void hello_comes_first(void **state)
{
	static const uint8_t types[] = {0, 3, 4, 100, 101, 102, 103, 255};

	(void)state;
	for (size_t i = 0; i < sizeof(types); i++) {
		peer.size = 0;
		put_head(types[i], SPOE_FRAME_FIN, 1, 1);
		assert_closes(TRACE_INVALID);
	}
}

static void hello_comes_once(void **state)
{
	(void)state;
	peer_hello(&peer);
	peer_hello(&peer);
	assert_closes(TRACE_READY TRACE_INVALID);
}

static void agents_frames_from_haproxy(void **state)
{
	(void)state;
	for (uint8_t type = 101; type <= 103; type++) {
		peer.size = 0;
		peer_hello(&peer);
		put_head(type, SPOE_FRAME_FIN, 0, 0);
		assert_closes(TRACE_READY TRACE_INVALID);
	}
}

static void head_that_is_cut(void **state)
{
	/* Long enough for a head, but its stream-id goes on. */
	static const uint8_t frame[] = {0, 0, 0, 7, 3, 0, 0, 0, 1, 0xff, 0xff};

	(void)state;
	peer_raw(&peer, frame, sizeof(frame));
	assert_closes(TRACE_INVALID);
	peer.size = 0;
	peer_hello(&peer);
	peer_raw(&peer, frame, sizeof(frame));
	assert_closes(TRACE_READY TRACE_INVALID);
}

static void control_frames_have_no_ids(void **state)
{
	(void)state;
	for (uint64_t id = 1; id <= 2; id++) {
		peer.size = 0;
		put_head(SPOE_FRAME_HAPROXY_HELLO, SPOE_FRAME_FIN, id & 1,
		         id >> 1);
		assert_closes(TRACE_INVALID);
		peer.size = 0;
		peer_hello(&peer);
		put_head(SPOE_FRAME_HAPROXY_DISCONNECT, SPOE_FRAME_FIN, id & 1,
		         id >> 1);
		assert_closes(TRACE_READY TRACE_INVALID);
	}
}

#define FRAGMENT TRACE_CLOSE(10, "payload fragmentation is not supported")

static void fragments_are_refused(void **state)
{
	static const uint32_t not_final[] = {0, SPOE_FRAME_ABORT, 0xfffffffe};

	(void)state;
	for (size_t i = 0; i < sizeof(not_final) / sizeof(not_final[0]); i++) {
		peer.size = 0;
		put_head(SPOE_FRAME_HAPROXY_HELLO, not_final[i], 0, 0);
		assert_closes(FRAGMENT);
		peer.size = 0;
		peer_hello(&peer);
		put_head(SPOE_FRAME_NOTIFY, not_final[i], 1, 1);
		assert_closes(TRACE_READY FRAGMENT);
		peer.size = 0;
		peer_hello(&peer);
		put_head(SPOE_FRAME_HAPROXY_DISCONNECT, not_final[i], 0, 0);
		assert_closes(TRACE_READY FRAGMENT);
		peer.size = 0;
		peer_hello(&peer);
		put_head(SPOE_FRAME_UNSET, not_final[i], 1, 1);
		assert_closes(TRACE_READY FRAGMENT);
	}
	peer.size = 0;
	peer_hello(&peer);
	put_head(SPOE_FRAME_UNSET, SPOE_FRAME_FIN | SPOE_FRAME_ABORT, 1, 1);
	assert_closes(TRACE_READY FRAGMENT);
}

static void unknown_frames_are_skipped(void **state)
{
	struct spoe_frame_head head = {.type = 4, .flags = 0, .stream_id = 7};

	(void)state;
	peer_hello(&peer);
	peer_frame(&peer, head, spoe_span_of("\xff not a list of anything"));
	head.type = 255;
	head.flags = UINT32_MAX;
	peer_frame(&peer, head, spoe_span(NULL, 0));
	put_head(100, SPOE_FRAME_FIN, 0, 0);
	put_head(104, SPOE_FRAME_FIN, 0, 0);
	peer_notify(&peer, 1, 1);
	assert_trace(TRACE_READY "ignored\n"
	                         "ignored\n"
	                         "ignored\n"
	                         "ignored\n"
	                         "notify 1:1\n"
	                         "  ask\n"
	                         "    key: string k\n");
}

/* --- NOTIFY --- */

static void notify_empty(void **state)
{
	(void)state;
	peer_hello(&peer);
	put_head(SPOE_FRAME_NOTIFY, SPOE_FRAME_FIN, 3, 1);
	assert_trace(TRACE_READY "notify 3:1\n");
}

static void notify_pipelined(void **state)
{
	(void)state;
	peer_hello(&peer);
	peer_notify(&peer, 0, 1);
	peer_notify(&peer, 1, 1);
	peer_notify(&peer, UINT64_MAX, UINT64_MAX);
	assert_trace(TRACE_READY
	             "notify 0:1\n"
	             "  ask\n"
	             "    key: string k\n"
	             "notify 1:1\n"
	             "  ask\n"
	             "    key: string k\n"
	             "notify 18446744073709551615:18446744073709551615\n"
	             "  ask\n"
	             "    key: string k\n");
}

/* ABORT may be ignored on a frame that is whole, as may reserved bits. */
static void notify_with_flags(void **state)
{
	(void)state;
	peer_hello(&peer);
	put_head(SPOE_FRAME_NOTIFY, SPOE_FRAME_FIN | SPOE_FRAME_ABORT, 1, 1);
	put_head(SPOE_FRAME_NOTIFY, UINT32_MAX, 2, 1);
	assert_trace(TRACE_READY "notify 1:1\nnotify 2:1\n");
}

static void notify_without_frame_id(void **state)
{
	(void)state;
	peer_hello(&peer);
	put_head(SPOE_FRAME_NOTIFY, SPOE_FRAME_FIN, 1, 0);
	assert_closes(TRACE_READY TRACE_CLOSE(12, "frame-id not found"));
}

static void notify_malformed(void **state)
{
	struct spoe_frame_head head = {.type = SPOE_FRAME_NOTIFY,
	                               .flags = SPOE_FRAME_FIN,
	                               .stream_id = 1,
	                               .frame_id = 1};

	(void)state;
	peer_hello(&peer);
	peer_notify(&peer, 1, 1);
	peer_frame(&peer, head, spoe_span_of("\1m\1\1a\17"));
	assert_closes(TRACE_READY "notify 1:1\n"
	                          "  ask\n"
	                          "    key: string k\n" TRACE_INVALID);
}

/* --- DISCONNECT --- */

#define BYE                         \
	"sent 102\n"                \
	"  status-code: uint32 0\n" \
	"  message: string normal\n"

static void disconnect_with_every_status(void **state)
{
	char expected[512];

	(void)state;
	for (uint32_t status = 0; status <= 100; status++) {
		bool known = status <= 13 || status == 99;

		peer.size = 0;
		peer_hello(&peer);
		peer_disconnect(&peer, status);
		snprintf(expected, sizeof(expected),
		         TRACE_READY "close %" PRIu32 " by peer\n" BYE,
		         known ? status : 99);
		assert_closes(expected);
	}
}

static void disconnect_without_a_status(void **state)
{
	const struct peer_item *const lists[] = {
	    PEER_ITEMS({.name = NULL}),
	    PEER_ITEMS(PEER_TEXT("message", "bye")),
	    PEER_ITEMS(PEER_NULL("status-code")),
	    PEER_ITEMS(PEER_TEXT("status-code", "0")),
	    PEER_ITEMS(PEER_INT("status-code", -1)),
	    /* 0 when cut to 32 bits. */
	    PEER_ITEMS(
		{.name = "status-code",
	         .value = {.type = SPOE_TYPE_UINT64, .uint = 0x100000000}}),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		peer.size = 0;
		peer_hello(&peer);
		peer_control(&peer, SPOE_FRAME_HAPROXY_DISCONNECT, lists[i]);
		assert_closes(TRACE_READY "close 99 by peer\n" BYE);
	}
}

static void disconnect_before_hello(void **state)
{
	(void)state;
	peer_disconnect(&peer, 3);
	assert_closes("close 3 by peer\n" BYE);
}

static void disconnect_malformed(void **state)
{
	struct spoe_frame_head head = {.type = SPOE_FRAME_HAPROXY_DISCONNECT,
	                               .flags = SPOE_FRAME_FIN};

	(void)state;
	peer_hello(&peer);
	peer_frame(&peer, head, spoe_span_of("\xef"));
	assert_closes(TRACE_READY TRACE_INVALID);
}

/* --- ours --- */

/* The statuses that only the caller can know of, out of both open states. */
static void our_disconnect(void **state)
{
	static const struct {
		enum spoe_status status;
		const char *text;
	} rows[] = {
	    {SPOE_STATUS_OK, "normal"},
	    {SPOE_STATUS_IO, "I/O error"},
	    {SPOE_STATUS_TIMEOUT, "a timeout occurred"},
	    {SPOE_STATUS_INTERLACED, "invalid interlaced frames"},
	    {SPOE_STATUS_RESOURCE, "resource allocation error"},
	    {SPOE_STATUS_UNKNOWN, "an unknown error occurred"},
	};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		struct spoe_session s;
		char expected[512];

		peer.size = 0;
		peer_hello(&peer);
		trace_reset(&trace);
		spoe_session_init(&s, &defaults);
		if (i & 1)
			trace_feed(&trace, &s, peer_span(&peer));
		spoe_session_disconnect(&s, rows[i / 2].status);
		/* Once is enough. */
		spoe_session_disconnect(&s, SPOE_STATUS_UNKNOWN);
		assert_int_equal(s.state, SPOE_SESSION_CLOSED);
		trace_output(&trace, &s);
		snprintf(expected, sizeof(expected),
		         "%ssent 102\n"
		         "  status-code: uint32 %d\n"
		         "  message: string %s\n",
		         i & 1 ? TRACE_READY : "", rows[i / 2].status,
		         rows[i / 2].text);
		assert_string_equal(trace.text, expected);
		spoe_session_disconnect(&s, SPOE_STATUS_UNKNOWN);
		trace_feed(&trace, &s, peer_span(&peer));
		assert_string_equal(trace.text, expected);
	}
}

/* HELLO and DISCONNECT fit and keep their order when nothing is taken. */
static void output_waits_for_the_caller(void **state)
{
	struct spoe_session s;
	struct spoe_event event;

	(void)state;
	for (uint32_t status = 0; status < 100; status++) {
		spoe_session_init(&s, &defaults);
		peer.size = 0;
		peer_hello(&peer);
		spoe_session_feed(&s, peer_span(&peer), &event);
		spoe_session_disconnect(&s, (enum spoe_status)status);
		trace_reset(&trace);
		trace_output(&trace, &s);
		assert_memory_equal(trace.text, "sent 101\n", 9);
		assert_non_null(strstr(trace.text, "sent 102\n"));
	}
}

static void wanted_grows_with_what_is_known(void **state)
{
	static uint8_t in[64] = {0, 0, 0, 50};
	struct spoe_session s;

	(void)state;
	spoe_session_init(&s, &defaults);
	for (size_t size = 0; size < 4; size++)
		assert_int_equal(spoe_session_wanted(&s, spoe_span(in, size)),
		                 4);
	for (size_t size = 4; size < sizeof(in); size++)
		assert_int_equal(spoe_session_wanted(&s, spoe_span(in, size)),
		                 54);
	/* What will be refused has all it needs. */
	in[0] = 1;
	assert_int_equal(spoe_session_wanted(&s, spoe_span(in, 4)), 4);
	spoe_session_disconnect(&s, SPOE_STATUS_OK);
	assert_int_equal(spoe_session_wanted(&s, spoe_span(in, 4)), 0);
}

static void nothing_comes_of_nothing(void **state)
{
	struct spoe_session s;
	struct spoe_event event;

	(void)state;
	spoe_session_init(&s, &defaults);
	assert_int_equal(spoe_session_feed(&s, spoe_span(NULL, 0), &event), 0);
	assert_int_equal(event.type, SPOE_EVENT_NONE);
	assert_int_equal(spoe_session_wanted(&s, spoe_span(NULL, 0)), 4);
	spoe_session_disconnect(&s, SPOE_STATUS_OK);
	assert_int_equal(spoe_session_feed(&s, spoe_span(NULL, 0), &event), 0);
	assert_int_equal(event.type, SPOE_EVENT_NONE);
}

#define RUN(name) cmocka_unit_test_setup(name, empty_peer)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RUN(strangers_are_refused_at_once),
	    RUN(length_over_our_own_limit),
	    RUN(length_over_the_negotiated_limit),
	    RUN(length_under_a_head),
	    RUN(largest_frame),
	    RUN(hello_comes_first),
	    RUN(hello_comes_once),
	    RUN(agents_frames_from_haproxy),
	    RUN(head_that_is_cut),
	    RUN(control_frames_have_no_ids),
	    RUN(fragments_are_refused),
	    RUN(unknown_frames_are_skipped),
	    RUN(notify_empty),
	    RUN(notify_pipelined),
	    RUN(notify_with_flags),
	    RUN(notify_without_frame_id),
	    RUN(notify_malformed),
	    RUN(disconnect_with_every_status),
	    RUN(disconnect_without_a_status),
	    RUN(disconnect_before_hello),
	    RUN(disconnect_malformed),
	    RUN(our_disconnect),
	    RUN(output_waits_for_the_caller),
	    RUN(wanted_grows_with_what_is_known),
	    RUN(nothing_comes_of_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
