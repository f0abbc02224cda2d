#include "agent/engines.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct engine {
	struct engines_entry entry;
	struct engine *next;
};

struct engines {
	pthread_mutex_t lock;
	struct engine *first;
};

struct engines *engines_new(void)
{
	struct engines *e = calloc(1, sizeof(*e));

	if (e)
		pthread_mutex_init(&e->lock, NULL);
	return e;
}

void engines_free(struct engines *e)
{
	struct engine *next;

	if (!e)
		return;
	for (struct engine *engine = e->first; engine; engine = next) {
		next = engine->next;
		free(engine);
	}
	pthread_mutex_destroy(&e->lock);
	free(e);
}

/* Where the engine is linked, or would be. */
static struct engine **find(struct engines *e, const char *id)
{
	struct engine **at = &e->first;

	while (*at && strcmp((*at)->entry.id, id) != 0)
		at = &(*at)->next;
	return at;
}

static void add(struct engine **at, const struct spoe_session *session)
{
	struct engine *engine = calloc(1, sizeof(*engine));

	if (!engine)
		return;
	strcpy(engine->entry.id, session->engine_id);
	*at = engine;
}

void engines_join(struct engines *e, const struct spoe_session *session)
{
	struct engine **at;

	pthread_mutex_lock(&e->lock);
	at = find(e, session->engine_id);
	if (!*at)
		add(at, session);
	if (*at) {
		(*at)->entry.connections++;
		(*at)->entry.max_frame_size = session->max_frame_size;
		(*at)->entry.pipelining = session->pipelining;
	}
	pthread_mutex_unlock(&e->lock);
}

void engines_leave(struct engines *e, const struct spoe_session *session)
{
	struct engine **at;
	struct engine *engine;

	pthread_mutex_lock(&e->lock);
	at = find(e, session->engine_id);
	engine = *at;
	if (engine && --engine->entry.connections == 0) {
		*at = engine->next;
		free(engine);
	}
	pthread_mutex_unlock(&e->lock);
}

size_t engines_list(struct engines *e, struct engines_entry *ret_entries,
                    size_t max)
{
	size_t n = 0;

	pthread_mutex_lock(&e->lock);
	for (struct engine *engine = e->first; engine; engine = engine->next) {
		if (n < max)
			ret_entries[n] = engine->entry;
		n++;
	}
	pthread_mutex_unlock(&e->lock);
	return n;
}
