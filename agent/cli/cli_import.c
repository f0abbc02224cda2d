/* A record is put into a store with what every store can do: a claim under the
 * owner it had, and then its settle. Where an import was broken off between the
 * two, the next one finds that owner's lock and goes on. */
#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cli/cli_archive.h"
#include "agent/cli/cli_private.h"
#include "agent/cli/cli_progress.h"
#include "agent/clock.h"
#include "agent/core/reason.h"

enum { IN_FLIGHT = 64 };

struct import;

/* One record on its way. */
struct slot {
	struct store_call call;
	struct import *import;
	struct cli_record record;
	bool busy;
};

struct import {
	struct cli_store *store;
	const char *path;
	FILE *file;
	struct cli_progress progress;
	struct slot slots[IN_FLIGHT];
	size_t n_busy;
	uint64_t read;
	uint64_t added;
	uint64_t present;
	uint64_t expired;
	uint64_t closed;     /* encrypted with keys that are not here */
	enum reason trouble; /* the first of the store's */
};

static void finish(struct slot *slot)
{
	struct import *import = slot->import;

	cli_record_fini(&slot->record);
	slot->busy = false;
	import->n_busy--;
	cli_progress_step(&import->progress);
	ev_break(import->store->loop, EVBREAK_ALL);
}

static void settle(struct slot *slot)
{
	slot->call.op.type = RECORD_OP_SETTLE;
	slot->call.op.from = RECORD_LOCKED;
	slot->call.op.record = slot->record.record;
	store_submit(slot->import->store->client, &slot->call);
}

/* Has the response encrypted with the key that encrypts here now. What is
 * encrypted with a key that is not here stays so: better refused than executed
 * again. False when it cannot be encrypted. */
static bool encrypt_again(struct import *import, struct cli_record *r)
{
	const struct keyring *keyring = import->store->config->keyring;
	struct record *record = &r->record;
	struct spoe_writer plain = {.data = NULL}, encrypted;
	bool done;

	if (record->response.size == 0 || keyring_keys(keyring) == 0 ||
	    keyring_current(keyring, record->response))
		return true;
	if (keyring_encrypted(record->response, NULL)) {
		if (keyring_decrypt(keyring, r->record_key, record, &plain) !=
		    REASON_NONE) {
			import->closed++;
			return true;
		}
		record->response = spoe_span(plain.data, plain.size);
	}
	done = keyring_encrypt(keyring, r->record_key, record, &encrypted) ==
	       REASON_NONE;
	free(plain.data);
	if (done) {
		r->response = encrypted.data;
		record->response = spoe_span(encrypted.data, encrypted.size);
	}
	return done;
}

/* The lock of this very record, which an earlier import left behind. */
static bool left_behind(const struct slot *slot, const struct record *found)
{
	return found->state == RECORD_LOCKED &&
	       slot->record.record.state != RECORD_LOCKED &&
	       memcmp(found->owner, slot->record.record.owner,
	              RECORD_OWNER_SIZE) == 0;
}

static void on_answer(struct store_call *call,
                      const struct record_answer *answer)
{
	struct slot *slot = (struct slot *)call;
	struct import *import = slot->import;

	if (answer->health != REASON_NONE) {
		if (import->trouble == REASON_NONE)
			import->trouble = answer->health;
		finish(slot);
		return;
	}
	switch (answer->result) {
	case RECORD_GRANTED:
		if (slot->record.record.state != RECORD_LOCKED) {
			settle(slot);
			return;
		}
		import->added++;
		break;
	case RECORD_FOUND:
		if (left_behind(slot, answer->found)) {
			settle(slot);
			return;
		}
		import->present++;
		break;
	case RECORD_SETTLED:
		import->added++;
		break;
	default: /* lost: somebody else was faster */
		import->present++;
		break;
	}
	finish(slot);
}

static struct slot *free_slot(struct import *import)
{
	for (size_t i = 0; i < IN_FLIGHT; i++) {
		if (!import->slots[i].busy)
			return &import->slots[i];
	}
	return NULL;
}

static void start(struct import *import, const struct cli_record *record,
                  uint64_t now_ms)
{
	struct slot *slot = free_slot(import);
	struct record *lock;

	assert(slot);
	*slot = (struct slot){
	    .call = {.op = {.type = RECORD_OP_CLAIM,
	                    .now_ms = now_ms,
	                    .record = record->record},
	             .done = on_answer},
	    .import = import,
	    .record = *record,
	    .busy = true,
	};
	memcpy(slot->call.op.record_key, record->record_key, RECORD_KEY_SIZE);
	lock = &slot->call.op.record;
	lock->state = RECORD_LOCKED;
	lock->settled_ms = 0;
	lock->forget_ms = 0;
	lock->response = (struct spoe_span){0};
	import->n_busy++;
	store_submit(import->store->client, &slot->call);
}

static enum cli_archive_read read_all(struct import *import)
{
	enum cli_archive_read result = cli_archive_open(import->file);

	while (result == CLI_ARCHIVE_RECORD && import->trouble == REASON_NONE) {
		const uint64_t now_ms = clock_now_ms();
		struct cli_record record;

		result = cli_archive_read(import->file, import->read, &record);
		if (result != CLI_ARCHIVE_RECORD)
			break;
		import->read++;
		if (!record_alive(&record.record, now_ms)) {
			import->expired++;
			cli_record_fini(&record);
			continue;
		}
		if (!encrypt_again(import, &record)) {
			import->trouble = REASON_ENCRYPTION_FAILED;
			cli_record_fini(&record);
			break;
		}
		start(import, &record, now_ms);
		while (import->n_busy == IN_FLIGHT)
			ev_run(import->store->loop, 0);
	}
	while (import->n_busy > 0)
		ev_run(import->store->loop, 0);
	return result;
}

static enum cli_status run(struct cli_store *s, void *cookie)
{
	struct import *import = cookie;
	enum cli_archive_read result;

	import->store = s;
	import->progress = cli_progress("importing", 0);
	result = read_all(import);
	cli_progress_end(&import->progress);
	fprintf(stderr,
	        "%" PRIu64 " record(s) added, %" PRIu64
	        " there already, %" PRIu64 " expired\n",
	        import->added, import->present, import->expired);
	if (import->closed > 0)
		fprintf(stderr,
		        "%" PRIu64 " of them cannot be decrypted here and are "
		        "answered `unknown`: their key is missing, or they "
		        "were changed\n",
		        import->closed);
	if (import->trouble != REASON_NONE) {
		fprintf(stderr,
		        "stopped: %s; import again when that is mended\n",
		        reason_text(import->trouble));
		return CLI_FAILED;
	}
	if (result == CLI_ARCHIVE_END)
		return CLI_DONE;
	fprintf(stderr, "%s: %s (behind record %" PRIu64 ")\n", import->path,
	        cli_archive_text(result), import->read);
	return CLI_FAILED;
}

enum cli_status cli_import(const char *config_path, int argc, char **argv)
{
	struct argp argp = {.parser = cli_parse_file};
	struct import *import = calloc(1, sizeof(*import));
	enum cli_status status = CLI_FAILED;

	if (!import) {
		fputs("out of memory\n", stderr);
		return CLI_FAILED;
	}
	cli_parse(&argp, argc, argv, &import->path);
	import->file =
	    strcmp(import->path, "-") == 0 ? stdin : fopen(import->path, "rbe");
	if (import->file)
		status = cli_store_with(config_path, true, run, import);
	else
		fprintf(stderr, "%s: %s\n", import->path, strerror(errno));
	if (import->file && import->file != stdin)
		fclose(import->file);
	free(import);
	return status;
}
