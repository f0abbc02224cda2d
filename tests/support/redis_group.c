#include "tests/support/redis_group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct redis_setup with_config(const struct redis_setup *setup,
                                      const char *config, const char *more,
                                      char *text, size_t size)
{
	struct redis_setup s = {.user = NULL};

	if (setup)
		s = *setup;
	snprintf(text, size, "%s\n%s\n%s", s.config ? s.config : "", config,
	         more);
	s.config = text;
	return s;
}

/* Where others reach it: with TLS when it has that. */
static int port_of(const struct redis_process *r)
{
	return r->tls_port ? r->tls_port : r->port;
}

/* ---- Sentinel ---- */

static const char *replication(const struct redis_setup *setup)
{
	return setup && setup->tls_ca ? "tls-replication yes" : "";
}

static bool start_servers(struct redis_sentinels *s,
                          const struct redis_setup *setup)
{
	char follow[64] = "", text[2048];

	for (int i = 0; i <= REDIS_REPLICAS; i++) {
		struct redis_setup own = with_config(
		    setup, replication(setup), follow, text, sizeof(text));

		if (!redis_process_start(&s->servers[i], &own))
			return false;
		snprintf(follow, sizeof(follow), "replicaof 127.0.0.1 %d",
		         port_of(&s->servers[0]));
	}
	for (int i = 1; i <= REDIS_REPLICAS; i++) {
		if (!redis_process_wait(&s->servers[i], "master_link_status:up",
		                        "INFO replication"))
			return false;
	}
	return true;
}

static bool start_sentinels(struct redis_sentinels *s,
                            const struct redis_setup *setup)
{
	const struct redis_process *master = &s->servers[0];
	char text[2048], auth[256] = "";

	if (master->user[0])
		snprintf(auth, sizeof(auth), "sentinel auth-user %s %s\n",
		         REDIS_SENTINEL_NAME, master->user);
	if (master->password[0])
		snprintf(auth + strlen(auth), sizeof(auth) - strlen(auth),
		         "sentinel auth-pass %s %s", REDIS_SENTINEL_NAME,
		         master->password);
	snprintf(s->sentinel_config, sizeof(s->sentinel_config),
	         "sentinel monitor %s 127.0.0.1 %d 2\n"
	         "sentinel down-after-milliseconds %s %d\n"
	         "sentinel failover-timeout %s 6000\n%s",
	         REDIS_SENTINEL_NAME, port_of(master), REDIS_SENTINEL_NAME,
	         REDIS_DOWN_AFTER_MS, REDIS_SENTINEL_NAME, auth);
	for (int i = 0; i < REDIS_SENTINELS; i++) {
		struct redis_setup own =
		    with_config(setup, replication(setup), s->sentinel_config,
		                text, sizeof(text));

		own.sentinel = true;
		if (!redis_process_start(&s->sentinels[i], &own))
			return false;
	}
	return true;
}

static bool knows_all(struct redis_process *sentinel)
{
	char text[128];

	snprintf(text, sizeof(text), "slaves=%d,sentinels=%d", REDIS_REPLICAS,
	         REDIS_SENTINELS);
	return redis_process_wait(sentinel, text, "INFO sentinel") &&
	       redis_process_wait(sentinel, "status=ok", "INFO sentinel");
}

bool redis_sentinels_start(struct redis_sentinels *s,
                           const struct redis_setup *setup,
                           const struct redis_setup *sentinel_setup)
{
	memset(s, 0, sizeof(*s));
	if (!start_servers(s, setup) || !start_sentinels(s, sentinel_setup))
		return false;
	for (int i = 0; i < REDIS_SENTINELS; i++) {
		if (!knows_all(&s->sentinels[i]))
			return false;
	}
	return true;
}

void redis_sentinels_fini(struct redis_sentinels *s)
{
	for (int i = 0; i < REDIS_SENTINELS; i++)
		redis_process_fini(&s->sentinels[i]);
	for (int i = 0; i <= REDIS_REPLICAS; i++)
		redis_process_fini(&s->servers[i]);
}

struct redis_process *redis_sentinels_master(struct redis_sentinels *s,
                                             int sentinel)
{
	const char *port =
	    strchr(redis_process_ask(&s->sentinels[sentinel],
	                             "SENTINEL get-master-addr-by-name %s",
	                             REDIS_SENTINEL_NAME),
	           '\n');

	for (int i = 0; port && i <= REDIS_REPLICAS; i++) {
		if (atoi(port + 1) == port_of(&s->servers[i]))
			return &s->servers[i];
	}
	return NULL;
}

struct redis_process *redis_sentinels_wait_other(
    struct redis_sentinels *s, const struct redis_process *old)
{
	long until = redis_process_now() + REDIS_BOUND_MS;

	do {
		struct redis_process *named = redis_sentinels_master(s, 0);
		int agreed = 0;

		for (int i = 0; i < REDIS_SENTINELS; i++)
			agreed += redis_sentinels_master(s, i) == named;
		if (named && named != old && agreed == REDIS_SENTINELS &&
		    strstr(redis_process_ask(named, "INFO replication"),
		           "role:master"))
			return named;
		redis_process_pause();
	} while (redis_process_now() < until);
	fprintf(stderr, "the sentinels name no other master\n");
	return NULL;
}

/* ---- Cluster ---- */

static bool start_node(struct redis_process *node,
                       const struct redis_cluster_setup *setup)
{
	char config[256], text[2048];
	int timeout = setup->node_timeout_ms;
	struct redis_setup own = {
	    .user = setup->user,
	    .password = setup->password,
	    .config = setup->config,
	    .tls_ca = setup->tls_ca,
	    .tls_certificate = setup->tls_certificate,
	    .tls_key = setup->tls_key,
	};

	snprintf(config, sizeof(config),
	         "cluster-enabled yes\ncluster-node-timeout %d\n"
	         "cluster-require-full-coverage %s\n%s",
	         timeout ? timeout : REDIS_DOWN_AFTER_MS,
	         setup->partial ? "no" : "yes",
	         setup->tls_ca ? "tls-cluster yes\ntls-replication yes\n" : "");
	own = with_config(&own, config, "", text, sizeof(text));
	return redis_process_start(node, &own);
}

/* Gives a master its slots. ADDSLOTS takes them one by one, in every version.
 */
static bool give_slots(struct redis_process *node, int first, int last)
{
	static char numbers[REDIS_GROUP_SLOTS][12];
	static const char *words[2 + REDIS_GROUP_SLOTS] = {"CLUSTER",
	                                                   "ADDSLOTS"};
	int count = 2;

	for (int slot = first; slot <= last; slot++) {
		snprintf(numbers[slot], sizeof(numbers[slot]), "%d", slot);
		words[count++] = numbers[slot];
	}
	return strcmp(redis_process_ask_words(node, count, words, NULL),
	              "OK") == 0;
}

static bool introduce(struct redis_nodes *n)
{
	for (int i = 0; i < n->count; i++) {
		struct redis_process *node = &n->nodes[i];

		snprintf(n->ids[i], sizeof(n->ids[i]), "%s",
		         redis_process_ask(node, "CLUSTER MYID"));
		if (!redis_process_do(node, "CLUSTER SET-CONFIG-EPOCH %d",
		                      i + 1))
			return false;
		if (i < REDIS_MASTERS &&
		    !give_slots(node, i * REDIS_GROUP_SLOTS / REDIS_MASTERS,
		                (i + 1) * REDIS_GROUP_SLOTS / REDIS_MASTERS -
		                    1))
			return false;
	}
	/* Both ways, so that nobody has to wait for gossip. */
	for (int i = 0; i < n->count * n->count; i++) {
		int port = port_of(&n->nodes[i % n->count]);

		if (i / n->count != i % n->count &&
		    !redis_process_do(&n->nodes[i / n->count],
		                      "CLUSTER MEET 127.0.0.1 %d", port))
			return false;
	}
	return true;
}

/* Whether no node of those it met is still without a name, and all have one of
 * ours. */
static bool wait_known(struct redis_nodes *n, int asked)
{
	for (int i = 0; i < n->count; i++) {
		if (!redis_process_wait(&n->nodes[asked], n->ids[i],
		                        "CLUSTER NODES"))
			return false;
	}
	return true;
}

static bool follow(struct redis_nodes *n)
{
	for (int i = 0; i < n->count; i++) {
		if (!wait_known(n, i))
			return false;
	}
	for (int i = REDIS_MASTERS; i < n->count; i++) {
		if (!redis_process_wait(&n->nodes[i], "OK",
		                        "CLUSTER REPLICATE %s",
		                        n->ids[i - REDIS_MASTERS]))
			return false;
	}
	return true;
}

/* Whether `asked` has heard of every replica's role, and who has each slot.
 * (Its state may be "ok" without that, and Valkey 9 takes its time.) */
static bool wait_roles(struct redis_nodes *n, int asked)
{
	if (!redis_process_wait(&n->nodes[asked], "cluster_slots_ok:16384",
	                        "CLUSTER INFO"))
		return false;
	for (int i = REDIS_MASTERS; i < n->count; i++) {
		char text[64];

		snprintf(text, sizeof(text), "slave %s",
		         n->ids[i - REDIS_MASTERS]);
		if (!redis_process_wait(&n->nodes[asked], text,
		                        "CLUSTER NODES"))
			return false;
	}
	return true;
}

bool redis_nodes_start(struct redis_nodes *n,
                       const struct redis_cluster_setup *setup)
{
	static const struct redis_cluster_setup plain = {.user = NULL};

	memset(n, 0, sizeof(*n));
	setup = setup ? setup : &plain;
	n->count = setup->no_replicas ? REDIS_MASTERS : REDIS_NODES;
	for (int i = 0; i < n->count; i++) {
		if (!start_node(&n->nodes[i], setup))
			return false;
	}
	if (!introduce(n) || !follow(n))
		return false;
	for (int i = 0; i < n->count; i++) {
		if (!wait_roles(n, i))
			return false;
	}
	return redis_nodes_settled(n);
}

void redis_nodes_fini(struct redis_nodes *n)
{
	for (int i = 0; i < REDIS_NODES; i++)
		redis_process_fini(&n->nodes[i]);
}

int redis_nodes_index(const struct redis_nodes *n,
                      const struct redis_process *node)
{
	return (int)(node - n->nodes);
}

/* One line of CLUSTER NODES: id, address, flags, master, pings, epoch, link,
 * then the slots. */
static bool line_owns(const char *line, const char *end, int slot)
{
	int field = 0;

	for (const char *at = line; at < end; at++) {
		char *rest;
		long first, last;

		if (*at != ' ')
			continue;
		if (++field < 8 || at[1] == '[')
			continue;
		first = last = strtol(at + 1, &rest, 10);
		if (*rest == '-')
			last = strtol(rest + 1, NULL, 10);
		if (slot >= first && slot <= last)
			return true;
	}
	return false;
}

struct redis_process *redis_nodes_owner(struct redis_nodes *n, int asked,
                                        int slot)
{
	const char *line = redis_process_ask(&n->nodes[asked], "CLUSTER NODES");

	while (*line) {
		const char *end = strchrnul(line, '\n');

		for (int i = 0; i < n->count; i++) {
			if (strncmp(line, n->ids[i], 40) == 0 &&
			    line_owns(line, end, slot))
				return &n->nodes[i];
		}
		line = *end ? end + 1 : end;
	}
	return NULL;
}

struct redis_process *redis_nodes_wait_other(struct redis_nodes *n, int asked,
                                             int slot,
                                             const struct redis_process *old)
{
	long until = redis_process_now() + REDIS_BOUND_MS;

	do {
		struct redis_process *owner = redis_nodes_owner(n, asked, slot);

		if (owner && owner != old)
			return owner;
		redis_process_pause();
	} while (redis_process_now() < until);
	fprintf(stderr, "slot %d: no other owner; %s\n", slot,
	        redis_process_ask(&n->nodes[asked], "CLUSTER NODES"));
	return NULL;
}

bool redis_nodes_settled(struct redis_nodes *n)
{
	for (int i = 0; i < n->count; i++) {
		struct redis_process *node = &n->nodes[i];

		if (node->pid <= 0)
			continue;
		if (!redis_process_wait(node, "cluster_state:ok",
		                        "CLUSTER INFO"))
			return false;
		if (strstr(redis_process_ask(node, "INFO replication"),
		           "role:slave") &&
		    !redis_process_wait(node, "master_link_status:up",
		                        "INFO replication"))
			return false;
	}
	return true;
}

int redis_nodes_slot(struct redis_nodes *n, const char *key)
{
	for (int i = 0; i < n->count; i++) {
		if (n->nodes[i].pid > 0)
			return atoi(redis_process_ask(
			    &n->nodes[i], "CLUSTER KEYSLOT %s", key));
	}
	return -1;
}

bool redis_nodes_migrate_begin(struct redis_nodes *n, int slot, int from,
                               int to)
{
	return redis_process_do(&n->nodes[to],
	                        "CLUSTER SETSLOT %d IMPORTING %s", slot,
	                        n->ids[from]) &&
	       redis_process_do(&n->nodes[from],
	                        "CLUSTER SETSLOT %d MIGRATING %s", slot,
	                        n->ids[to]);
}

/* MIGRATE of one key; a key that went away meanwhile is NOKEY and fine. */
static bool migrate_key(struct redis_process *from, struct redis_process *to,
                        const char *key)
{
	char port[16];
	const char *words[16] = {"MIGRATE", "127.0.0.1", port,
	                         key,       "0",         "10000"};
	int count = 6;
	const char *reply;

	snprintf(port, sizeof(port), "%d", port_of(to));
	if (to->user[0]) {
		words[count++] = "AUTH2";
		words[count++] = to->user;
	} else if (to->password[0]) {
		words[count++] = "AUTH";
	}
	if (to->password[0])
		words[count++] = to->password;
	reply = redis_process_ask_words(from, count, words, NULL);
	if (strcmp(reply, "OK") == 0 || strcmp(reply, "NOKEY") == 0)
		return true;
	fprintf(stderr, "MIGRATE %s: %s\n", key, reply);
	return false;
}

bool redis_nodes_migrate_keys(struct redis_nodes *n, int slot, int from, int to)
{
	for (;;) {
		char key[512];
		const char *keys = redis_process_ask(
		    &n->nodes[from], "CLUSTER GETKEYSINSLOT %d 1", slot);

		if (!*keys)
			return true;
		snprintf(key, sizeof(key), "%s", keys);
		if (!migrate_key(&n->nodes[from], &n->nodes[to], key))
			return false;
	}
}

bool redis_nodes_migrate_end(struct redis_nodes *n, int slot, int from, int to)
{
	/* The new owner first: it must not forget what it imported. */
	int order[REDIS_NODES] = {to, from};
	int count = 2;

	for (int i = 0; i < n->count; i++) {
		if (i != to && i != from)
			order[count++] = i;
	}
	for (int i = 0; i < count; i++) {
		struct redis_process *node = &n->nodes[order[i]];

		if (node->pid <= 0 ||
		    strstr(redis_process_ask(node, "INFO replication"),
		           "role:slave"))
			continue;
		if (!redis_process_do(node, "CLUSTER SETSLOT %d NODE %s", slot,
		                      n->ids[to]))
			return false;
	}
	return true;
}
