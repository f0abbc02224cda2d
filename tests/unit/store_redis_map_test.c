/* The slots of a cluster: which one a key is in, and who has it. */
#include "agent/store/redis_map.h"

#include <hiredis/hiredis.h>
#include <stdio.h>

#include "tests/unit/core_check.h"

static void test_slots(void **state)
{
	/* What CLUSTER KEYSLOT of a Redis 7.0.15 answers. */
	static const struct {
		const char *key;
		unsigned slot;
	} rows[] = {
	    {"", 0},
	    {"123456789", 12739},
	    {"foo", 12182},
	    {"bar", 5061},
	    {"{user1000}.following", 3443},
	    {"user1000", 3443},
	    {"foo{}{bar}", 8363},
	    {"foo{{bar}}zap", 4015},
	    {"{bar", 4015},
	    {"foo{bar}{zap}", 5061},
	    {"foo}{bar}", 5061},
	    {"foo{bar", 15278},
	    {"foo{", 7673},
	    {"{}", 15257},
	    {"idempotency:{v1:00}", 15356},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(redis_slot(spoe_span_of(rows[i].key)),
		                 rows[i].slot);
	assert_int_equal(redis_slot(spoe_span(NULL, 0)), 0);
	assert_int_equal(redis_slot(spoe_span("\0\xff", 2)), 7920);
}

static struct redisReply *parse(const char *resp)
{
	redisReader *reader = redisReaderCreate();
	void *reply = NULL;

	assert_int_equal(redisReaderFeed(reader, resp, strlen(resp)), REDIS_OK);
	assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
	assert_non_null(reply);
	redisReaderFree(reader);
	return reply;
}

/* Reads the reply `resp`, which the node at "asked" gave. */
static bool read_map(struct redis_map *map, const char *resp, char *text,
                     size_t size)
{
	struct redisReply *reply = parse(resp);
	bool done = redis_map_read(map, reply, "asked", text, size);

	freeReplyObject(reply);
	return done;
}

static void assert_owner(const struct redis_map *map, unsigned slot,
                         const char *host, unsigned port)
{
	const struct redis_place *place = redis_map_owner(map, slot);

	if (!host) {
		assert_null(place);
		return;
	}
	assert_non_null(place);
	assert_string_equal(place->host, host);
	assert_int_equal(place->port, port);
}

/* Redis 7.0: four elements, the last one empty. */
static const char redis_7_0[] =
    "*3\r\n"
    "*4\r\n:0\r\n:5460\r\n"
    "*4\r\n$9\r\n127.0.0.1\r\n:10001\r\n$3\r\nid1\r\n*0\r\n"
    "*4\r\n$9\r\n127.0.0.1\r\n:10004\r\n$3\r\nid4\r\n*0\r\n"
    "*4\r\n:5461\r\n:10921\r\n"
    "*4\r\n$9\r\n127.0.0.1\r\n:10002\r\n$3\r\nid2\r\n*0\r\n"
    "*4\r\n$9\r\n127.0.0.1\r\n:10005\r\n$3\r\nid5\r\n*0\r\n"
    "*3\r\n:10922\r\n:16383\r\n"
    "*4\r\n$9\r\n127.0.0.1\r\n:10003\r\n$3\r\nid3\r\n*0\r\n";

/* Redis 6.0: three elements; here with one slot that was moved. */
static const char redis_6_0[] =
    "*4\r\n"
    "*3\r\n:0\r\n:99\r\n*3\r\n$8\r\n10.0.0.1\r\n:6379\r\n$3\r\nid1\r\n"
    "*3\r\n:100\r\n:100\r\n*3\r\n$8\r\n10.0.0.2\r\n:6379\r\n$3\r\nid2\r\n"
    "*3\r\n:101\r\n:200\r\n*3\r\n$8\r\n10.0.0.1\r\n:6379\r\n$3\r\nid1\r\n"
    "*3\r\n:201\r\n:300\r\n*3\r\n$4\r\n::10\r\n:6379\r\n$3\r\nid2\r\n";

/* Valkey 8 with cluster-preferred-endpoint-type hostname: a name and the
 * address beside it; a name nobody gave; one that is to be guessed. */
static const char valkey_8[] =
    "*5\r\n"
    "*3\r\n:0\r\n:0\r\n*4\r\n$9\r\nr1.shop.x\r\n:7001\r\n$3\r\nid1\r\n"
    "*2\r\n$2\r\nip\r\n$8\r\n10.0.0.1\r\n"
    "*3\r\n:1\r\n:1\r\n*4\r\n$1\r\n?\r\n:7002\r\n$3\r\nid2\r\n"
    "*4\r\n$8\r\nhostname\r\n$1\r\nx\r\n$2\r\nip\r\n$8\r\n10.0.0.2\r\n"
    "*3\r\n:2\r\n:2\r\n*4\r\n$-1\r\n:7003\r\n$3\r\nid3\r\n*0\r\n"
    "*3\r\n:3\r\n:3\r\n*4\r\n$0\r\n\r\n:7004\r\n$3\r\nid4\r\n*0\r\n"
    "*3\r\n:4\r\n:4\r\n*4\r\n$1\r\n?\r\n:7005\r\n$3\r\nid5\r\n*0\r\n";

static void test_golden(void **state)
{
	struct redis_map map;
	char text[128];

	(void)state;
	redis_map_init(&map);
	assert_owner(&map, 0, NULL, 0);

	assert_true(read_map(&map, redis_7_0, text, sizeof(text)));
	assert_int_equal(map.covered, REDIS_SLOTS);
	assert_int_equal(map.n_places, 3);
	assert_owner(&map, 0, "127.0.0.1", 10001);
	assert_owner(&map, 5460, "127.0.0.1", 10001);
	assert_owner(&map, 5461, "127.0.0.1", 10002);
	assert_owner(&map, 16383, "127.0.0.1", 10003);

	assert_true(read_map(&map, redis_6_0, text, sizeof(text)));
	assert_int_equal(map.covered, 301);
	assert_int_equal(map.n_places, 3);
	assert_owner(&map, 99, "10.0.0.1", 6379);
	assert_owner(&map, 100, "10.0.0.2", 6379);
	assert_owner(&map, 101, "10.0.0.1", 6379);
	assert_owner(&map, 300, "::10", 6379);
	assert_owner(&map, 301, NULL, 0);

	assert_true(read_map(&map, valkey_8, text, sizeof(text)));
	assert_owner(&map, 0, "r1.shop.x", 7001);
	assert_owner(&map, 1, "10.0.0.2", 7002);
	assert_owner(&map, 2, "asked", 7003);
	assert_owner(&map, 3, "asked", 7004);
	assert_owner(&map, 4, NULL, 0);
	assert_int_equal(map.covered, 4);
	redis_map_fini(&map);
}

/* A range without a node, a node without a port: no owner, no mistake. */
static void test_nobody(void **state)
{
	struct redis_map map;
	char text[128];

	(void)state;
	redis_map_init(&map);
	assert_true(read_map(&map, "*0\r\n", text, sizeof(text)));
	assert_int_equal(map.covered, 0);
	assert_true(read_map(&map,
	                     "*2\r\n*2\r\n:0\r\n:9\r\n"
	                     "*3\r\n:10\r\n:19\r\n*2\r\n$1\r\nx\r\n:0\r\n",
	                     text, sizeof(text)));
	assert_int_equal(map.covered, 0);
	redis_map_fini(&map);
}

/* What is no map says so and changes nothing. */
static void test_mistakes(void **state)
{
	static const struct {
		const char *resp;
		const char *text;
	} rows[] = {
	    {"-ERR This instance has cluster support disabled\r\n",
	     "CLUSTER SLOTS: ERR This instance has cluster support disabled"},
	    {"+OK\r\n", "CLUSTER SLOTS: no list"},
	    {"$-1\r\n", "CLUSTER SLOTS: no list"},
	    {"*1\r\n:5\r\n", "CLUSTER SLOTS: a range of slots is none"},
	    {"*1\r\n*1\r\n:5\r\n", "CLUSTER SLOTS: a range of slots is none"},
	    {"*1\r\n*2\r\n$1\r\n0\r\n:1\r\n",
	     "CLUSTER SLOTS: a range of slots is none"},
	    {"*1\r\n*2\r\n:-1\r\n:5\r\n",
	     "CLUSTER SLOTS: a range has slots that do not exist"},
	    {"*1\r\n*2\r\n:6\r\n:5\r\n",
	     "CLUSTER SLOTS: a range has slots that do not exist"},
	    {"*1\r\n*2\r\n:0\r\n:16384\r\n",
	     "CLUSTER SLOTS: a range has slots that do not exist"},
	    {"*1\r\n*3\r\n:0\r\n:1\r\n:7\r\n",
	     "CLUSTER SLOTS: a node is without host and port"},
	    {"*1\r\n*3\r\n:0\r\n:1\r\n*1\r\n$1\r\nx\r\n",
	     "CLUSTER SLOTS: a node is without host and port"},
	    {"*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n:1\r\n:1\r\n",
	     "CLUSTER SLOTS: a node is without host and port"},
	    {"*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\nx\r\n:65536\r\n",
	     "CLUSTER SLOTS: a node is without host and port"},
	};
	struct redis_map map;

	(void)state;
	redis_map_init(&map);
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[128];

		assert_true(read_map(&map, redis_7_0, text, sizeof(text)));
		assert_false(read_map(&map, rows[i].resp, text, sizeof(text)));
		assert_string_equal(text, rows[i].text);
		assert_int_equal(map.covered, REDIS_SLOTS);
		assert_owner(&map, 0, "127.0.0.1", 10001);
	}
	redis_map_fini(&map);
}

static void test_moves(void **state)
{
	struct redis_place place = {.host = "r9", .port = 1};
	struct redis_map map;
	char text[128];

	(void)state;
	redis_map_init(&map);
	assert_true(read_map(&map, redis_7_0, text, sizeof(text)));
	assert_true(redis_map_move(&map, 7, &place));
	assert_owner(&map, 6, "127.0.0.1", 10001);
	assert_owner(&map, 7, "r9", 1);
	assert_int_equal(map.covered, REDIS_SLOTS);
	assert_int_equal(map.n_places, 4);
	while (map.n_places < REDIS_MAP_NODES_MAX) {
		place.port++;
		assert_true(redis_map_move(&map, 8, &place));
	}
	place.port++;
	assert_false(redis_map_move(&map, 9, &place));
	assert_owner(&map, 9, "127.0.0.1", 10001);
	redis_map_fini(&map);
}

static void test_redirections(void **state)
{
	static const struct {
		const char *text;
		enum redis_map_redirect_type type;
		unsigned slot;
		const char *host;
		unsigned port;
	} rows[] = {
	    {"MOVED 3999 127.0.0.1:6381", REDIS_MAP_MOVED, 3999, "127.0.0.1",
	     6381},
	    {"ASK 16383 10.0.0.7:7000", REDIS_MAP_ASK, 16383, "10.0.0.7", 7000},
	    {"MOVED 0 ::1:6379", REDIS_MAP_MOVED, 0, "::1", 6379},
	    {"MOVED 1 r1.shop.x:6379", REDIS_MAP_MOVED, 1, "r1.shop.x", 6379},
	    {"MOVED 1 :6380", REDIS_MAP_MOVED, 1, "asked", 6380},
	    {"ASK 1 ?:6380", REDIS_MAP_ASK, 1, "", 6380},
	};
	static const char *const none[] = {
	    "",
	    "MOVED",
	    "MOVED ",
	    "MOVED 1",
	    "MOVED 1 ",
	    "MOVED 1 host",
	    "MOVED 1 host:",
	    "MOVED 1 host:0",
	    "MOVED 1 host:65536",
	    "MOVED 1 host:123456789",
	    "MOVED 1 host:6x",
	    "MOVED 16384 host:1",
	    "MOVED -1 host:1",
	    "MOVED 99999999999 host:1",
	    "MOVEDX 1 host:1",
	    "moved 1 host:1",
	    "TRYAGAIN Multiple keys request during rehashing of slot",
	    "CLUSTERDOWN Hash slot not served",
	};
	struct redis_map_redirect redirect;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		redis_map_redirect_read(&redirect, spoe_span_of(rows[i].text),
		                        "asked");
		assert_int_equal(redirect.type, rows[i].type);
		assert_int_equal(redirect.slot, rows[i].slot);
		assert_string_equal(redirect.place.host, rows[i].host);
		assert_int_equal(redirect.place.port, rows[i].port);
	}
	for (size_t i = 0; i < COUNT(none); i++) {
		redis_map_redirect_read(&redirect, spoe_span_of(none[i]),
		                        "asked");
		assert_int_equal(redirect.type, REDIS_MAP_NONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_slots),  cmocka_unit_test(test_golden),
	    cmocka_unit_test(test_nobody), cmocka_unit_test(test_mistakes),
	    cmocka_unit_test(test_moves),  cmocka_unit_test(test_redirections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
