/* agent/sockets.h: the sockets that HAProxy connects to, those of the
 * configuration or of systemd, and the certificate that is shown there. */
#ifndef AGENT_SOCKETS_H
#define AGENT_SOCKETS_H

#include "agent/config.h"

struct ev_loop;
struct sockets;
struct tls;

struct sockets_handler {
	void *cookie; /* for both */
	/* Takes over `fd`; `tls` is borrowed, NULL where none is spoken. */
	void (*accepted)(void *cookie, int fd, struct tls *tls);
	/* accept() failed with `error`; it is tried again by itself. */
	void (*failed)(void *cookie, int error);
};

/* Opens them: those that systemd hands over (sd_listen_fds(3)), else those of
 * `config`. `handler` is copied. 0, or -1 with a text for people. */
int sockets_open(struct sockets **ret_sockets, struct ev_loop *loop,
                 const struct config *config,
                 const struct sockets_handler *handler, char *reterr_text,
                 size_t reterr_size);

/* Reads the files of [tls] anew, for connections from now on; without a
 * certificate in `config` nothing changes. 0, or -1 with a text for people, and
 * then what was there stays in force. */
int sockets_reload(struct sockets *s, const struct config *config,
                   char *reterr_text, size_t reterr_size);

/* Until when the certificate that is shown is valid, in Unix seconds; 0: there
 * is none. */
int64_t sockets_certificate_until(const struct sockets *s);

/* Whether the files of [tls] can be used: 0, or -1 with a text for people. */
int sockets_check(const struct config *config, char *reterr_text,
                  size_t reterr_size);

/* Stops or goes on accepting; peers wait in the backlog meanwhile. */
void sockets_pause(struct sockets *s, bool paused);

void sockets_close(struct sockets *s); /* NULL is fine */

#endif
