#include "agent/admin/admin_http.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MEMORY_MAX = 16 << 10 }; /* of a connection: its request, and our head */

struct admin_http {
	struct ev_loop *loop;
	struct MHD_Daemon *daemon;
	admin_http_answer *answer;
	void *cookie;
	ev_io io; /* the epoll descriptor of the daemon */
	ev_timer timer;
};

static void add_headers(struct MHD_Response *response,
                        const struct admin_http_reply *reply)
{
	const char *policy =
	    *reply->policy ? reply->policy : "default-src 'none'";

	MHD_add_response_header(response, "Content-Type", reply->type);
	MHD_add_response_header(response, "Content-Security-Policy", policy);
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
	MHD_add_response_header(response, "Cache-Control", "no-store");
	if (reply->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, "Allow", "GET, HEAD");
}

/* Takes over `body`. */
static enum MHD_Result respond(struct MHD_Connection *connection, char *body,
                               size_t size,
                               const struct admin_http_reply *reply)
{
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(size, body, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result queued;

	if (!response) {
		free(body);
		return MHD_NO;
	}
	add_headers(response, reply);
	queued = MHD_queue_response(connection, reply->status, response);
	MHD_destroy_response(response);
	return queued;
}

static bool is_get(const char *method)
{
	return strcmp(method, MHD_HTTP_METHOD_GET) == 0 ||
	       strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
}

static void write_body(struct admin_http *h, const char *path,
                       const char *method, FILE *body,
                       struct admin_http_reply *reply)
{
	if (!is_get(method)) {
		reply->status = MHD_HTTP_METHOD_NOT_ALLOWED;
		fputs("this endpoint only tells: GET or HEAD\n", body);
	} else if (!h->answer(h->cookie, path, body, reply)) {
		reply->status = MHD_HTTP_NOT_FOUND;
		fputs("there is nothing here\n", body);
	}
}

/* An answer before the end of the request closes the connection: that is for
 * those who may send much. */
static bool wait_for_end(const char *method, size_t *upload_size,
                         void **of_request)
{
	const bool first = !*of_request;

	*of_request = of_request; /* anything but NULL */
	if (!is_get(method) || (!first && *upload_size == 0))
		return false;
	*upload_size = 0;
	return true;
}

/* MHD_NO closes the connection. */
static enum MHD_Result on_request(void *cookie,
                                  struct MHD_Connection *connection,
                                  const char *path, const char *method,
                                  const char *version, const char *upload,
                                  size_t *upload_size, void **of_request)
{
	struct admin_http_reply reply = {
	    .status = MHD_HTTP_OK,
	    .type = "text/plain; charset=utf-8",
	};
	char *text = NULL;
	size_t size = 0;
	FILE *body;

	if (wait_for_end(method, upload_size, of_request))
		return MHD_YES;
	body = open_memstream(&text, &size);
	(void)version;
	(void)upload;
	if (!body)
		return MHD_NO;
	write_body(cookie, path, method, body, &reply);
	if (fclose(body) != 0) {
		free(text);
		return MHD_NO;
	}
	return respond(connection, text, size, &reply);
}

/* Does what there is to do, and comes back when the daemon wants to. */
static void turn(struct admin_http *h)
{
	unsigned long long ms;

	MHD_run(h->daemon);
	ev_timer_stop(h->loop, &h->timer);
	if (MHD_get_timeout(h->daemon, &ms) != MHD_YES)
		return;
	ev_timer_set(&h->timer, (double)ms / 1e3, 0.);
	ev_timer_start(h->loop, &h->timer);
}

static void on_io(struct ev_loop *loop, ev_io *io, int revents)
{
	(void)loop;
	(void)revents;
	turn(io->data);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	turn(timer->data);
}

struct admin_http *admin_http_new(struct ev_loop *loop, int fd,
                                  admin_http_answer *answer, void *cookie)
{
	struct admin_http *h = calloc(1, sizeof(*h));
	const union MHD_DaemonInfo *info;

	if (h)
		h->daemon = MHD_start_daemon(
		    MHD_USE_EPOLL, 0, NULL, NULL, on_request, h,
		    MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		    (unsigned)ADMIN_HTTP_CONNECTIONS_MAX,
		    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)ADMIN_HTTP_IDLE_S,
		    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_MAX,
		    MHD_OPTION_END);
	if (!h || !h->daemon) {
		free(h);
		close(fd);
		return NULL;
	}
	h->loop = loop;
	h->answer = answer;
	h->cookie = cookie;
	info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	ev_io_init(&h->io, on_io, info->epoll_fd, EV_READ);
	h->io.data = h;
	ev_io_start(loop, &h->io);
	ev_timer_init(&h->timer, on_timer, 0., 0.);
	h->timer.data = h;
	return h;
}

void admin_http_free(struct admin_http *h)
{
	if (!h)
		return;
	ev_io_stop(h->loop, &h->io);
	ev_timer_stop(h->loop, &h->timer);
	MHD_stop_daemon(h->daemon);
	free(h);
}
