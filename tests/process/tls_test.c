/* SPOP over TLS, from outside: the real agent, and socat(1) as who speaks TLS
 * to it. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/support/agent_process.h"
#include "tests/support/certificates.h"
#include "tests/support/command.h"
#include "tests/support/spop_client.h"

static struct agent_process agent;
static struct certificates certificates;

static int make_certificates(void **state)
{
	(void)state;
	return certificates_init(&certificates) ? 0 : -1;
}

static int remove_certificates(void **state)
{
	(void)state;
	certificates_fini(&certificates);
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	return agent_process_init(&agent) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return agent_process_fini(&agent) ? 0 : -1;
}

/* --- the agent --- */

/* The agent's copies, which a test may change. */
static const char *installed(const char *name)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/%s", agent.directory, name);
	return path;
}

static void install(const char *from, const char *to)
{
	char command[512];

	snprintf(command, sizeof(command), "cp '%s' '%s'",
	         certificates_file(&certificates, 0, from), installed(to));
	assert_int_equal(system(command), 0);
}

/* On its Unix socket, and with TLS on any free port. */
static void configure(const char *client_ca)
{
	char extra[800];
	int n = snprintf(extra, sizeof(extra), "[tls]\ncertificate = %s\n",
	                 installed("agent.pem"));

	if (client_ca)
		snprintf(extra + n, sizeof(extra) - (size_t)n,
		         "client-ca = %s\n",
		         certificates_file(&certificates, 0, client_ca));
	assert_true(agent_process_configure(
	    &agent, " tls:127.0.0.1:0\nthreads = 2\n", extra));
}

static int port_of_agent(void)
{
	static const char before[] = "address=127.0.0.1:";
	static char output[1 << 16];
	FILE *f = fopen(agent.output, "r");
	const char *at;

	assert_non_null(f);
	output[fread(output, 1, sizeof(output) - 1, f)] = '\0';
	fclose(f);
	at = strstr(output, before);
	assert_non_null(at);
	assert_non_null(strstr(at, "tls=yes"));
	return atoi(at + strlen(before));
}

static int started(const char *client_ca)
{
	install("agent-both.pem", "agent.pem");
	configure(client_ca);
	assert_true(agent_process_start(&agent));
	return port_of_agent();
}

/* --- its peers --- */

struct tunnel {
	pid_t pid;
	char path[128];
	struct spop_client client;
};

/* A client whose bytes socat carries to `to`; true when the agent answers. */
static bool opens(struct tunnel *t, const char *to)
{
	static int count;
	char from[160];

	snprintf(t->path, sizeof(t->path), "%s/tunnel%d", agent.directory,
	         count++);
	snprintf(from, sizeof(from), "UNIX-LISTEN:%s", t->path);
	t->pid = fork();
	if (t->pid == 0) {
		close(STDERR_FILENO); /* it has much to say */
		execlp("socat", "socat", from, to, NULL);
		_exit(127);
	}
	return spop_client_open(&t->client, t->path, "");
}

static void closes(struct tunnel *t)
{
	spop_client_close(&t->client);
	kill(t->pid, SIGTERM);
	waitpid(t->pid, NULL, 0);
}

static const char *tls_to(int port, const char *ca, const char *certificate)
{
	static char to[512];
	int n = snprintf(to, sizeof(to),
	                 "OPENSSL:127.0.0.1:%d,commonname=agent.test,cafile=%s",
	                 port, certificates_file(&certificates, 0, ca));

	if (certificate)
		snprintf(to + n, sizeof(to) - (size_t)n, ",cert=%s",
		         certificates_file(&certificates, 1, certificate));
	return to;
}

static void expect_verdict(struct tunnel *t, const char *key,
                           const char *verdict)
{
	struct spop_check check = {.key = key, .scope = "host"};
	struct spop_reply reply;

	assert_true(spop_client_check(&t->client, &check, &reply));
	assert_string_equal(reply.verdict, verdict);
}

static void expect_works(const char *to, const char *key)
{
	struct tunnel t;

	assert_true(opens(&t, to));
	expect_verdict(&t, key, "proceed");
	expect_verdict(&t, key, "conflict");
	closes(&t);
}

static void expect_refused(const char *to)
{
	struct tunnel t;

	assert_false(opens(&t, to));
	closes(&t);
}

/* --- tests --- */

static void haproxy_is_served_over_tls(void **state)
{
	int port = started(NULL);
	struct spop_client plain;
	struct spop_reply reply;
	struct spop_check check = {.key = "a", .scope = "host"};

	(void)state;
	expect_works(tls_to(port, "ca.pem", NULL), "a");
	/* The Unix socket beside it is as it was. */
	assert_true(spop_client_open(&plain, agent.socket, ""));
	assert_true(spop_client_check(&plain, &check, &reply));
	assert_string_equal(reply.verdict, "conflict");
	spop_client_close(&plain);
	/* Who does not believe us is named. */
	expect_refused(tls_to(port, "other-ca.pem", NULL));
	assert_true(agent_process_said(&agent, "event=tls-failed"));
	assert_true(agent_process_said(&agent, "peer=127.0.0.1:"));
	assert_true(agent_process_said(&agent, "refused us: unknown CA"));
}

static void client_certificates_are_demanded(void **state)
{
	int port = started("ca.pem");

	(void)state;
	expect_works(tls_to(port, "ca.pem", "client.pem"), "a");
	expect_refused(tls_to(port, "ca.pem", NULL));
	assert_true(agent_process_said(&agent, "the peer has no certificate"));
	expect_refused(tls_to(port, "ca.pem", "other.pem"));
	assert_true(
	    agent_process_said(&agent, "the peer's certificate is refused"));
	expect_works(tls_to(port, "ca.pem", "client.pem"), "b");
}

static void plain_spop_gets_nothing_there(void **state)
{
	int port = started(NULL);
	char to[64];

	(void)state;
	snprintf(to, sizeof(to), "TCP:127.0.0.1:%d", port);
	expect_refused(to);
	assert_true(agent_process_said(&agent, "the peer does not speak TLS"));
	expect_works(tls_to(port, "ca.pem", NULL), "a");
}

static void certificates_are_renewed_by_sighup(void **state)
{
	int port = started(NULL);
	struct tunnel old;

	(void)state;
	assert_true(opens(&old, tls_to(port, "ca.pem", NULL)));
	expect_verdict(&old, "a", "proceed");
	install("other.pem", "agent.pem");
	agent_process_signal(&agent, SIGHUP);
	assert_true(agent_process_said(&agent, "event=reloaded"));
	assert_true(
	    agent_process_said_times(&agent, "event=tls-certificate", 2));
	expect_works(tls_to(port, "other-ca.pem", NULL), "b");
	expect_refused(tls_to(port, "ca.pem", NULL));
	/* Who was there before stays. */
	expect_verdict(&old, "a", "conflict");

	/* A demand for client certificates is new as well. */
	configure("other-ca.pem");
	agent_process_signal(&agent, SIGHUP);
	assert_true(agent_process_said_times(&agent, "event=reloaded", 2));
	expect_refused(tls_to(port, "other-ca.pem", NULL));
	expect_works(tls_to(port, "other-ca.pem", "other.pem"), "c");

	/* What cannot be used leaves all as it was. */
	install("agent.key", "agent.pem");
	agent_process_signal(&agent, SIGHUP);
	assert_true(agent_process_said(&agent, "event=reload-failed"));
	assert_true(agent_process_said(&agent, installed("agent.pem")));
	expect_works(tls_to(port, "other-ca.pem", "other.pem"), "d");
	expect_verdict(&old, "a", "conflict");
	closes(&old);
}

static void files_that_cannot_be_used_are_named(void **state)
{
	const char *arguments[] = {"spoa-idempotency", "-c", agent.config,
	                           NULL};
	struct command *c = calloc(1, sizeof(*c));

	(void)state;
	assert_non_null(c);
	configure(NULL);
	assert_int_equal(agent_process_run(&agent, arguments), 1);
	assert_true(agent_process_said(&agent, "event=start-failed"));
	assert_true(agent_process_said(&agent, installed("agent.pem")));
	assert_true(agent_process_said(&agent, "No such file"));

	c->config = agent.config;
	COMMAND_RUN(c, "--check");
	assert_int_equal(c->status, 2);
	assert_non_null(strstr(c->errors, "[tls] certificate "));
	assert_non_null(strstr(c->errors, installed("agent.pem")));
	install("agent-both.pem", "agent.pem");
	COMMAND_RUN(c, "--check");
	assert_int_equal(c->status, 0);
	free(c);
}

static void an_expired_certificate_is_told(void **state)
{
	install("expired.pem", "agent.pem");
	configure(NULL);
	(void)state;
	assert_true(agent_process_start(&agent));
	assert_true(agent_process_said(&agent, "event=tls-expired"));
	expect_refused(tls_to(port_of_agent(), "ca.pem", NULL));
}

/* FileDescriptorName=tls in a socket unit. */
static void systemd_hands_over_a_socket_for_tls(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);

	(void)state;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	agent.listen_fd = socket(AF_INET, SOCK_STREAM, 0);
	agent.listen_name = "tls";
	assert_int_equal(
	    bind(agent.listen_fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(agent.listen_fd, 16), 0);
	assert_int_equal(
	    getsockname(agent.listen_fd, (struct sockaddr *)&address, &size),
	    0);
	assert_int_equal(started(NULL), ntohs(address.sin_port));
	close(agent.listen_fd);
	expect_works(tls_to(ntohs(address.sin_port), "ca.pem", NULL), "a");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(haproxy_is_served_over_tls),
	    TEST(client_certificates_are_demanded),
	    TEST(plain_spop_gets_nothing_there),
	    TEST(certificates_are_renewed_by_sighup),
	    TEST(files_that_cannot_be_used_are_named),
	    TEST(an_expired_certificate_is_told),
	    TEST(systemd_hands_over_a_socket_for_tls),
	};

	return cmocka_run_group_tests(tests, make_certificates,
	                              remove_certificates);
}
