/* tests/unit/net_tls_rig.h: a transport with TLS on a real loop, and a peer
 * whose bytes the test moves itself, as many at a time as it likes.
 *
 * All is in one thread and on a socket pair: what can happen has happened when
 * nothing changes any more, and no test waits for time to pass. */
#ifndef TESTS_NET_TLS_RIG_H
#define TESTS_NET_TLS_RIG_H

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/net/tls.h"
#include "agent/net/transport.h"
#include "tests/support/certificates.h"

enum { RIG_TURNS = 200000, RIG_KEEP = 1 << 20 };

/* --- our end: an owner that keeps the contract of transport.h --- */

struct rig_end {
	struct transport transport; /* first */
	bool reads;
	bool reads_once;         /* then it wants no more */
	struct spoe_span output; /* what is not written yet */
	uint8_t *input;          /* RIG_KEEP bytes */
	size_t size;
	size_t read_size; /* of one read at most */
	size_t called;
	enum transport_status status; /* the last one but AGAIN */
};

static inline void rig_watch(struct rig_end *e)
{
	bool ended = e->status != TRANSPORT_OK;

	transport_watch(&e->transport, e->reads && !ended,
	                e->output.size > 0 && !ended);
}

static inline void rig_heed(struct rig_end *e, enum transport_status status)
{
	if (status != TRANSPORT_AGAIN)
		e->status = status;
	rig_watch(e);
}

static inline void rig_on_readable(struct transport *t)
{
	struct rig_end *e = (struct rig_end *)(void *)t;
	enum transport_status status;
	size_t n = 0;

	e->called++;
	assert_true(e->size + e->read_size <= RIG_KEEP);
	status = transport_read(t, e->input + e->size, e->read_size, &n);
	assert_int_equal(status == TRANSPORT_OK, n > 0);
	e->size += n;
	if (n > 0 && e->reads_once)
		e->reads = false;
	rig_heed(e, status);
}

static inline void rig_on_writable(struct transport *t)
{
	struct rig_end *e = (struct rig_end *)(void *)t;
	size_t n = 0;
	enum transport_status status = transport_write(t, e->output, &n);

	e->called++;
	e->output = spoe_span(e->output.data + n, e->output.size - n);
	rig_heed(e, status);
}

/* --- the peer --- */

struct rig_peer {
	SSL_CTX *context;
	SSL *ssl;
	BIO *in;  /* what came */
	BIO *out; /* what is to go */
	int fd;
	size_t step; /* bytes that are moved at a time */
	uint8_t *input;
	size_t size;
	bool closed; /* close_notify came */
	bool eof;
	bool failed;
	char failure[160];
};

/* Moves up to `step` bytes each way; true when there were any. */
static inline bool rig_move(struct rig_peer *p)
{
	uint8_t bytes[32 << 10];
	size_t step = p->step < sizeof(bytes) ? p->step : sizeof(bytes);
	bool moved = false;
	ssize_t n = recv(p->fd, bytes, step, MSG_DONTWAIT);

	if (n > 0) {
		assert_int_equal(BIO_write(p->in, bytes, (int)n), n);
		moved = true;
	} else if (n == 0 || errno != EAGAIN) {
		p->eof = true;
	}
	n = BIO_read(p->out, bytes, (int)step);
	if (n > 0) {
		ssize_t sent = send(p->fd, bytes, (size_t)n, MSG_NOSIGNAL);

		assert_true(sent == n || errno == EPIPE);
		moved = true;
	}
	return moved;
}

static inline void rig_note_failure(struct rig_peer *p, int result)
{
	int error = SSL_get_error(p->ssl, result);

	if (error == SSL_ERROR_ZERO_RETURN)
		p->closed = true;
	if (error != SSL_ERROR_SSL || p->failed)
		return;
	p->failed = true;
	ERR_error_string_n(ERR_peek_error(), p->failure, sizeof(p->failure));
}

/* Takes what came, the handshake included. */
static inline void rig_take(struct rig_peer *p)
{
	int n;

	ERR_clear_error();
	do {
		assert_true(p->size < RIG_KEEP);
		n = SSL_read(p->ssl, p->input + p->size,
		             (int)(RIG_KEEP - p->size));
		if (n > 0)
			p->size += (size_t)n;
	} while (n > 0);
	rig_note_failure(p, n);
}

static inline void rig_say(struct rig_peer *p, const void *bytes, size_t size)
{
	ERR_clear_error();
	assert_int_equal(SSL_write(p->ssl, bytes, (int)size), size);
}

/* --- both --- */

struct rig {
	const struct certificates *certificates;
	struct ev_loop *loop;
	struct tls *tls; /* ours */
	struct rig_end end;
	struct rig_peer peer;
};

/* How both ends are. Names of certificates.sh's files; NULL: none. */
struct rig_options {
	bool client; /* we are the client */
	const char *certificate;
	const char *key;
	const char *ca;
	const char *server_name;
	bool unverified;
	const char *peer_certificate; /* and key, in one file */
	const char *peer_ca;          /* NULL: the peer believes anybody */
	int peer_version;             /* the only one it speaks; 0: any */
	int socket_type;              /* 0: SOCK_STREAM */
};

static inline const char *rig_file(const struct rig *rig, int slot,
                                   const char *name)
{
	return name ? certificates_file(rig->certificates, slot, name) : NULL;
}

static inline void rig_make_peer(struct rig *rig, const struct rig_options *o)
{
	struct rig_peer *p = &rig->peer;
	const char *file = rig_file(rig, 4, o->peer_certificate);

	p->context =
	    SSL_CTX_new(o->client ? TLS_server_method() : TLS_client_method());
	assert_non_null(p->context);
	SSL_CTX_set_security_level(p->context, 0);
	SSL_CTX_set_min_proto_version(p->context, o->peer_version);
	SSL_CTX_set_max_proto_version(p->context, o->peer_version);
	if (file) {
		assert_int_equal(
		    SSL_CTX_use_certificate_chain_file(p->context, file), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey_file(p->context, file,
		                                             SSL_FILETYPE_PEM),
		                 1);
	}
	if (o->peer_ca) {
		assert_int_equal(SSL_CTX_load_verify_file(
				     p->context, rig_file(rig, 5, o->peer_ca)),
		                 1);
		SSL_CTX_set_verify(
		    p->context,
		    SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	}
	p->ssl = SSL_new(p->context);
	p->in = BIO_new(BIO_s_mem());
	p->out = BIO_new(BIO_s_mem());
	/* Empty is "later", not the end. */
	BIO_set_mem_eof_return(p->in, -1);
	BIO_set_mem_eof_return(p->out, -1);
	SSL_set_bio(p->ssl, p->in, p->out);
	if (o->client)
		SSL_set_accept_state(p->ssl);
	else
		SSL_set_connect_state(p->ssl);
	p->step = 32 << 10;
	p->input = malloc(RIG_KEEP);
	assert_non_null(p->input);
}

static inline void rig_make_ours(struct rig *rig, const struct rig_options *o)
{
	struct tls_options options = {
	    .certificate = rig_file(rig, 0, o->certificate),
	    .key = rig_file(rig, 1, o->key),
	    .ca = rig_file(rig, 2, o->ca),
	    .unverified = o->unverified,
	};
	char error[400] = "";
	int made =
	    o->client
		? tls_new_client(&rig->tls, &options, error, sizeof(error))
		: tls_new_server(&rig->tls, &options, error, sizeof(error));

	if (made < 0)
		fail_msg("%s", error);
}

static inline void rig_open(struct rig *rig, void **state,
                            const struct rig_options *o)
{
	int type = o->socket_type ? o->socket_type : SOCK_STREAM;
	int fds[2];

	*rig = (struct rig){.certificates = *state};
	rig->loop = ev_loop_new(EVFLAG_AUTO);
	rig_make_ours(rig, o);
	rig_make_peer(rig, o);
	assert_int_equal(socketpair(AF_UNIX, type, 0, fds), 0);
	rig->peer.fd = fds[1];
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	transport_init(&rig->end.transport, rig->loop, fds[0], rig_on_readable,
	               rig_on_writable);
	rig->end.reads = true;
	rig->end.read_size = 32 << 10;
	rig->end.input = malloc(RIG_KEEP);
	assert_non_null(rig->end.input);
	assert_true(
	    transport_secure(&rig->end.transport, rig->tls, o->server_name));
	rig_watch(&rig->end);
}

static inline void rig_close_peer(struct rig *rig)
{
	if (rig->peer.fd >= 0)
		close(rig->peer.fd);
	rig->peer.fd = -1;
}

static inline void rig_close(struct rig *rig)
{
	transport_fini(&rig->end.transport);
	rig_close_peer(rig);
	SSL_free(rig->peer.ssl);
	SSL_CTX_free(rig->peer.context);
	tls_unref(rig->tls);
	free(rig->end.input);
	free(rig->peer.input);
	ev_loop_destroy(rig->loop);
}

/* Both ends have their turn; true when something happened. */
static inline bool rig_turn(struct rig *rig)
{
	size_t called = rig->end.called;
	bool moved = false;

	ev_run(rig->loop, EVRUN_NOWAIT);
	if (rig->peer.fd >= 0) {
		moved = rig_move(&rig->peer);
		rig_take(&rig->peer);
	}
	return moved || rig->end.called > called;
}

/* Until nothing happens any more. A transport that calls its owner for nothing
 * over and over never comes to rest. */
static inline void rig_settle(struct rig *rig)
{
	unsigned turns = 0;
	unsigned quiet = 0;

	while (quiet < 3) {
		quiet = rig_turn(rig) ? 0 : quiet + 1;
		if (turns++ == RIG_TURNS)
			fail_msg("it never comes to rest");
	}
}

/* Our end sends. */
static inline void rig_send(struct rig *rig, const void *bytes, size_t size)
{
	rig->end.output = spoe_span(bytes, size);
	rig_watch(&rig->end);
}

/* --- groups of tests --- */

static inline int rig_certificates(void **state)
{
	static struct certificates certificates;

	*state = &certificates;
	return certificates_init(&certificates) ? 0 : -1;
}

static inline int rig_no_certificates(void **state)
{
	certificates_fini(*state);
	return 0;
}

static const struct rig_options rig_server = {
    .certificate = "agent-both.pem",
};

static const struct rig_options rig_client = {
    .client = true,
    .ca = "ca.pem",
    .server_name = "agent.test",
    .peer_certificate = "agent-both.pem",
};

#endif
