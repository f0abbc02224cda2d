#include <stdio.h>
#include <string.h>

#include "agent/store/redis_store.h"

static void report(struct redis_store *store, enum store_event event,
                   const char *text)
{
	if (store->report)
		store->report(event, text);
}

static void report_of(struct redis_store *store, enum store_event event,
                      const struct redis_node *node, const char *what)
{
	char place[ENDPOINT_TEXT_SIZE];
	char text[sizeof(place) + REDIS_INFO_WARNING_SIZE];

	endpoint_format(redis_node_endpoint(node), place, sizeof(place));
	snprintf(text, sizeof(text), "%s: %s", place, what);
	report(store, event, text);
}

/* Whether the shell has not been told this last. */
static bool is_news(struct redis_store *store, const char *warning)
{
	bool news;

	pthread_mutex_lock(&store->lock);
	news = strcmp(store->warned, warning) != 0;
	snprintf(store->warned, sizeof(store->warned), "%s", warning);
	pthread_mutex_unlock(&store->lock);
	return news && warning[0] != '\0';
}

void redis_report_ready(struct redis_store *store, struct redis_node *node)
{
	const struct redis_info *info = redis_node_info(node);
	const struct redis_info_wanted wanted = {
	    .allow_eviction = store->redis->allow_eviction,
	    .now_ms = store->now_ms(),
	};
	char warning[REDIS_INFO_WARNING_SIZE];

	redis_info_warning(info, &wanted, warning);
	if (is_news(store, warning))
		report_of(store, STORE_EVENT_WARNING, node, warning);
	if (atomic_exchange(&store->down, false))
		report_of(store, STORE_EVENT_UP, node, info->version_text);
}

void redis_report_down(struct redis_store *store, const char *why)
{
	if (!atomic_exchange(&store->down, true))
		report(store, STORE_EVENT_DOWN, why);
}

void redis_report_error(struct redis_store *store,
                        const struct redis_node *node, const char *text)
{
	report_of(store, STORE_EVENT_WARNING, node, text);
}
