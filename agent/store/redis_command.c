#include "agent/store/redis_command.h"

#include <assert.h>
#include <hiredis/hiredis.h>
#include <stdio.h>

#include "agent/core/hex.h"

enum {
	HEAD_BASE = RECORD_HEAD_MAX - 255, /* of a head whose key is empty */
	HEAD_KEY_SIZE_AT = 3,
};

/* The longest time to live that is asked for: what is longer is for ever. */
static const uint64_t TTL_MAX_MS = UINT64_C(1) << 50;

static const char key_begin[] = ":{v1:";
static const char key_end[] = "}";

void redis_dialect_init(struct redis_dialect *dialect, const char *prefix)
{
	snprintf(dialect->prefix, sizeof(dialect->prefix), "%s", prefix);
	for (int i = 0; i < REDIS_SCRIPTS; i++)
		redis_script_sha((enum redis_script)i, dialect->shas[i]);
}

/* --- keys --------------------------------------------------------------- */

size_t redis_command_key(const struct redis_dialect *dialect,
                         const uint8_t record_key[RECORD_KEY_SIZE],
                         char ret_key[REDIS_KEY_SIZE])
{
	size_t n = strlen(dialect->prefix);

	memcpy(ret_key, dialect->prefix, n + 1);
	memcpy(ret_key + n, key_begin, sizeof(key_begin));
	n += strlen(key_begin);
	hex_write(ret_key + n, record_key, RECORD_KEY_SIZE);
	n += 2 * (size_t)RECORD_KEY_SIZE;
	memcpy(ret_key + n, key_end, sizeof(key_end));
	return n + strlen(key_end);
}

bool redis_command_record_key(const struct redis_dialect *dialect,
                              struct spoe_span key,
                              uint8_t ret_record_key[RECORD_KEY_SIZE])
{
	uint8_t record_key[RECORD_KEY_SIZE];
	char again[REDIS_KEY_SIZE];
	const size_t at = strlen(dialect->prefix) + strlen(key_begin);

	if (key.size != at + 2 * sizeof(record_key) + strlen(key_end))
		return false;
	if (!hex_read(record_key, (const char *)key.data + at,
	              sizeof(record_key)))
		return false;
	redis_command_key(dialect, record_key, again);
	if (memcmp(again, key.data, key.size) != 0)
		return false;
	memcpy(ret_record_key, record_key, sizeof(record_key));
	return true;
}

/* --- commands ----------------------------------------------------------- */

void redis_command_add(struct redis_command *command, const void *bytes,
                       size_t size)
{
	assert(command->n < REDIS_COMMAND_ARGS_MAX);
	command->args[command->n] = bytes;
	command->sizes[command->n] = size;
	command->n++;
}

void redis_command_add_text(struct redis_command *command, const char *text)
{
	redis_command_add(command, text, strlen(text));
}

/* How long the record is to live; a server takes no less than 1. */
static void add_ttl(struct redis_command *command, const struct record_op *op)
{
	const uint64_t expires_ms = op->record.expires_ms;
	uint64_t ttl = 1;

	if (expires_ms > op->now_ms)
		ttl = expires_ms - op->now_ms;
	if (ttl > TTL_MAX_MS)
		ttl = TTL_MAX_MS;
	redis_command_add(command, command->ttl,
	                  decimal_write(command->ttl, ttl));
}

static void add_script(struct redis_command *command,
                       const struct redis_dialect *dialect,
                       enum redis_script script, unsigned how)
{
	const bool whole = (how & REDIS_HOW_EVAL) != 0;

	redis_command_add_text(command, whole ? "EVAL" : "EVALSHA");
	redis_command_add_text(command, whole ? redis_script_text(script)
	                                      : dialect->shas[script]);
	redis_command_add_text(command, "1");
}

static void say_claim(struct redis_command *command,
                      const struct redis_dialect *dialect,
                      const struct record_op *op, unsigned how)
{
	const bool set = (how & REDIS_HOW_SET) != 0;
	struct spoe_writer w =
	    spoe_writer(command->bytes, sizeof(command->bytes));
	const size_t key_size =
	    redis_command_key(dialect, op->record_key, command->key);
	bool fits = record_encode_head(&w, &op->record);

	/* A lock has no response. */
	assert(fits && op->record.response.size == 0);
	if (set)
		redis_command_add_text(command, "SET");
	else
		add_script(command, dialect, REDIS_SCRIPT_CLAIM, how);
	redis_command_add(command, command->key, key_size);
	redis_command_add(command, w.data, w.size);
	if (set) {
		redis_command_add_text(command, "NX");
		redis_command_add_text(command, "GET");
		redis_command_add_text(command, "PX");
	}
	add_ttl(command, op);
}

/* The state a settle must find, as one byte; none is any. */
static void add_state(struct redis_command *command, struct spoe_writer *w,
                      enum record_state state)
{
	const size_t at = w->size;

	if (state != RECORD_NONE)
		spoe_writer_u8(w, (uint8_t)state);
	redis_command_add(command, w->data + at, w->size - at);
}

static void say_settle(struct redis_command *command,
                       const struct redis_dialect *dialect,
                       const struct record_op *op, unsigned how)
{
	const struct record *record = &op->record;
	const bool release = record->state == RECORD_NONE;
	struct spoe_writer w =
	    spoe_writer(command->bytes, sizeof(command->bytes));
	const size_t key_size =
	    redis_command_key(dialect, op->record_key, command->key);
	size_t at;

	add_script(command, dialect,
	           release ? REDIS_SCRIPT_RELEASE : REDIS_SCRIPT_SETTLE, how);
	redis_command_add(command, command->key, key_size);
	redis_command_add(command, record->owner, RECORD_OWNER_SIZE);
	if (op->any_state)
		redis_command_add_text(command, "any");
	else
		add_state(command, &w, op->from);
	if (release)
		return;
	add_state(command, &w, record->state);
	at = w.size;
	spoe_writer_u64(&w, record->expires_ms);
	spoe_writer_u64(&w, record->settled_ms);
	spoe_writer_u64(&w, record->forget_ms);
	redis_command_add(command, w.data + at, w.size - at);
	add_ttl(command, op);
	if (op->keep_response)
		return;
	at = w.size;
	spoe_writer_u32(&w, (uint32_t)record->response.size);
	redis_command_add(command, w.data + at, w.size - at);
	redis_command_add(command, record->response.data,
	                  record->response.size);
}

void redis_command_op(struct redis_command *command,
                      const struct redis_dialect *dialect,
                      const struct record_op *op, unsigned how)
{
	command->n = 0;
	switch (op->type) {
	case RECORD_OP_CLAIM:
		say_claim(command, dialect, op, how);
		break;
	case RECORD_OP_SETTLE:
		say_settle(command, dialect, op, how);
		break;
	case RECORD_OP_PEEK:
		redis_command_add_text(command, "GET");
		redis_command_add(
		    command, command->key,
		    redis_command_key(dialect, op->record_key, command->key));
		break;
	}
}

/* --- replies ------------------------------------------------------------ */

static enum reason read_record(struct spoe_span bytes,
                               struct record *ret_record)
{
	size_t head_size = HEAD_BASE;
	size_t response_size;
	enum reason reason;

	/* Of a newer version only the first byte is known. */
	if (bytes.size > 0 && bytes.data[0] > RECORD_VERSION)
		return REASON_RECORD_VERSION;
	if (bytes.size > HEAD_KEY_SIZE_AT)
		head_size += bytes.data[HEAD_KEY_SIZE_AT];
	if (bytes.size < head_size)
		return REASON_RECORD_CORRUPT;
	reason = record_decode_head(spoe_span(bytes.data, head_size),
	                            ret_record, &response_size);
	if (reason != REASON_NONE)
		return reason;
	if (response_size != bytes.size - head_size)
		return REASON_RECORD_CORRUPT;
	ret_record->response =
	    spoe_span(bytes.data + head_size, bytes.size - head_size);
	return response_size == 0 ? REASON_NONE
	                          : record_check_response(ret_record->response);
}

static enum reason reason_of(enum redis_error error)
{
	return error == REDIS_ERROR_FULL ? REASON_STORE_FULL
	                                 : REASON_STORE_FAILED;
}

/* A claim or a peek: what was there, or nil. */
static void read_found(const struct redisReply *reply,
                       enum record_result of_nil, struct record *ret_record,
                       struct record_answer *ret_answer)
{
	if (reply->type == REDIS_REPLY_NIL) {
		ret_answer->health = REASON_NONE;
		ret_answer->result = of_nil;
	} else if (reply->type == REDIS_REPLY_STRING) {
		ret_answer->health = read_record(
		    spoe_span(reply->str, (size_t)reply->len), ret_record);
		ret_answer->result = RECORD_FOUND;
		ret_answer->found = ret_record;
	}
}

static void read_settled(const struct redisReply *reply,
                         struct record_answer *ret_answer)
{
	if (reply->type != REDIS_REPLY_INTEGER)
		return;
	switch (reply->integer) {
	case REDIS_SETTLE_LOST:
	case REDIS_SETTLE_DONE:
		ret_answer->health = REASON_NONE;
		ret_answer->result = reply->integer == REDIS_SETTLE_DONE
		                         ? RECORD_SETTLED
		                         : RECORD_LOST;
		break;
	case REDIS_SETTLE_VERSION:
		ret_answer->health = REASON_RECORD_VERSION;
		break;
	case REDIS_SETTLE_CORRUPT:
		ret_answer->health = REASON_RECORD_CORRUPT;
		break;
	default:
		break;
	}
}

void redis_command_answer(const struct record_op *op,
                          const struct redisReply *reply,
                          struct record *ret_record,
                          struct record_answer *ret_answer)
{
	*ret_answer = (struct record_answer){
	    .health = reason_of(redis_command_error(reply)),
	};
	if (op->type == RECORD_OP_CLAIM)
		read_found(reply, RECORD_GRANTED, ret_record, ret_answer);
	else if (op->type == RECORD_OP_PEEK)
		read_found(reply, RECORD_ABSENT, ret_record, ret_answer);
	else
		read_settled(reply, ret_answer);
}

bool redis_command_error_is(const struct redisReply *reply, const char *code)
{
	const size_t length = strlen(code);

	return reply->type == REDIS_REPLY_ERROR &&
	       (size_t)reply->len >= length &&
	       memcmp(reply->str, code, length) == 0 &&
	       (reply->str[length] == ' ' || reply->str[length] == '\0');
}

enum redis_error redis_command_error(const struct redisReply *reply)
{
	static const struct {
		const char *code;
		enum redis_error error;
	} errors[] = {
	    {"NOSCRIPT", REDIS_ERROR_NOSCRIPT},
	    {"OOM", REDIS_ERROR_FULL},
	    {"LOADING", REDIS_ERROR_SERVER},
	    {"READONLY", REDIS_ERROR_SERVER},
	    {"MASTERDOWN", REDIS_ERROR_SERVER},
	    {"NOAUTH", REDIS_ERROR_ACCESS},
	    {"WRONGPASS", REDIS_ERROR_ACCESS},
	    {"NOPERM", REDIS_ERROR_ACCESS},
	};

	if (reply->type != REDIS_REPLY_ERROR)
		return REDIS_ERROR_NONE;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (redis_command_error_is(reply, errors[i].code))
			return errors[i].error;
	return REDIS_ERROR_OTHER;
}
