#include "agent/store/redis_greeting.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static bool say_auth(const struct redis_options *options,
                     struct redis_command *command)
{
	if (options->password[0] == '\0')
		return false;
	redis_command_add_text(command, "AUTH");
	if (options->username[0] != '\0')
		redis_command_add_text(command, options->username);
	redis_command_add_text(command, options->password);
	return true;
}

bool redis_greeting_command(enum redis_greeting_step step,
                            const struct redis_options *options, bool brief,
                            char text[24], struct redis_command *ret_command)
{
	ret_command->n = 0;
	if (step == REDIS_GREETING_AUTH)
		return say_auth(options, ret_command);
	if (brief != (step == REDIS_GREETING_PING))
		return false;
	switch (step) {
	case REDIS_GREETING_SELECT:
		if (options->database == 0)
			return false;
		snprintf(text, 24, "%" PRIu64, options->database);
		redis_command_add_text(ret_command, "SELECT");
		redis_command_add_text(ret_command, text);
		break;
	case REDIS_GREETING_NAME:
		if (options->client_name[0] == '\0')
			return false;
		redis_command_add_text(ret_command, "CLIENT");
		redis_command_add_text(ret_command, "SETNAME");
		redis_command_add_text(ret_command, options->client_name);
		break;
	case REDIS_GREETING_SAVES:
		redis_command_add_text(ret_command, "CONFIG");
		redis_command_add_text(ret_command, "GET");
		redis_command_add_text(ret_command, "save");
		break;
	case REDIS_GREETING_TIME:
		redis_command_add_text(ret_command, "TIME");
		break;
	case REDIS_GREETING_INFO:
		redis_command_add_text(ret_command, "INFO");
		break;
	default:
		redis_command_add_text(ret_command, "PING");
		break;
	}
	return true;
}

static bool is_array(const struct redisReply *reply, size_t n)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (reply->element[i]->type != REDIS_REPLY_STRING)
			return false;
	return true;
}

static void take_time(const struct redisReply *reply, struct redis_info *info)
{
	if (!is_array(reply, 2))
		return;
	info->server_ms = strtoull(reply->element[0]->str, NULL, 10) * 1000 +
	                  strtoull(reply->element[1]->str, NULL, 10) / 1000;
}

static void take_saves(const struct redisReply *reply, struct redis_info *info)
{
	if (!is_array(reply, 2))
		return;
	info->saves_known = true;
	info->saves = reply->element[1]->len > 0;
}

static enum redis_greeting_result refused(const char *what,
                                          const struct redisReply *reply,
                                          char *reterr_text, size_t reterr_size)
{
	snprintf(reterr_text, reterr_size, "%s: %.160s", what, reply->str);
	return REDIS_GREETING_REFUSED;
}

static enum redis_greeting_result take_error(enum redis_greeting_step step,
                                             const struct redisReply *reply,
                                             char *reterr_text,
                                             size_t reterr_size)
{
	if (redis_command_error_is(reply, "NOAUTH"))
		return refused("a password is needed", reply, reterr_text,
		               reterr_size);
	if (step == REDIS_GREETING_AUTH)
		return refused("the user name or password is wrong", reply,
		               reterr_text, reterr_size);
	if (step == REDIS_GREETING_SELECT)
		return refused("the database cannot be used", reply,
		               reterr_text, reterr_size);
	/* An ACL may forbid the others; then they are not known. */
	if (redis_command_error(reply) != REDIS_ERROR_SERVER)
		return REDIS_GREETING_OK;
	snprintf(reterr_text, reterr_size, "is not fit yet: %.160s",
	         reply->str);
	return REDIS_GREETING_FAILED;
}

enum redis_greeting_result redis_greeting_take(
    enum redis_greeting_step step, const struct redis_options *options,
    const struct redisReply *reply, struct redis_info *info, char *reterr_text,
    size_t reterr_size)
{
	if (reply->type == REDIS_REPLY_ERROR)
		return take_error(step, reply, reterr_text, reterr_size);
	if (step == REDIS_GREETING_TIME)
		take_time(reply, info);
	else if (step == REDIS_GREETING_SAVES)
		take_saves(reply, info);
	else if (step == REDIS_GREETING_INFO &&
	         reply->type == REDIS_REPLY_STRING)
		redis_info_read(info, spoe_span(reply->str, (size_t)reply->len),
		                options->database);
	return REDIS_GREETING_OK;
}

enum redis_greeting_result redis_greeting_accept(
    const struct redis_options *options, bool cluster,
    const struct redis_info *info, char *reterr_text, size_t reterr_size)
{
	const struct redis_info_wanted wanted = {
	    .cluster = cluster,
	    .allow_eviction = options->allow_eviction,
	};

	if (redis_info_accept(info, &wanted, reterr_text, reterr_size))
		return REDIS_GREETING_OK;
	/* A replica of a cluster may be its next master. */
	if (info->loading || (cluster && info->replica))
		return REDIS_GREETING_FAILED;
	return REDIS_GREETING_REFUSED;
}
