#include "agent/store/redis_request.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

/* Puts ASKING in front, in one piece: nothing may come in between. */
static bool put_asking(struct redis_request *request)
{
	static const char asking[] = "*1\r\n$6\r\nASKING\r\n";
	const size_t size = sizeof(asking) - 1;
	char *text = malloc(size + request->text_size);

	if (text) {
		memcpy(text, asking, size);
		memcpy(text + size, request->text, request->text_size);
	}
	free(request->text);
	request->text = text;
	request->text_size += size;
	return text != NULL;
}

bool redis_request_say(struct redis_request *request,
                       const struct redis_command *command)
{
	/* hiredis's pointers are not const; it only reads. */
	union {
		const char *const *in;
		const char **out;
	} args = {.in = command->args};
	int size = redisFormatCommandArgv(&request->text, command->n, args.out,
	                                  command->sizes);

	if (size < 0) {
		request->text = NULL;
		return false;
	}
	request->text_size = (size_t)size;
	request->sent = false;
	return !request->asking || put_asking(request);
}

void redis_request_drop(struct redis_request *request)
{
	free(request->text);
	request->text = NULL;
}

void redis_requests_init(struct redis_requests *list)
{
	list->first = NULL;
	list->last = &list->first;
}

void redis_requests_append(struct redis_requests *list,
                           struct redis_request *request)
{
	request->next = NULL;
	*list->last = request;
	list->last = &request->next;
}

struct redis_request *redis_requests_take(struct redis_requests *list)
{
	struct redis_request *request = list->first;

	if (!request)
		return NULL;
	list->first = request->next;
	if (!list->first)
		list->last = &list->first;
	return request;
}

bool redis_requests_remove(struct redis_requests *list,
                           const struct redis_request *request)
{
	struct redis_request **at = &list->first;

	while (*at && *at != request)
		at = &(*at)->next;
	if (!*at)
		return false;
	*at = request->next;
	if (!*at)
		list->last = at;
	return true;
}

void redis_requests_move(struct redis_requests *to, struct redis_requests *from)
{
	if (!from->first)
		return;
	*to->last = from->first;
	to->last = from->last;
	redis_requests_init(from);
}

void redis_requests_fail(struct redis_requests *list)
{
	struct redis_requests failed;
	struct redis_request *request;

	redis_requests_init(&failed);
	redis_requests_move(&failed, list);
	while ((request = redis_requests_take(&failed))) {
		redis_request_drop(request);
		request->done(request, NULL);
	}
}
