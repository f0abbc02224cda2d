/* Any bytes at all from a server, as the reply to CLUSTER SLOTS and as a
 * redirection: what is read points to where something is, or to nobody. */
#include <assert.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "agent/store/redis_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_place(const struct redis_place *place)
{
	return memchr(place->host, '\0', sizeof(place->host)) &&
	       place->port > 0 && place->port <= 65535;
}

static void try_map(const struct redisReply *reply)
{
	struct redis_map map;
	char text[64];

	redis_map_init(&map);
	if (redis_map_read(&map, reply, "asked", text, sizeof(text))) {
		unsigned covered = 0;

		for (unsigned slot = 0; slot < REDIS_SLOTS; slot++) {
			const struct redis_place *place =
			    redis_map_owner(&map, slot);

			covered += place != NULL;
			assert(!place || (place->host[0] && is_place(place)));
		}
		assert(covered == map.covered);
	} else {
		assert(strlen(text) > 0 && map.covered == 0);
	}
	redis_map_fini(&map);
}

static void try_redirect(struct spoe_span text)
{
	struct redis_map_redirect redirect;

	redis_map_redirect_read(&redirect, text, "asked");
	assert(redirect.type == REDIS_MAP_NONE ||
	       (redirect.slot < REDIS_SLOTS && is_place(&redirect.place)));
}

/* hiredis 0.14 makes room for all elements that are announced; that would be
 * its bug, found over and over. */
static bool announces_much(struct spoe_span resp)
{
	size_t digits = 0;

	for (size_t i = 0; i < resp.size; i++) {
		digits =
		    resp.data[i] >= '0' && resp.data[i] <= '9' ? digits + 1 : 0;
		if (digits > 5)
			return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	redisReader *reader = redisReaderCreate();
	void *reply = NULL;

	try_redirect(spoe_span(data, size));
	redis_slot(spoe_span(data, size));
	if (!announces_much(spoe_span(data, size)) &&
	    redisReaderFeed(reader, (const char *)data, size) == REDIS_OK &&
	    redisReaderGetReply(reader, &reply) == REDIS_OK && reply) {
		try_map(reply);
		freeReplyObject(reply);
	}
	redisReaderFree(reader);
	return 0;
}
