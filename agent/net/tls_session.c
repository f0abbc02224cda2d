#include "agent/net/tls_session.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/net/tls_private.h"

enum { FAILURE_SIZE = 160 };

struct tls_session {
	struct tls *tls;
	SSL *ssl;
	int fd;
	bool handshaking;
	bool read_waits_for_output;
	bool write_waits_for_input;
	bool pending;
	bool shut; /* close_notify is out */
	/* What the socket said last, when it was not "later". */
	enum transport_status socket;
	int socket_errno;
	/* OpenSSL must not be called again after this. */
	enum transport_status end; /* OK: there was none */
	char failure[FAILURE_SIZE];
};

/* --- the socket, as OpenSSL calls it --- */

/* recv() or send() gave this; what OpenSSL is told. */
static int answer_bio(BIO *bio, ssize_t n, bool reading)
{
	struct tls_session *s = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (n > 0)
		return (int)n;
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		if (reading)
			BIO_set_retry_read(bio);
		else
			BIO_set_retry_write(bio);
		return -1;
	}
	s->socket_errno = n < 0 ? errno : 0;
	s->socket = n == 0 || errno == ECONNRESET || errno == EPIPE
	                ? TRANSPORT_EOF
	                : TRANSPORT_ERROR;
	return (int)n;
}

static int bio_read(BIO *bio, char *buffer, int size)
{
	struct tls_session *s = BIO_get_data(bio);
	ssize_t n;

	do
		n = recv(s->fd, buffer, (size_t)size, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return answer_bio(bio, n, true);
}

static int bio_write(BIO *bio, const char *bytes, int size)
{
	struct tls_session *s = BIO_get_data(bio);
	ssize_t n;

	do
		n = send(s->fd, bytes, (size_t)size,
		         MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return answer_bio(bio, n, false);
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *tls_session_socket(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "transport");

	if (!method)
		return NULL;
	BIO_meth_set_read(method, bio_read);
	BIO_meth_set_write(method, bio_write);
	BIO_meth_set_ctrl(method, bio_control);
	return method;
}

/* --- life --- */

static bool is_ip(const char *name)
{
	struct in6_addr address;

	return inet_pton(AF_INET, name, &address) == 1 ||
	       inet_pton(AF_INET6, name, &address) == 1;
}

/* Who a client expects: an IP address is not asked for by name (RFC 6066). */
static bool expect_server(SSL *ssl, const char *name)
{
	if (is_ip(name))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl),
		                                     name) == 1;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	/* SSL_set_tlsext_host_name() casts the const away, which clang
	 * dislikes.
	 */
	return SSL_set1_host(ssl, name) == 1 &&
	       SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME,
	                TLSEXT_NAMETYPE_host_name,
	                (void *)(uintptr_t)name) == 1;
}

static bool set_up(struct tls_session *s, const char *server_name)
{
	BIO *bio = BIO_new(s->tls->socket);

	if (!bio)
		return false;
	BIO_set_data(bio, s);
	BIO_set_init(bio, 1);
	SSL_set_bio(s->ssl, bio, bio); /* takes it over */
	if (s->tls->server) {
		SSL_set_accept_state(s->ssl);
		return true;
	}
	SSL_set_connect_state(s->ssl);
	return !server_name || expect_server(s->ssl, server_name);
}

struct tls_session *tls_session_new(struct tls *tls, int fd,
                                    const char *server_name)
{
	struct tls_session *s = calloc(1, sizeof(*s));

	ERR_clear_error();
	if (!s)
		return NULL;
	s->tls = tls_ref(tls);
	s->fd = fd;
	s->handshaking = true;
	s->ssl = SSL_new(tls->context);
	if (s->ssl && set_up(s, server_name))
		return s;
	s->end = TRANSPORT_ERROR;
	tls_session_free(s);
	return NULL;
}

void tls_session_free(struct tls_session *s)
{
	if (!s)
		return;
	tls_session_shut(s);
	SSL_free(s->ssl);
	tls_unref(s->tls);
	free(s);
}

/* --- failures --- */

/* A peer that does not speak TLS at all. */
static bool is_no_tls(unsigned long error)
{
	switch (ERR_GET_REASON(error)) {
	case SSL_R_HTTP_REQUEST:
	case SSL_R_HTTPS_PROXY_REQUEST:
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_PACKET_LENGTH_TOO_LONG:
	case SSL_R_RECORD_LENGTH_MISMATCH:
		return true;
	default:
		return false;
	}
}

static void describe(struct tls_session *s)
{
	unsigned long error = ERR_peek_last_error();
	int reason = ERR_GET_REASON(error);
	long verified = SSL_get_verify_result(s->ssl);
	const char *text;

	if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
		snprintf(s->failure, sizeof(s->failure),
		         "the peer's certificate is refused: %s",
		         X509_verify_cert_error_string(verified));
	} else if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
		snprintf(s->failure, sizeof(s->failure),
		         "the peer has no certificate");
	} else if (reason > SSL_AD_REASON_OFFSET) {
		text =
		    SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET);
		snprintf(s->failure, sizeof(s->failure),
		         "the peer refused us: %s", text);
	} else if (is_no_tls(error)) {
		snprintf(s->failure, sizeof(s->failure),
		         "the peer does not speak TLS");
	} else {
		text = ERR_reason_error_string(error);
		snprintf(s->failure, sizeof(s->failure), "%s",
		         text ? text : "unknown error");
	}
}

static enum transport_status end(struct tls_session *s)
{
	s->end = s->socket;
	errno = s->socket_errno;
	if (s->end == TRANSPORT_OK) {
		describe(s);
		s->end = TRANSPORT_ERROR;
		errno = EPROTO;
	}
	return s->end;
}

/* A write came too late: the peer has closed, perhaps after an alert that says
 * why, and which nobody has read yet. */
static enum transport_status end_of_write(struct tls_session *s)
{
	char byte;
	size_t n;

	if (s->socket != TRANSPORT_EOF)
		return end(s);
	ERR_clear_error();
	s->socket = TRANSPORT_OK;
	if (SSL_read_ex(s->ssl, &byte, 1, &n) == 1 || ERR_peek_error() == 0)
		s->socket = TRANSPORT_EOF;
	return end(s);
}

/* While there is a handshake, both directions wait for the same; else each for
 * its own, almost always. `own` is that of the call which gave `error`. */
static void note_wait(struct tls_session *s, int error, int own)
{
	bool before = s->handshaking;
	bool now = !SSL_is_init_finished(s->ssl);

	s->handshaking = now;
	if (now || before || own == SSL_ERROR_WANT_READ)
		s->read_waits_for_output = error == SSL_ERROR_WANT_WRITE &&
		                           (now || own == SSL_ERROR_WANT_READ);
	if (now || before || own == SSL_ERROR_WANT_WRITE)
		s->write_waits_for_input = error == SSL_ERROR_WANT_READ &&
		                           (now || own == SSL_ERROR_WANT_WRITE);
}

/* A call of OpenSSL gave `result`. */
static enum transport_status take_result(struct tls_session *s, int result,
                                         int own)
{
	int error = SSL_get_error(s->ssl, result);

	note_wait(s, error, own);
	switch (error) {
	case SSL_ERROR_NONE:
		return TRANSPORT_OK;
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return TRANSPORT_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return TRANSPORT_EOF;
	default:
		return own == SSL_ERROR_WANT_WRITE ? end_of_write(s) : end(s);
	}
}

/* --- bytes --- */

enum transport_status tls_session_read(struct tls_session *s, void *buffer,
                                       size_t size, size_t *ret_read)
{
	enum transport_status status;
	size_t n;

	if (s->end != TRANSPORT_OK)
		return s->end;
	ERR_clear_error();
	status = take_result(s, SSL_read_ex(s->ssl, buffer, size, &n),
	                     SSL_ERROR_WANT_READ);
	s->pending = status == TRANSPORT_OK && SSL_has_pending(s->ssl);
	if (status == TRANSPORT_OK)
		*ret_read = n;
	return status;
}

enum transport_status tls_session_write(struct tls_session *s,
                                        struct spoe_span bytes,
                                        size_t *ret_written)
{
	enum transport_status status;
	size_t n;

	if (s->end != TRANSPORT_OK)
		return s->end;
	ERR_clear_error();
	status =
	    take_result(s, SSL_write_ex(s->ssl, bytes.data, bytes.size, &n),
	                SSL_ERROR_WANT_WRITE);
	if (status == TRANSPORT_OK)
		*ret_written = n;
	return status;
}

enum transport_status tls_session_shut(struct tls_session *s)
{
	int result;

	if (s->shut || s->end != TRANSPORT_OK || SSL_in_init(s->ssl))
		return TRANSPORT_OK;
	ERR_clear_error();
	result = SSL_shutdown(s->ssl);
	/* 0: said, and the peer's is not there yet. */
	if (result < 0 &&
	    take_result(s, result, SSL_ERROR_WANT_WRITE) == TRANSPORT_AGAIN)
		return TRANSPORT_AGAIN;
	s->shut = true;
	return TRANSPORT_OK;
}

bool tls_session_read_waits_for_output(const struct tls_session *s)
{
	return s->read_waits_for_output;
}

bool tls_session_write_waits_for_input(const struct tls_session *s)
{
	return s->write_waits_for_input;
}

bool tls_session_pending(const struct tls_session *s)
{
	return s->pending;
}

const char *tls_session_failure(const struct tls_session *s)
{
	return s->failure[0] ? s->failure : NULL;
}
