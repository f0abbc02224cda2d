#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/agent_config_rig.h"

static void defaults(void **state)
{
	struct config *c = config_load(NULL, stderr);
	char address[160];

	(void)state;
	assert_non_null(c);
	assert_null(c->path);
	assert_int_equal(c->n_listen, 1);
	address_format(&c->listen[0], address, sizeof(address));
	assert_string_equal(address, "unix:/run/spoa-idempotency/spop.sock");
	assert_int_equal(c->unix_mode, 0660);
	assert_int_equal(c->threads, 1);
	assert_int_equal(c->backlog, 4096);
	assert_int_equal(c->max_connections, 4096);
	assert_int_equal(c->max_in_flight, 64);
	assert_int_equal(c->max_frame_size, 16 << 20);
	assert_int_equal(c->pipelining, SPOE_PIPELINING_AUTO);
	assert_int_equal(c->hello_timeout_ms, 5000);
	assert_int_equal(c->idle_timeout_ms, 3600000);
	assert_int_equal(c->drain_timeout_ms, 30000);
	assert_int_equal(c->answer_timeout_ms, 1000);
	assert_int_equal(c->processing_timeout_ms, 2000);
	assert_int_equal(c->max_waiters, 1000);
	assert_int_equal(c->max_waiters_per_key, 64);
	assert_int_equal(c->wait_interval_ms, 20);
	assert_int_equal(c->log_target, LOG_TARGET_AUTO);
	assert_int_equal(c->log_level, LOG_LEVEL_INFO);
	assert_string_equal(c->store_driver, "lmdb");
	assert_string_equal(c->store_path, "/var/lib/spoa-idempotency");
	assert_int_equal(c->store_durability, STORE_DURABILITY_COMMIT);
	assert_true(c->store_max_size == UINT64_C(16) << 30);
	config_unref(c);
}

/* DESIGN.md section 4: 2xx, 3xx and 4xx but 408, 425 and 429. */
static void the_default_policy(void **state)
{
	struct config *c = rig_good("");
	const struct policy *p = &c->policies[0];

	(void)state;
	assert_int_equal(c->n_policies, 1);
	assert_string_equal(p->name, "default");
	assert_int_equal(p->id, policy_id("default"));
	assert_int_equal(p->lock_ttl_ms, 300000);
	assert_int_equal(p->response_ttl_ms, 86400000);
	assert_int_equal(p->preset, POLICY_PRESET_IETF);
	assert_int_equal(p->refuse_after_ms, 0);
	assert_int_equal(p->retry_after_min_s, 1);
	assert_int_equal(p->retry_after_max_s, 30);
	assert_int_equal(p->fingerprint, POLICY_PARTS_ALL);
	assert_int_equal(p->oversize_request, POLICY_OVERSIZE_PARTIAL);
	assert_int_equal(p->wait_ms, 0);
	assert_int_equal(p->max_body, 16 << 20);
	assert_int_equal(p->on_lock_expiry, POLICY_EXPIRY_RETRY);
	assert_int_equal(p->unconfirmed, POLICY_UNCONFIRMED_SEAL);
	assert_int_equal(p->oversize_response, POLICY_OVERSIZE_SEAL);
	for (unsigned status = 0; status < 700; status++)
		assert_int_equal(policy_statuses_has(&p->stored, status),
		                 status >= 200 && status < 500 &&
		                     status != 408 && status != 425 &&
		                     status != 429);
	assert_int_equal(p->n_drops, 2);
	assert_true(policy_drops(p, spoe_span_of("set-cookie")));
	assert_true(policy_drops(p, spoe_span_of("www-authenticate")));
	config_unref(c);
}

static void reads_what_is_set(void **state)
{
	struct config *c = rig_good("[agent]\n"
	                            "listen = 127.0.0.1:9000, [::1]:9001\n"
	                            "threads=4\n"
	                            "max-frame-size : 64k\n"
	                            "pipelining = off\n"
	                            "\n"
	                            "[log]\r\n"
	                            "level = debug\r\n"
	                            "[store]\n"
	                            "path = /srv/a b\n"
	                            "durability = none");
	char address[160];

	(void)state;
	assert_int_equal(c->n_listen, 2);
	address_format(&c->listen[1], address, sizeof(address));
	assert_string_equal(address, "[::1]:9001");
	assert_int_equal(c->threads, 4);
	assert_int_equal(c->max_frame_size, 65536);
	assert_int_equal(c->pipelining, SPOE_PIPELINING_OFF);
	assert_int_equal(c->log_level, LOG_LEVEL_DEBUG);
	assert_string_equal(c->store_path, "/srv/a b");
	assert_int_equal(c->store_durability, STORE_DURABILITY_NONE);
	config_unref(c);
}

/* What fits goes: just within HAProxy's time, and half of the connections. */
static void waits(void **state)
{
	struct config *c = rig_good("[agent]\nmax-waiters = 50\n"
	                            "max-connections = 100\n"
	                            "processing-timeout = 6s\n"
	                            "[policy default]\nwait = 4999ms\n");

	(void)state;
	assert_int_equal(c->policies[0].wait_ms, 4999);
	config_unref(c);
	/* Who does not wait has nothing to fit. */
	c = rig_good("[agent]\nmax-connections = 2\nanswer-timeout = 1m\n");
	config_unref(c);
}

static void comments_and_forms(void **state)
{
	struct config *c = rig_good("\xef\xbb\xbf# a mark, then a comment\n"
	                            "; another\n"
	                            "  # indented\n"
	                            "[ agent ] ; behind a section\n"
	                            "\tthreads = 2 ; behind a value\n"
	                            "# threads = 3\n"
	                            "[policy  a]# here too\n"
	                            "store-status =\n"
	                            "  200 ; first\n"
	                            "\n"
	                            "  # between\n"
	                            "\t201,202\n"
	                            "drop-headers =\n"
	                            "max-body = 1 k\n");
	const struct policy *p = config_policy(c, spoe_span_of("a"));

	(void)state;
	assert_int_equal(c->threads, 2);
	assert_non_null(p);
	assert_int_equal(p->n_drops, 0);
	assert_int_equal(p->max_body, 1024);
	for (unsigned status = 100; status < 600; status++)
		assert_int_equal(policy_statuses_has(&p->stored, status),
		                 status >= 200 && status <= 202);
	config_unref(c);
}

/* A policy is as [policy default], wherever that stands. */
static void policies_inherit(void **state)
{
	struct config *c = rig_good("[policy early]\n"
	                            "lock-ttl = 1m\n"
	                            "[policy default]\n"
	                            "lock-ttl = 2m\n"
	                            "response-ttl = 3h\n"
	                            "drop-headers = X-One x-two\n"
	                            "store-status = 200\n"
	                            "unconfirmed = trust\n"
	                            "[policy late]\n"
	                            "drop-headers =\n"
	                            "unconfirmed = seal\n");
	const struct policy *early = config_policy(c, spoe_span_of("early"));
	const struct policy *late = config_policy(c, spoe_span_of("late"));

	(void)state;
	assert_int_equal(c->n_policies, 3);
	assert_int_equal(early->lock_ttl_ms, 60000);
	assert_int_equal(late->lock_ttl_ms, 120000);
	assert_int_equal(early->response_ttl_ms, 3 * 3600000);
	assert_int_equal(early->unconfirmed, POLICY_UNCONFIRMED_TRUST);
	assert_int_equal(late->unconfirmed, POLICY_UNCONFIRMED_SEAL);
	assert_true(policy_statuses_has(&early->stored, 200));
	assert_false(policy_statuses_has(&late->stored, 201));
	assert_int_equal(early->n_drops, 2);
	assert_string_equal(early->drops[0], "x-one");
	assert_ptr_not_equal(early->drops[0], c->policies[0].drops[0]);
	assert_int_equal(late->n_drops, 0);
	config_unref(c);
}

/* Its own value, its own preset, [policy default]: the first of these. */
static void presets_stand_in_for_the_default(void **state)
{
	struct config *c = rig_good("[policy stripe]\n"
	                            "preset = stripe-v1\n"
	                            "[policy short]\n"
	                            "preset = stripe-v1\n"
	                            "response-ttl = 1h\n"
	                            "[policy plain]\n"
	                            "[policy default]\n"
	                            "lock-ttl = 2m\n"
	                            "response-ttl = 3h\n"
	                            "store-status = 5xx\n");
	const struct policy *stripe = config_policy(c, spoe_span_of("stripe"));
	const struct policy *brief = config_policy(c, spoe_span_of("short"));
	const struct policy *plain = config_policy(c, spoe_span_of("plain"));

	(void)state;
	assert_int_equal(stripe->preset, POLICY_PRESET_STRIPE_V1);
	assert_int_equal(stripe->response_ttl_ms, 24 * 3600000);
	assert_int_equal(stripe->on_lock_expiry, POLICY_EXPIRY_HOLD);
	for (unsigned status = 100; status < 600; status++) {
		const bool never_began = status == 401 || status == 408 ||
		                         status == 409 || status == 425 ||
		                         status == 429;

		assert_int_equal(policy_statuses_has(&stripe->stored, status),
		                 status >= 200 && !never_began);
		assert_int_equal(policy_statuses_has(&stripe->released, status),
		                 status < 200 || never_began);
	}
	/* Presets do not speak of it. */
	assert_int_equal(stripe->lock_ttl_ms, 120000);
	assert_int_equal(brief->response_ttl_ms, 3600000);
	assert_true(policy_statuses_has(&brief->stored, 500));
	assert_int_equal(plain->preset, POLICY_PRESET_IETF);
	assert_int_equal(plain->response_ttl_ms, 3 * 3600000);
	assert_false(policy_statuses_has(&plain->stored, 200));
	config_unref(c);
}

/* A preset of [policy default] is everybody's, but for who chose another. */
static void the_default_has_a_preset(void **state)
{
	struct config *c = rig_good("[policy default]\npreset = stripe-v1\n"
	                            "response-ttl = 48h\n"
	                            "[policy plain]\n"
	                            "[policy ietf]\npreset = ietf\n");
	const struct policy *plain = config_policy(c, spoe_span_of("plain"));
	const struct policy *ietf = config_policy(c, spoe_span_of("ietf"));

	(void)state;
	assert_int_equal(plain->preset, POLICY_PRESET_STRIPE_V1);
	assert_true(policy_statuses_has(&plain->stored, 500));
	assert_int_equal(plain->response_ttl_ms, 48 * 3600000);
	assert_int_equal(ietf->preset, POLICY_PRESET_IETF);
	assert_false(policy_statuses_has(&ietf->stored, 500));
	assert_true(policy_statuses_has(&ietf->released, 500));
	assert_int_equal(ietf->on_lock_expiry, POLICY_EXPIRY_RETRY);
	assert_int_equal(ietf->response_ttl_ms, 24 * 3600000);
	config_unref(c);
}

static void policies_are_found(void **state)
{
	struct config *c = rig_good("[policy payments]\n[policy a-1]\n");
	const struct policy *payments =
	    config_policy(c, spoe_span_of("payments"));

	(void)state;
	assert_string_equal(payments->name, "payments");
	assert_ptr_equal(config_policy(c, spoe_span_of("")), &c->policies[0]);
	assert_ptr_equal(config_policy(c, spoe_span_of("default")),
	                 &c->policies[0]);
	assert_null(config_policy(c, spoe_span_of("payment")));
	assert_null(config_policy(c, spoe_span_of("payments ")));
	assert_null(config_policy(c, spoe_span("payments\0", 9)));
	assert_ptr_equal(config_policy_by_id(c, policy_id("payments")),
	                 payments);
	assert_ptr_equal(config_policy_by_id(c, policy_id("gone")),
	                 &c->policies[0]);
	config_unref(c);
}

static void references_are_counted(void **state)
{
	struct config *c = rig_good("[agent]\nthreads = 3\n");

	(void)state;
	assert_ptr_equal(config_ref(c), c);
	config_unref(c);
	assert_int_equal(c->threads, 3);
	config_unref(c);
	config_unref(NULL);
}

/* Each configuration, what of it needs a restart after the defaults. */
static const struct {
	const char *text;
	const char *needed;
} restarts[] = {
    {"", ""},
    {"[agent]\nthreads = 1\n", ""},
    {"[agent]\nthreads = 2\n", "[agent] threads"},
    {"[agent]\nlisten = /run/spoa-idempotency/spop.sock\n", ""},
    {"[agent]\nlisten = /x\n", "[agent] listen"},
    {"[agent]\nlisten = /run/spoa-idempotency/spop.sock /x\n",
     "[agent] listen"},
    {"[agent]\nsocket-mode = 600\n", "[agent] socket-mode"},
    {"[notices]\nlisten =\n", ""},
    {"[notices]\nlisten = 127.0.0.1:9514\n", "[notices] listen"},
    {"[log]\nlevel = debug\n", ""},
    {"[log]\ntarget = syslog\n", "[log] target"},
    {"[store]\npath = /x\ndurability = none\n",
     "[store] path, [store] durability"},
    {"[policy default]\nlock-ttl = 1m\n[policy x]\n", ""},
};

static void knows_what_needs_a_restart(void **state)
{
	struct config *running = rig_good("");
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(restarts) / sizeof(*restarts); i++) {
		struct config *loaded = rig_good(restarts[i].text);

		config_restart_needed(running, loaded, text, sizeof(text));
		assert_string_equal(text, restarts[i].needed);
		config_restart_needed(loaded, running, text, sizeof(text));
		assert_string_equal(text, restarts[i].needed);
		config_restart_needed(running, loaded, text, 8);
		assert_memory_equal(text, restarts[i].needed, strlen(text));
		assert_true(strlen(text) < 8);
		config_unref(loaded);
	}
	config_unref(running);
}

/* --- files --- */

static char directory[] = "/tmp/agent-config-XXXXXX";

static int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	(void)state;
	return rmdir(directory);
}

/* config_load() of directory/name, which must fail, saying `expected` after
 * the path. */
static void expect_unreadable(const char *path, const char *expected)
{
	char *errors;
	size_t length;
	FILE *stream = open_memstream(&errors, &length);

	assert_null(config_load(path, stream));
	fclose(stream);
	assert_memory_equal(errors, path, strlen(path));
	assert_string_equal(errors + strlen(path), expected);
	free(errors);
}

static void files(void **state)
{
	char path[64];
	struct config *c;
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/a.ini", directory);
	expect_unreadable(path, ": cannot be opened: No such file or "
	                        "directory; expected a readable file\n");
	expect_unreadable(directory, ": cannot be read: Is a directory; "
	                             "expected a text file\n");
	expect_unreadable("/dev/zero", ": cannot be read: File too large; "
	                               "expected a text file\n");
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("[agent]\nthreads = 7\n", f);
	fclose(f);
	c = config_load(path, stderr);
	assert_non_null(c);
	assert_int_equal(c->threads, 7);
	assert_string_equal(c->path, path);
	config_unref(c);
	/* Root reads whatever it likes. */
	if (geteuid() != 0) {
		chmod(path, 0);
		expect_unreadable(path,
		                  ": cannot be opened: Permission denied; "
		                  "expected a readable file\n");
	}
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(defaults),
	    cmocka_unit_test(the_default_policy),
	    cmocka_unit_test(reads_what_is_set),
	    cmocka_unit_test(waits),
	    cmocka_unit_test(comments_and_forms),
	    cmocka_unit_test(policies_inherit),
	    cmocka_unit_test(presets_stand_in_for_the_default),
	    cmocka_unit_test(the_default_has_a_preset),
	    cmocka_unit_test(policies_are_found),
	    cmocka_unit_test(references_are_counted),
	    cmocka_unit_test(knows_what_needs_a_restart),
	    cmocka_unit_test_setup_teardown(files, make_directory,
	                                    remove_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
