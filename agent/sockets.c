#include "agent/sockets.h"

#include <ev.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/log.h"
#include "agent/net/listener.h"
#include "agent/net/tls.h"

enum { SOCKETS_MAX = CONFIG_LISTEN_MAX };

static const int64_t DAY_S = 24 * 60 * 60;

struct place {
	struct sockets *sockets;
	struct listener *listener;
	bool tls;
};

struct sockets {
	struct ev_loop *loop;
	struct sockets_handler handler;
	struct tls *tls; /* in force; NULL: none */
	struct place places[SOCKETS_MAX];
	size_t n_places;
};

/* --- the certificate --- */

static int load_tls(struct tls **ret_tls, const struct config *config,
                    char *reterr_text, size_t reterr_size)
{
	struct tls_options options = {
	    .certificate = config->tls_certificate,
	    .key = config->tls_key,
	    .ca = config->tls_client_ca,
	};

	return tls_new_server(ret_tls, &options, reterr_text, reterr_size);
}

static void log_certificate(const struct tls *tls, const struct config *config)
{
	int64_t left_s = tls_not_after(tls) - (int64_t)(clock_wall_ms() / 1000);

	log_event(left_s > 0 ? LOG_TLS_CERTIFICATE : LOG_TLS_EXPIRED,
	          LOG_TEXT("file", config->tls_certificate),
	          LOG_INT("days", left_s / DAY_S));
}

int sockets_check(const struct config *config, char *reterr_text,
                  size_t reterr_size)
{
	struct tls *tls = NULL;

	if (*config->tls_certificate &&
	    load_tls(&tls, config, reterr_text, reterr_size) < 0)
		return -1;
	tls_unref(tls);
	return 0;
}

int sockets_reload(struct sockets *s, const struct config *config,
                   char *reterr_text, size_t reterr_size)
{
	struct tls *tls;

	if (!*config->tls_certificate)
		return 0;
	if (load_tls(&tls, config, reterr_text, reterr_size) < 0)
		return -1;
	tls_unref(s->tls);
	s->tls = tls;
	log_certificate(tls, config);
	return 0;
}

int64_t sockets_certificate_until(const struct sockets *s)
{
	return s->tls ? tls_not_after(s->tls) : 0;
}

/* --- the sockets --- */

static void on_accepted(void *cookie, int fd)
{
	const struct place *p = cookie;
	const struct sockets_handler *handler = &p->sockets->handler;

	handler->accepted(handler->cookie, fd, p->tls ? p->sockets->tls : NULL);
}

static void on_failed(void *cookie, int error)
{
	const struct place *p = cookie;

	p->sockets->handler.failed(p->sockets->handler.cookie, error);
}

static const struct listener_handler handler_of_place = {
    .accepted = on_accepted,
    .failed = on_failed,
};

static void log_listening(int fd, bool tls)
{
	char text[ADDRESS_TEXT_SIZE];

	address_format_bound(fd, text, sizeof(text));
	log_event(LOG_LISTENING, LOG_TEXT("address", text),
	          LOG_TEXT("tls", tls ? "yes" : NULL));
}

/* Takes over `fd`. */
static int add(struct sockets *s, int fd, bool tls, char *reterr_text,
               size_t reterr_size)
{
	struct place *p = &s->places[s->n_places];

	snprintf(reterr_text, reterr_size, "out of memory");
	if (s->n_places == SOCKETS_MAX)
		snprintf(reterr_text, reterr_size,
		         "more than %d listening sockets", SOCKETS_MAX);
	else if (tls && !s->tls)
		snprintf(reterr_text, reterr_size,
		         "a socket is to have TLS, and [tls] certificate is "
		         "empty");
	else
		p->listener = listener_new(s->loop, fd, &handler_of_place, p);
	if (s->n_places == SOCKETS_MAX || !p->listener) {
		close(fd);
		return -1;
	}
	p->sockets = s;
	p->tls = tls;
	s->n_places++;
	log_listening(fd, tls);
	return 0;
}

static int add_given(struct sockets *s, char **names, int given,
                     char *reterr_text, size_t reterr_size)
{
	for (int i = 0; i < given; i++) {
		bool tls = strcmp(names[i], "tls") == 0;

		if (add(s, SD_LISTEN_FDS_START + i, tls, reterr_text,
		        reterr_size) < 0)
			return -1;
	}
	return 0;
}

static int add_configured(struct sockets *s, const struct config *config,
                          char *reterr_text, size_t reterr_size)
{
	for (size_t i = 0; i < config->n_listen; i++) {
		const struct address *address = &config->listen[i];
		int fd =
		    address_listen(address, (int)config->backlog,
		                   config->unix_mode, reterr_text, reterr_size);

		if (fd < 0 ||
		    add(s, fd, address->tls, reterr_text, reterr_size) < 0)
			return -1;
	}
	return 0;
}

static int add_all(struct sockets *s, const struct config *config,
                   char *reterr_text, size_t reterr_size)
{
	char **names = NULL;
	int given = sd_listen_fds_with_names(1, &names);
	int added;

	if (given <= 0)
		return add_configured(s, config, reterr_text, reterr_size);
	added = add_given(s, names, given, reterr_text, reterr_size);
	for (int i = 0; i < given; i++)
		free(names[i]);
	free(names);
	return added;
}

int sockets_open(struct sockets **ret_sockets, struct ev_loop *loop,
                 const struct config *config,
                 const struct sockets_handler *handler, char *reterr_text,
                 size_t reterr_size)
{
	struct sockets *s = calloc(1, sizeof(*s));

	if (!s) {
		snprintf(reterr_text, reterr_size, "out of memory");
		return -1;
	}
	s->loop = loop;
	s->handler = *handler;
	if (sockets_reload(s, config, reterr_text, reterr_size) < 0 ||
	    add_all(s, config, reterr_text, reterr_size) < 0) {
		sockets_close(s);
		return -1;
	}
	*ret_sockets = s;
	return 0;
}

void sockets_pause(struct sockets *s, bool paused)
{
	for (size_t i = 0; i < s->n_places; i++)
		listener_pause(s->places[i].listener, paused);
}

void sockets_close(struct sockets *s)
{
	if (!s)
		return;
	while (s->n_places > 0)
		listener_free(s->places[--s->n_places].listener);
	tls_unref(s->tls);
	free(s);
}
