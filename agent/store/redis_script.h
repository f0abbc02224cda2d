/* agent/store/redis_script.h: the Lua scripts that run in the server, where
 * one command is not enough. Each touches one key; what they know of a record
 * is in agent/core/record.h. */
#ifndef AGENT_STORE_REDIS_SCRIPT_H
#define AGENT_STORE_REDIS_SCRIPT_H

enum redis_script {
	/* Claim, for servers whose SET does not know NX with GET. ARGV: the
	 * record, its time to live (ms). Answers as that SET does: what was
	 * there, or nil. */
	REDIS_SCRIPT_CLAIM,
	/* Settle. ARGV: owner, state it must be in ("" for whatever can be
	 * settled, "any" for what cannot, too), new state, expires, settled and
	 * forget (24 bytes), time to live (ms), then nothing more to keep the
	 * response, or its size (4 bytes) and bytes. Answers one of
	 * redis_settle_reply. */
	REDIS_SCRIPT_SETTLE,
	/* Release. ARGV: owner, state it must be in. The same answers. */
	REDIS_SCRIPT_RELEASE,
	REDIS_SCRIPTS
};

enum redis_settle_reply {
	REDIS_SETTLE_LOST = 0,
	REDIS_SETTLE_DONE = 1,
	REDIS_SETTLE_VERSION = 2, /* a newer agent's record */
	REDIS_SETTLE_CORRUPT = 3,
};

enum { REDIS_SCRIPT_SHA_SIZE = 41 }; /* hexadecimal, with NUL */

const char *redis_script_text(enum redis_script script);

/* What EVALSHA calls it. */
void redis_script_sha(enum redis_script script,
                      char ret_sha[REDIS_SCRIPT_SHA_SIZE]);

#endif
