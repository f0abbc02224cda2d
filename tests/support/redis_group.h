/* tests/support/redis_group.h: several redis-servers as one: a master with
 * replicas and sentinels, or a cluster. Times are short; a machine that is
 * slower than they allow makes a fail-over nobody asked for, so tests look who
 * is master rather than remember. */
#ifndef TESTS_SUPPORT_REDIS_GROUP_H
#define TESTS_SUPPORT_REDIS_GROUP_H

#include "tests/support/redis_process.h"

enum {
	REDIS_REPLICAS = 2,
	REDIS_SENTINELS = 3,
	REDIS_MASTERS = 3, /* of a cluster, each with one replica */
	REDIS_NODES = 2 * REDIS_MASTERS,
	REDIS_GROUP_SLOTS = 16384,
	/* How long a silent node is left alone. */
	REDIS_DOWN_AFTER_MS = 1500,
};

/* The name the sentinels know the master by. */
#define REDIS_SENTINEL_NAME "payments"

struct redis_sentinels {
	struct redis_process servers[1 + REDIS_REPLICAS]; /* first: master */
	struct redis_process sentinels[REDIS_SENTINELS];
	char sentinel_config[512];
};

/* Starts all of it and waits until the replicas are in sync and each sentinel
 * knows everybody. `setup` (NULL: nothing special) goes for the servers;
 * `sentinel_setup` for the sentinels. redis_sentinels_fini() is due always. */
bool redis_sentinels_start(struct redis_sentinels *s,
                           const struct redis_setup *setup,
                           const struct redis_setup *sentinel_setup);
void redis_sentinels_fini(struct redis_sentinels *s);

/* The server that the sentinel says is master now; NULL when it says none. */
struct redis_process *redis_sentinels_master(struct redis_sentinels *s,
                                             int sentinel);

/* Waits until all sentinels name one master other than `old`, and it says so
 * itself: returns it; NULL at the bound. */
struct redis_process *redis_sentinels_wait_other(
    struct redis_sentinels *s, const struct redis_process *old);

struct redis_cluster_setup {
	const char *user; /* as in struct redis_setup */
	const char *password;
	const char *config;
	const char *tls_ca;
	const char *tls_certificate;
	const char *tls_key;
	int node_timeout_ms; /* 0: REDIS_DOWN_AFTER_MS */
	bool partial;        /* without cluster-require-full-coverage */
	bool no_replicas;    /* masters alone */
};

struct redis_nodes {
	/* 0 to 2 start as masters, each of a third of the slots; 3 to 5 as
	 * their replicas, in this order. */
	struct redis_process nodes[REDIS_NODES];
	char ids[REDIS_NODES][41];
	int count;
};

/* Starts it and waits until every node says that all is well and replicas are
 * in sync. redis_nodes_fini() is due always. */
bool redis_nodes_start(struct redis_nodes *n,
                       const struct redis_cluster_setup *setup);
void redis_nodes_fini(struct redis_nodes *n);

/* The node that owns `slot`, as the running node `asked` sees it; NULL: none.
 */
struct redis_process *redis_nodes_owner(struct redis_nodes *n, int asked,
                                        int slot);

/* Its place in `nodes`. */
int redis_nodes_index(const struct redis_nodes *n,
                      const struct redis_process *node);

/* Waits until the running node `asked` sees another owner of `slot` than `old`:
 * returns it; NULL at the bound. */
struct redis_process *redis_nodes_wait_other(struct redis_nodes *n, int asked,
                                             int slot,
                                             const struct redis_process *old);

/* Waits until each running node says cluster_state:ok and each replica among
 * them is in sync with its master. */
bool redis_nodes_settled(struct redis_nodes *n);

/* The slot a key is in, as the server counts. */
int redis_nodes_slot(struct redis_nodes *n, const char *key);

/* Moves a slot: its keys can be moved with redis_nodes_migrate_keys() between
 * _begin and _end, while the source answers ASK for those it has no more. */
bool redis_nodes_migrate_begin(struct redis_nodes *n, int slot, int from,
                               int to);
bool redis_nodes_migrate_keys(struct redis_nodes *n, int slot, int from,
                              int to);
bool redis_nodes_migrate_end(struct redis_nodes *n, int slot, int from, int to);

#endif
