/* What --print-config and --print-sample write is read back as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/config_table.h"
#include "agent/config_value.h"
#include "tests/unit/agent_config_rig.h"

static void assert_same(const struct config *a, const struct config *b)
{
	assert_int_equal(a->n_policies, b->n_policies);
	for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
		const struct config_option *o = &config_table_options[i];

		if (o->section != CONFIG_SECTION_POLICY) {
			assert_true(config_value_equal(o, a, b));
			continue;
		}
		for (size_t j = 0; j < a->n_policies; j++)
			assert_true(config_value_equal(o, &a->policies[j],
			                               &b->policies[j]));
	}
	for (size_t j = 0; j < a->n_policies; j++) {
		assert_string_equal(a->policies[j].name, b->policies[j].name);
		assert_int_equal(a->policies[j].id, b->policies[j].id);
	}
}

/* Reads `text`, prints it, reads that, prints it again. */
static void expect_round_trip(const char *text)
{
	struct config *first = rig_good(text);
	char *printed = rig_print(first);
	struct config *second = rig_good(printed);
	char *again = rig_print(second);

	assert_same(first, second);
	assert_string_equal(printed, again);
	free(printed);
	free(again);
	config_unref(first);
	config_unref(second);
}

static const char *const texts[] = {
    "",
    "[agent]\nlisten = 127.0.0.1:1, [::1]:2 *:3 @name /a/b unix:/c\n",
    "[notices]\nlisten = 127.0.0.1:9514 /a/b\n",
    "[notices]\nlisten =\n",
    "[agent]\nlisten = tls:*:3 /a/b\n[tls]\ncertificate = /c.pem\n"
    "key = /c.key\nclient-ca = /ca.pem\n",
    "[tls]\ncertificate = /c.pem\nkey =\nclient-ca =\n",
    "[agent]\nsocket-mode = 7\nthreads = 64\nmax-frame-size = 300\n"
    "hello-timeout = 1500ms\nidle-timeout = 61s\npipelining = off\n",
    "[log]\ntarget = syslog\nlevel = debug\n"
    "[store]\npath = /with blank;and=more:#x\ndurability = none\n"
    "max-size = 1048577\n",
    "[policy b]\nstore-status = 2xx !204 301-303 599\ndrop-headers =\n"
    "[policy a]\nretry-after-max = 61s\nresponse-ttl = 36h\n"
    "[policy default]\nlock-ttl = 90s\non-lock-expiry = hold\n"
    "oversize-response = release\nunconfirmed = trust\nmax-body = 0\n",
    "[policy a]\nfingerprint-body = json\n"
    "fingerprint-exclude = /sent_at /meta/a~1b\n",
    "[policy a]\npreset = stripe-v1\nresponse-ttl = 36h\nfingerprint = body\n"
    "[policy b]\nrelease-status =\noversize-request = reject\n"
    "refuse-after = 90d\nretry-after-min = 2s\n"
    "[policy c]\npreset = ietf\n"
    "[policy default]\npreset = stripe-v1\n",
    /* More than one line each. */
    "[agent]\n"
    "listen = /a-rather-long-name-of-a-socket-in-some-directory-0\n"
    " /a-rather-long-name-of-a-socket-in-some-directory-1\n"
    " /a-rather-long-name-of-a-socket-in-some-directory-2\n"
    "[policy default]\n"
    "drop-headers = x-a-rather-long-name-of-a-header-0 x-another\n"
    " x-a-rather-long-name-of-a-header-1 "
    "x-a-rather-long-name-of-a-header-2\n"
    "store-status = 100 102 104 106 108 110 112 114 116 118 120 122 124 126\n"
    " 128 130 132 134 136 138 140 142 144 146 148 150 152 154 156 158 160\n",
    /* The longest of everything. */
    "[store]\npath = "
    "/23456789-123456789-123456789-123456789-123456789-123456789-123456789-"
    "123456789-123456789-123456789-123456789-123456789-123456789-123456789-"
    "123456789-1234567890\n"
    "[policy default]\ndrop-headers = "
    "123456789-123456789-123456789-123456789-123456789-123456789-123456789-"
    "123456789-123456789-123456789-123456789-123456789-123456789-123456789-"
    "123456789-123456789 a\n",
};

static void round_trips(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		expect_round_trip(texts[i]);
}

/* Every option is in it, once in each section that has it. */
static void prints_every_option(void **state)
{
	struct config *c = rig_good("[policy a]\n");
	char *text = rig_print(c);

	(void)state;
	for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
		const struct config_option *o = &config_table_options[i];
		char line[64];
		size_t seen = 0;
		size_t expected = 0;

		snprintf(line, sizeof(line), "\n%s =", o->key);
		for (const char *at = text; (at = strstr(at, line)); at++)
			seen++;
		/* Some keys are of more than one section. */
		for (size_t j = 0; j < CONFIG_OPTION_COUNT; j++) {
			if (strcmp(config_table_options[j].key, o->key) == 0)
				expected += config_table_options[j].section ==
				                    CONFIG_SECTION_POLICY
				                ? 2
				                : 1;
		}
		assert_int_equal(seen, expected);
	}
	free(text);
	config_unref(c);
}

/* A name that somebody gave the file cannot add a line to what is printed. */
static void the_path_stays_in_its_comment(void **state)
{
	struct config *c = rig_good("");
	char *text;

	(void)state;
	c->path = strdup("/tmp/x\nbogus = 1\033[2J");
	text = rig_print(c);
	config_unref(c);
	assert_non_null(strstr(text, "\n# /tmp/x\\nbogus = 1\\u001b[2J\n"));
	config_unref(rig_good(text));
	free(text);
}

static char *sample(void)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	config_print_sample(out);
	fclose(out);
	return text;
}

/* The sample as it is, and with every option of it taken in, is the
 * defaults. */
static void the_sample_is_the_defaults(void **state)
{
	struct config *defaults = rig_good("");
	char *text = sample();
	struct config *c = rig_good(text);
	size_t options = 0;

	(void)state;
	assert_same(c, defaults);
	config_unref(c);
	for (char *at = text; (at = strstr(at, "\n;"));) {
		/* An option at its very beginning, or an empty line. */
		memmove(at + 1, at + 2, strlen(at + 2) + 1);
		options++;
	}
	assert_int_equal(options, CONFIG_OPTION_COUNT);
	c = rig_good(text);
	assert_same(c, defaults);
	config_unref(c);
	config_unref(defaults);
	free(text);
}

static void the_sample_fits_a_terminal(void **state)
{
	char *text = sample();

	(void)state;
	for (const char *line = text; *line;) {
		size_t length = strcspn(line, "\n");

		assert_true(length <= 80);
		line += length + 1;
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(round_trips),
	    cmocka_unit_test(prints_every_option),
	    cmocka_unit_test(the_path_stays_in_its_comment),
	    cmocka_unit_test(the_sample_is_the_defaults),
	    cmocka_unit_test(the_sample_fits_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
