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
	char text[sizeof(place) + sizeof(": ") + REDIS_INFO_WARNING_SIZE];

	endpoint_format(redis_node_endpoint(node), place, sizeof(place));
	snprintf(text, sizeof(text), "%s: %s", place, what);
	report(store, event, text);
}

/* Whether the shell has not been told this last: `told` is what it was. */
static bool is_news(struct redis_store *store, char told[REDIS_REPORT_SIZE],
                    const char *text)
{
	bool news;

	pthread_mutex_lock(&store->lock);
	news = strncmp(told, text, REDIS_REPORT_SIZE - 1) != 0;
	snprintf(told, REDIS_REPORT_SIZE, "%s", text);
	pthread_mutex_unlock(&store->lock);
	return news && text[0] != '\0';
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
	if (is_news(store, store->warned, warning))
		report_of(store, STORE_EVENT_WARNING, node, warning);
	is_news(store, store->down_why, "");
	if (atomic_exchange(&store->down, false))
		report_of(store, STORE_EVENT_UP, node, info->version_text);
}

void redis_report_down(struct redis_store *store, const char *why)
{
	atomic_store(&store->down, true);
	if (is_news(store, store->down_why, why))
		report(store, STORE_EVENT_DOWN, why);
}

void redis_report_error(struct redis_store *store,
                        const struct redis_node *node, const char *text)
{
	report_of(store, STORE_EVENT_WARNING, node, text);
}
