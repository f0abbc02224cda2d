#include "agent/admin/admin.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "agent/admin/admin_page.h"
#include "agent/clock.h"
#include "agent/log.h"

/* An event loop turns twice a second; one that has not for so long hangs. */
static const double BEAT_S = 5.;

bool admin_is_lmdb(const struct admin *a)
{
	return strcmp(a->store_driver, "lmdb") == 0;
}

const char *admin_durability(const struct admin *a)
{
	if (!admin_is_lmdb(a))
		return "";
	return a->durability == STORE_DURABILITY_COMMIT ? "commit" : "none";
}

/* --- what is answered --- */

static void answer_metrics(struct admin *a, FILE *body,
                           struct admin_http_reply *reply)
{
	reply->type = "text/plain; version=0.0.4; charset=utf-8";
	admin_metrics_write(a, body);
}

static void answer_alive(struct admin *a, FILE *body,
                         struct admin_http_reply *reply)
{
	if (admin_health_alive(a, body))
		fputs("alive\n", body);
	else
		reply->status = 503;
}

static void answer_ready(struct admin *a, FILE *body,
                         struct admin_http_reply *reply)
{
	if (admin_health_ready(a, body))
		fputs("ready\n", body);
	else
		reply->status = 503;
}

static void answer_page(struct admin *a, FILE *body,
                        struct admin_http_reply *reply)
{
	admin_page_write(a, body, reply);
}

static const struct {
	const char *path;
	void (*answer)(struct admin *a, FILE *body,
	               struct admin_http_reply *reply);
} routes[] = {
    {"/", answer_page},
    {"/metrics", answer_metrics},
    {"/healthz", answer_alive},
    {"/readyz", answer_ready},
};

static bool on_get(void *cookie, const char *path, FILE *body,
                   struct admin_http_reply *ret_reply)
{
	struct admin *a = cookie;

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (strcmp(routes[i].path, path) != 0)
			continue;
		status_report(a->status, &a->report);
		routes[i].answer(a, body, ret_reply);
		return true;
	}
	return false;
}

/* --- the thread --- */

static void on_beat(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct admin *a = timer->data;
	size_t stuck;

	(void)loop;
	(void)revents;
	a->stuck =
	    status_turns(a->status, &stuck) ? ADMIN_NO_WORKER : (ssize_t)stuck;
}

static void on_sample(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct admin *a = timer->data;

	(void)loop;
	(void)revents;
	status_report(a->status, &a->report);
	admin_samples_add(&a->samples, &a->report, clock_moment().monotonic_us);
}

static void on_stop(struct ev_loop *loop, ev_async *async, int revents)
{
	(void)async;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

static void *run(void *cookie)
{
	struct admin *a = cookie;

	ev_run(a->loop, 0);
	return NULL;
}

static void open_door(struct admin *a, const struct config *config,
                      const struct address *address)
{
	char error[256] = "out of memory or descriptors";
	char text[ADDRESS_TEXT_SIZE];
	int fd = address_listen(address, ADMIN_HTTP_CONNECTIONS_MAX,
	                        config->admin_unix_mode, error, sizeof(error));
	struct admin_http *door = NULL;

	if (fd >= 0) {
		address_format_bound(fd, text, sizeof(text));
		door = admin_http_new(a->loop, fd, on_get, a);
	}
	if (!door) {
		log_event(LOG_ADMIN_FAILED, LOG_TEXT("error", error));
		return;
	}
	a->doors[a->n_doors++] = door;
	log_event(LOG_LISTENING, LOG_TEXT("address", text),
	          LOG_TEXT("for", "admin"));
}

static bool start(struct admin *a)
{
	/* Signals are the main thread's. */
	sigset_t all;
	sigset_t old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	a->running = pthread_create(&a->thread, NULL, run, a) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return a->running;
}

static void set_up(struct admin *a, const struct config *config)
{
	ev_async_init(&a->stop, on_stop);
	ev_async_start(a->loop, &a->stop);
	ev_timer_init(&a->beat, on_beat, BEAT_S, BEAT_S);
	a->beat.data = a;
	ev_timer_start(a->loop, &a->beat);
	a->stuck = ADMIN_NO_WORKER;
	ev_timer_init(&a->sample, on_sample, 0., ADMIN_SAMPLES_EVERY_S);
	a->sample.data = a;
	ev_timer_start(a->loop, &a->sample);
	snprintf(a->store_driver, sizeof(a->store_driver), "%s",
	         config->store_driver);
	a->durability = config->store_durability;
	a->store_max_size = config->store_max_size;
	admin_census_start(&a->census, a->loop, a->store);
}

static bool has_memory(const struct admin *a)
{
	if (!a || !a->loop || !a->probe.client)
		log_event(LOG_ADMIN_FAILED, LOG_TEXT("error", "out of memory"));
	return a && a->loop && a->probe.client;
}

struct admin *admin_new(struct status *status, struct store *store,
                        const struct config *config)
{
	struct admin *a;

	if (config->n_admin_listen == 0)
		return NULL;
	a = calloc(1, sizeof(*a));
	if (a) {
		a->status = status;
		a->store = store;
		a->loop = ev_loop_new(EVFLAG_AUTO);
	}
	if (a && a->loop)
		admin_probe_start(&a->probe, a->loop, store);
	if (!has_memory(a)) {
		admin_free(a);
		return NULL;
	}
	set_up(a, config);
	for (size_t i = 0; i < config->n_admin_listen; i++)
		open_door(a, config, &config->admin_listen[i]);
	if (a->n_doors == 0 || !start(a)) {
		admin_free(a);
		return NULL;
	}
	return a;
}

void admin_free(struct admin *a)
{
	if (!a)
		return;
	if (a->running) {
		ev_async_send(a->loop, &a->stop);
		pthread_join(a->thread, NULL);
	}
	while (a->n_doors > 0)
		admin_http_free(a->doors[--a->n_doors]);
	if (a->census.loop)
		admin_census_stop(&a->census);
	if (a->probe.client)
		admin_probe_stop(&a->probe);
	if (a->loop)
		ev_loop_destroy(a->loop);
	free(a);
}
