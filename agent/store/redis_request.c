#include "agent/store/redis_request.h"

#include <assert.h>
#include <stdlib.h>

static const char asking[] = "*1\r\n$6\r\nASKING\r\n";

enum { NUMBER_MAX = 1 + DECIMAL_MAX + 2 };

static bool put_number(struct spoe_writer *w, char type, size_t value)
{
	char text[NUMBER_MAX];
	size_t size = 1 + decimal_write(text + 1, value);

	text[0] = type;
	text[size++] = '\r';
	text[size++] = '\n';
	return spoe_writer_copy(w, text, size);
}

/* An array of bulk strings (RESP2). hiredis, which reads the replies, would
 * print each number with sprintf(): an eighth of what a request cost. */
static bool put_command(struct spoe_writer *w,
                        const struct redis_command *command)
{
	bool fits = put_number(w, '*', (size_t)command->n);

	for (int i = 0; i < command->n; i++) {
		fits = fits && put_number(w, '$', command->sizes[i]) &&
		       spoe_writer_bytes(
			   w, spoe_span(command->args[i], command->sizes[i])) &&
		       spoe_writer_copy(w, "\r\n", 2);
	}
	return fits;
}

bool redis_request_say(struct redis_request *request,
                       const struct redis_command *command)
{
	struct spoe_writer w;
	size_t capacity = sizeof(asking) + NUMBER_MAX;
	bool fits;

	for (int i = 0; i < command->n; i++)
		capacity += NUMBER_MAX + command->sizes[i] + 2;
	request->sent = false;
	request->text = malloc(capacity);
	if (!request->text)
		return false;
	w = spoe_writer(request->text, capacity);
	/* In one piece: nothing may come in between. */
	fits = (!request->asking ||
	        spoe_writer_copy(&w, asking, sizeof(asking) - 1)) &&
	       put_command(&w, command);
	assert(fits);
	request->text_size = w.size;
	return true;
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
