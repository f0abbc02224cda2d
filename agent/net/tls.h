/* agent/net/tls.h: TLS 1.2 and later with OpenSSL: certificates and rules, for
 * any number of connections on any number of threads. transport_secure() puts
 * a connection under them.
 *
 * Sessions are never resumed, so every connection is verified when it is made;
 * and never renegotiated. */
#ifndef AGENT_NET_TLS_H
#define AGENT_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls;

/* Files in PEM; NULL or "" is none. */
struct tls_options {
	/* Ours, then the intermediate ones. A server needs it. */
	const char *certificate;
	/* The private key, without a pass phrase; none: it is in the file
	 * `certificate`. */
	const char *key;
	/* Who has signed the peers' certificates. A client without it believes
	 * those that the system does; a server without it does not ask its
	 * peers for one, and with it serves nobody who has none. */
	const char *ca;
	/* A client takes whatever certificate comes: anybody on the way may
	 * read and change all. */
	bool unverified;
};

/* Reads the files. 0 and one reference, or -1 with a text for people: which
 * file, and what is wrong with it. */
int tls_new_server(struct tls **ret_tls, const struct tls_options *options,
                   char *reterr_text, size_t reterr_size);
int tls_new_client(struct tls **ret_tls, const struct tls_options *options,
                   char *reterr_text, size_t reterr_size);

/* From any thread; NULL is fine for both. */
struct tls *tls_ref(struct tls *tls);
void tls_unref(struct tls *tls);

/* When our own certificate ends, in Unix seconds; 0 when there is none. */
int64_t tls_not_after(const struct tls *tls);

#endif
