/* Sentinels, servers and agent that speak TLS only with each other. */
#include "agent/net/tls.h"
#include "tests/support/certificates.h"
#include "tests/unit/store_redis_sentinel_rig.h"

static struct redis_sentinels group;
static struct endpoint sentinels[REDIS_SENTINELS];
static struct certificates certificates;

static int start(void **state)
{
	struct redis_setup setup = {.tls_clients = true, .password = "secret"};

	(void)state;
	if (!certificates_init(&certificates))
		return -1;
	setup.tls_ca = certificates_file(&certificates, 0, "ca.pem");
	setup.tls_certificate = certificates_file(&certificates, 1, "node.pem");
	setup.tls_key = certificates_file(&certificates, 2, "node.key");
	return redis_sentinels_start(&group, &setup, &setup) ? 0 : -1;
}

static int finish(void **state)
{
	(void)state;
	redis_sentinels_fini(&group);
	certificates_fini(&certificates);
	return 0;
}

/* A rig that knows the sentinels' TLS ports, and is not open yet. */
static struct redis_rig *rig_with(const char *ca)
{
	struct redis_rig *r = calloc(1, sizeof(*r));
	const struct tls_options options = {
	    .ca = certificates_file(&certificates, 0, ca),
	    .certificate = certificates_file(&certificates, 1, "client.pem"),
	};
	char text[256];

	assert_non_null(r);
	redis_sentinel_rig_init(r, &group, redis_sentinels_master(&group, 0),
	                        true, "", sentinels);
	if (tls_new_client(&r->redis.tls, &options, text, sizeof(text)) < 0)
		fail_msg("%s", text);
	return r;
}

static void close_tls(struct redis_rig *r)
{
	struct tls *tls = r->redis.tls;

	rig_fini(&r->rig);
	free(r);
	tls_unref(tls);
}

/* Through the sentinels to the master, and to the next one when it dies. */
static void a_fail_over_is_followed(void **state)
{
	struct redis_rig *r = rig_with("ca.pem");
	struct redis_process *old = r->server;
	struct rig *rig = &r->rig;
	uint64_t n = 100;

	(void)state;
	rig_open(rig);
	assert_int_equal(rig_claim(rig, 1, 11), RECORD_GRANTED);
	assert_int_equal(rig_claim(rig, 1, 12), RECORD_FOUND);
	assert_int_equal(rig_settle(rig, 1, 11, RECORD_SEALED, RIG_NO_RESPONSE),
	                 RECORD_SETTLED);
	assert_true(redis_process_wait(old, "2", "WAIT 2 1000"));
	redis_process_kill(old);
	assert_int_not_equal(rig_health(rig, rig_claim_op(2, 11, RIG_NOW)),
	                     REASON_NONE);
	rig_until(rig, rig_health(rig, rig_claim_op(n++, 1, RIG_NOW)) ==
	                   REASON_NONE);
	assert_non_null(redis_sentinels_wait_other(&group, old));
	assert_int_equal(rig_claim(rig, 1, 12), RECORD_FOUND);
	assert_true(redis_process_restart(old));
	close_tls(r);
}

static char reported[512];

static void report(enum store_event event, const char *text)
{
	if (event == STORE_EVENT_DOWN && strstr(text, "certificate"))
		snprintf(reported, sizeof(reported), "%s", text);
}

/* Whatever they say, sentinels of another CA are not listened to. */
static void other_sentinels_are_not_believed(void **state)
{
	struct redis_rig *r = rig_with("other-ca.pem");

	(void)state;
	r->rig.options.report = report;
	rig_open(&r->rig);
	if (!strstr(reported, "certificate is refused: "))
		fail_msg("\"%s\"", reported);
	assert_int_equal(rig_health(&r->rig, rig_claim_op(1, 1, RIG_NOW)),
	                 REASON_STORE_FAILED);
	close_tls(r);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(other_sentinels_are_not_believed),
	    cmocka_unit_test(a_fail_over_is_followed),
	};

	return cmocka_run_group_tests_name("redis, Sentinel with TLS", tests,
	                                   start, finish);
}
