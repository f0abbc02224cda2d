/* tests/unit/store_redis_sentinel_rig.h: a rig (store_redis_rig.h) whose server
 * is found through sentinels. */
#ifndef TESTS_STORE_REDIS_SENTINEL_RIG_H
#define TESTS_STORE_REDIS_SENTINEL_RIG_H

#include "tests/support/redis_group.h"
#include "tests/unit/store_redis_rig.h"

/* Sets up `r` for the group, whose servers have the password `secret`, and
 * whose sentinels have `password` and are spoken to at their TLS ports if
 * `tls`. The store is not open yet; `endpoints` (REDIS_SENTINELS of them)
 * outlive it. */
static inline void redis_sentinel_rig_init(struct redis_rig *r,
                                           const struct redis_sentinels *group,
                                           struct redis_process *master,
                                           bool tls, const char *password,
                                           struct endpoint *endpoints)
{
	char address[64], text[256];

	assert_non_null(master);
	redis_rig_init(r, master, "127.0.0.1:1");
	for (int i = 0; i < REDIS_SENTINELS; i++) {
		snprintf(address, sizeof(address), "127.0.0.1:%d",
		         tls ? group->sentinels[i].tls_port
		             : group->sentinels[i].port);
		assert_int_equal(
		    endpoint_parse(address, &endpoints[i], text, sizeof(text)),
		    0);
	}
	r->redis.mode = REDIS_MODE_SENTINEL;
	r->redis.servers = endpoints;
	r->redis.n_servers = REDIS_SENTINELS;
	r->redis.password = "secret";
	r->redis.sentinel_master = REDIS_SENTINEL_NAME;
	r->redis.sentinel_username = "";
	r->redis.sentinel_password = password;
}

#endif
