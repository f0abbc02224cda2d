#include "agent/net/tls.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/net/tls_private.h"

/* Where a text for people goes. */
struct complaint {
	char *text;
	size_t size;
};

__attribute__((format(printf, 2, 3))) static int failed(struct complaint c,
                                                        const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(c.text, c.size, format, args);
	va_end(args);
	return -1;
}

static bool is_set(const char *file)
{
	return file && *file;
}

/* --- what is wrong with a file --- */

static const char *reason_text(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_error());

	return text ? text : "unknown error";
}

static bool is_reason(int library, int reason)
{
	unsigned long error = ERR_peek_error();

	return ERR_GET_LIB(error) == library && ERR_GET_REASON(error) == reason;
}

/* OpenSSL could not use `file` as a `what`. */
static int failed_file(struct complaint c, const char *what, const char *file)
{
	if (access(file, R_OK) < 0)
		return failed(c, "%s %s: cannot be read: %s", what, file,
		              strerror(errno));
	if (is_reason(ERR_LIB_PEM, PEM_R_NO_START_LINE) ||
	    is_reason(ERR_LIB_X509, X509_R_NO_CERTIFICATE_OR_CRL_FOUND) ||
	    ERR_peek_error() == 0)
		return failed(c,
		              "%s %s: there is none in the file; expected "
		              "PEM (\"-----BEGIN ...\")",
		              what, file);
	return failed(c, "%s %s: %s; expected PEM", what, file, reason_text());
}

static int failed_key(struct complaint c, const char *file, bool locked)
{
	if (locked)
		return failed(c,
		              "private key %s: is protected by a pass phrase; "
		              "expected one that is not",
		              file);
	/* What decodes keys says no more than that it cannot. */
	if (access(file, R_OK) == 0)
		return failed(c,
		              "private key %s: there is none in the file, or "
		              "not a valid one; expected PEM (\"-----BEGIN "
		              "PRIVATE KEY-----\")",
		              file);
	return failed_file(c, "private key", file);
}

/* Nobody is there to be asked for a pass phrase; `cookie` notes that it was
 * wanted. */
static int no_pass_phrase(char *buffer, int size, int writing, void *cookie)
{
	(void)buffer;
	(void)size;
	(void)writing;
	*(bool *)cookie = true;
	return -1;
}

/* --- files --- */

static int64_t end_of(const X509 *certificate)
{
	struct tm end;

	if (!certificate ||
	    ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1)
		return 0;
	return timegm(&end);
}

static int use_certificate(struct tls *tls, const struct tls_options *options,
                           struct complaint c)
{
	const char *key =
	    is_set(options->key) ? options->key : options->certificate;
	bool locked = false;

	SSL_CTX_set_default_passwd_cb(tls->context, no_pass_phrase);
	SSL_CTX_set_default_passwd_cb_userdata(tls->context, &locked);
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(tls->context,
	                                       options->certificate) != 1)
		return failed_file(c, "certificate", options->certificate);
	ERR_clear_error();
	if (SSL_CTX_use_PrivateKey_file(tls->context, key, SSL_FILETYPE_PEM) !=
	    1) {
		if (is_reason(ERR_LIB_X509, X509_R_KEY_VALUES_MISMATCH) ||
		    is_reason(ERR_LIB_X509, X509_R_KEY_TYPE_MISMATCH))
			return failed(c,
			              "private key %s: is not the one of the "
			              "certificate %s",
			              key, options->certificate);
		return failed_key(c, key, locked);
	}
	tls->not_after = end_of(SSL_CTX_get0_certificate(tls->context));
	return 0;
}

static int use_ca(struct tls *tls, const char *ca, struct complaint c)
{
	ERR_clear_error();
	if (SSL_CTX_load_verify_file(tls->context, ca) != 1)
		return failed_file(c, "CA certificate", ca);
	/* What a server tells its peers of whom it believes. */
	if (tls->server)
		SSL_CTX_set_client_CA_list(tls->context,
		                           SSL_load_client_CA_file(ca));
	return 0;
}

/* --- making one --- */

static void set_rules(SSL_CTX *context)
{
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION |
	                                 SSL_OP_NO_TICKET |
	                                 SSL_OP_NO_COMPRESSION |
	                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(context, 0);
	/* A write that is repeated may come from another place. An idle
	 * connection keeps no buffers. */
	SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
	                              SSL_MODE_RELEASE_BUFFERS);
	/* One recv() for a record, not one for its head and one for its rest.
	 */
	SSL_CTX_set_read_ahead(context, 1);
}

static struct tls *new_tls(bool server)
{
	struct tls *tls = calloc(1, sizeof(*tls));

	if (!tls)
		return NULL;
	atomic_init(&tls->references, 1);
	tls->server = server;
	tls->socket = tls_session_socket();
	tls->context =
	    SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	if (!tls->context || !tls->socket) {
		tls_unref(tls);
		return NULL;
	}
	set_rules(tls->context);
	return tls;
}

static int set_up_server(struct tls *tls, const struct tls_options *options,
                         struct complaint c)
{
	if (!is_set(options->certificate))
		return failed(c, "there is no certificate to serve TLS with");
	if (use_certificate(tls, options, c) < 0)
		return -1;
	if (!is_set(options->ca))
		return 0;
	SSL_CTX_set_verify(tls->context,
	                   SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
	                   NULL);
	return use_ca(tls, options->ca, c);
}

static int set_up_client(struct tls *tls, const struct tls_options *options,
                         struct complaint c)
{
	if (!is_set(options->certificate) && is_set(options->key))
		return failed(c,
		              "private key %s: there is no certificate for "
		              "it",
		              options->key);
	if (is_set(options->certificate) &&
	    use_certificate(tls, options, c) < 0)
		return -1;
	if (!options->unverified)
		SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
	if (is_set(options->ca))
		return use_ca(tls, options->ca, c);
	if (SSL_CTX_set_default_verify_paths(tls->context) != 1)
		return failed(c, "the system's CA certificates: %s",
		              reason_text());
	return 0;
}

static int make(struct tls **ret_tls, bool server,
                const struct tls_options *options, struct complaint c)
{
	struct tls *tls = new_tls(server);

	if (!tls)
		return failed(c, "out of memory");
	if ((server ? set_up_server(tls, options, c)
	            : set_up_client(tls, options, c)) < 0) {
		tls_unref(tls);
		return -1;
	}
	*ret_tls = tls;
	return 0;
}

int tls_new_server(struct tls **ret_tls, const struct tls_options *options,
                   char *reterr_text, size_t reterr_size)
{
	return make(ret_tls, true, options,
	            (struct complaint){reterr_text, reterr_size});
}

int tls_new_client(struct tls **ret_tls, const struct tls_options *options,
                   char *reterr_text, size_t reterr_size)
{
	return make(ret_tls, false, options,
	            (struct complaint){reterr_text, reterr_size});
}

struct tls *tls_ref(struct tls *tls)
{
	if (tls)
		atomic_fetch_add_explicit(&tls->references, 1,
		                          memory_order_relaxed);
	return tls;
}

void tls_unref(struct tls *tls)
{
	int before;

	if (!tls)
		return;
	before = atomic_fetch_sub_explicit(&tls->references, 1,
	                                   memory_order_acq_rel);
	assert(before > 0);
	if (before > 1)
		return;
	SSL_CTX_free(tls->context);
	BIO_meth_free(tls->socket);
	free(tls);
}

int64_t tls_not_after(const struct tls *tls)
{
	return tls->not_after;
}
