/* watch: what stats says, again and again. Signals are waited for between two
 * looks and not delivered: so a look is never cut in the middle, the terminal
 * is put right on the way out, and there is no state that a handler would need.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "agent/cli/cli_census.h"
#include "agent/cli/cli_private.h"
#include "agent/cli/cli_store.h"
#include "agent/clock.h"
#include "agent/human.h"
#include "agent/config_text.h"

enum {
	OPTION_INTERVAL = 256,
	OPTION_COUNT,
	INTERVAL_MIN_MS = 100,
	INTERVAL_MAX_MS = 3600000,
	PENDING_EVERY = 4096, /* records between two looks for a signal */
};

/* Another screen, without a cursor; and back. */
static const char screen_on[] = "\033[?1049h\033[?25l";
static const char screen_off[] = "\033[?25h\033[?1049l";
static const char home[] = "\033[H";
static const char line_end[] = "\033[K\n";
static const char rest_off[] = "\033[J";

struct watch {
	uint64_t interval_ms;
	uint64_t count; /* looks; 0: no end */
	bool terminal;
	sigset_t signals; /* what ends the waiting */
	struct cli_store *store;
	/* The last look. */
	struct store_census census;
	uint64_t since_ms; /* the look before */
	/* Since then, of what is there: */
	uint64_t begun;
	uint64_t stored; /* or pending */
	uint64_t sealed;
	struct store_stats stats;
	uint64_t looks;
	uint64_t visited;
	bool stopped;      /* a signal came meanwhile */
	char trouble[512]; /* why the store could not be read, or "" */
};

static const struct argp_option options[] = {
    {.name = "interval",
     .key = OPTION_INTERVAL,
     .arg = "TIME",
     .doc = "From one look to the next, 2s unless TIME says otherwise"},
    {.name = "count",
     .key = OPTION_COUNT,
     .arg = "N",
     .doc = "End after N looks"},
    {0},
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct watch *w = state->input;
	char error[64];

	switch (key) {
	case OPTION_INTERVAL:
		if (config_text_duration(value, &w->interval_ms, error,
		                         sizeof(error)) != 0)
			argp_error(state, "--interval=%s: %s", value, error);
		if (w->interval_ms < INTERVAL_MIN_MS ||
		    w->interval_ms > INTERVAL_MAX_MS)
			argp_error(state, "--interval=%s: expected 100ms to 1h",
			           value);
		return 0;
	case OPTION_COUNT:
		if (config_text_count(value, &w->count, error, sizeof(error)) !=
		    0)
			argp_error(state, "--count=%s: %s", value, error);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* --- a look --------------------------------------------------------------- */

static bool asked_to_stop(void)
{
	sigset_t pending;

	sigpending(&pending);
	return sigismember(&pending, SIGINT) == 1 ||
	       sigismember(&pending, SIGTERM) == 1;
}

static void count_new(struct watch *w, const struct record *record)
{
	if (record->state == RECORD_NONE)
		return;
	w->begun += record->created_ms > w->since_ms;
	if (record->settled_ms <= w->since_ms)
		return;
	w->sealed += record->state == RECORD_SEALED;
	w->stored +=
	    record->state == RECORD_STORED || record->state == RECORD_PENDING;
}

static bool on_record(void *cookie, const uint8_t *record_key,
                      const struct record *record)
{
	struct watch *w = cookie;

	(void)record_key;
	store_census_add(&w->census, record);
	count_new(w, record);
	if (++w->visited % PENDING_EVERY == 0)
		w->stopped = asked_to_stop();
	return !w->stopped;
}

/* A store that is down is what is being watched for: no reason to end. */
static void look(struct watch *w)
{
	const uint64_t now_ms = clock_now_ms();

	w->since_ms = w->looks > 0 ? w->census.now_ms : now_ms;
	w->census = (struct store_census){.now_ms = now_ms};
	w->begun = w->stored = w->sealed = 0;
	w->trouble[0] = '\0';
	store_scan(w->store->store, NULL, on_record, w, w->trouble,
	           sizeof(w->trouble));
	store_stats(w->store->store, &w->stats);
	w->looks++;
}

/* --- what is shown -------------------------------------------------------- */

static double per_second(const struct watch *w, uint64_t n)
{
	const uint64_t span_ms = w->census.now_ms - w->since_ms;

	return span_ms > 0 ? (double)n * 1000 / (double)span_ms : 0;
}

/* The oldest that runs, or that nobody settled. */
static uint64_t oldest_lock_ms(const struct store_census *c)
{
	const uint64_t running = store_census_age_ms(c, RECORD_IS_LOCKED);
	const uint64_t held = store_census_age_ms(c, RECORD_IS_HELD);

	return running > held ? running : held;
}

static void print_view(const struct watch *w, FILE *out)
{
	const struct store_census *c = &w->census;
	char now[HUMAN_SIZE], age[HUMAN_SIZE], interval[CONFIG_TEXT_SIZE];
	char name[CLI_STORE_NAME_SIZE];

	human_time(c->now_ms, now);
	config_text_from_duration(w->interval_ms, interval);
	cli_store_name(w->store->config, name);
	fprintf(out, "%s, every %s, Ctrl-C ends\n%s: %s\n\n", now, interval,
	        name, w->trouble[0] ? w->trouble : "well");
	cli_census_print(c, &w->stats, out);
	human_span(oldest_lock_ms(c), age);
	fprintf(out,
	        "\noldest lock  %s\nbegun        %.1f/s\nstored       %.1f/s\n"
	        "sealed       %.1f/s\n",
	        c->records[RECORD_IS_LOCKED] + c->records[RECORD_IS_HELD] > 0
	            ? age
	            : "-",
	        per_second(w, w->begun), per_second(w, w->stored),
	        per_second(w, w->sealed));
}

/* One line of words, for a file or another program. */
static void print_line(const struct watch *w)
{
	const struct store_census *c = &w->census;
	char now[HUMAN_SIZE];

	human_time(c->now_ms, now);
	printf("time=%s store=%s", now, w->trouble[0] ? "failed" : "well");
	for (size_t i = 0; i < RECORD_CONDITIONS; i++)
		printf(" %s=%" PRIu64, condition_text(i), c->records[i]);
	printf(" oldest_lock_s=%" PRIu64 " begun_per_s=%.1f stored_per_s=%.1f"
	       " sealed_per_s=%.1f bytes_used=%" PRIu64 " bytes_size=%" PRIu64
	       "\n",
	       oldest_lock_ms(c) / 1000, per_second(w, w->begun),
	       per_second(w, w->stored), per_second(w, w->sealed),
	       w->stats.bytes_used, w->stats.bytes_size);
	if (w->trouble[0])
		fprintf(stderr, "%s\n", w->trouble);
}

/* The lines of `text` that fit, cut where they do not, each over what was
 * there. The last row stays empty: a line end there would scroll. */
static void put_screen(const char *text)
{
	struct winsize size = {.ws_row = 24, .ws_col = 80};
	unsigned row = 1;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 ||
	    size.ws_col == 0)
		size = (struct winsize){.ws_row = 24, .ws_col = 80};
	fputs(home, stdout);
	for (; *text && row < size.ws_row; row++) {
		const int length = (int)strcspn(text, "\n");

		printf("%.*s%s", length < size.ws_col ? length : size.ws_col,
		       text, line_end);
		text += length + (text[length] == '\n');
	}
	fputs(rest_off, stdout);
}

static void show(const struct watch *w)
{
	char *text = NULL;
	size_t size;
	FILE *out;

	if (!w->terminal) {
		print_line(w);
		fflush(stdout);
		return;
	}
	out = open_memstream(&text, &size);
	if (!out)
		return;
	print_view(w, out);
	if (fclose(out) == 0)
		put_screen(text);
	fflush(stdout);
	free(text);
}

/* --- again and again ------------------------------------------------------ */

/* Waits for the next look; false when a signal asks to stop. Another size of
 * the terminal is shown at once. */
static bool wait_for_next(struct watch *w, uint64_t until_ms)
{
	uint64_t now_ms;

	while ((now_ms = clock_monotonic_ms()) < until_ms) {
		const uint64_t left_ms = until_ms - now_ms;
		const struct timespec left = {
		    .tv_sec = (time_t)(left_ms / 1000),
		    .tv_nsec = (long)(left_ms % 1000) * 1000000,
		};
		const int number = sigtimedwait(&w->signals, NULL, &left);

		if (number == SIGWINCH)
			show(w);
		else if (number > 0)
			return false;
	}
	return !asked_to_stop();
}

static enum cli_status watch(struct cli_store *s, void *cookie)
{
	struct watch *w = cookie;
	bool more = true;

	w->store = s;
	w->terminal = isatty(STDOUT_FILENO) == 1;
	if (w->terminal)
		fputs(screen_on, stdout);
	while (more) {
		const uint64_t start_ms = clock_monotonic_ms();
		uint64_t took_ms;

		look(w);
		if (w->stopped)
			break;
		show(w);
		took_ms = clock_monotonic_ms() - start_ms;
		more = w->looks != w->count && !ferror(stdout) &&
		       /* A store that takes long to read is left in peace for
		        * as long. */
		       wait_for_next(w, start_ms + (took_ms > w->interval_ms / 2
		                                        ? 2 * took_ms
		                                        : w->interval_ms));
	}
	if (w->terminal) {
		fputs(screen_off, stdout);
		print_view(w, stdout);
	}
	return w->trouble[0] ? CLI_FAILED : CLI_DONE;
}

enum cli_status cli_watch(const char *config_path, int argc, char **argv)
{
	struct argp argp = {.options = options, .parser = parse};
	struct watch w = {.interval_ms = 2000};

	cli_parse(&argp, argc, argv, &w);
	/* Before the store's own threads begin: they inherit this. */
	sigemptyset(&w.signals);
	sigaddset(&w.signals, SIGINT);
	sigaddset(&w.signals, SIGTERM);
	sigaddset(&w.signals, SIGWINCH);
	sigprocmask(SIG_BLOCK, &w.signals, NULL);
	return cli_store_with(config_path, false, watch, &w);
}
