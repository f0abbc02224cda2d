/* tests/tools/ack_agent.c: the agent that only answers: what SPOP itself
 * costs, for the benchmark to compare ours with.
 *
 *     ack_agent [--gather] --listen ADDRESS [--listen ADDRESS]...
 *
 * Each frame goes in a write of its own, or, with --gather, with others, as
 * ours go.
 * Every `idem-check` gets the verdict `proceed` and a ticket as long as ours,
 * every `idem-complete` the outcome `stored`, and both a time when they expire:
 * HAProxy has as much to do with these answers as with ours. Ends on SIGTERM
 * and SIGINT, when what is in flight is answered. */
#include <ev.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/net/address.h"
#include "agent/net/listener.h"
#include "agent/net/server.h"
#include "spoe/message.h"

enum {
	LISTENERS_MAX = 8,
	BACKLOG = 1024,
	UNIX_MODE = 0666,
	MAX_IN_FLIGHT = 128,
	HELLO_TIMEOUT_MS = 10000,
};

static const double DRAIN_S = 2.;

/* A Unix time as any other. */
static const int64_t EXPIRES_S = 1800000000;

/* As many characters as a ticket of ours has. */
static const char TICKET[] = "0123456789abcdefghijklmnopqrstuvwxyz"
			     "0123456789abcdefghijklmnopqrstuvwxyz";
_Static_assert(sizeof(TICKET) - 1 == 72, "the ticket has 72 characters");

struct agent {
	struct ev_loop *loop;
	struct server *server;
	struct listener *listeners[LISTENERS_MAX];
	size_t n_listeners;
	ev_signal terminate;
	ev_signal interrupt;
	ev_timer drained;
	bool draining;
};

static void set(struct spoe_ack *ack, const char *name, const char *value)
{
	struct spoe_data data = spoe_data_string(spoe_span_of(value));

	spoe_ack_set(ack, SPOE_SCOPE_TRANSACTION, name, &data);
}

static void set_expires(struct spoe_ack *ack)
{
	struct spoe_data data = spoe_data_int64(EXPIRES_S);

	spoe_ack_set(ack, SPOE_SCOPE_TRANSACTION, "expires", &data);
}

static void on_notify(void *cookie, struct notify *n, struct spoe_span payload)
{
	struct spoe_message message = spoe_message(payload);
	struct spoe_ack ack;

	(void)cookie;
	notify_ack_begin(n, &ack);
	while (spoe_message_next(&message)) {
		struct spoe_span name;
		struct spoe_data value;

		while (spoe_message_arg(&message, &name, &value))
			continue;
		if (spoe_span_equal(message.name, spoe_span_of("idem-check"))) {
			set(&ack, "verdict", "proceed");
			set(&ack, "ticket", TICKET);
			set_expires(&ack);
		} else if (spoe_span_equal(message.name,
		                           spoe_span_of("idem-complete"))) {
			set(&ack, "outcome", "stored");
			set_expires(&ack);
		}
	}
	/* An ACK must do something (HAPROXY.md 1.3). */
	if (ack.empty)
		spoe_ack_unset(&ack, SPOE_SCOPE_TRANSACTION, "outcome");
	notify_ack_send(n, &ack);
}

static void on_gone(void *cookie, struct notify *n)
{
	/* Every NOTIFY is answered at once. */
	(void)cookie;
	(void)n;
}

static void on_told(void *cookie, struct notify *n)
{
	/* No ACK is tracked. */
	(void)cookie;
	(void)n;
}

static void on_ready(void *cookie, const struct connection *c)
{
	(void)cookie;
	(void)c;
}

static void end_if_drained(struct agent *a)
{
	if (a->draining && server_connections(a->server) == 0)
		ev_break(a->loop, EVBREAK_ALL);
}

static void on_closed(void *cookie, struct connection *c,
                      enum connection_end end, enum spoe_status status)
{
	(void)c;
	if (end == CONNECTION_END_PROTOCOL)
		fprintf(stderr, "protocol error: %s\n",
		        spoe_frame_status_text(status));
	end_if_drained(cookie);
}

static const struct connection_handler connection_handler = {
    .notify = on_notify,
    .gone = on_gone,
    .told = on_told,
    .ready = on_ready,
    .closed = on_closed,
};

static void on_accepted(void *cookie, int fd)
{
	struct agent *a = cookie;

	server_adopt(a->server, fd, NULL);
}

static void on_failed(void *cookie, int error)
{
	(void)cookie;
	fprintf(stderr, "cannot accept: %s\n", strerror(error));
}

static const struct listener_handler listener_handler = {
    .accepted = on_accepted,
    .failed = on_failed,
};

static void on_drain_end(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)timer;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

static void close_listeners(struct agent *a)
{
	while (a->n_listeners > 0)
		listener_free(a->listeners[--a->n_listeners]);
}

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int revents)
{
	struct agent *a = watcher->data;

	(void)revents;
	a->draining = true;
	close_listeners(a);
	server_drain(a->server);
	ev_timer_start(loop, &a->drained);
	end_if_drained(a);
}

static void start_signal(struct agent *a, ev_signal *watcher, int number)
{
	ev_signal_init(watcher, on_signal, number);
	watcher->data = a;
	ev_signal_start(a->loop, watcher);
}

static bool add_listener(struct agent *a, const char *text)
{
	struct address address;
	char error[256] = "too many addresses";
	int fd;

	if (a->n_listeners == LISTENERS_MAX ||
	    address_parse(text, &address, error, sizeof(error)) < 0 ||
	    (fd = address_listen(&address, BACKLOG, UNIX_MODE, error,
	                         sizeof(error))) < 0) {
		fprintf(stderr, "%s: %s\n", text, error);
		return false;
	}
	a->listeners[a->n_listeners] =
	    listener_new(a->loop, fd, &listener_handler, a);
	if (!a->listeners[a->n_listeners])
		return false;
	a->n_listeners++;
	return true;
}

static bool parse_options(struct agent *a, int argc, char **argv,
                          struct connection_options *ret_options)
{
	static const struct option options[] = {
	    {"gather", no_argument, NULL, 'g'},
	    {"listen", required_argument, NULL, 'l'},
	    {NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "gl:", options, NULL)) != -1)
		if (option == 'g') {
			ret_options->gather_packet = CONNECTION_GATHER_PACKET;
			ret_options->gather_local = CONNECTION_GATHER_LOCAL;
		} else if (option != 'l' || !add_listener(a, optarg))
			return false;
	return optind == argc && a->n_listeners > 0;
}

int main(int argc, char **argv)
{
	struct connection_options options = {
	    .session = {.max_frame_size = SPOE_FRAME_MAX},
	    .max_in_flight = MAX_IN_FLIGHT,
	    .hello_timeout_ms = HELLO_TIMEOUT_MS,
	    .handler = &connection_handler,
	};
	struct agent a = {.loop = ev_default_loop(EVFLAG_AUTO)};

	options.cookie = &a;
	if (!a.loop || !parse_options(&a, argc, argv, &options)) {
		fprintf(stderr, "usage: %s [--gather] --listen ADDRESS...\n",
		        argv[0]);
		return EXIT_FAILURE;
	}
	a.server = server_new(a.loop, &options);
	if (!a.server)
		return EXIT_FAILURE;
	start_signal(&a, &a.terminate, SIGTERM);
	start_signal(&a, &a.interrupt, SIGINT);
	ev_timer_init(&a.drained, on_drain_end, DRAIN_S, 0.);
	ev_run(a.loop, 0);
	close_listeners(&a);
	server_free(a.server);
	ev_loop_destroy(a.loop);
	return EXIT_SUCCESS;
}
