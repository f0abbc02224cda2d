#include "agent/daemon.h"

#include <ev.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "agent/admin/admin.h"
#include "agent/clock.h"
#include "agent/engines.h"
#include "agent/log.h"
#include "agent/sockets.h"
#include "agent/status.h"
#include "agent/store/store.h"
#include "agent/waiters.h"
#include "agent/worker.h"

static const double DRAIN_LOOK_S = 0.01;
static const double CLOCK_LOOK_S = 10.;

enum { CLOCK_AHEAD_MS = 1000 };

struct daemon {
	struct worker_shared shared; /* first: workers know only this */
	struct ev_loop *loop;
	struct config *config;   /* in force */
	struct config *first;    /* of the start: what a reload cannot change */
	struct sockets *sockets; /* NULL: closed, it drains */
	struct worker **workers;
	size_t n_workers;
	struct status *status;
	struct admin *admin; /* NULL: there is none */
	bool accepting;
	bool draining;
	bool cut; /* the drain was ended with work in flight */
	ev_signal terminate;
	ev_signal interrupt;
	ev_signal hangup;
	ev_signal user1;
	ev_async released; /* a connection ended while accepting was off */
	ev_timer drain_look;
	ev_timer drain_end;
	ev_timer watchdog;
	ev_timer clock_look;
	bool clock_was_back;
	uint64_t *beats_seen; /* one per worker */
};

/* The worker with the fewest connections. */
static struct worker *pick_worker(const struct daemon *d)
{
	struct worker *best = d->workers[0];

	for (size_t i = 1; i < d->n_workers; i++)
		if (worker_connections(d->workers[i]) <
		    worker_connections(best))
			best = d->workers[i];
	return best;
}

static void set_accepting(struct daemon *d, bool accepting)
{
	if (d->accepting == accepting)
		return;
	d->accepting = accepting;
	sockets_pause(d->sockets, !accepting);
	status_set_accepting(d->status, accepting);
}

/* Accepts only while there is room: refusing a HELLO instead would make
 * HAProxy 3.0 and older connect again in a tight loop (HAPROXY.md 2). */
static void check_room(struct daemon *d)
{
	bool room =
	    atomic_load(&d->shared.connections) < d->config->max_connections;

	if (!room && d->accepting)
		log_event(LOG_CONNECTIONS_FULL,
		          LOG_INT("max", d->config->max_connections));
	set_accepting(d, room);
}

static void on_accepted(void *cookie, int fd, struct tls *tls)
{
	struct daemon *d = cookie;

	worker_adopt(pick_worker(d), fd, tls);
	check_room(d);
}

static void on_accept_failed(void *cookie, int error)
{
	(void)cookie;
	log_event(LOG_ACCEPT_FAILED, LOG_TEXT("error", strerror(error)));
}

static void on_worker_released(struct worker_shared *shared)
{
	struct daemon *d = (struct daemon *)shared;

	ev_async_send(d->loop, &d->released);
}

static void on_released(struct ev_loop *loop, ev_async *async, int revents)
{
	struct daemon *d = async->data;

	(void)loop;
	(void)revents;
	if (!d->draining && !d->accepting)
		check_room(d);
}

static void close_sockets(struct daemon *d)
{
	sockets_close(d->sockets);
	d->sockets = NULL;
}

static bool all_idle(const struct daemon *d)
{
	for (size_t i = 0; i < d->n_workers; i++)
		if (worker_connections(d->workers[i]) > 0 ||
		    worker_busy(d->workers[i]) > 0)
			return false;
	return true;
}

static void on_drain_look(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct daemon *d = timer->data;

	(void)revents;
	if (all_idle(d))
		ev_break(loop, EVBREAK_ALL);
}

static void cut_drain(struct daemon *d)
{
	d->cut = !all_idle(d);
	if (d->cut)
		log_event(LOG_DRAIN_CUT);
	ev_break(d->loop, EVBREAK_ALL);
}

static void on_drain_end(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	cut_drain(timer->data);
}

static void on_terminate(struct ev_loop *loop, ev_signal *watcher, int revents)
{
	struct daemon *d = watcher->data;

	(void)revents;
	if (d->draining) {
		cut_drain(d);
		return;
	}
	d->draining = true;
	status_set_draining(d->status);
	sd_notify(0, "STOPPING=1\nSTATUS=Draining");
	log_event(LOG_STOPPING, LOG_INT("signal", watcher->signum));
	close_sockets(d);
	for (size_t i = 0; i < d->n_workers; i++)
		worker_drain(d->workers[i]);
	ev_timer_set(&d->drain_end, (double)d->config->drain_timeout_ms / 1e3,
	             0.);
	ev_timer_start(loop, &d->drain_end);
	ev_timer_start(loop, &d->drain_look);
}

/* The mistakes of a file, line by line, into the log. */
static void log_mistakes(char *text)
{
	char *rest = text;
	char *line;

	while ((line = strsep(&rest, "\n")))
		if (*line)
			log_event(LOG_RELOAD_FAILED, LOG_TEXT("error", line));
}

static struct config *load_again(const struct daemon *d)
{
	char *text = NULL;
	size_t size = 0;
	FILE *errors = open_memstream(&text, &size);
	struct config *config = NULL;

	if (errors) {
		config = config_load(d->config->path, errors);
		fclose(errors);
	}
	if (!config && text)
		log_mistakes(text);
	else if (!config)
		log_event(LOG_RELOAD_FAILED,
		          LOG_TEXT("error", "out of memory"));
	free(text);
	return config;
}

static void put_in_force(struct daemon *d, struct config *config)
{
	char changed[STATUS_TEXT_SIZE];

	config_restart_needed(d->first, config, changed, sizeof(changed));
	if (changed[0])
		log_event(LOG_RESTART_NEEDED, LOG_TEXT("options", changed));
	log_set_level(config->log_level);
	for (size_t i = 0; i < d->n_workers; i++)
		worker_set_config(d->workers[i], config);
	status_reloaded(d->status, config, changed);
	status_set_certificate(d->status,
	                       sockets_certificate_until(d->sockets));
	config_unref(d->config);
	d->config = config;
	log_event(LOG_RELOADED, LOG_INT("policies", config->n_policies));
}

static void on_hangup(struct ev_loop *loop, ev_signal *watcher, int revents)
{
	struct daemon *d = watcher->data;
	struct config *config;
	char error[512];

	(void)loop;
	(void)revents;
	if (d->draining)
		return;
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
	           (unsigned long long)clock_monotonic_ms() * 1000);
	config = load_again(d);
	if (config &&
	    sockets_reload(d->sockets, config, error, sizeof(error)) < 0) {
		log_event(LOG_RELOAD_FAILED, LOG_TEXT("error", error));
		config_unref(config);
		config = NULL;
	}
	if (config)
		put_in_force(d, config);
	else
		status_reload_failed(d->status);
	sd_notify(0, "READY=1");
}

static void log_store_stats(struct daemon *d)
{
	struct store_stats s;

	store_stats(d->shared.store, &s);
	log_event(
	    LOG_STATS, LOG_TEXT("store", d->config->store_driver),
	    LOG_INT("granted", s.claims_granted),
	    LOG_INT("found", s.claims_found),
	    LOG_INT("settled", s.settles_done), LOG_INT("lost", s.settles_lost),
	    LOG_INT("failures", s.failures), LOG_INT("expired", s.expired),
	    LOG_INT("commits", s.commits), LOG_INT("commit_ops", s.commit_ops),
	    LOG_INT("records", s.records), LOG_INT("bytes_used", s.bytes_used),
	    LOG_INT("bytes_size", s.bytes_size),
	    LOG_INT("round_trips", s.round_trips),
	    LOG_INT("time_outs", s.time_outs), LOG_INT("connects", s.connects),
	    LOG_INT("orphans", s.orphans));
}

static void log_stats(struct daemon *d)
{
	log_store_stats(d);
	for (size_t i = 0; i < d->n_workers; i++)
		worker_log_stats(d->workers[i]);
}

static void on_user1(struct ev_loop *loop, ev_signal *watcher, int revents)
{
	(void)loop;
	(void)revents;
	log_stats(watcher->data);
}

/* Tells systemd that we live only while every worker's loop turns. */
static void on_watchdog(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct daemon *d = timer->data;
	bool alive = true;

	(void)loop;
	(void)revents;
	for (size_t i = 0; i < d->n_workers; i++) {
		uint64_t beats = worker_beats(d->workers[i]);

		alive = alive && beats != d->beats_seen[i];
		d->beats_seen[i] = beats;
	}
	if (alive)
		sd_notify(0, "WATCHDOG=1");
}

static void on_clock_look(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct daemon *d = timer->data;
	uint64_t ahead_ms;
	bool back;

	(void)loop;
	(void)revents;
	clock_now_ms();
	ahead_ms = clock_ahead_ms();
	back = ahead_ms > CLOCK_AHEAD_MS;
	if (back && !d->clock_was_back)
		log_event(LOG_CLOCK_BACK, LOG_INT("ahead_ms", ahead_ms));
	d->clock_was_back = back;
}

static void start_signal(struct daemon *d, ev_signal *watcher, int number,
                         void (*on_signal)(struct ev_loop *loop,
                                           ev_signal *watcher, int revents))
{
	ev_signal_init(watcher, on_signal, number);
	watcher->data = d;
	ev_signal_start(d->loop, watcher);
}

static void init_timer(struct daemon *d, ev_timer *timer, double every_s,
                       void (*on_timer)(struct ev_loop *loop, ev_timer *timer,
                                        int revents))
{
	ev_timer_init(timer, on_timer, every_s, every_s);
	timer->data = d;
}

static void start_watchers(struct daemon *d)
{
	uint64_t watchdog_us = 0;

	start_signal(d, &d->terminate, SIGTERM, on_terminate);
	start_signal(d, &d->interrupt, SIGINT, on_terminate);
	start_signal(d, &d->hangup, SIGHUP, on_hangup);
	start_signal(d, &d->user1, SIGUSR1, on_user1);
	signal(SIGPIPE, SIG_IGN);
	ev_async_init(&d->released, on_released);
	d->released.data = d;
	ev_async_start(d->loop, &d->released);
	init_timer(d, &d->drain_look, DRAIN_LOOK_S, on_drain_look);
	init_timer(d, &d->drain_end, 0., on_drain_end);
	init_timer(d, &d->clock_look, CLOCK_LOOK_S, on_clock_look);
	ev_timer_start(d->loop, &d->clock_look);
	if (sd_watchdog_enabled(0, &watchdog_us) > 0) {
		double every_s = (double)watchdog_us / 3e6;

		/* A worker beats twice a second: look no more often. */
		init_timer(d, &d->watchdog, every_s < 1. ? 1. : every_s,
		           on_watchdog);
		ev_timer_start(d->loop, &d->watchdog);
	}
}

static int open_sockets(struct daemon *d, char *reterr_text, size_t reterr_size)
{
	const struct sockets_handler handler = {
	    .cookie = d,
	    .accepted = on_accepted,
	    .failed = on_accept_failed,
	};

	return sockets_open(&d->sockets, d->loop, d->config, &handler,
	                    reterr_text, reterr_size);
}

static void on_store_event(enum store_event event, const char *text)
{
	static const enum log_event events[] = {
	    [STORE_EVENT_DOWN] = LOG_STORE_DOWN,
	    [STORE_EVENT_UP] = LOG_STORE_UP,
	    [STORE_EVENT_WARNING] = LOG_STORE_WARNING,
	};

	log_event(events[event], LOG_TEXT("text", text));
}

static int open_store(struct daemon *d, char *reterr_text, size_t reterr_size)
{
	struct store_options options = config_store_options(d->config);

	options.now_ms = clock_now_ms;
	options.report = on_store_event;
	return store_open(&d->shared.store, &options, reterr_text, reterr_size);
}

static int make_workers(struct daemon *d, char *reterr_text, size_t reterr_size)
{
	size_t n = d->config->threads;

	snprintf(reterr_text, reterr_size, "cannot make %zu worker(s): %s", n,
	         "out of memory or descriptors");
	d->workers = calloc(n, sizeof(struct worker *));
	d->beats_seen = calloc(n, sizeof(*d->beats_seen));
	if (!d->workers || !d->beats_seen)
		return -1;
	for (; d->n_workers < n; d->n_workers++) {
		struct worker *w = worker_new(
		    &d->shared, d->config, d->n_workers == 0 ? d->loop : NULL);

		if (!w)
			return -1;
		d->workers[d->n_workers] = w;
	}
	return 0;
}

static int make_status(struct daemon *d, char *reterr_text, size_t reterr_size)
{
	const struct status_sources sources = {
	    .store = d->shared.store,
	    .waiters = d->shared.waiters,
	    .engines = d->shared.engines,
	    .workers = d->workers,
	    .n_workers = d->n_workers,
	};

	snprintf(reterr_text, reterr_size, "out of memory");
	d->status = status_new(&sources, d->config);
	return d->status ? 0 : -1;
}

int daemon_new(struct daemon **ret_daemon, struct config *config,
               char *reterr_text, size_t reterr_size)
{
	struct daemon *d = calloc(1, sizeof(*d));

	snprintf(reterr_text, reterr_size, "out of memory");
	if (!d)
		return -1;
	d->config = config_ref(config);
	d->first = config_ref(config);
	d->shared.released = on_worker_released;
	d->accepting = true;
	d->loop = ev_default_loop(EVFLAG_AUTO);
	d->shared.waiters = waiters_new();
	d->shared.engines = engines_new();
	if (!d->loop || !d->shared.waiters || !d->shared.engines ||
	    open_store(d, reterr_text, reterr_size) < 0 ||
	    make_workers(d, reterr_text, reterr_size) < 0 ||
	    make_status(d, reterr_text, reterr_size) < 0 ||
	    worker_listen_notices(d->workers[0], config, reterr_text,
	                          reterr_size) < 0 ||
	    open_sockets(d, reterr_text, reterr_size) < 0) {
		daemon_free(d);
		return -1;
	}
	status_set_certificate(d->status,
	                       sockets_certificate_until(d->sockets));
	*ret_daemon = d;
	return 0;
}

static int start_workers(struct daemon *d)
{
	/* Signals are the main thread's. */
	sigset_t all;
	sigset_t old;
	int failed = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (size_t i = 1; i < d->n_workers && !failed; i++)
		failed = !worker_start(d->workers[i]);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return failed ? -1 : 0;
}

int daemon_run(struct daemon *d)
{
	start_watchers(d);
	if (start_workers(d) < 0) {
		log_event(LOG_START_FAILED,
		          LOG_TEXT("error", "no thread for a worker"));
		return -1;
	}
	d->admin = admin_new(d->status, d->shared.store, d->config);
	sd_notify(0, "READY=1\nSTATUS=Serving");
	log_event(LOG_STARTED, LOG_TEXT("version", PROJECT_VERSION),
	          LOG_INT("threads", d->n_workers),
	          LOG_TEXT("store", d->config->store_driver));
	ev_run(d->loop, 0);
	worker_rest(d->workers[0]);
	admin_free(d->admin);
	d->admin = NULL;
	for (size_t i = 1; i < d->n_workers; i++)
		worker_stop(d->workers[i]);
	log_store_stats(d);
	log_event(LOG_STOPPED);
	return d->cut ? -1 : 0;
}

void daemon_free(struct daemon *d)
{
	if (!d)
		return;
	close_sockets(d);
	for (size_t i = 0; i < d->n_workers; i++)
		worker_stop(d->workers[i]);
	for (size_t i = 0; i < d->n_workers; i++)
		worker_free(d->workers[i]);
	free(d->workers);
	free(d->beats_seen);
	status_free(d->status);
	engines_free(d->shared.engines);
	waiters_free(d->shared.waiters);
	store_close(d->shared.store);
	config_unref(d->config);
	config_unref(d->first);
	if (d->loop)
		ev_loop_destroy(d->loop);
	free(d);
}
