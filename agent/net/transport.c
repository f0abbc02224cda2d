#include "agent/net/transport.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/net/tls_session.h"

/* --- which events of the socket whose call-backs wait for --- */

static void watch(struct ev_loop *loop, ev_io *watcher, bool wanted)
{
	if (wanted == (ev_is_active(watcher) != 0))
		return;
	if (wanted)
		ev_io_start(loop, watcher);
	else
		ev_io_stop(loop, watcher);
}

static bool read_waits_for_output(const struct transport *t)
{
	return t->tls && tls_session_read_waits_for_output(t->tls);
}

static bool write_waits_for_input(const struct transport *t)
{
	return t->tls && tls_session_write_waits_for_input(t->tls);
}

static bool is_pending(const struct transport *t)
{
	return t->tls && tls_session_pending(t->tls);
}

static void update_watch(struct transport *t)
{
	bool read_swaps = read_waits_for_output(t);
	bool write_swaps = write_waits_for_input(t);

	watch(t->loop, &t->reader,
	      (t->wants_read && !read_swaps) ||
	          (t->wants_write && write_swaps));
	watch(t->loop, &t->writer,
	      (t->wants_write && !write_swaps) ||
	          (t->wants_read && read_swaps) || t->shutting);
	/* The socket does not tell of what was read from it already. */
	if (t->wants_read && is_pending(t))
		ev_feed_event(t->loop, &t->reader, EV_CUSTOM);
}

/* One call-back for one event: it may free what `t` is in. */
static void on_readable(struct ev_loop *loop, ev_io *watcher, int revents)
{
	struct transport *t = watcher->data;

	(void)loop;
	if (!(revents & EV_READ) && !is_pending(t))
		return;
	if (t->wants_read)
		t->readable(t);
	else if (t->wants_write)
		t->writable(t);
}

static void on_writable(struct ev_loop *loop, ev_io *watcher, int revents)
{
	struct transport *t = watcher->data;

	(void)loop;
	(void)revents;
	if (t->shutting)
		transport_shut(t);
	else if (t->wants_write && !write_waits_for_input(t))
		t->writable(t);
	else if (t->wants_read)
		t->readable(t);
}

void transport_init(struct transport *t, struct ev_loop *loop, int fd,
                    void (*readable)(struct transport *t),
                    void (*writable)(struct transport *t))
{
	int on = 1;

	t->loop = loop;
	t->fd = fd;
	t->readable = readable;
	t->writable = writable;
	t->wants_read = false;
	t->wants_write = false;
	t->shutting = false;
	t->error = 0;
	t->tls = NULL;
	ev_io_init(&t->reader, on_readable, fd, EV_READ);
	t->reader.data = t;
	ev_io_init(&t->writer, on_writable, fd, EV_WRITE);
	t->writer.data = t;
	/* An ACK is one small write: never wait for more of them. A Unix
	 * socket does not know the option, and does not wait. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

bool transport_is_local(const struct transport *t)
{
	int domain = AF_UNSPEC;
	socklen_t size = sizeof(domain);

	getsockopt(t->fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
	return domain == AF_UNIX;
}

bool transport_secure(struct transport *t, struct tls *tls,
                      const char *server_name)
{
	t->tls = tls_session_new(tls, t->fd, server_name);
	return t->tls != NULL;
}

void transport_fini(struct transport *t)
{
	ev_io_stop(t->loop, &t->reader);
	ev_io_stop(t->loop, &t->writer);
	tls_session_free(t->tls);
	t->tls = NULL;
	close(t->fd);
	t->fd = -1;
}

void transport_watch(struct transport *t, bool read, bool write)
{
	t->wants_read = read;
	t->wants_write = write;
	update_watch(t);
}

bool transport_reading(const struct transport *t)
{
	return t->wants_read;
}

/* --- bytes --- */

/* What errno says of a call that failed. */
static enum transport_status failure(struct transport *t)
{
	switch (errno) {
	case EAGAIN:
#if EWOULDBLOCK != EAGAIN
	case EWOULDBLOCK:
#endif
		return TRANSPORT_AGAIN;
	case ECONNRESET:
	case EPIPE:
		return TRANSPORT_EOF;
	default:
		t->error = errno;
		return TRANSPORT_ERROR;
	}
}

/* A call may have changed what the next one waits for. */
static enum transport_status after_tls(struct transport *t,
                                       enum transport_status status)
{
	if (status == TRANSPORT_ERROR)
		t->error = errno;
	update_watch(t);
	return status;
}

enum transport_status transport_read(struct transport *t, void *buffer,
                                     size_t size, size_t *ret_read)
{
	ssize_t n;

	if (t->tls)
		return after_tls(
		    t, tls_session_read(t->tls, buffer, size, ret_read));
	do
		n = recv(t->fd, buffer, size, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return failure(t);
	if (n == 0)
		return TRANSPORT_EOF;
	*ret_read = (size_t)n;
	return TRANSPORT_OK;
}

enum transport_status transport_write(struct transport *t,
                                      struct spoe_span bytes,
                                      size_t *ret_written)
{
	ssize_t n;

	if (t->tls)
		return after_tls(t,
		                 tls_session_write(t->tls, bytes, ret_written));
	do
		n = send(t->fd, bytes.data, bytes.size,
		         MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return failure(t);
	*ret_written = (size_t)n;
	return TRANSPORT_OK;
}

void transport_shut(struct transport *t)
{
	t->shutting = t->tls && tls_session_shut(t->tls) == TRANSPORT_AGAIN;
	if (!t->shutting)
		shutdown(t->fd, SHUT_WR);
	update_watch(t);
}

const char *transport_failure(const struct transport *t)
{
	return transport_tls_failed(t) ? tls_session_failure(t->tls)
	                               : strerror(t->error);
}

bool transport_tls_failed(const struct transport *t)
{
	return t->tls && tls_session_failure(t->tls);
}
