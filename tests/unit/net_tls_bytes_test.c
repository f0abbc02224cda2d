/* TLS: bytes in pieces, full sockets, and how a connection ends. */
#include "tests/unit/net_tls_rig.h"

static uint8_t long_text[300000];

static void fill_long_text(void)
{
	for (size_t i = 0; i < sizeof(long_text); i++)
		long_text[i] = (uint8_t)(i * 7 + i / 251);
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

/* Both ends have all of what the other sent. */
static void assert_exchanged(struct rig *rig, size_t size)
{
	assert_int_equal(rig->end.status, TRANSPORT_OK);
	assert_int_equal(rig->end.output.size, 0);
	assert_int_equal(rig->end.size, size);
	assert_memory_equal(rig->end.input, long_text, size);
	assert_int_equal(rig->peer.size, size);
	assert_memory_equal(rig->peer.input, long_text, size);
}

static void exchange(void **state, struct rig_options o, size_t step,
                     size_t size)
{
	struct rig rig;

	rig_open(&rig, state, &o);
	rig.peer.step = step;
	rig_send(&rig, long_text, size);
	if (o.client)
		rig_settle(&rig);
	else
		while (!SSL_is_init_finished(rig.peer.ssl))
			rig_turn(&rig);
	rig_say(&rig.peer, long_text, size);
	rig_settle(&rig);
	assert_exchanged(&rig, size);
	rig_close(&rig);
}

/* Handshake, frames and all: byte by byte, in both roles. */
static void bytes_may_come_one_by_one(void **state)
{
	struct rig_options o = rig_server;
	struct rig_options c = rig_client;

	o.ca = "ca.pem";
	o.peer_certificate = "client.pem";
	for (size_t i = 0; i < 2; i++) {
		o.peer_version = c.peer_version = versions[i];
		exchange(state, o, 1, 3000);
		exchange(state, c, 1, 3000);
		exchange(state, o, 7, 3000);
		exchange(state, c, 1000, 20000);
		exchange(state, o, 32 << 10, sizeof(long_text));
		exchange(state, c, 32 << 10, sizeof(long_text));
	}
}

/* Our reads may be as small as they like: what OpenSSL has taken from the
 * socket is called for again. */
static void a_small_read_leaves_the_rest(void **state)
{
	static const size_t sizes[] = {1, 100, 16384};

	for (size_t i = 0; i < 3; i++) {
		struct rig rig;

		rig_open(&rig, state, &rig_server);
		rig_settle(&rig);
		rig.end.read_size = sizes[i];
		rig_say(&rig.peer, long_text, 20000);
		rig_say(&rig.peer, long_text + 20000, 10);
		rig_settle(&rig);
		assert_int_equal(rig.end.size, 20010);
		assert_memory_equal(rig.end.input, long_text, 20010);
		rig_close(&rig);
	}
}

/* Back-pressure: nothing is called, and nothing lost, while the owner does not
 * want to read. */
static void what_is_pending_waits_for_its_owner(void **state)
{
	struct rig rig;
	size_t called;

	rig_open(&rig, state, &rig_server);
	rig_settle(&rig);
	rig.end.read_size = 100;
	rig.end.reads_once = true;
	called = rig.end.called;
	rig_say(&rig.peer, long_text, 250);
	rig_settle(&rig);
	assert_int_equal(rig.end.called, called + 1);
	assert_int_equal(rig.end.size, 100);
	/* The socket is empty: only the transport knows that there is more. */
	rig.end.reads_once = false;
	rig.end.reads = true;
	rig_watch(&rig.end);
	rig_settle(&rig);
	assert_int_equal(rig.end.size, 250);
	rig_close(&rig);
}

/* Each send() is a message on such a socket: a frame is one. */
static void a_write_is_one_record_and_one_send(void **state)
{
	static const size_t sizes[] = {1, 300, 16384};

	for (size_t i = 0; i < 2; i++) {
		struct rig_options o = rig_server;
		struct rig rig;

		o.peer_version = versions[i];
		o.socket_type = SOCK_SEQPACKET;
		rig_open(&rig, state, &o);
		rig_settle(&rig);
		for (size_t j = 0; j < 3; j++) {
			uint8_t bytes[32 << 10];
			size_t n = 0;
			ssize_t came;

			assert_int_equal(
			    transport_write(&rig.end.transport,
			                    spoe_span(long_text, sizes[j]), &n),
			    TRANSPORT_OK);
			assert_int_equal(n, sizes[j]);
			came = recv(rig.peer.fd, bytes, sizeof(bytes),
			            MSG_DONTWAIT);
			assert_true(came > (ssize_t)sizes[j]);
			assert_int_equal(bytes[0], 23); /* application data */
			assert_int_equal(bytes[3] << 8 | bytes[4], came - 5);
			assert_int_equal(recv(rig.peer.fd, bytes, sizeof(bytes),
			                      MSG_DONTWAIT),
			                 -1);
		}
		rig_close(&rig);
	}
}

/* The peer does not read: the write waits, and goes on from another place in
 * memory with more behind it. */
static void a_full_socket_is_waited_for(void **state)
{
	struct rig rig;
	uint8_t *moved = malloc(sizeof(long_text));
	int size = 4096;
	size_t n = 77;

	assert_non_null(moved);
	rig_open(&rig, state, &rig_server);
	setsockopt(rig.end.transport.fd, SOL_SOCKET, SO_SNDBUF, &size,
	           sizeof(size));
	rig_settle(&rig);
	assert_int_equal(transport_write(&rig.end.transport,
	                                 spoe_span(long_text, 100000), &n),
	                 TRANSPORT_AGAIN);
	assert_int_equal(n, 77);
	/* It does not call while the socket is full. */
	transport_watch(&rig.end.transport, false, true);
	for (int i = 0; i < 5; i++)
		ev_run(rig.loop, EVRUN_NOWAIT);
	assert_int_equal(rig.end.called, 2); /* in the handshake */
	memcpy(moved, long_text, sizeof(long_text));
	rig_send(&rig, moved, sizeof(long_text));
	rig_settle(&rig);
	assert_int_equal(rig.end.output.size, 0);
	assert_int_equal(rig.peer.size, sizeof(long_text));
	assert_memory_equal(rig.peer.input, long_text, sizeof(long_text));
	rig_close(&rig);
	free(moved);
}

/* Fills our socket with what the peer throws away; returns how much. */
static size_t fill_socket(struct rig *rig)
{
	static const uint8_t junk[64];
	size_t filled = 0;
	int size = 1;
	ssize_t n;

	setsockopt(rig->end.transport.fd, SOL_SOCKET, SO_SNDBUF, &size,
	           sizeof(size));
	while ((n = send(rig->end.transport.fd, junk, sizeof(junk),
	                 MSG_DONTWAIT)) > 0)
		filled += (size_t)n;
	assert_int_equal(errno, EAGAIN);
	return filled;
}

static void drain_socket(struct rig *rig, size_t filled)
{
	uint8_t junk[64];

	while (filled > 0) {
		ssize_t n =
		    recv(rig->peer.fd, junk,
		         filled < sizeof(junk) ? filled : sizeof(junk), 0);

		assert_true(n > 0);
		filled -= (size_t)n;
	}
}

/* The handshake itself does not fit the socket. */
static void the_handshake_waits_for_a_full_socket(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		struct rig_options o = rig_server;
		uint8_t hello[2000];
		struct rig rig;
		size_t filled;
		int n;

		o.peer_version = versions[i];
		rig_open(&rig, state, &o);
		filled = fill_socket(&rig);
		rig_take(&rig.peer); /* makes a ClientHello */
		n = BIO_read(rig.peer.out, hello, sizeof(hello));
		assert_int_equal(send(rig.peer.fd, hello, (size_t)n, 0), n);
		for (int turn = 0; turn < 10; turn++)
			ev_run(rig.loop, EVRUN_NOWAIT);
		/* Waiting, not spinning. */
		assert_int_equal(rig.end.called, 1);
		drain_socket(&rig, filled);
		rig_send(&rig, long_text, 5000);
		rig_settle(&rig);
		assert_int_equal(rig.peer.size, 5000);
		rig_close(&rig);
	}
}

/* A peer that says half of its handshake and then nothing is waited for
 * without a call, whatever the owner waits for. */
static void a_stalled_handshake_is_quiet(void **state)
{
	struct rig_options options[] = {rig_server, rig_client};

	for (size_t i = 0; i < 2; i++) {
		struct rig rig;
		size_t called;

		rig_open(&rig, state, &options[i]);
		rig.peer.step = 20;
		rig_send(&rig, "x", 1);
		for (int turn = 0; turn < 4; turn++)
			rig_turn(&rig);
		for (int turn = 0; turn < 3; turn++)
			ev_run(rig.loop, EVRUN_NOWAIT);
		called = rig.end.called;
		for (int turn = 0; turn < 10; turn++)
			ev_run(rig.loop, EVRUN_NOWAIT);
		assert_int_equal(rig.end.called, called);
		assert_int_equal(rig.end.status, TRANSPORT_OK);
		assert_int_equal(rig.end.output.size, 1);
		rig_close(&rig);
	}
}

/* --- ends --- */

static void close_notify_is_an_end(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		struct rig_options o = rig_server;
		struct rig rig;

		o.peer_version = versions[i];
		rig_open(&rig, state, &o);
		rig_settle(&rig);
		rig_say(&rig.peer, "last words", 10);
		SSL_shutdown(rig.peer.ssl);
		rig_settle(&rig);
		assert_int_equal(rig.end.size, 10);
		assert_int_equal(rig.end.status, TRANSPORT_EOF);
		/* It still listens. */
		rig.end.status = TRANSPORT_OK;
		rig.end.reads = false;
		rig_send(&rig, "answer", 6);
		rig_settle(&rig);
		assert_int_equal(rig.peer.size, 6);
		rig_close(&rig);
	}
}

static void an_end_without_close_notify_is_one_too(void **state)
{
	struct rig rig;

	rig_open(&rig, state, &rig_server);
	rig_settle(&rig);
	rig_say(&rig.peer, "last words", 10);
	rig_move(&rig.peer);
	rig_close_peer(&rig);
	rig_settle(&rig);
	assert_int_equal(rig.end.size, 10);
	assert_int_equal(rig.end.status, TRANSPORT_EOF);
	/* Writing to nobody: no signal. */
	rig.end.status = TRANSPORT_OK;
	rig_send(&rig, "answer", 6);
	rig_settle(&rig);
	assert_int_equal(rig.end.status, TRANSPORT_EOF);
	rig_close(&rig);

	/* And in the middle of the handshake. */
	rig_open(&rig, state, &rig_server);
	rig.peer.step = 20;
	rig_turn(&rig);
	rig_turn(&rig);
	rig_close_peer(&rig);
	rig_settle(&rig);
	assert_int_equal(rig.end.status, TRANSPORT_EOF);
	rig_close(&rig);
}

static void shuts_one_side(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		struct rig_options o = rig_server;
		struct rig rig;

		o.peer_version = versions[i];
		rig_open(&rig, state, &o);
		rig_send(&rig, "last words", 10);
		rig_settle(&rig);
		transport_shut(&rig.end.transport);
		rig_settle(&rig);
		assert_int_equal(rig.peer.size, 10);
		assert_true(rig.peer.closed);
		assert_true(rig.peer.eof);
		/* The other one stays open. */
		rig.peer.eof = false;
		if (versions[i] == TLS1_3_VERSION) {
			rig_say(&rig.peer, "answer", 6);
			rig_settle(&rig);
			assert_int_equal(rig.end.size, 6);
		}
		SSL_shutdown(rig.peer.ssl);
		rig.peer.eof = false;
		rig_settle(&rig);
		assert_int_equal(rig.end.status, TRANSPORT_EOF);
		rig_close(&rig);
	}
}

/* close_notify comes after what is on its way, when there is room for it. */
static void shutting_waits_for_a_full_socket(void **state)
{
	struct rig rig;
	size_t filled;

	rig_open(&rig, state, &rig_server);
	rig_send(&rig, "last words", 10);
	rig_settle(&rig);
	filled = fill_socket(&rig);
	rig.end.reads = false;
	rig_watch(&rig.end);
	transport_shut(&rig.end.transport);
	assert_true(rig.end.transport.shutting);
	ev_run(rig.loop, EVRUN_NOWAIT);
	assert_true(rig.end.transport.shutting);
	drain_socket(&rig, filled);
	rig_settle(&rig);
	assert_false(rig.end.transport.shutting);
	assert_int_equal(rig.peer.size, 10);
	assert_true(rig.peer.closed);
	rig_close(&rig);
}

/* Who frees a transport says close_notify; a handshake that is not over has
 * nothing to say. */
static void says_goodbye_when_it_is_freed(void **state)
{
	struct rig rig;

	rig_open(&rig, state, &rig_server);
	rig_settle(&rig);
	tls_unref(rig.tls); /* the connection has its own */
	rig.tls = NULL;
	transport_fini(&rig.end.transport);
	while (!rig.peer.eof) {
		rig_move(&rig.peer);
		rig_take(&rig.peer);
	}
	assert_true(rig.peer.closed);
	rig.end.transport.fd = dup(rig.peer.fd);
	rig_close(&rig);
}

/* --- a peer that plays tricks --- */

static void a_changed_byte_is_noticed(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		struct rig_options o = rig_server;
		uint8_t record[200];
		struct rig rig;
		int n;

		o.peer_version = versions[i];
		rig_open(&rig, state, &o);
		rig_settle(&rig);
		rig_say(&rig.peer, long_text, 100);
		n = BIO_read(rig.peer.out, record, sizeof(record));
		assert_true(n > 100);
		record[60] ^= 1;
		assert_int_equal(send(rig.peer.fd, record, (size_t)n, 0), n);
		rig_settle(&rig);
		assert_int_equal(rig.end.status, TRANSPORT_ERROR);
		assert_true(transport_tls_failed(&rig.end.transport));
		if (!strstr(transport_failure(&rig.end.transport),
		            "bad record mac"))
			fail_msg("%s", transport_failure(&rig.end.transport));
		assert_int_equal(rig.end.size, 0);
		/* It is over for good. */
		assert_int_equal(transport_write(&rig.end.transport,
		                                 spoe_span_of("x"),
		                                 &(size_t){0}),
		                 TRANSPORT_ERROR);
		rig_close(&rig);
	}
}

static void nobody_renegotiates(void **state)
{
	struct rig_options o = rig_server;
	struct rig rig;

	o.peer_version = TLS1_2_VERSION;
	rig_open(&rig, state, &o);
	rig_settle(&rig);
	SSL_renegotiate(rig.peer.ssl);
	SSL_do_handshake(rig.peer.ssl);
	rig_settle(&rig);
	assert_true(rig.peer.failed);
	assert_non_null(strstr(rig.peer.failure, "no renegotiation"));
	rig_close(&rig);
}

static void new_keys_change_nothing(void **state)
{
	struct rig_options o = rig_server;
	struct rig rig;

	o.peer_version = TLS1_3_VERSION;
	rig_open(&rig, state, &o);
	rig.peer.step = 3;
	rig_settle(&rig);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(
		    SSL_key_update(rig.peer.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		rig_say(&rig.peer, long_text + i * 100, 100);
		rig_settle(&rig);
		rig_send(&rig, long_text + i * 100, 100);
		rig_settle(&rig);
	}
	assert_exchanged(&rig, 500);
	rig_close(&rig);
}

/* Sessions are not kept: each peer is looked at when it comes. */
static void no_session_is_resumed(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		struct rig_options o = rig_server;
		SSL_SESSION *session;
		struct rig rig;

		o.peer_version = versions[i];
		rig_open(&rig, state, &o);
		rig_settle(&rig);
		session = SSL_get1_session(rig.peer.ssl);
		assert_false(SSL_SESSION_has_ticket(session));
		assert_false(SSL_session_reused(rig.peer.ssl));
		rig_close(&rig);

		rig_open(&rig, state, &o);
		SSL_set_session(rig.peer.ssl, session);
		SSL_SESSION_free(session);
		rig_settle(&rig);
		assert_true(SSL_is_init_finished(rig.peer.ssl));
		assert_false(SSL_session_reused(rig.peer.ssl));
		rig_close(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bytes_may_come_one_by_one),
	    cmocka_unit_test(a_small_read_leaves_the_rest),
	    cmocka_unit_test(what_is_pending_waits_for_its_owner),
	    cmocka_unit_test(a_write_is_one_record_and_one_send),
	    cmocka_unit_test(a_full_socket_is_waited_for),
	    cmocka_unit_test(the_handshake_waits_for_a_full_socket),
	    cmocka_unit_test(a_stalled_handshake_is_quiet),
	    cmocka_unit_test(close_notify_is_an_end),
	    cmocka_unit_test(an_end_without_close_notify_is_one_too),
	    cmocka_unit_test(shuts_one_side),
	    cmocka_unit_test(shutting_waits_for_a_full_socket),
	    cmocka_unit_test(says_goodbye_when_it_is_freed),
	    cmocka_unit_test(a_changed_byte_is_noticed),
	    cmocka_unit_test(nobody_renegotiates),
	    cmocka_unit_test(new_keys_change_nothing),
	    cmocka_unit_test(no_session_is_resumed),
	};

	fill_long_text();
	return cmocka_run_group_tests(tests, rig_certificates,
	                              rig_no_certificates);
}
