/* Where to connect to, and how names are looked up. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/net/resolver.h"

static void are_read_and_written(void **state)
{
	static const struct {
		const char *text;
		const char *written; /* NULL: the same */
		bool known;
	} rows[] = {
	    {"127.0.0.1:6379", NULL, true},
	    {"[::1]:6380", NULL, true},
	    {"/run/redis.sock", "unix:/run/redis.sock", true},
	    {"unix:/run/redis.sock", NULL, true},
	    {"@redis", NULL, true},
	    {"redis.example:6379", NULL, false},
	    {"redis_1:1", NULL, false},
	    {"Redis-7.a.b:65535", NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct endpoint e;
		char text[ENDPOINT_TEXT_SIZE] = "";

		if (endpoint_parse(rows[i].text, &e, text, sizeof(text)) != 0)
			fail_msg("%s", text);
		endpoint_format(&e, text, sizeof(text));
		assert_string_equal(text, rows[i].written ? rows[i].written
		                                          : rows[i].text);
		assert_int_equal(e.address.size > 0, rows[i].known);
	}
}

static void keep_their_host(void **state)
{
	struct endpoint e;
	char text[64];

	(void)state;
	assert_int_equal(endpoint_parse("[::1]:6380", &e, text, sizeof(text)),
	                 0);
	assert_string_equal(e.host, "::1");
	assert_int_equal(e.port, 6380);
	assert_int_equal(endpoint_parse("127.0.0.1:1", &e, text, sizeof(text)),
	                 0);
	assert_string_equal(e.host, "127.0.0.1");
	assert_int_equal(endpoint_parse("a.b:7", &e, text, sizeof(text)), 0);
	assert_string_equal(e.host, "a.b");
	assert_int_equal(e.port, 7);
	assert_int_equal(endpoint_parse("/x", &e, text, sizeof(text)), 0);
	assert_string_equal(e.host, "");
}

static void are_refused(void **state)
{
	static const char *const texts[] = {
	    "",         "redis",       ":6379",       "redis:",
	    "redis:0",  "redis:65536", "redis:6379x", "re dis:1",
	    "*:6379",   "127.0.0.1:0", "127.0.0.1",   "1.2.3:6379",
	    "-redis:1", "[::1]",       "[::g]:1",     "unix:",
	    "redis:-1", "redis: 1",    "a/b:1",       ".redis:1",
	};
	char name[400];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct endpoint e;
		char text[300] = "";

		if (endpoint_parse(texts[i], &e, text, sizeof(text)) == 0)
			fail_msg("\"%s\" was read", texts[i]);
		assert_non_null(strstr(text, "expected"));
	}
	for (size_t length = 253; length <= 254; length++) {
		struct endpoint e;
		char text[600] = "";

		memset(name, 'a', length);
		strcpy(name + length, ":1");
		assert_int_equal(endpoint_parse(name, &e, text, sizeof(text)) ==
		                     0,
		                 length == 253);
	}
}

static void on_limit(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

struct lookup {
	struct ev_loop *loop;
	unsigned answers;
	size_t n;
	bool why;
	int family;
};

static void on_answer(void *cookie, const struct resolver_answer *answer)
{
	struct lookup *l = cookie;

	l->answers++;
	l->n = answer->n;
	l->why = answer->why != NULL;
	l->family = answer->addresses[0].storage.ss_family;
	ev_break(l->loop, EVBREAK_ALL);
}

static struct resolver *look_up(struct lookup *l, const char *name)
{
	struct endpoint e;
	char text[300];

	assert_int_equal(endpoint_parse(name, &e, text, sizeof(text)), 0);
	return resolver_new(l->loop, &e, on_answer, l);
}

static void names_are_looked_up(void **state)
{
	struct lookup l = {.loop = ev_loop_new(EVFLAG_AUTO)};
	struct resolver *r = look_up(&l, "localhost:6379");
	ev_timer limit;

	(void)state;
	ev_timer_init(&limit, on_limit, 30., 0.);
	ev_timer_start(l.loop, &limit);
	assert_non_null(r);
	ev_run(l.loop, 0);
	assert_int_equal(l.answers, 1);
	assert_true(l.n > 0);
	assert_true(l.family == AF_INET || l.family == AF_INET6);
	resolver_free(r);
	ev_timer_stop(l.loop, &limit);
	ev_loop_destroy(l.loop);
}

/* The loop may be gone before the thread is. */
static void a_lookup_can_be_left(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		struct lookup l = {.loop = ev_loop_new(EVFLAG_AUTO)};
		struct resolver *r = look_up(&l, "localhost:6379");

		assert_non_null(r);
		if (i % 2)
			ev_run(l.loop, EVRUN_NOWAIT);
		resolver_free(r);
		ev_run(l.loop, EVRUN_NOWAIT);
		assert_true(l.answers <= 1);
		ev_loop_destroy(l.loop);
	}
	resolver_free(NULL);
}

static void connecting_does_not_wait(void **state)
{
	struct endpoint e;
	char text[300] = "";
	struct pollfd poll_fd = {.events = POLLIN};
	int fd, peer, listener;
	struct address bound;

	(void)state;
	assert_int_equal(
	    address_parse("127.0.0.1:0", &bound, text, sizeof(text)), 0);
	listener = address_listen(&bound, 4, 0600, text, sizeof(text));
	assert_true(listener >= 0);
	address_format_bound(listener, text, sizeof(text));
	assert_int_equal(endpoint_parse(text, &e, text, sizeof(text)), 0);
	fd = endpoint_connect(&e.address);
	assert_true(fd >= 0);
	poll_fd.fd = listener;
	assert_int_equal(poll(&poll_fd, 1, 30000), 1);
	peer = accept(listener, NULL, NULL);
	assert_true(peer >= 0);
	close(peer);
	close(fd);
	close(listener);
	assert_int_equal(
	    endpoint_parse("/nonexistent/s", &e, text, sizeof(text)), 0);
	assert_int_equal(endpoint_connect(&e.address), -1);
	assert_int_equal(errno, ENOENT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(are_read_and_written),
	    cmocka_unit_test(keep_their_host),
	    cmocka_unit_test(are_refused),
	    cmocka_unit_test(names_are_looked_up),
	    cmocka_unit_test(a_lookup_can_be_left),
	    cmocka_unit_test(connecting_does_not_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
