/* A SPOP connection over TLS: what its owner sees of it. */
#include <openssl/ssl.h>

#include "agent/net/tls.h"
#include "tests/support/certificates.h"
#include "tests/unit/net_stage.h"

static struct certificates certificates;
static struct tls *tls;

static int load(void **state)
{
	struct tls_options options = {0};
	char error[400];

	(void)state;
	if (!certificates_init(&certificates))
		return -1;
	options.certificate =
	    certificates_file(&certificates, 0, "agent-both.pem");
	return tls_new_server(&tls, &options, error, sizeof(error));
}

static int unload(void **state)
{
	(void)state;
	tls_unref(tls);
	certificates_fini(&certificates);
	return 0;
}

/* The client's end is plain: what speaks TLS there is the test's affair. */
static int start_tls(void **state)
{
	int fds[2];

	start(state);
	rig.options.hello_timeout_ms = 1000;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	rig.connection = connection_new(rig.loop, fds[0], tls, &rig.options,
	                                &rig.buffers, &rig.counters);
	assert_non_null(rig.connection);
	rig_client_init(&rig.client, rig.loop, fds[1], false);
	return 0;
}

/* A client that speaks no TLS never gets as far as SPOP, and learns nothing. */
static void plain_spop_is_refused(void **state)
{
	(void)state;
	rig_client_reads(&rig.client);
	peer_hello(&p);
	rig_say(&rig, &p);
	rig_until(&rig, rig_closed);
	assert_int_equal(rig.end, CONNECTION_END_TLS);
	assert_int_equal(rig.ready, 0);
	rig_until(&rig, rig_client_ended);
	/* An alert, if anything: a record of type 21 with two bytes. */
	assert_true(rig.client.size == 0 || rig.client.size == 7);
}

/* The time for HELLO counts from the accept, handshake included; and a
 * DISCONNECT that cannot be sent is not waited for long. */
static void a_stalled_handshake_ends(void **state)
{
	static const uint8_t start_of_hello[] = {22, 3, 1, 2, 0, 1, 0};
	uint64_t now_ms = 5000;

	(void)state;
	rig_client_reads(&rig.client);
	rig_send(&rig, &rig.client,
	         spoe_span(start_of_hello, sizeof(start_of_hello)));
	rig_turn(&rig);
	connection_tick(rig.connection, now_ms);
	connection_tick(rig.connection, now_ms += 999);
	rig_turn(&rig);
	assert_int_equal(rig.closed, 0);
	connection_tick(rig.connection, now_ms += 1);
	for (int i = 0; i < 3 && rig.connection; i++) {
		rig_turn(&rig);
		connection_tick(rig.connection, now_ms += 1000);
	}
	rig_turn(&rig);
	assert_int_equal(rig.closed, 1);
	assert_int_equal(rig.end, CONNECTION_END_HELLO);
}

/* --- a client that does speak it --- */

static SSL *ssl;
static uint8_t received[4096];
static size_t n_received;

static bool shakes_hands(struct rig *r)
{
	(void)r;
	return SSL_do_handshake(ssl) == 1;
}

static bool receives(struct rig *r)
{
	int n = SSL_read(ssl, received + n_received,
	                 (int)(sizeof(received) - n_received));

	(void)r;
	if (n > 0)
		n_received += (size_t)n;
	/* A frame's length, then the frame. */
	return n_received >= 4 &&
	       n_received == 4u + (size_t)(received[2] << 8 | received[3]);
}

static bool sees_the_end(struct rig *r)
{
	(void)r;
	return SSL_read(ssl, received, sizeof(received)) <= 0 &&
	       (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN);
}

/* Says what is in `p` and gets one frame of `type`. */
static void expect_frame(uint8_t type)
{
	n_received = 0;
	assert_int_equal(SSL_write(ssl, p.bytes, (int)p.size), p.size);
	p.size = 0;
	rig_until(&rig, receives);
	assert_int_equal(received[4], type);
}

/* The client has no watcher: it is looked at again and again. */
static void on_poll(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)timer;
	(void)revents;
}

static void a_session_from_hello_to_disconnect(void **state)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	ev_timer poll;

	(void)state;
	ev_timer_init(&poll, on_poll, 0.005, 0.005);
	ev_timer_start(rig.loop, &poll);
	rig.at_once = true;
	ssl = SSL_new(context);
	SSL_set_fd(ssl, rig.client.fd);
	SSL_set_connect_state(ssl);
	rig_until(&rig, shakes_hands);
	peer_hello(&p);
	expect_frame(SPOE_FRAME_AGENT_HELLO);
	for (uint64_t i = 1; i <= 3; i++) {
		peer_notify(&p, i, 1);
		expect_frame(SPOE_FRAME_ACK);
	}
	connection_drain(rig.connection);
	n_received = 0;
	rig_until(&rig, receives);
	assert_int_equal(received[4], SPOE_FRAME_AGENT_DISCONNECT);
	rig_until(&rig, sees_the_end);
	SSL_shutdown(ssl);
	rig_until(&rig, rig_closed);
	assert_int_equal(rig.end, CONNECTION_END_DRAIN);
	ev_timer_stop(rig.loop, &poll);
	SSL_free(ssl);
	SSL_CTX_free(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(plain_spop_is_refused, start_tls,
	                                    finish),
	    cmocka_unit_test_setup_teardown(a_stalled_handshake_ends, start_tls,
	                                    finish),
	    cmocka_unit_test_setup_teardown(a_session_from_hello_to_disconnect,
	                                    start_tls, finish),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
