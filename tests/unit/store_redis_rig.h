/* tests/unit/store_redis_rig.h: a rig (store_rig.h) whose store is Redis.
 *
 * There the server's clock says how long a record lives, whatever now_ms is.
 * The tests' time is virtual; so the rig lets it pass in the server before an
 * operation whose now_ms is later than that of all before. It does not go back:
 * what the server has forgotten is gone (rig.forgets). */
#ifndef TESTS_STORE_REDIS_RIG_H
#define TESTS_STORE_REDIS_RIG_H

#include "tests/support/redis_process.h"
#include "tests/unit/store_rig.h"

#include "agent/store/redis_options.h"

struct redis_rig {
	struct rig rig; /* first */
	struct redis_process *server;
	struct endpoint endpoint;
	struct redis_options redis;
	uint64_t now_ms; /* in the server */
};

/* Makes `now_ms` the time in the server: what expires by then goes. What does
 * not gets ten minutes more, lest the real time have a say. */
static inline void redis_rig_set_time(struct redis_process *server,
                                      uint64_t now_ms)
{
	static const char script[] =
	    "for _,k in ipairs(redis.call('KEYS','*')) do "
	    "local expires=struct.unpack('>I8',redis.call('GET',k),25) "
	    "local left=expires-tonumber(ARGV[1]) "
	    "if left>0 then redis.call('PEXPIRE',k,left+600000) "
	    "else redis.call('DEL',k) end end return 'OK'";
	char text[24];
	const char *words[] = {"EVAL", script, "0", text};
	size_t sizes[] = {4, sizeof(script) - 1, 1, 0};

	snprintf(text, sizeof(text), "%llu", (unsigned long long)now_ms);
	sizes[3] = strlen(text);
	assert_string_equal(redis_process_ask_words(server, 4, words, sizes),
	                    "OK");
}

static inline void redis_rig_pass(struct rig *rig, uint64_t now_ms)
{
	struct redis_rig *r = (struct redis_rig *)rig;

	if (now_ms <= r->now_ms)
		return;
	redis_rig_set_time(r->server, now_ms);
	r->now_ms = now_ms;
}

static inline void redis_rig_report(enum store_event event, const char *text)
{
	/* Its time is not ours, and it keeps nothing on disk. */
	if (event == STORE_EVENT_DOWN)
		print_message("# event %d: %s\n", event, text);
}

/* Fills in the options for a server that is running, reached at `address`;
 * change them before rig_open(). */
static inline void redis_rig_init(struct redis_rig *r,
                                  struct redis_process *server,
                                  const char *address)
{
	char text[256] = "";

	rig_init(&r->rig);
	if (endpoint_parse(address, &r->endpoint, text, sizeof(text)) != 0)
		fail_msg("%s", text);
	r->server = server;
	r->redis = (struct redis_options){
	    .servers = &r->endpoint,
	    .n_servers = 1,
	    .username = "",
	    .password = "",
	    .client_name = "store-test",
	    .prefix = "idempotency",
	    /* A crowded machine is no failure, unless a test says so. */
	    .timeout_ms = 20 * 1000,
	    .connect_timeout_ms = 20 * 1000,
	    .tls_server_name = "",
	};
	r->rig.options.driver = "redis";
	r->rig.options.redis = &r->redis;
	r->rig.options.report = redis_rig_report;
	r->rig.pass = redis_rig_pass;
	r->rig.forgets = true;
	r->rig.shortest_ms = 60 * 1000;
	r->now_ms = RIG_NOW - 1000 * 1000;
}

/* Does it again until the store was fit for it. */
static inline struct rig_call redis_rig_persist(struct rig *rig,
                                                struct record_op op)
{
	const ev_tstamp end = ev_time() + RIG_LIMIT_S;
	struct rig_call c = rig_do(rig, op);

	while (c.health != REASON_NONE) {
		if (ev_time() > end)
			fail_msg("the store does not recover");
		rig_call_fini(&c);
		rig_turn(rig->loop);
		c = rig_do(rig, op);
	}
	return c;
}

static inline enum record_result redis_rig_result(struct rig *rig,
                                                  struct record_op op)
{
	struct rig_call c = redis_rig_persist(rig, op);

	rig_call_fini(&c);
	return c.result;
}

#endif
