/* What doctor looks at on the agent's side: store, disk, clock, sockets. */
#include <inttypes.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include "agent/cli/cli_doctor.h"
#include "agent/cli/cli_store.h"
#include "agent/clock.h"
#include "agent/net/endpoint.h"

enum {
	NEARLY_PERCENT = 90,
	FUTURE_MS = 5000, /* clocks of a pool may differ by so much */
	CONNECT_MS = 1000,
	NFS_MAGIC = NFS_SUPER_MAGIC,
};

/* --- records ------------------------------------------------------------ */

struct census {
	uint64_t now_ms;
	uint64_t records;
	uint64_t unreadable;
	uint64_t held;
	uint64_t future;
	uint64_t closed; /* responses that do not open */
	uint64_t plain;  /* not encrypted, and there are keys */
	const struct keyring *keyring;
};

static void look_at_response(struct census *census, const uint8_t *record_key,
                             const struct record *record)
{
	struct record_response response;
	uint8_t *memory;
	enum reason reason = keyring_decode_response(
	    census->keyring, record_key, record, &memory, &response);

	census->closed += reason != REASON_NONE;
	census->plain += keyring_keys(census->keyring) > 0 &&
	                 !keyring_encrypted(record->response, NULL);
	free(memory);
}

static bool on_record(void *cookie, const uint8_t *record_key,
                      const struct record *record)
{
	struct census *census = cookie;

	census->records++;
	if (record->state == RECORD_NONE) {
		census->unreadable++;
		return true;
	}
	if (!record_alive(record, census->now_ms))
		return true;
	census->held += record->state == RECORD_LOCKED &&
	                record->deadline_ms <= census->now_ms;
	if (record->response.size > 0)
		look_at_response(census, record_key, record);
	census->future += record->created_ms > census->now_ms + FUTURE_MS;
	return true;
}

static bool is_lmdb(const struct cli_doctor *d)
{
	return strcmp(d->config->store_driver, "lmdb") == 0;
}

static void found_some(struct cli_doctor *d, const char *where,
                       enum cli_finding finding, uint64_t n)
{
	char detail[32];

	if (n == 0)
		return;
	snprintf(detail, sizeof(detail), "%" PRIu64, n);
	cli_doctor_found(d, where, finding, detail);
}

/* How large Redis may be is Redis' own business (maxmemory). */
static void look_at_size(struct cli_doctor *d, const char *where,
                         struct cli_store *s)
{
	const uint64_t max = d->config->store_max_size;
	struct store_stats stats;

	store_stats(s->store, &stats);
	if (is_lmdb(d) && max > 0 &&
	    stats.bytes_used / NEARLY_PERCENT > max / 100)
		cli_doctor_found(d, where, CLI_FINDING_STORE_FULL, NULL);
}

static void look_at_records(struct cli_doctor *d)
{
	struct census census = {.now_ms = clock_now_ms(),
	                        .keyring = d->config->keyring};
	char where[CLI_STORE_NAME_SIZE], text[64];
	struct cli_store s;

	cli_store_name(d->config, where);
	if (cli_store_open(&s, d->config, false) != CLI_DONE) {
		cli_doctor_found(d, where, CLI_FINDING_STORE_CLOSED, NULL);
		return;
	}
	if (cli_store_scan(&s, NULL, on_record, &census) != CLI_DONE) {
		cli_doctor_found(d, where, CLI_FINDING_RECORD_UNREADABLE, NULL);
	} else {
		snprintf(text, sizeof(text),
		         "the store opens and has %" PRIu64 " record(s)",
		         census.records);
		cli_doctor_well(where, text);
	}
	found_some(d, where, CLI_FINDING_RECORD_UNREADABLE, census.unreadable);
	found_some(d, where, CLI_FINDING_LOCK_HELD, census.held);
	found_some(d, where, CLI_FINDING_RECORD_FROM_FUTURE, census.future);
	found_some(d, where, CLI_FINDING_RESPONSE_CLOSED, census.closed);
	found_some(d, where, CLI_FINDING_RESPONSE_NOT_ENCRYPTED, census.plain);
	look_at_size(d, where, &s);
	cli_store_close(&s);
}

/* --- the directory ------------------------------------------------------ */

static void look_at_directory(struct cli_doctor *d)
{
	const char *path = d->config->store_path;
	struct statfs fs;
	struct stat st;

	if (stat(path, &st) != 0 || statfs(path, &fs) != 0)
		return; /* opening it will say so */
	if (st.st_mode & 077)
		cli_doctor_found(d, path, CLI_FINDING_STORE_OPEN_TO_OTHERS,
		                 NULL);
	if (fs.f_type == NFS_MAGIC)
		cli_doctor_found(d, path, CLI_FINDING_STORE_REMOTE, NULL);
	if (fs.f_blocks > 0 &&
	    fs.f_bavail < fs.f_blocks / 100 * (100 - NEARLY_PERCENT) / 2)
		cli_doctor_found(d, path, CLI_FINDING_DISK_FULL, NULL);
}

static void look_at_keys(struct cli_doctor *d)
{
	const char *path = d->config->encryption_key_file;
	char text[64];
	struct stat st;

	if (!d->config->keyring)
		return;
	if (stat(path, &st) != 0 || (st.st_mode & (S_IWGRP | S_IRWXO)) != 0)
		cli_doctor_found(d, path, CLI_FINDING_KEYS_OPEN_TO_OTHERS,
		                 NULL);
	snprintf(text, sizeof(text), "responses are encrypted, %zu key(s)",
	         keyring_keys(d->config->keyring));
	cli_doctor_well(path, text);
}

void cli_doctor_look_at_store(struct cli_doctor *d)
{
	look_at_keys(d);
	if (is_lmdb(d))
		look_at_directory(d);
	look_at_records(d);
}

/* --- the machine -------------------------------------------------------- */

static bool connects(const struct address *address)
{
	const int fd = endpoint_connect(address);
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	socklen_t size = sizeof(int);
	int error = 0;
	bool connected;

	if (fd < 0)
		return false;
	connected = poll(&p, 1, CONNECT_MS) == 1 &&
	            getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 &&
	            error == 0;
	close(fd);
	return connected;
}

static void look_at_socket(struct cli_doctor *d, const struct address *address,
                           enum cli_finding finding)
{
	char text[ADDRESS_TEXT_SIZE];

	address_format(address, text, sizeof(text));
	if (connects(address))
		cli_doctor_well(text, "somebody listens");
	else
		cli_doctor_found(d, text, finding, NULL);
}

static void look_at_sockets(struct cli_doctor *d)
{
	const struct config *config = d->config;

	for (size_t i = 0; i < config->n_listen; i++)
		look_at_socket(d, &config->listen[i],
		               CLI_FINDING_NOBODY_LISTENS);
	for (size_t i = 0; i < config->n_admin_listen; i++)
		look_at_socket(d, &config->admin_listen[i],
		               CLI_FINDING_ADMIN_CLOSED);
}

void cli_doctor_look_at_machine(struct cli_doctor *d)
{
	struct timex timex = {.modes = 0};

	if (adjtimex(&timex) == TIME_ERROR || timex.status & STA_UNSYNC)
		cli_doctor_found(d, "clock", CLI_FINDING_CLOCK_UNSYNCHRONISED,
		                 NULL);
	else
		cli_doctor_well("clock", "it is synchronised");
	look_at_sockets(d);
}
