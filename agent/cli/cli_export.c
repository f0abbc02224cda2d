#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/cli/cli_archive.h"
#include "agent/cli/cli_private.h"
#include "agent/cli/cli_progress.h"
#include "agent/clock.h"
#include "agent/core/reason.h"

enum { OPTION_DECRYPT = 256 };

struct transfer {
	const char *path;
	bool decrypt;
	const struct keyring *keyring;
	FILE *file;
	struct cli_progress progress;
	uint64_t now_ms;
	uint64_t records;
	uint64_t unreadable;
	uint64_t closed; /* to be decrypted, and could not be */
	bool failed;
};

/* Nobody else may read it, and nothing is overwritten. */
static FILE *create(const char *path)
{
	FILE *file;
	int fd;

	if (strcmp(path, "-") == 0) {
		if (isatty(STDOUT_FILENO)) {
			fputs("the export is no text: not to a terminal\n",
			      stderr);
			return NULL;
		}
		return stdout;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	file = fd >= 0 ? fdopen(fd, "wb") : NULL;
	if (!file)
		fprintf(stderr, "%s: cannot be created: %s\n", path,
		        strerror(errno));
	return file;
}

static const struct argp_option options[] = {
    {.name = "decrypt",
     .key = OPTION_DECRYPT,
     .doc = "Write responses as they were before they were encrypted"},
    {0},
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct transfer *t = state->input;

	(void)value;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &t->path;
		return 0;
	case OPTION_DECRYPT:
		t->decrypt = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* What cannot be decrypted goes out as it is: where it comes in again its
 * request must not be executed a second time. */
static bool write_record(struct transfer *t, const uint8_t *record_key,
                         const struct record *record)
{
	struct record decrypted = *record;
	struct spoe_writer plain;
	bool done;

	if (!t->decrypt || !keyring_encrypted(record->response, NULL))
		return cli_archive_write(t->file, record_key, record);
	if (keyring_decrypt(t->keyring, record_key, record, &plain) !=
	    REASON_NONE) {
		t->closed++;
		return cli_archive_write(t->file, record_key, record);
	}
	decrypted.response = spoe_span(plain.data, plain.size);
	done = cli_archive_write(t->file, record_key, &decrypted);
	free(plain.data);
	return done;
}

static bool on_record(void *cookie, const uint8_t *record_key,
                      const struct record *record)
{
	struct transfer *t = cookie;

	cli_progress_step(&t->progress);
	if (record->state == RECORD_NONE) {
		t->unreadable++;
		return true;
	}
	if (!record_alive(record, t->now_ms))
		return true;
	t->records++;
	t->failed = !write_record(t, record_key, record);
	return !t->failed;
}

/* On the disk before it is called done: it may be a backup. */
static bool finish(struct transfer *t)
{
	bool done = !t->failed && cli_archive_end(t->file, t->records) &&
	            fflush(t->file) == 0;

	if (t->file == stdout)
		return done;
	done = done && fsync(fileno(t->file)) == 0;
	return fclose(t->file) == 0 && done;
}

static enum cli_status write_all(struct cli_store *s, void *cookie)
{
	struct transfer *t = cookie;
	enum cli_status status;

	t->keyring = s->config->keyring;
	t->file = create(t->path);
	if (!t->file)
		return CLI_FAILED;
	t->progress = cli_progress("exporting", cli_store_count(s));
	t->failed = !cli_archive_begin(t->file);
	status = cli_store_scan(s, NULL, on_record, t);
	cli_progress_end(&t->progress);
	if (!finish(t)) {
		fprintf(stderr, "%s: cannot be written: %s\n", t->path,
		        strerror(errno));
		status = CLI_FAILED;
	}
	if (t->unreadable > 0) {
		fprintf(stderr, "%" PRIu64 " record(s) left out: unreadable\n",
		        t->unreadable);
		status = CLI_FAILED;
	}
	if (t->closed > 0) {
		fprintf(stderr,
		        "%" PRIu64 " record(s) left encrypted: their key is "
		        "missing, or they were changed\n",
		        t->closed);
		status = CLI_FAILED;
	}
	if (status == CLI_DONE)
		fprintf(stderr, "%" PRIu64 " record(s) exported\n", t->records);
	return status;
}

enum cli_status cli_export(const char *config_path, int argc, char **argv)
{
	const struct argp file = {.parser = cli_parse_file};
	const struct argp_child children[] = {{.argp = &file}, {0}};
	struct argp argp = {
	    .options = options, .parser = parse, .children = children};
	struct transfer t = {.now_ms = clock_now_ms()};

	cli_parse(&argp, argc, argv, &t);
	return cli_store_with(config_path, false, write_all, &t);
}
