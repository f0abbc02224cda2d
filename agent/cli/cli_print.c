#include "agent/cli/cli_print.h"

#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>

#include "agent/core/condition.h"
#include "agent/core/headers.h"
#include "agent/core/hex.h"
#include "agent/core/reason.h"
#include "agent/escape.h"
#include "agent/human.h"

_Static_assert(RECORD_KEY_SIZE == RECORD_FINGERPRINT_SIZE,
               "put_hex() writes both");

const char *cli_state_name(enum record_state state)
{
	static const char *const names[] = {
	    [RECORD_NONE] = "unreadable", [RECORD_LOCKED] = "locked",
	    [RECORD_STORED] = "stored",   [RECORD_PENDING] = "pending",
	    [RECORD_SEALED] = "sealed",
	};

	return names[state];
}

void cli_policy_name(const struct record *record, const struct config *config,
                     char *ret_text, size_t size)
{
	const struct policy *policy =
	    config_policy_by_id(config, record->policy_id);

	if (policy->id == record->policy_id)
		snprintf(ret_text, size, "%s", policy->name);
	else
		snprintf(ret_text, size, "#%08" PRIx32, record->policy_id);
}

/* --- values ------------------------------------------------------------- */

/* A record key or a fingerprint: both are of one size. */
static void put_hex(const uint8_t bytes[RECORD_KEY_SIZE], FILE *out)
{
	char text[2 * RECORD_KEY_SIZE + 1];

	hex_write(text, bytes, RECORD_KEY_SIZE);
	fputs(text, out);
}

static void put_escaped(struct spoe_span text, FILE *out)
{
	char piece[256];

	while (text.size > 0) {
		size_t n = escape_text(piece, sizeof(piece),
		                       (const char *)text.data, text.size);

		fputs(piece, out);
		text = spoe_span(text.data + n, text.size - n);
	}
}

static struct spoe_span cut(struct spoe_span bytes, uint64_t max)
{
	return spoe_span(bytes.data, bytes.size < max ? bytes.size : max);
}

/* Names that say: credentials. Set-Cookie is not recorded by default, but
 * policies differ. */
static bool is_secret(struct spoe_span name)
{
	static const char *const parts[] = {
	    "authori",      "cookie",  "token",   "secret",
	    "authenticate", "api-key", "password"};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		size_t n = strlen(parts[i]);

		for (size_t at = 0; at + n <= name.size; at++) {
			if (strncasecmp((const char *)name.data + at, parts[i],
			                n) == 0)
				return true;
		}
	}
	return false;
}

/* --- for people --------------------------------------------------------- */

static void put_time(const char *label, uint64_t ms, uint64_t now_ms, FILE *out)
{
	char at[HUMAN_SIZE], span[HUMAN_SIZE];

	human_time(ms, at);
	if (ms > now_ms) {
		human_span(ms - now_ms, span);
		fprintf(out, "%-12s %s (in %s)\n", label, at, span);
	} else {
		human_span(now_ms - ms, span);
		fprintf(out, "%-12s %s (%s ago)\n", label, at, span);
	}
}

static void put_headers(struct spoe_span list, bool secrets, FILE *out)
{
	struct spoe_reader r = spoe_reader(list);
	struct spoe_span name, value;

	while (headers_next(&r, &name, &value)) {
		fputs("  ", out);
		put_escaped(name, out);
		fputs(": ", out);
		if (is_secret(name) && !secrets)
			fputs("(hidden, see --secrets)", out);
		else
			put_escaped(value, out);
		putc('\n', out);
	}
}

static void put_body(struct spoe_span body, uint64_t max, FILE *out)
{
	const struct spoe_span shown = cut(body, max);
	char size[HUMAN_SIZE];

	human_bytes(body.size, size);
	fprintf(out, "%-12s %s%s\n", "body", size,
	        max == 0 && body.size > 0 ? " (hidden, see --body)" : "");
	if (shown.size == 0)
		return;
	fputs("  ", out);
	put_escaped(shown, out);
	fputs(shown.size < body.size ? "…\n" : "\n", out);
}

/* An encrypted response's key, for people. */
static void put_encryption(const struct record *record, FILE *out)
{
	struct spoe_span id;

	if (!keyring_encrypted(record->response, &id))
		return;
	fprintf(out, "%-12s with key ", "encrypted");
	put_escaped(id, out);
	putc('\n', out);
}

static void put_response(const struct cli_record *r,
                         const struct config *config,
                         const struct cli_print_options *options, FILE *out)
{
	struct record_response response;
	uint8_t *memory;
	enum reason reason = keyring_decode_response(
	    config->keyring, r->record_key, &r->record, &memory, &response);

	put_encryption(&r->record, out);
	if (reason != REASON_NONE) {
		fprintf(out, "%-12s unreadable: %s\n", "response",
		        reason_text(reason));
		return;
	}
	fprintf(out, "%-12s %" PRIu16 "\n", "status", response.status);
	put_headers(response.headers, options->secrets, out);
	put_body(response.body, options->body_max, out);
	free(memory);
}

static enum reason response_reason(const struct cli_record *r,
                                   const struct config *config)
{
	struct record_response response;
	uint8_t *memory;
	enum reason reason = keyring_decode_response(
	    config->keyring, r->record_key, &r->record, &memory, &response);

	free(memory);
	return reason;
}

/* What the next request with this key will be told. */
static const char *meaning(const struct cli_record *r,
                           const struct config *config, uint64_t now_ms)
{
	const struct record *record = &r->record;
	enum reason reason;

	if (record_forgotten(record, now_ms))
		return reason_text(REASON_LONG_AGO);
	switch (record->state) {
	case RECORD_LOCKED:
		return now_ms < record->deadline_ms
		           ? "its request runs, or ran and nobody told"
		           : "it may have run: its lock ended without a "
		             "response";
	case RECORD_PENDING:
		return "its response waits for HAProxy's notice";
	case RECORD_STORED:
		reason = response_reason(r, config);
		return reason == REASON_NONE ? "its response is replayed"
		                             : reason_text(reason);
	case RECORD_SEALED:
		return "it was executed; there is no response to replay";
	default:
		return "damaged, or written by a newer version";
	}
}

void cli_print_record(const struct cli_record *r, const struct config *config,
                      uint64_t now_ms, const struct cli_print_options *options,
                      FILE *out)
{
	const struct record *record = &r->record;
	char policy[POLICY_NAME_MAX + 1];

	fprintf(out, "%-12s ", "record key");
	put_hex(r->record_key, out);
	fprintf(out, "\n%-12s %s: %s\n", "state",
	        condition_text(condition_of(record, now_ms)),
	        meaning(r, config, now_ms));
	if (record->state == RECORD_NONE)
		return;
	fprintf(out, "%-12s ", "key");
	put_escaped(record->key, out);
	cli_policy_name(record, config, policy, sizeof(policy));
	fprintf(out, "\n%-12s %s\n", "policy", policy);
	fprintf(out, "%-12s ", "fingerprint");
	put_hex(record->fingerprint, out);
	fputs(record->flags & RECORD_BODY_PARTIAL ? " (of a part)\n" : "\n",
	      out);
	put_time("created", record->created_ms, now_ms, out);
	if (record->state == RECORD_LOCKED || record->state == RECORD_PENDING)
		put_time("deadline", record->deadline_ms, now_ms, out);
	if (record->settled_ms > 0)
		put_time("settled", record->settled_ms, now_ms, out);
	if (record->state > RECORD_LOCKED &&
	    record->forget_ms < record->expires_ms)
		put_time("forgotten", record->forget_ms, now_ms, out);
	put_time("expires", record->expires_ms, now_ms, out);
	if (record->response.size > 0)
		put_response(r, config, options, out);
}

void cli_print_row_head(FILE *out)
{
	fprintf(out, "%-10s %-8s %-12s %6s %10s  %-64s %s\n", "STATE", "AGE",
	        "POLICY", "STATUS", "BODY", "RECORD KEY", "KEY");
}

static void response_texts(const struct cli_record *r,
                           const struct config *config, char ret_status[8],
                           char ret_size[HUMAN_SIZE])
{
	struct record_response response;
	uint8_t *memory;

	if (keyring_decode_response(config->keyring, r->record_key, &r->record,
	                            &memory, &response) != REASON_NONE)
		return;
	snprintf(ret_status, 8, "%" PRIu16, response.status);
	human_bytes(response.body.size, ret_size);
	free(memory);
}

void cli_print_row(const struct cli_record *r, const struct config *config,
                   uint64_t now_ms, FILE *out)
{
	const struct record *record = &r->record;
	char age[HUMAN_SIZE] = "", body[HUMAN_SIZE] = "";
	char policy[POLICY_NAME_MAX + 1] = "", status[8] = "";

	if (record->state != RECORD_NONE) {
		human_span(now_ms > record->created_ms
		               ? now_ms - record->created_ms
		               : 0,
		           age);
		cli_policy_name(record, config, policy, sizeof(policy));
	}
	if (record->response.size > 0)
		response_texts(r, config, status, body);
	fprintf(out, "%-10s %-8s %-12s %6s %10s  ",
	        condition_text(condition_of(record, now_ms)), age, policy,
	        status, body);
	put_hex(r->record_key, out);
	putc(' ', out);
	put_escaped(record->key, out);
	putc('\n', out);
}

/* --- for programs ------------------------------------------------------- */

static void json_text(const char *name, struct spoe_span text, FILE *out)
{
	fprintf(out, "\"%s\":\"", name);
	put_escaped(text, out);
	putc('"', out);
}

static void json_headers(struct spoe_span list, bool secrets, FILE *out)
{
	struct spoe_reader r = spoe_reader(list);
	struct spoe_span name, value;
	const char *comma = "";

	fputs(",\"headers\":[", out);
	while (headers_next(&r, &name, &value)) {
		const bool hidden = is_secret(name) && !secrets;

		fprintf(out, "%s[\"", comma);
		put_escaped(name, out);
		fputs("\",", out);
		if (hidden) {
			fputs("null]", out);
		} else {
			putc('"', out);
			put_escaped(value, out);
			fputs("\"]", out);
		}
		comma = ",";
	}
	putc(']', out);
}

static void json_response(const struct cli_record *r,
                          const struct config *config,
                          const struct cli_print_options *options, FILE *out)
{
	struct record_response response;
	struct spoe_span id;
	uint8_t *memory;

	if (keyring_encrypted(r->record.response, &id)) {
		putc(',', out);
		json_text("encrypted_with", id, out);
	}
	if (keyring_decode_response(config->keyring, r->record_key, &r->record,
	                            &memory, &response) != REASON_NONE) {
		fputs(",\"response\":null", out);
		return;
	}
	fprintf(out, ",\"response\":{\"status\":%" PRIu16 ",\"body_bytes\":%zu",
	        response.status, response.body.size);
	json_headers(response.headers, options->secrets, out);
	if (options->body_max > 0) {
		putc(',', out);
		json_text("body", cut(response.body, options->body_max), out);
	}
	putc('}', out);
	free(memory);
}

void cli_print_json(const struct cli_record *r, const struct config *config,
                    uint64_t now_ms, const struct cli_print_options *options,
                    FILE *out)
{
	const struct record *record = &r->record;
	char policy[POLICY_NAME_MAX + 1];

	fputs("{\"record_key\":\"", out);
	put_hex(r->record_key, out);
	fprintf(out, "\",\"state\":\"%s\"",
	        condition_text(condition_of(record, now_ms)));
	if (record->state == RECORD_NONE) {
		fputs("}\n", out);
		return;
	}
	putc(',', out);
	json_text("key", record->key, out);
	cli_policy_name(record, config, policy, sizeof(policy));
	fprintf(out,
	        ",\"policy\":\"%s\",\"created_ms\":%" PRIu64
	        ",\"deadline_ms\":%" PRIu64 ",\"settled_ms\":%" PRIu64
	        ",\"forget_ms\":%" PRIu64 ",\"expires_ms\":%" PRIu64
	        ",\"partial\":%s,"
	        "\"fingerprint\":\"",
	        policy, record->created_ms, record->deadline_ms,
	        record->settled_ms, record->forget_ms, record->expires_ms,
	        record->flags & RECORD_BODY_PARTIAL ? "true" : "false");
	put_hex(record->fingerprint, out);
	putc('"', out);
	if (record->response.size > 0)
		json_response(r, config, options, out);
	fputs("}\n", out);
}
