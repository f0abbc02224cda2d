/* agent/store/redis_command.h: what is asked of a server and what its reply
 * says, as plain data: no sockets, no time.
 *
 * A record is one string. Its key is
 *
 *     <prefix>:{v1:<record key, hexadecimal>}
 *
 * where the braces make it the part that Cluster hashes. The server's PX alone
 * says how long a record lives, so the agents' clocks need not agree: what it
 * still has is alive, whatever `now_ms` is. */
#ifndef AGENT_STORE_REDIS_COMMAND_H
#define AGENT_STORE_REDIS_COMMAND_H

#include "agent/core/decimal.h"
#include "agent/core/record_op.h"
#include "agent/store/redis_script.h"

struct redisReply;

enum {
	REDIS_PREFIX_MAX = 64,
	REDIS_KEY_SIZE = REDIS_PREFIX_MAX + 8 + 2 * RECORD_KEY_SIZE,
	REDIS_COMMAND_ARGS_MAX = 12,
};

/* What is the same for all commands; filled once. */
struct redis_dialect {
	char prefix[REDIS_PREFIX_MAX + 1];
	char shas[REDIS_SCRIPTS][REDIS_SCRIPT_SHA_SIZE];
};

void redis_dialect_init(struct redis_dialect *dialect, const char *prefix);

/* How an operation is said to one server. */
enum redis_how {
	REDIS_HOW_SET = 1 << 0,    /* it knows SET with NX and GET */
	REDIS_HOW_EVAL = 1 << 1,   /* send the script itself: it has lost it */
	REDIS_HOW_ASKING = 1 << 2, /* behind ASKING: it is given the slot */
};

/* A command; its arguments point into itself, the dialect and the operation. */
struct redis_command {
	int n;
	const char *args[REDIS_COMMAND_ARGS_MAX];
	size_t sizes[REDIS_COMMAND_ARGS_MAX];
	char key[REDIS_KEY_SIZE];
	char ttl[DECIMAL_MAX];
	uint8_t bytes[RECORD_HEAD_MAX];
};

/* The key of a record; returns its length. */
size_t redis_command_key(const struct redis_dialect *dialect,
                         const uint8_t record_key[RECORD_KEY_SIZE],
                         char ret_key[REDIS_KEY_SIZE]);

/* The record key of a key; false when it is none of ours. */
bool redis_command_record_key(const struct redis_dialect *dialect,
                              struct spoe_span key,
                              uint8_t ret_record_key[RECORD_KEY_SIZE]);

/* Says `op`; `how` is a set of redis_how. */
void redis_command_op(struct redis_command *command,
                      const struct redis_dialect *dialect,
                      const struct record_op *op, unsigned how);

/* Adds an argument; `bytes` is borrowed. */
void redis_command_add(struct redis_command *command, const void *bytes,
                       size_t size);
void redis_command_add_text(struct redis_command *command, const char *text);

/* Reads the reply to `op`. `ret_record` is what ret_answer->found points to,
 * and its spans are borrowed from the reply. An error reply, or one that makes
 * no sense, is a health other than REASON_NONE. */
void redis_command_answer(const struct record_op *op,
                          const struct redisReply *reply,
                          struct record *ret_record,
                          struct record_answer *ret_answer);

/* What an error reply is about. */
enum redis_error {
	REDIS_ERROR_NONE,     /* no error reply */
	REDIS_ERROR_NOSCRIPT, /* it lost a script: nothing was done */
	REDIS_ERROR_FULL,     /* out of memory */
	REDIS_ERROR_SERVER,   /* it is not fit now: loading, a replica, ... */
	REDIS_ERROR_ACCESS,   /* we are not let in */
	REDIS_ERROR_OTHER,
};

enum redis_error redis_command_error(const struct redisReply *reply);

/* Whether the error's code, its first word, is `code`. */
bool redis_command_error_is(const struct redisReply *reply, const char *code);

#endif
