/* Servers that no real one can be made to be on demand: replies of every kind
 * to a claim or a settle, old versions, nonsense. A thread plays the server. */
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include "tests/unit/store_redis_rig.h"

enum { NAMES_MAX = 64, CONNECTIONS_MAX = 16, PLACES = 2 };

struct fake {
	pthread_t thread;
	int listeners[PLACES]; /* a cluster's other node says the same */
	int ports[PLACES];
	atomic_bool stop;
	pthread_mutex_t lock; /* of what follows */
	char info[256];
	bool info_forbidden;
	bool auth_wanted;
	char reply[512]; /* to a command about a record */
	char first[64];  /* to the first of them; "" : as the others */
	/* What came that was about records. */
	char names[NAMES_MAX][16];
	unsigned n_names;
	unsigned n_at[PLACES]; /* of them, where */
};

struct connection {
	struct redisReader *reader;
	int fd;
	int place;
};

static struct fake fake;

static void say(int fd, const char *text)
{
	size_t size = strlen(text);

	if (send(fd, text, size, MSG_NOSIGNAL) != (ssize_t)size)
		shutdown(fd, SHUT_RDWR);
}

/* Under the lock. */
static void say_to_record(int fd, int place, const char *name)
{
	fake.n_at[place]++;
	if (fake.n_names < NAMES_MAX)
		snprintf(fake.names[fake.n_names++], sizeof(fake.names[0]),
		         "%.15s", name);
	say(fd, fake.first[0] ? fake.first : fake.reply);
	fake.first[0] = '\0';
}

/* All slots are at the first place. */
static void say_slots(int fd)
{
	char text[128], port[16];

	snprintf(port, sizeof(port), "%d", fake.ports[0]);
	snprintf(text, sizeof(text),
	         "*1\r\n*3\r\n:0\r\n:16383\r\n"
	         "*2\r\n$9\r\n127.0.0.1\r\n:%s\r\n",
	         port);
	say(fd, text);
}

static void answer(int fd, int place, const struct redisReply *command)
{
	const char *name = command->element[0]->str;
	char bulk[300];

	pthread_mutex_lock(&fake.lock);
	if (strcmp(name, "INFO") == 0 && fake.info_forbidden) {
		say(fd, "-NOPERM this user has no permissions\r\n");
	} else if (strcmp(name, "INFO") == 0) {
		snprintf(bulk, sizeof(bulk), "$%zu\r\n%s\r\n",
		         strlen(fake.info), fake.info);
		say(fd, bulk);
	} else if (strcmp(name, "TIME") == 0) {
		say(fd, "*2\r\n$10\r\n1700000000\r\n$1\r\n0\r\n");
	} else if (strcmp(name, "CONFIG") == 0) {
		say(fd, "*2\r\n$4\r\nsave\r\n$0\r\n\r\n");
	} else if (strcmp(name, "PING") == 0) {
		say(fd, "+PONG\r\n");
	} else if (strcmp(name, "CLIENT") == 0 || strcmp(name, "ASKING") == 0) {
		say(fd, "+OK\r\n");
	} else if (strcmp(name, "CLUSTER") == 0) {
		say_slots(fd);
	} else {
		say_to_record(fd, place, name);
	}
	pthread_mutex_unlock(&fake.lock);
}

/* False when the connection is over. */
static bool serve(struct connection *c)
{
	char buffer[4096];
	ssize_t n = recv(c->fd, buffer, sizeof(buffer), 0);
	void *command = NULL;

	if (n <= 0)
		return false;
	redisReaderFeed(c->reader, buffer, (size_t)n);
	while (redisReaderGetReply(c->reader, &command) == REDIS_OK &&
	       command) {
		answer(c->fd, c->place, command);
		freeReplyObject(command);
	}
	return true;
}

static void hang_up(struct connection *c)
{
	redisReaderFree(c->reader);
	close(c->fd);
}

static void *run(void *cookie)
{
	struct connection all[CONNECTIONS_MAX];
	unsigned n = 0;

	(void)cookie;
	while (!fake.stop) {
		struct pollfd p[PLACES + CONNECTIONS_MAX];

		for (int i = 0; i < PLACES; i++)
			p[i] = (struct pollfd){fake.listeners[i], POLLIN, 0};
		for (unsigned i = 0; i < n; i++)
			p[PLACES + i] = (struct pollfd){all[i].fd, POLLIN, 0};
		poll(p, PLACES + n, 5);
		for (unsigned i = n; i-- > 0;) {
			if (p[PLACES + i].revents && !serve(&all[i])) {
				hang_up(&all[i]);
				all[i] = all[--n];
			}
		}
		for (int i = 0; i < PLACES; i++) {
			if (p[i].revents && n < CONNECTIONS_MAX)
				all[n++] = (struct connection){
				    redisReaderCreate(),
				    accept(fake.listeners[i], NULL, NULL), i};
		}
	}
	while (n > 0)
		hang_up(&all[--n]);
	return NULL;
}

#define VERSION_7 "redis_version:7.0.15\r\nrole:master\r\nloading:0\r\n"
#define VERSION_6 "redis_version:6.2.14\r\nrole:master\r\nloading:0\r\n"

static void set(char *field, size_t size, const char *text)
{
	pthread_mutex_lock(&fake.lock);
	snprintf(field, size, "%s", text);
	pthread_mutex_unlock(&fake.lock);
}

#define SET(field, text) set(fake.field, sizeof(fake.field), text)

static void listen_at(int place)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	socklen_t size = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(fd, 16), 0);
	getsockname(fd, (struct sockaddr *)&in, &size);
	fake.listeners[place] = fd;
	fake.ports[place] = ntohs(in.sin_port);
}

static int start(void **state)
{
	struct redis_rig *r = calloc(1, sizeof(*r));
	char address[64];

	assert_non_null(r);
	memset(&fake, 0, sizeof(fake));
	pthread_mutex_init(&fake.lock, NULL);
	snprintf(fake.info, sizeof(fake.info), "%s", VERSION_7);
	snprintf(fake.reply, sizeof(fake.reply), "$-1\r\n");
	for (int i = 0; i < PLACES; i++)
		listen_at(i);
	pthread_create(&fake.thread, NULL, run, NULL);
	snprintf(address, sizeof(address), "127.0.0.1:%d", fake.ports[0]);
	redis_rig_init(r, NULL, address);
	r->rig.pass = NULL;
	r->rig.options.report = NULL;
	*state = r;
	return 0;
}

static int finish(void **state)
{
	struct redis_rig *r = *state;

	if (r->rig.client)
		rig_close(&r->rig);
	rig_remove(r->rig.directory);
	free(r);
	fake.stop = true;
	pthread_join(fake.thread, NULL);
	for (int i = 0; i < PLACES; i++)
		close(fake.listeners[i]);
	pthread_mutex_destroy(&fake.lock);
	return 0;
}

/* Claims until that is granted: the store has recovered. */
static void until_granted(struct rig *rig)
{
	struct rig_call c;
	const ev_tstamp end = ev_time() + RIG_LIMIT_S;

	SET(reply, "$-1\r\n");
	do {
		assert_true(ev_time() < end);
		c = rig_do(rig, rig_claim_op(1, 11, RIG_NOW));
		rig_turn(rig->loop);
	} while (c.health != REASON_NONE || c.result != RECORD_GRANTED);
}

/* Whatever the server says in place of an answer: never "new", never "done",
 * and as soon as it says what it should, all goes on. */
static void replies_of_every_kind(void **state)
{
	static const char *const replies[] = {
	    "-LOADING Redis is loading the dataset in memory\r\n",
	    "-READONLY You can't write against a read only replica.\r\n",
	    "-MISCONF Redis is configured to save RDB snapshots\r\n",
	    "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
	    "-NOAUTH Authentication required.\r\n",
	    "-NOPERM this user has no permissions\r\n",
	    "-BUSY Redis is busy running a script.\r\n",
	    "-CLUSTERDOWN Hash slot not served\r\n",
	    "-MOVED 1 127.0.0.1:1\r\n",
	    "-NOREPLICAS Not enough good replicas to write.\r\n",
	    "-MASTERDOWN Link with MASTER is down\r\n",
	    "-NOSCRIPT No matching script.\r\n",
	    "-ERR unknown command\r\n",
	    "-\r\n",
	    "+OK\r\n",
	    "+QUEUED\r\n",
	    ":7\r\n",
	    ":-1\r\n",
	    "*0\r\n",
	    "*-1\r\n",
	    "*1\r\n$-1\r\n",
	    "$0\r\n\r\n",
	    "$5\r\nhello\r\n",
	    "$1\r\n\xff\r\n",
	    /* No protocol at all. */
	    "HTTP/1.1 400 Bad Request\r\n\r\n",
	    "\r\n",
	    "$x\r\n",
	    "*99999999999\r\n",
	    /* More than one answer to one question. */
	    "$5\r\nhello\r\n$5\r\nhello\r\n",
	};
	struct redis_rig *r = *state;
	struct rig *rig = &r->rig;

	rig_open(rig);
	until_granted(rig);
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		const bool nil = strcmp(replies[i], "*-1\r\n") == 0;
		struct rig_call c;

		SET(reply, replies[i]);
		c = rig_do(rig, rig_claim_op(2, 12, RIG_NOW));
		if (c.health == REASON_NONE && !nil)
			fail_msg("claim believes %s", replies[i]);
		until_granted(rig);
		SET(reply, replies[i]);
		c = rig_do(rig, rig_settle_op(2, 12, RIG_NOW, RECORD_STORED,
		                              RIG_NO_RESPONSE));
		if (c.health == REASON_NONE)
			fail_msg("settle believes %s", replies[i]);
		until_granted(rig);
	}
}

static unsigned names(const char *name)
{
	unsigned n = 0;

	pthread_mutex_lock(&fake.lock);
	for (unsigned i = 0; i < fake.n_names; i++)
		n += strcmp(fake.names[i], name) == 0;
	pthread_mutex_unlock(&fake.lock);
	return n;
}

/* Before 7.0 a claim is a script, which the server may not know yet. */
static void old_servers_run_a_script(void **state)
{
	struct redis_rig *r = *state;

	SET(info, VERSION_6);
	SET(first, "-NOSCRIPT No matching script. Please use EVAL.\r\n");
	rig_open(&r->rig);
	assert_int_equal(rig_claim(&r->rig, 1, 11), RECORD_GRANTED);
	assert_int_equal(rig_claim(&r->rig, 2, 11), RECORD_GRANTED);
	assert_int_equal(names("SET"), 0);
	assert_int_equal(names("EVALSHA"), 2);
	assert_int_equal(names("EVAL"), 1);
}

/* An ACL may forbid INFO: what works everywhere is used then. */
static void info_may_be_forbidden(void **state)
{
	struct redis_rig *r = *state;

	fake.info_forbidden = true;
	rig_open(&r->rig);
	assert_int_equal(rig_claim(&r->rig, 1, 11), RECORD_GRANTED);
	assert_int_equal(names("SET"), 0);
	assert_int_equal(names("EVALSHA"), 1);
}

/* It loads its data when the agent starts, and still does for a while. */
static void a_loading_server_is_waited_for(void **state)
{
	struct redis_rig *r = *state;
	struct rig *rig = &r->rig;

	SET(info, "redis_version:7.0.15\r\nrole:master\r\nloading:1\r\n");
	rig_open(rig);
	rig_until(rig, rig_health(rig, rig_claim_op(1, 11, RIG_NOW)) ==
	                   REASON_STORE_FAILED);
	assert_int_equal(names("SET"), 0);
	assert_false(store_healthy(rig->store));
	SET(info, VERSION_7);
	until_granted(rig);
	assert_true(store_healthy(rig->store));
}

/* --- a cluster --- */

static int start_cluster(void **state)
{
	struct redis_rig *r;

	if (start(state) != 0)
		return -1;
	r = *state;
	r->redis.mode = REDIS_MODE_CLUSTER;
	SET(info, VERSION_7 "cluster_enabled:1\r\n");
	rig_open(&r->rig);
	until_granted(&r->rig);
	return 0;
}

/* Commands about records. */
static unsigned came_to(int place)
{
	unsigned n;

	pthread_mutex_lock(&fake.lock);
	n = fake.n_at[place];
	pthread_mutex_unlock(&fake.lock);
	return n;
}

/* Claims with `first` for the first answer: granted, at the second attempt. */
static void expect_second_attempt(struct rig *rig, uint64_t n,
                                  const char *first)
{
	const unsigned before = came_to(0) + came_to(1);

	SET(first, first);
	assert_int_equal(rig_claim(rig, n, 1), RECORD_GRANTED);
	assert_int_equal(came_to(0) + came_to(1), before + 2);
}

static void not_now_is_tried_again(void **state)
{
	struct redis_rig *r = *state;

	expect_second_attempt(&r->rig, 2,
	                      "-TRYAGAIN Multiple keys request during "
	                      "rehashing of slot\r\n");
	expect_second_attempt(&r->rig, 3,
	                      "-CLUSTERDOWN The cluster is down\r\n");
}

/* In vain: an error in time, and no harm. */
static void not_now_for_ever_is_an_error(void **state)
{
	struct redis_rig *r = *state;

	rig_close(&r->rig);
	r->redis.timeout_ms = 100;
	rig_open(&r->rig);
	until_granted(&r->rig);
	SET(reply, "-TRYAGAIN Multiple keys request during rehashing of "
	           "slot\r\n");
	assert_int_not_equal(rig_health(&r->rig, rig_claim_op(2, 1, RIG_NOW)),
	                     REASON_NONE);
	until_granted(&r->rig);
}

/* Without a host it is the one that was asked: "MOVED slot :port". */
static void an_empty_host_is_the_same_host(void **state)
{
	struct redis_rig *r = *state;
	char text[64];

	/* To itself: not now. */
	snprintf(text, sizeof(text), "-MOVED 1 :%d\r\n", fake.ports[0]);
	expect_second_attempt(&r->rig, 2, text);
	assert_int_equal(came_to(1), 0);
	snprintf(text, sizeof(text), "-ASK 1 :%d\r\n", fake.ports[1]);
	expect_second_attempt(&r->rig, 3, text);
	assert_int_equal(came_to(1), 1);
	snprintf(text, sizeof(text), "-MOVED 1 :%d\r\n", fake.ports[1]);
	expect_second_attempt(&r->rig, 4, text);
	assert_int_equal(came_to(1), 2);
}

#define FAKED(test) cmocka_unit_test_setup_teardown(test, start, finish)
#define CLUSTERED(test) \
	cmocka_unit_test_setup_teardown(test, start_cluster, finish)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    FAKED(replies_of_every_kind),
	    FAKED(old_servers_run_a_script),
	    FAKED(info_may_be_forbidden),
	    FAKED(a_loading_server_is_waited_for),
	    CLUSTERED(not_now_is_tried_again),
	    CLUSTERED(not_now_for_ever_is_an_error),
	    CLUSTERED(an_empty_host_is_the_same_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
