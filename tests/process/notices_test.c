/* The whole process and HAProxy's log: what is pending is confirmed, what never
 * ran is released, and nobody else's words change anything. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/process/rig.h"

enum { TRIES = 2000 };

/* With notices at a Unix datagram socket, and `more` behind it. */
static struct agent_process *started(void **state, const char *more)
{
	struct agent_process *a = *state;
	char extra[512];

	snprintf(extra, sizeof(extra),
	         "[notices]\nlisten = unix:%s/notices 127.0.0.1:0\n%s",
	         a->directory, more);
	assert_true(agent_process_configure(
	    a, "answer-timeout = 1s\nthreads = 2", extra));
	assert_true(agent_process_start(a));
	return a;
}

static void check(struct spop_client *c, const char *key,
                  struct spop_reply *ret_reply)
{
	const struct spop_check request = {.key = key, .scope = "host"};

	assert_true(spop_client_check(c, &request, ret_reply));
}

static void expect_verdict(struct spop_client *c, const char *key,
                           const char *verdict)
{
	struct spop_reply reply;

	check(c, key, &reply);
	assert_string_equal(reply.verdict, verdict);
}

/* A notice is nothing that one could wait for: asks until it has arrived. */
static void expect_soon(struct spop_client *c, const char *key,
                        const char *verdict)
{
	struct spop_reply reply;

	for (int i = 0; i < TRIES; i++) {
		check(c, key, &reply);
		if (strcmp(reply.verdict, verdict) == 0)
			return;
		usleep(10000);
	}
	assert_string_equal(reply.verdict, verdict);
}

/* Takes the lock of `key`; its ticket. */
static void proceed(struct spop_client *c, const char *key, char *ret_ticket)
{
	struct spop_reply reply;

	check(c, key, &reply);
	assert_string_equal(reply.verdict, "proceed");
	strcpy(ret_ticket, reply.ticket);
}

/* A response without Content-Length. */
static void complete_chunked(struct spop_client *c, const char *ticket,
                             const char *outcome)
{
	const struct spop_complete complete = {
	    .ticket = ticket,
	    .status = 201,
	    .headers = spoe_span("\0", 2),
	    .body = spoe_span("he\0lo", 5),
	};
	struct spop_reply reply;

	assert_true(spop_client_complete(c, &complete, &reply));
	assert_string_equal(reply.outcome, outcome);
}

static int unix_socket(const struct agent_process *a)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%.90s/notices",
	         a->directory);
	assert_int_equal(
	    connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

__attribute__((format(printf, 2, 3))) static void say(int fd,
                                                      const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	assert_true(send(fd, line, strlen(line), MSG_NOSIGNAL) > 0);
}

static void test_pending_is_confirmed(void **state)
{
	struct agent_process *a = started(state, "");
	struct spop_client *c = rig_opened(a);
	int log = unix_socket(a);
	char ticket[128];

	proceed(c, "k", ticket);
	complete_chunked(c, ticket, "pending");
	complete_chunked(c, ticket, "lost");
	expect_verdict(c, "k", "conflict");
	say(log, "<134>haproxy[1]: x idem=%s,201,--NI,0,pending", ticket);
	expect_soon(c, "k", "cached");
	/* Said twice, or otherwise, it stays so. */
	say(log, "idem=%s,201,SD--,0,pending", ticket);
	say(log, "idem=%s,503,SC--,0,-", ticket);
	proceed(c, "broken", ticket);
	complete_chunked(c, ticket, "pending");
	say(log, "idem=%s,201,SD--,0,pending", ticket);
	expect_soon(c, "broken", "unknown");
	expect_verdict(c, "k", "cached");
	agent_process_signal(a, SIGUSR1);
	assert_true(agent_process_said(
	    a, "of=notices lines=4 confirmed=1 released=0 sealed=1"));
	close(log);
	rig_closed(c);
}

/* Each way in, found by what the agent says of it. */
static int inet_socket(const struct agent_process *a, int type,
                       const char *what)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	FILE *f = fopen(a->output, "r");
	unsigned port = 0;
	char line[512];
	int fd = socket(AF_INET, type, 0);

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		const char *at = strstr(line, "address=127.0.0.1:");

		if (at && strstr(line, what))
			sscanf(at, "address=127.0.0.1:%u", &port);
	}
	fclose(f);
	assert_true(port > 0);
	address.sin_port = htons((uint16_t)port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(
	    connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void test_every_way_in(void **state)
{
	struct agent_process *a = started(state, "");
	struct spop_client *c = rig_opened(a);
	int udp = inet_socket(a, SOCK_DGRAM, "notices, datagrams");
	int tcp = inet_socket(a, SOCK_STREAM, "notices, TCP");
	char ticket[128];

	proceed(c, "udp", ticket);
	say(udp, "<134>x idem=%s,503,SC--,0,-\n", ticket);
	expect_soon(c, "udp", "proceed");
	proceed(c, "lines", ticket);
	say(tcp, "<134>x idem=%s,403,PR--,0,-\n", ticket);
	expect_soon(c, "lines", "proceed");
	proceed(c, "octets", ticket);
	say(tcp, "%zu idem=%s,-1,CC--,0,-", strlen(ticket) + 17, ticket);
	expect_soon(c, "octets", "proceed");
	close(udp);
	close(tcp);
	rig_closed(c);
}

static void test_others_change_nothing(void **state)
{
	struct agent_process *a = started(state, "");
	struct spop_client *c = rig_opened(a);
	int log = unix_socket(a);
	char ticket[128], forged[128], old[128], last[128];

	proceed(c, "old", old);
	say(log, "idem=%s,503,SC--,0,-", old);
	expect_soon(c, "old", "proceed");
	proceed(c, "k", ticket);
	/* The owner is somewhere in the first half. */
	strcpy(forged, ticket);
	forged[12] = forged[12] == 'A' ? 'B' : 'A';
	say(log, "idem=%s,503,SC--,0,-", forged);
	say(log, "idem=%s,201,--,0,pending", ticket);
	say(log, "idem=%s,503,SC--,0,- idem=%s,503,SC--,0,-", ticket, ticket);
	say(log, "idem=%.60s", ticket);
	say(log, "idem=%s,503,SC--,0,", ticket);
	say(log, "idem=%s,504,sH--,0,-", ticket);
	for (int i = 0; i < 500; i++)
		say(log, "%d idem=-,200,----,0,- \"idem=nonsense\"", i);
	say(log, "idem=%s,503,SC--,0,-", old);
	/* When this one is done, all are. */
	proceed(c, "last", last);
	say(log, "idem=%s,503,SC--,0,-", last);
	expect_soon(c, "last", "proceed");
	expect_verdict(c, "k", "conflict");
	expect_verdict(c, "old", "conflict");
	agent_process_signal(a, SIGUSR1);
	assert_true(agent_process_said(
	    a, "released=2 sealed=0 held=1 settled_before=0 lost=3 failed=0 "
	       "malformed=502 repeated=1 overloaded=0 dropped=0"));
	close(log);
	rig_closed(c);
}

/* What is pending survives the agent, and the next one takes the notice. */
static void test_pending_survives(void **state)
{
	struct agent_process *a = started(state, "");
	struct spop_client *c = rig_opened(a);
	char ticket[128];
	int log;

	proceed(c, "k", ticket);
	complete_chunked(c, ticket, "pending");
	agent_process_signal(a, SIGKILL);
	assert_int_equal(agent_process_wait(a), -1);
	rig_closed(c);
	assert_true(agent_process_start(a));
	c = rig_opened(a);
	log = unix_socket(a);
	expect_verdict(c, "k", "conflict");
	say(log, "idem=%s,201,--,0,pending", ticket);
	expect_soon(c, "k", "cached");
	close(log);
	rig_closed(c);
}

static void test_no_notice_comes(void **state)
{
	struct agent_process *a =
	    started(state, "[policy default]\nlock-ttl = 4s\n");
	struct spop_client *c = rig_opened(a);
	char ticket[128];

	proceed(c, "k", ticket);
	complete_chunked(c, ticket, "pending");
	expect_soon(c, "k", "unknown");
	rig_closed(c);
}

static void test_no_notice_comes_to_who_trusts(void **state)
{
	struct agent_process *a = started(
	    state, "[policy default]\nlock-ttl = 4s\nunconfirmed = trust\n");
	struct spop_client *c = rig_opened(a);
	char ticket[128];

	proceed(c, "k", ticket);
	complete_chunked(c, ticket, "pending");
	expect_soon(c, "k", "cached");
	rig_closed(c);
}

static void test_without_notices_nothing_is_pending(void **state)
{
	struct agent_process *a = *state;
	struct spop_client *c;
	char ticket[128];

	assert_true(agent_process_configure(a, "", ""));
	assert_true(agent_process_start(a));
	c = rig_opened(a);
	proceed(c, "k", ticket);
	complete_chunked(c, ticket, "sealed");
	rig_closed(c);
}

static void test_an_address_in_use_is_said(void **state)
{
	struct agent_process *a = started(state, "");
	struct agent_process second = *a;
	const char *run[] = {"spoa-idempotency", "-c", a->config, NULL};

	assert_int_equal(agent_process_run(&second, run), 1);
	assert_true(agent_process_said(a, "cannot receive on unix:"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RIG_TEST(test_pending_is_confirmed),
	    RIG_TEST(test_every_way_in),
	    RIG_TEST(test_others_change_nothing),
	    RIG_TEST(test_pending_survives),
	    RIG_TEST(test_no_notice_comes),
	    RIG_TEST(test_no_notice_comes_to_who_trusts),
	    RIG_TEST(test_without_notices_nothing_is_pending),
	    RIG_TEST(test_an_address_in_use_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
