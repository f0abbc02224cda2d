/* agent/store/redis_greeting.h: what is said to a server when a connection to
 * it is new, and whether its replies let us use it. Pure. */
#ifndef AGENT_STORE_REDIS_GREETING_H
#define AGENT_STORE_REDIS_GREETING_H

#include "agent/store/redis_command.h"
#include "agent/store/redis_info.h"
#include "agent/store/redis_options.h"

/* In this order, without waiting for the replies in between. */
enum redis_greeting_step {
	REDIS_GREETING_AUTH,
	REDIS_GREETING_SELECT,
	REDIS_GREETING_NAME,
	REDIS_GREETING_SAVES,
	REDIS_GREETING_TIME,
	REDIS_GREETING_INFO, /* the last for a server with records */
	REDIS_GREETING_PING, /* the last for a Sentinel */
	REDIS_GREETING_STEPS
};

enum redis_greeting_result {
	REDIS_GREETING_OK,
	REDIS_GREETING_FAILED,  /* it may be better the next time */
	REDIS_GREETING_REFUSED, /* somebody has to change something */
};

/* Builds the command of a step; false when there is none. `text` is room for a
 * number. */
bool redis_greeting_command(enum redis_greeting_step step,
                            const struct redis_options *options, bool brief,
                            char text[24], struct redis_command *ret_command);

/* Takes the reply to a step into `info`; why it is not OK, for people, into
 * reterr_text. Whether the server is accepted is asked at the end with
 * redis_greeting_accept(). */
enum redis_greeting_result redis_greeting_take(
    enum redis_greeting_step step, const struct redis_options *options,
    const struct redisReply *reply, struct redis_info *info, char *reterr_text,
    size_t reterr_size);

/* What all the replies come to. */
enum redis_greeting_result redis_greeting_accept(
    const struct redis_options *options, bool cluster,
    const struct redis_info *info, char *reterr_text, size_t reterr_size);

#endif
