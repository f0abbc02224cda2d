#include "agent/net/transport.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static void on_readable(struct ev_loop *loop, ev_io *watcher, int revents)
{
	struct transport *t = watcher->data;

	(void)loop;
	(void)revents;
	t->readable(t);
}

static void on_writable(struct ev_loop *loop, ev_io *watcher, int revents)
{
	struct transport *t = watcher->data;

	(void)loop;
	(void)revents;
	t->writable(t);
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
	ev_io_init(&t->reader, on_readable, fd, EV_READ);
	t->reader.data = t;
	ev_io_init(&t->writer, on_writable, fd, EV_WRITE);
	t->writer.data = t;
	/* An ACK is one small write: never wait for more of them. A Unix
	 * socket does not know the option, and does not wait. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void transport_fini(struct transport *t)
{
	ev_io_stop(t->loop, &t->reader);
	ev_io_stop(t->loop, &t->writer);
	close(t->fd);
	t->fd = -1;
}

static void watch(struct ev_loop *loop, ev_io *watcher, bool wanted)
{
	if (wanted == (ev_is_active(watcher) != 0))
		return;
	if (wanted)
		ev_io_start(loop, watcher);
	else
		ev_io_stop(loop, watcher);
}

void transport_watch(struct transport *t, bool read, bool write)
{
	watch(t->loop, &t->reader, read);
	watch(t->loop, &t->writer, write);
}

bool transport_reading(const struct transport *t)
{
	return t->reader.active != 0;
}

/* What errno says of a call that failed. */
static enum transport_status failure(void)
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
		return TRANSPORT_ERROR;
	}
}

enum transport_status transport_read(struct transport *t, void *buffer,
                                     size_t size, size_t *ret_read)
{
	ssize_t n;

	do
		n = recv(t->fd, buffer, size, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return failure();
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

	do
		n = send(t->fd, bytes.data, bytes.size,
		         MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return failure();
	*ret_written = (size_t)n;
	return TRANSPORT_OK;
}

void transport_shut(struct transport *t)
{
	shutdown(t->fd, SHUT_WR);
}
