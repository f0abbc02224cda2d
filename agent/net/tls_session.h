/* agent/net/tls_session.h: TLS on one connected socket, for transport.c. Reads
 * and writes go on with the handshake as far as the socket allows. */
#ifndef AGENT_NET_TLS_SESSION_H
#define AGENT_NET_TLS_SESSION_H

#include "agent/net/tls.h"
#include "agent/net/transport.h"

struct tls_session;

/* On `fd`, which stays the caller's, with a reference of `tls`. `server_name`:
 * see transport_secure(). NULL when out of memory. */
struct tls_session *tls_session_new(struct tls *tls, int fd,
                                    const char *server_name);

/* Says close_notify, if it was not said and the socket takes it. NULL is fine.
 */
void tls_session_free(struct tls_session *s);

/* As transport_read() and transport_write(). A frame of up to 16 KB is one
 * record and one send(). A write is reported when all of it is gone: what was
 * refused with TRANSPORT_AGAIN must be the beginning of the next one. */
enum transport_status tls_session_read(struct tls_session *s, void *buffer,
                                       size_t size, size_t *ret_read);
enum transport_status tls_session_write(struct tls_session *s,
                                        struct spoe_span bytes,
                                        size_t *ret_written);

/* Says close_notify: TRANSPORT_OK when it is said, or cannot be any more. */
enum transport_status tls_session_shut(struct tls_session *s);

/* The socket must be writable before a read can go on, readable before a write
 * can. */
bool tls_session_read_waits_for_output(const struct tls_session *s);
bool tls_session_write_waits_for_input(const struct tls_session *s);

/* Bytes that the socket does not have any more may be there to be read. */
bool tls_session_pending(const struct tls_session *s);

/* Why TLS failed, for people; NULL when it did not. */
const char *tls_session_failure(const struct tls_session *s);

#endif
