/* agent/net/tls_private.h: what tls.c and tls_session.c share. */
#ifndef AGENT_NET_TLS_PRIVATE_H
#define AGENT_NET_TLS_PRIVATE_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "agent/net/tls.h"

struct tls {
	atomic_int references;
	SSL_CTX *context;
	BIO_METHOD *socket; /* how OpenSSL reads and writes our sockets */
	bool server;
	int64_t not_after;
};

/* The calls of `socket`; the BIO's data is the session. */
BIO_METHOD *tls_session_socket(void);

#endif
