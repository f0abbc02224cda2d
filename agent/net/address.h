/* agent/net/address.h: where to listen, as people write it:
 *
 *     127.0.0.1:9000        [::1]:9000
 *     *:9000                every IPv4 address; `[::]:9000` every IPv6 one
 *     unix:/run/x.sock      /run/x.sock
 *     @name                 Linux's abstract Unix sockets
 *     tls:ADDRESS           one of these, with TLS spoken on it
 *
 * and opening a listening socket there. Port 0 is any free port. */
#ifndef AGENT_NET_ADDRESS_H
#define AGENT_NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct address {
	struct sockaddr_storage storage;
	socklen_t size;
	bool tls;
};

/* Longest text of address_format(), its NUL included. */
enum { ADDRESS_TEXT_SIZE = 128 };

/* Reads `text`; 0, or -1 with a text for people (what is wrong, what is
 * expected). Names are not looked up: an address must be numeric. */
int address_parse(const char *text, struct address *ret_address,
                  char *reterr_text, size_t reterr_size);

/* Writes `address` the way address_parse() reads it. */
void address_format(const struct address *address, char *ret_text, size_t size);

/* Writes the address that the socket `fd` is bound to in the same way. */
void address_format_bound(int fd, char *ret_text, size_t size);

/* Where the peer of the connected socket `fd` is. When it is gone already, its
 * address is written as "unknown". */
void address_of_peer(int fd, struct address *ret_address);

/* Opens a listening, non-blocking, close-on-exec socket. A Unix socket file
 * that nobody listens on is replaced, one in use is an error; its mode becomes
 * `unix_mode`. Returns the descriptor, or -1 with a text for people. */
int address_listen(const struct address *address, int backlog,
                   unsigned unix_mode, char *reterr_text, size_t reterr_size);

/* The same for datagrams: UDP, or a Unix datagram socket. */
int address_receive(const struct address *address, unsigned unix_mode,
                    char *reterr_text, size_t reterr_size);

#endif
