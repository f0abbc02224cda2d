#include "agent/store/redis_map.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

/* A host that the cluster does not know. */
static const char unknown_host[] = "?";

void redis_map_init(struct redis_map *map)
{
	*map = (struct redis_map){.places = NULL};
}

void redis_map_fini(struct redis_map *map)
{
	free(map->places);
	redis_map_init(map);
}

bool redis_place_equal(const struct redis_place *a, const struct redis_place *b)
{
	return a->port == b->port && strcmp(a->host, b->host) == 0;
}

const struct redis_place *redis_map_owner(const struct redis_map *map,
                                          unsigned slot)
{
	const unsigned owner = map->owners[slot];

	return owner == 0 ? NULL : &map->places[owner - 1];
}

/* 1 + which place it is, put there if need be; 0 when there is no room. */
static uint16_t add_place(struct redis_map *map,
                          const struct redis_place *place)
{
	struct redis_place *places;

	for (size_t i = 0; i < map->n_places; i++) {
		if (redis_place_equal(&map->places[i], place))
			return (uint16_t)(i + 1);
	}
	if (map->n_places == REDIS_MAP_NODES_MAX)
		return 0;
	places =
	    realloc(map->places, (map->n_places + 1) * sizeof(*map->places));
	if (!places)
		return 0;
	map->places = places;
	places[map->n_places] = *place;
	return (uint16_t)++map->n_places;
}

static void set_owner(struct redis_map *map, unsigned slot, uint16_t owner)
{
	if (map->owners[slot] == 0 && owner != 0)
		map->covered++;
	else if (map->owners[slot] != 0 && owner == 0)
		map->covered--;
	map->owners[slot] = owner;
}

bool redis_map_move(struct redis_map *map, unsigned slot,
                    const struct redis_place *place)
{
	const uint16_t owner = add_place(map, place);

	if (owner == 0)
		return false;
	set_owner(map, slot, owner);
	return true;
}

/* ---- CLUSTER SLOTS ---- */

/* False when it is no host that can be connected to. */
static bool read_host(char *ret_host, struct spoe_span text)
{
	if (text.size == 0 || text.size >= REDIS_MAP_HOST_SIZE ||
	    memchr(text.data, '\0', text.size) ||
	    spoe_span_equal(text, spoe_span_of(unknown_host)))
		return false;
	memcpy(ret_host, text.data, text.size);
	ret_host[text.size] = '\0';
	return true;
}

static bool is_text(const struct redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING ||
	       reply->type == REDIS_REPLY_STATUS;
}

static struct spoe_span text_of(const struct redisReply *reply)
{
	return spoe_span(reply->str, (size_t)reply->len);
}

/* "ip" of what is said beside a host (Redis 7.0): names and values. */
static bool read_address(char *ret_host, const struct redisReply *node)
{
	const struct redisReply *beside;

	if (node->elements < 4 || node->element[3]->type != REDIS_REPLY_ARRAY)
		return false;
	beside = node->element[3];
	for (size_t i = 0; i + 1 < beside->elements; i += 2) {
		if (is_text(beside->element[i]) &&
		    is_text(beside->element[i + 1]) &&
		    spoe_span_equal(text_of(beside->element[i]),
		                    spoe_span_of("ip")))
			return read_host(ret_host,
			                 text_of(beside->element[i + 1]));
	}
	return false;
}

/* A node: host, port, id, ... False when it is none; a host "" is one that
 * nobody knows. */
static bool read_place(struct redis_place *ret_place,
                       const struct redisReply *node, const char *asked)
{
	const struct redisReply *host;

	if (node->type != REDIS_REPLY_ARRAY || node->elements < 2 ||
	    node->element[1]->type != REDIS_REPLY_INTEGER ||
	    node->element[1]->integer < 0 || node->element[1]->integer > 65535)
		return false;
	*ret_place = (struct redis_place){
	    .port = (unsigned)node->element[1]->integer,
	};
	host = node->element[0];
	if (host->type == REDIS_REPLY_NIL || (is_text(host) && host->len == 0))
		snprintf(ret_place->host, sizeof(ret_place->host), "%s", asked);
	else if (!is_text(host))
		return false;
	else if (!read_host(ret_place->host, text_of(host)) &&
	         !read_address(ret_place->host, node))
		ret_place->host[0] = '\0';
	/* Port 0 is a node that cannot be reached this way (TLS or not). */
	if (ret_place->port == 0)
		ret_place->host[0] = '\0';
	return true;
}

/* first slot, last slot, master, replicas ... */
static const char *read_range(struct redis_map *map,
                              const struct redisReply *range, const char *asked)
{
	struct redis_place place;
	long long first, last;
	uint16_t owner;

	if (range->type != REDIS_REPLY_ARRAY || range->elements < 2 ||
	    range->element[0]->type != REDIS_REPLY_INTEGER ||
	    range->element[1]->type != REDIS_REPLY_INTEGER)
		return "a range of slots is none";
	first = range->element[0]->integer;
	last = range->element[1]->integer;
	if (first < 0 || first > last || last >= REDIS_SLOTS)
		return "a range has slots that do not exist";
	if (range->elements == 2)
		return NULL;
	if (!read_place(&place, range->element[2], asked))
		return "a node is without host and port";
	if (!place.host[0])
		return NULL;
	owner = add_place(map, &place);
	if (owner == 0)
		return "too many nodes, or out of memory";
	for (long long slot = first; slot <= last; slot++)
		set_owner(map, (unsigned)slot, owner);
	return NULL;
}

bool redis_map_read(struct redis_map *map, const struct redisReply *reply,
                    const char *asked, char *reterr_text, size_t reterr_size)
{
	struct redis_map fresh;
	const char *mistake = NULL;

	if (reply->type != REDIS_REPLY_ARRAY) {
		snprintf(reterr_text, reterr_size, "CLUSTER SLOTS: %s",
		         reply->type == REDIS_REPLY_ERROR ? reply->str
		                                          : "no list");
		return false;
	}
	redis_map_init(&fresh);
	for (size_t i = 0; i < reply->elements && !mistake; i++)
		mistake = read_range(&fresh, reply->element[i], asked);
	if (mistake) {
		snprintf(reterr_text, reterr_size, "CLUSTER SLOTS: %s",
		         mistake);
		redis_map_fini(&fresh);
		return false;
	}
	redis_map_fini(map);
	*map = fresh;
	return true;
}

/* ---- MOVED, ASK ---- */

/* Cuts the word in front of the first blank off `text`. */
static struct spoe_span take_word(struct spoe_span *text)
{
	const uint8_t *blank = NULL;
	struct spoe_span word = *text;

	if (text->size > 0)
		blank = memchr(text->data, ' ', text->size);
	if (!blank) {
		*text = spoe_span(NULL, 0);
		return word;
	}
	word.size = (size_t)(blank - text->data);
	*text = spoe_span(blank + 1, text->size - word.size - 1);
	return word;
}

/* Decimal digits up to `max`; false when there is anything else. */
static bool read_number(struct spoe_span text, unsigned max,
                        unsigned *ret_number)
{
	unsigned number = 0;

	if (text.size == 0 || text.size > 5)
		return false;
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		number = number * 10 + (unsigned)(text.data[i] - '0');
	}
	*ret_number = number;
	return number <= max;
}

/* host:port, where the host may be empty or have colons itself. */
static bool read_host_port(struct redis_place *ret_place, struct spoe_span text,
                           const char *asked)
{
	const uint8_t *colon = NULL;
	struct spoe_span host, port;

	if (text.size > 0)
		colon = memrchr(text.data, ':', text.size);
	if (!colon)
		return false;
	host = spoe_span(text.data, (size_t)(colon - text.data));
	port = spoe_span(colon + 1, text.size - host.size - 1);
	*ret_place = (struct redis_place){.port = 0};
	if (!read_number(port, 65535, &ret_place->port) || ret_place->port == 0)
		return false;
	if (host.size == 0)
		snprintf(ret_place->host, sizeof(ret_place->host), "%s", asked);
	else if (!read_host(ret_place->host, host))
		ret_place->host[0] = '\0';
	return true;
}

void redis_map_redirect_read(struct redis_map_redirect *ret_redirect,
                             struct spoe_span text, const char *asked)
{
	const struct spoe_span code = take_word(&text);
	const struct spoe_span slot = take_word(&text);
	const struct spoe_span place = take_word(&text);
	enum redis_map_redirect_type type = REDIS_MAP_NONE;

	*ret_redirect = (struct redis_map_redirect){.type = REDIS_MAP_NONE};
	if (spoe_span_equal(code, spoe_span_of("MOVED")))
		type = REDIS_MAP_MOVED;
	else if (spoe_span_equal(code, spoe_span_of("ASK")))
		type = REDIS_MAP_ASK;
	if (type == REDIS_MAP_NONE ||
	    !read_number(slot, REDIS_SLOTS - 1, &ret_redirect->slot) ||
	    !read_host_port(&ret_redirect->place, place, asked))
		return;
	ret_redirect->type = type;
}
