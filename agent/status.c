#include "agent/status.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/waiters.h"
#include "agent/worker.h"

struct status {
	struct status_sources sources;
	uint64_t started_ms;
	uint64_t *beats; /* of each worker, at the last status_turns() */

	pthread_mutex_t lock;
	struct config *config;
	char restart_needed[STATUS_TEXT_SIZE];
	uint64_t reloads;
	uint64_t reloads_failed;
	bool reload_failed;
	int64_t certificate_until_s;
	bool accepting;
	bool draining;
};

struct status *status_new(const struct status_sources *sources,
                          struct config *config)
{
	struct status *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->beats = calloc(sources->n_workers, sizeof(*s->beats));
	if (!s->beats) {
		free(s);
		return NULL;
	}
	pthread_mutex_init(&s->lock, NULL);
	s->sources = *sources;
	s->started_ms = clock_now_ms();
	s->config = config_ref(config);
	s->accepting = true;
	return s;
}

void status_free(struct status *s)
{
	if (!s)
		return;
	config_unref(s->config);
	pthread_mutex_destroy(&s->lock);
	free(s->beats);
	free(s);
}

void status_reloaded(struct status *s, struct config *config,
                     const char *restart_needed)
{
	struct config *old;

	pthread_mutex_lock(&s->lock);
	old = s->config;
	s->config = config_ref(config);
	s->reloads++;
	s->reload_failed = false;
	snprintf(s->restart_needed, sizeof(s->restart_needed), "%s",
	         restart_needed);
	pthread_mutex_unlock(&s->lock);
	config_unref(old);
}

void status_reload_failed(struct status *s)
{
	pthread_mutex_lock(&s->lock);
	s->reloads_failed++;
	s->reload_failed = true;
	pthread_mutex_unlock(&s->lock);
}

void status_set_certificate(struct status *s, int64_t until_s)
{
	pthread_mutex_lock(&s->lock);
	s->certificate_until_s = until_s;
	pthread_mutex_unlock(&s->lock);
}

void status_set_accepting(struct status *s, bool accepting)
{
	pthread_mutex_lock(&s->lock);
	s->accepting = accepting;
	pthread_mutex_unlock(&s->lock);
}

void status_set_draining(struct status *s)
{
	pthread_mutex_lock(&s->lock);
	s->draining = true;
	pthread_mutex_unlock(&s->lock);
}

static void report_own(struct status *s, struct report *report)
{
	pthread_mutex_lock(&s->lock);
	report->reloads = s->reloads;
	report->reloads_failed = s->reloads_failed;
	report->reload_failed = s->reload_failed;
	report->certificate_until_s = s->certificate_until_s;
	report->accepting = s->accepting;
	report->draining = s->draining;
	report->connections_max = s->config->max_connections;
	/* A row for each policy, also those that have had nothing to do. */
	for (size_t i = 0; i < s->config->n_policies; i++)
		tally_view_row(&report->verdicts, s->config->policies[i].name);
	pthread_mutex_unlock(&s->lock);
}

/* proc(5): the second number of statm is the resident pages. */
static uint64_t resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;
	bool read = f && fscanf(f, "%*s %lu", &pages) == 1;

	if (f)
		fclose(f);
	return read ? pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void report_process(const struct status *s, struct report *report)
{
	struct rusage usage;

	report->started_ms = s->started_ms;
	report->now_ms = clock_now_ms();
	report->clock_ahead_ms = clock_ahead_ms();
	if (getrusage(RUSAGE_SELF, &usage) == 0)
		report->cpu_s =
		    seconds(usage.ru_utime) + seconds(usage.ru_stime);
	report->rss_bytes = resident_bytes();
}

void status_report(struct status *s, struct report *ret_report)
{
	const struct status_sources *from = &s->sources;

	*ret_report = (struct report){.n_workers = from->n_workers};
	report_own(s, ret_report);
	for (size_t i = 0; i < from->n_workers; i++)
		worker_report(from->workers[i], ret_report);
	ret_report->waiters = waiters_count(from->waiters);
	ret_report->n_engines = engines_list(from->engines, ret_report->engines,
	                                     REPORT_ENGINES_MAX);
	store_stats(from->store, &ret_report->store);
	ret_report->store_worked = store_healthy(from->store);
	report_process(s, ret_report);
}

struct config *status_config(struct status *s)
{
	struct config *config;

	pthread_mutex_lock(&s->lock);
	config = config_ref(s->config);
	pthread_mutex_unlock(&s->lock);
	return config;
}

void status_restart_needed(struct status *s, char ret_text[STATUS_TEXT_SIZE])
{
	pthread_mutex_lock(&s->lock);
	snprintf(ret_text, STATUS_TEXT_SIZE, "%s", s->restart_needed);
	pthread_mutex_unlock(&s->lock);
}

bool status_turns(struct status *s, size_t *ret_stuck)
{
	bool turns = true;

	for (size_t i = 0; i < s->sources.n_workers; i++) {
		const uint64_t beats = worker_beats(s->sources.workers[i]);

		if (beats == s->beats[i]) {
			*ret_stuck = i;
			turns = false;
		}
		s->beats[i] = beats;
	}
	return turns;
}
