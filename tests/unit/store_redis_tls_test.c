/* Redis over TLS: the rules of store.h, and who is believed. */
#include "tests/support/certificates.h"
#include "tests/unit/store_contract.h"
#include "tests/unit/store_redis_rig.h"

#include "agent/net/tls.h"

/* One server for all tests, which demands certificates of its clients. */
static struct redis_process server;
static struct certificates certificates;

static const char *file(int slot, const char *name)
{
	return name ? certificates_file(&certificates, slot, name) : NULL;
}

static int start(void **state)
{
	struct redis_setup setup = {.tls_clients = true};

	(void)state;
	if (!certificates_init(&certificates))
		return -1;
	setup.tls_ca = file(0, "ca.pem");
	setup.tls_certificate = file(1, "agent.pem");
	setup.tls_key = file(2, "agent.key");
	return redis_process_start(&server, &setup) ? 0 : -1;
}

static int finish(void **state)
{
	(void)state;
	redis_process_fini(&server);
	certificates_fini(&certificates);
	return 0;
}

/* A rig whose store is at the TLS port, and not open yet. */
static struct redis_rig *rig_with(const char *ca, const char *certificate,
                                  const char *server_name)
{
	struct redis_rig *r = calloc(1, sizeof(*r));
	const struct tls_options options = {
	    .ca = file(0, ca),
	    .certificate = file(1, certificate),
	};
	char address[64];
	char text[256];

	assert_non_null(r);
	assert_true(redis_process_do(&server, "FLUSHALL"));
	snprintf(address, sizeof(address), "127.0.0.1:%d", server.tls_port);
	redis_rig_init(r, &server, address);
	if (tls_new_client(&r->redis.tls, &options, text, sizeof(text)) < 0)
		fail_msg("%s", text);
	r->redis.tls_server_name = server_name;
	return r;
}

static int open_tls(void **state)
{
	struct redis_rig *r = rig_with("ca.pem", "client.pem", "");

	rig_open(&r->rig);
	*state = r;
	return 0;
}

static int close_tls(void **state)
{
	struct redis_rig *r = *state;
	struct tls *tls = r->redis.tls;

	contract_teardown(state);
	tls_unref(tls);
	return 0;
}

/* --- who is believed --- */

static char reported[512];

static void report(enum store_event event, const char *text)
{
	if (event == STORE_EVENT_DOWN)
		snprintf(reported, sizeof(reported), "%s", text);
}

/* The store opens, says what is wrong, and grants nothing. */
static void expect_refused(const char *ca, const char *certificate,
                           const char *server_name, const char *why)
{
	struct redis_rig *r = rig_with(ca, certificate, server_name);
	void *state = r;

	reported[0] = '\0';
	r->rig.options.report = report;
	rig_open(&r->rig);
	if (!strstr(reported, why))
		fail_msg("\"%s\"; expected %s", reported, why);
	assert_int_equal(rig_health(&r->rig, rig_claim_op(1, 1, RIG_NOW)),
	                 REASON_STORE_FAILED);
	close_tls(&state);
}

static void nobody_else_is_believed(void **state)
{
	(void)state;
	expect_refused("other-ca.pem", "client.pem", "",
	               "certificate is refused: ");
	expect_refused(NULL, "client.pem", "", "certificate is refused: ");
	expect_refused("ca.pem", "client.pem", "redis.test",
	               "certificate is refused: hostname mismatch");
}

static void who_is_not_believed_gets_nothing(void **state)
{
	(void)state;
	/* It says why, but its reset may overtake that. */
	expect_refused("ca.pem", NULL, "", "127.0.0.1:");
	expect_refused("ca.pem", "other.pem", "", "127.0.0.1:");
}

static void a_name_may_stand_for_all_servers(void **state)
{
	struct redis_rig *r = rig_with("ca.pem", "client.pem", "agent.test");
	void *of_rig = r;

	(void)state;
	rig_open(&r->rig);
	assert_int_equal(rig_claim(&r->rig, 1, 1), RECORD_GRANTED);
	close_tls(&of_rig);
}

int main(void)
{
#undef STORE_CONTRACT_TEST
#define STORE_CONTRACT_TEST(test, setup) \
	cmocka_unit_test_setup_teardown(test, setup, close_tls)
	static const struct CMUnitTest tests[] = {
	    STORE_CONTRACT_TESTS(open_tls),
	    cmocka_unit_test(nobody_else_is_believed),
	    cmocka_unit_test(who_is_not_believed_gets_nothing),
	    cmocka_unit_test(a_name_may_stand_for_all_servers),
	};

	return cmocka_run_group_tests_name("redis, TLS", tests, start, finish);
}
