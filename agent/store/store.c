#include "agent/store/store.h"

#include <stdio.h>

#include "agent/store/lmdb.h"
#include "agent/store/redis.h"

static const struct store_driver *const drivers[] = {
    &lmdb_driver,
    &redis_driver,
};

const uint32_t store_commit_bounds[STORE_COMMIT_BOUNDS] = {
    1, 2, 4, 8, 16, 32, 64, 128, 256,
};

int store_open(struct store **ret_store, const struct store_options *options,
               char *reterr_text, size_t reterr_size)
{
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		if (strcmp(drivers[i]->name, options->driver) != 0)
			continue;
		if (drivers[i]->open(ret_store, options, reterr_text,
		                     reterr_size) != 0)
			return -1;
		(*ret_store)->driver = drivers[i];
		return 0;
	}
	snprintf(reterr_text, reterr_size,
	         "store: no driver is called \"%s\"; choose lmdb or redis",
	         options->driver);
	return -1;
}

void store_close(struct store *store)
{
	if (store)
		store->driver->close(store);
}

struct store_client *store_attach(struct store *store, struct ev_loop *loop)
{
	return store->driver->attach(store, loop);
}

void store_detach(struct store_client *client)
{
	if (client)
		client->store->driver->detach(client);
}

void store_rest(struct store_client *client)
{
	if (client->store->driver->rest)
		client->store->driver->rest(client);
}

void store_submit(struct store_client *client, struct store_call *call)
{
	client->store->driver->submit(client, call);
}

void store_cancel(struct store_client *client, struct store_call *call)
{
	client->store->driver->cancel(client, call);
}

bool store_healthy(struct store *store)
{
	return store->driver->healthy(store);
}

void store_stats(struct store *store, struct store_stats *ret_stats)
{
	store->driver->stats(store, ret_stats);
}

int store_scan(struct store *store, const uint8_t *after, store_visit *visit,
               void *cookie, char *reterr_text, size_t reterr_size)
{
	return store->driver->scan(store, after, visit, cookie, reterr_text,
	                           reterr_size);
}

enum store_census_result store_census(struct store *store,
                                      struct store_census *census, size_t limit)
{
	if (!store->driver->census)
		return STORE_CENSUS_NEVER;
	return store->driver->census(store, census, limit);
}

void store_census_add(struct store_census *census, const struct record *record)
{
	const enum record_condition condition =
	    condition_of(record, census->now_ms);
	uint64_t *oldest_ms = &census->oldest_ms[condition];

	census->records[condition]++;
	census->bytes[condition] += record->response.size;
	if (record->created_ms > 0 &&
	    (*oldest_ms == 0 || record->created_ms < *oldest_ms))
		*oldest_ms = record->created_ms;
}

uint64_t store_census_age_ms(const struct store_census *census,
                             enum record_condition condition)
{
	const uint64_t oldest_ms = census->oldest_ms[condition];

	if (oldest_ms == 0 || oldest_ms > census->now_ms)
		return 0;
	return census->now_ms - oldest_ms;
}
