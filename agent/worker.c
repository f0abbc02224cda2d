#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/engines.h"
#include "agent/log.h"
#include "agent/net/tls.h"
#include "agent/store/store.h"
#include "agent/worker_private.h"

static const double BEAT_S = 0.5;
static const double DRAIN_BEAT_S = 0.01;

/* The stack of a worker's thread: its frames are small, its buffers on the
 * heap. */
enum { STACK_SIZE = 256 << 10 };

static void on_notify(void *cookie, struct notify *n, struct spoe_span payload)
{
	struct worker *w = cookie;

	service_notify(w->service, n, payload);
}

static void on_gone(void *cookie, struct notify *n)
{
	struct worker *w = cookie;

	service_gone(w->service, n);
}

static void on_told(void *cookie, struct notify *n)
{
	struct worker *w = cookie;

	service_told(w->service, n);
}

static void on_ready(void *cookie, const struct connection *c)
{
	struct worker *w = cookie;
	const struct spoe_session *session = connection_session(c);

	counter_add(&w->counters.ready, 1);
	engines_join(w->shared->engines, session);
	if (log_enabled(LOG_CONNECTION_READY))
		log_event(LOG_CONNECTION_READY,
		          LOG_TEXT("engine", session->engine_id),
		          LOG_INT("max_frame_size", session->max_frame_size),
		          LOG_INT("pipelining", session->pipelining));
}

static void forget_connection(struct worker *w)
{
	atomic_fetch_sub(&w->connections, 1);
	atomic_fetch_sub(&w->shared->connections, 1);
	w->shared->released(w->shared);
}

static void log_tls_failed(const struct connection *c)
{
	char peer[ADDRESS_TEXT_SIZE];

	connection_peer(c, peer, sizeof(peer));
	log_event(LOG_TLS_FAILED, LOG_TEXT("peer", peer),
	          LOG_TEXT("error", connection_failure(c)));
}

static size_t status_row(enum spoe_status status)
{
	static const enum spoe_status rows[REPORT_SPOE_STATUSES] = {
#define SPOE_STATUS(name, code, text) SPOE_STATUS_##name,
#include "spoe/status.def"
#undef SPOE_STATUS
	};
	size_t row = 0;

	while (row < REPORT_SPOE_STATUSES - 1 && rows[row] != status)
		row++;
	return row;
}

static void count_closed(struct worker *w, const struct connection *c,
                         enum connection_end end, enum spoe_status status)
{
	counter_add(&w->counters.closed[end], 1);
	if (end == CONNECTION_END_PROTOCOL)
		counter_add(&w->counters.protocol_errors[status_row(status)],
		            1);
	if (!connection_was_ready(c))
		return;
	counter_sub(&w->counters.ready, 1);
	engines_leave(w->shared->engines, connection_session(c));
}

static void on_closed(void *cookie, struct connection *c,
                      enum connection_end end, enum spoe_status status)
{
	struct worker *w = cookie;
	enum log_event event = end == CONNECTION_END_PROTOCOL
	                           ? LOG_PROTOCOL_ERROR
	                           : LOG_CONNECTION_CLOSED;

	count_closed(w, c, end, status);
	if (end == CONNECTION_END_TLS)
		log_tls_failed(c);
	else if (log_enabled(event))
		log_event(event, LOG_TEXT("end", connection_end_text(end)),
		          LOG_INT("status", status),
		          LOG_TEXT("text", spoe_frame_status_text(status)),
		          LOG_TEXT("engine", connection_session(c)->engine_id));
	forget_connection(w);
}

static const struct connection_handler handler = {
    .notify = on_notify,
    .gone = on_gone,
    .told = on_told,
    .ready = on_ready,
    .closed = on_closed,
};

static void adopt_all(struct worker *w, const struct arrival *arrivals,
                      size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (server_adopt(w->server, arrivals[i].fd, arrivals[i].tls))
			counter_add(&w->counters.opened, 1);
		else
			forget_connection(w);
		tls_unref(arrivals[i].tls);
	}
}

static void drain(struct worker *w)
{
	server_drain(w->server);
	service_drain(w->service);
	/* From now on somebody waits for worker_busy(). */
	w->beat.repeat = DRAIN_BEAT_S;
	ev_timer_again(w->loop, &w->beat);
}

static void on_wake(struct ev_loop *loop, ev_async *async, int revents)
{
	struct worker *w = async->data;
	struct mailbox taken;

	(void)revents;
	pthread_mutex_lock(&w->mailbox.lock);
	taken = w->mailbox;
	w->mailbox.arrivals = NULL;
	w->mailbox.n_arrivals = 0;
	w->mailbox.arrivals_capacity = 0;
	w->mailbox.config = NULL;
	w->mailbox.drain = false;
	w->mailbox.log_stats = false;
	pthread_mutex_unlock(&w->mailbox.lock);

	adopt_all(w, taken.arrivals, taken.n_arrivals);
	free(taken.arrivals);
	if (taken.config) {
		service_set_config(w->service, taken.config);
		if (w->notices)
			notices_set_config(w->notices, taken.config);
		config_unref(taken.config);
	}
	if (taken.drain)
		drain(w);
	if (taken.log_stats)
		worker_report_log(w);
	if (taken.stop && w->own_loop)
		ev_break(loop, EVBREAK_ALL);
}

static void note_busy(struct worker *w)
{
	size_t busy = service_exchanges(w->service);

	if (w->notices)
		busy += notices_busy(w->notices);
	atomic_store_explicit(&w->busy, busy, memory_order_relaxed);
}

static void on_beat(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct worker *w = timer->data;

	(void)loop;
	(void)revents;
	note_busy(w);
	atomic_fetch_add_explicit(&w->beats, 1, memory_order_relaxed);
}

/* What this turn had to say is said, and the loop is about to wait. */
static void on_wait(struct ev_loop *loop)
{
	struct worker *w = ev_userdata(loop);
	const uint64_t now_us = clock_moment().monotonic_us;

	if (!yielding_due(&w->yielding, server_counters(w->server)->frames_in,
	                  now_us))
		return;
	sched_yield();
	yielding_done(&w->yielding, now_us, clock_moment().monotonic_us);
}

static struct server *new_server(struct worker *w, const struct config *config)
{
	struct connection_options options = {
	    .session = {.max_frame_size = (uint32_t)config->max_frame_size,
	                .pipelining = config->pipelining},
	    .max_in_flight = config->max_in_flight,
	    .gather_packet = CONNECTION_GATHER_PACKET,
	    .gather_local = CONNECTION_GATHER_LOCAL,
	    .hello_timeout_ms = config->hello_timeout_ms,
	    .idle_timeout_ms = config->idle_timeout_ms,
	    .handler = &handler,
	    .cookie = w,
	};

	return server_new(w->loop, &options);
}

static bool set_up(struct worker *w, struct config *config)
{
	w->store = store_attach(w->shared->store, w->loop);
	if (!w->store)
		return false;
	w->service = service_new(w->loop, w->store, w->shared->waiters,
	                         &w->meter, config);
	if (!w->service)
		return false;
	w->server = new_server(w, config);
	if (!w->server)
		return false;
	ev_async_init(&w->wake, on_wake);
	w->wake.data = w;
	ev_async_start(w->loop, &w->wake);
	ev_timer_init(&w->beat, on_beat, BEAT_S, BEAT_S);
	w->beat.data = w;
	ev_timer_start(w->loop, &w->beat);
	ev_set_userdata(w->loop, w);
	ev_set_loop_release_cb(w->loop, on_wait, NULL);
	return true;
}

struct worker *worker_new(struct worker_shared *shared, struct config *config,
                          struct ev_loop *loop)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->shared = shared;
	w->own_loop = !loop;
	w->loop = loop ? loop : ev_loop_new(EVFLAG_AUTO);
	pthread_mutex_init(&w->mailbox.lock, NULL);
	if (!w->loop || !set_up(w, config)) {
		worker_free(w);
		return NULL;
	}
	return w;
}

static void on_line(void *cookie, struct spoe_span line)
{
	struct worker *w = cookie;

	notices_line(w->notices, line);
}

static void on_dropped(void *cookie, uint64_t datagrams)
{
	struct worker *w = cookie;

	notices_dropped(w->notices, datagrams);
}

static const struct syslog_handler syslog_handler = {
    .line = on_line,
    .dropped = on_dropped,
};

/* Takes over `fd`; -1 is the caller's failure, and said already. */
static int add_syslog(struct worker *w, int fd, char *reterr_text,
                      size_t reterr_size)
{
	struct syslog *s;

	if (fd < 0)
		return -1;
	s = syslog_new(w->loop, fd, &syslog_handler, w);
	if (!s) {
		snprintf(reterr_text, reterr_size, "out of memory");
		close(fd);
		return -1;
	}
	w->syslogs[w->n_syslogs++] = s;
	return 0;
}

static void log_listening(int fd, const char *what)
{
	char text[ADDRESS_TEXT_SIZE];

	address_format_bound(fd, text, sizeof(text));
	log_event(LOG_LISTENING, LOG_TEXT("address", text),
	          LOG_TEXT("for", what));
}

/* UDP and TCP, or Unix datagrams. */
static int open_notices(struct worker *w, const struct config *config,
                        const struct address *address, char *reterr_text,
                        size_t reterr_size)
{
	int fd = address_receive(address, config->unix_mode, reterr_text,
	                         reterr_size);

	if (add_syslog(w, fd, reterr_text, reterr_size) < 0)
		return -1;
	log_listening(fd, "notices, datagrams");
	if (address->storage.ss_family == AF_UNIX)
		return 0;
	fd = address_listen(address, (int)config->backlog, config->unix_mode,
	                    reterr_text, reterr_size);
	if (add_syslog(w, fd, reterr_text, reterr_size) < 0)
		return -1;
	log_listening(fd, "notices, TCP");
	return 0;
}

int worker_listen_notices(struct worker *w, struct config *config,
                          char *reterr_text, size_t reterr_size)
{
	if (config->n_notices_listen == 0)
		return 0;
	w->notices =
	    notices_new(w->store, w->shared->waiters, &w->meter, config);
	if (!w->notices) {
		snprintf(reterr_text, reterr_size, "out of memory");
		return -1;
	}
	for (size_t i = 0; i < config->n_notices_listen; i++)
		if (open_notices(w, config, &config->notices_listen[i],
		                 reterr_text, reterr_size) < 0)
			return -1;
	return 0;
}

void worker_rest(struct worker *w)
{
	store_rest(w->store);
}

static void *run(void *cookie)
{
	struct worker *w = cookie;

	ev_run(w->loop, 0);
	worker_rest(w);
	return NULL;
}

bool worker_start(struct worker *w)
{
	pthread_attr_t attributes;
	int failed;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	failed = pthread_create(&w->thread, &attributes, run, w);
	pthread_attr_destroy(&attributes);
	w->running = failed == 0;
	return w->running;
}

static bool mailbox_add(struct mailbox *m, int fd, struct tls *tls)
{
	if (m->n_arrivals == m->arrivals_capacity) {
		size_t capacity =
		    m->arrivals_capacity ? 2 * m->arrivals_capacity : 16;
		struct arrival *arrivals =
		    realloc(m->arrivals, capacity * sizeof(*arrivals));

		if (!arrivals)
			return false;
		m->arrivals = arrivals;
		m->arrivals_capacity = capacity;
	}
	m->arrivals[m->n_arrivals++] = (struct arrival){fd, tls_ref(tls)};
	return true;
}

void worker_adopt(struct worker *w, int fd, struct tls *tls)
{
	bool added;

	atomic_fetch_add(&w->connections, 1);
	atomic_fetch_add(&w->shared->connections, 1);
	pthread_mutex_lock(&w->mailbox.lock);
	added = mailbox_add(&w->mailbox, fd, tls);
	pthread_mutex_unlock(&w->mailbox.lock);
	if (!added) {
		close(fd);
		forget_connection(w);
		return;
	}
	ev_async_send(w->loop, &w->wake);
}

void worker_set_config(struct worker *w, struct config *config)
{
	struct config *unseen;

	pthread_mutex_lock(&w->mailbox.lock);
	unseen = w->mailbox.config;
	w->mailbox.config = config_ref(config);
	pthread_mutex_unlock(&w->mailbox.lock);
	config_unref(unseen);
	ev_async_send(w->loop, &w->wake);
}

static void mailbox_flag(struct worker *w, bool *flag)
{
	pthread_mutex_lock(&w->mailbox.lock);
	*flag = true;
	pthread_mutex_unlock(&w->mailbox.lock);
	ev_async_send(w->loop, &w->wake);
}

void worker_drain(struct worker *w)
{
	mailbox_flag(w, &w->mailbox.drain);
}

size_t worker_connections(struct worker *w)
{
	return atomic_load(&w->connections);
}

size_t worker_busy(struct worker *w)
{
	return atomic_load_explicit(&w->busy, memory_order_relaxed);
}

uint64_t worker_beats(struct worker *w)
{
	return atomic_load_explicit(&w->beats, memory_order_relaxed);
}

void worker_log_stats(struct worker *w)
{
	mailbox_flag(w, &w->mailbox.log_stats);
}

void worker_stop(struct worker *w)
{
	if (!w->running)
		return;
	mailbox_flag(w, &w->mailbox.stop);
	pthread_join(w->thread, NULL);
	w->running = false;
}

static void mailbox_fini(struct mailbox *m)
{
	for (size_t i = 0; i < m->n_arrivals; i++) {
		close(m->arrivals[i].fd);
		tls_unref(m->arrivals[i].tls);
	}
	free(m->arrivals);
	config_unref(m->config);
	pthread_mutex_destroy(&m->lock);
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	if (w->loop) {
		ev_set_loop_release_cb(w->loop, NULL, NULL);
		ev_async_stop(w->loop, &w->wake);
		ev_timer_stop(w->loop, &w->beat);
	}
	while (w->n_syslogs > 0)
		syslog_free(w->syslogs[--w->n_syslogs]);
	server_free(w->server);
	notices_free(w->notices);
	service_free(w->service);
	store_detach(w->store);
	mailbox_fini(&w->mailbox);
	if (w->own_loop && w->loop)
		ev_loop_destroy(w->loop);
	free(w);
}
