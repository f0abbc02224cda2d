/* Every kind of mistake, and exactly what is said about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/agent_config_rig.h"

#define STATUS_EXPECTED                                               \
	"expected a status of 100 to 599 like 201, or many like 2xx " \
	"or 200-299, or ! and one of these"
#define NAME_EXPECTED                                                  \
	"is no name of a policy; expected 1 to 32 characters of a-z, " \
	"0-9 and -"

static const struct {
	const char *text;
	const char *mistakes; /* "test.ini" is left out at their beginnings */
} rows[] = {
    /* lines */
    {"[agent]\nthreads\n",
     ":2: the line has no =; expected [section], key = value or a comment\n"},
    {"[agent]\nthreads ; = 2",
     ":2: the line has no =; expected [section], key = value or a comment\n"},
    {"[agent\nthreads = x\n",
     ":1: the line is no section; expected [name] and nothing behind it\n"},
    {"[agent] x\nthreads = x\n",
     ":1: the line is no section; expected [name] and nothing behind it\n"},
    {"threads = 2\nlisten\n",
     ":1: threads: stands before the first section; expected a [section] "
     "above it\n"
     ":2: the line has no =; expected [section], key = value or a comment\n"},
    {"[agent]\n= 2\n",
     ":2: [agent]  = 2: there is no such key; expected one of listen "
     "socket-mode threads backlog max-connections max-in-flight "
     "max-frame-size pipelining hello-timeout idle-timeout answer-timeout "
     "processing-timeout max-waiters max-waiters-per-key wait-interval "
     "drain-timeout\n"},

    /* sections */
    {"[agnt]\nthreads = x\n",
     ":1: [agnt]: there is no such section; expected [agent], perhaps\n"},
    {"[Policy x]\n",
     ":1: [Policy x]: there is no such section; expected [policy NAME], "
     "perhaps\n"},
    {"[agent x]\n",
     ":1: [agent x]: there is no such section; expected [agent], perhaps\n"},
    {"[telemetry]\n",
     ":1: [telemetry]: there is no such section; expected [agent], [log], "
     "[store], [encryption], [tls], [redis], [notices] or [policy NAME]\n"},
    {"[]\n",
     ":1: []: there is no such section; expected [agent], [log], [store], "
     "[encryption], [tls], [redis], [notices] or [policy NAME]\n"},
    {"[log]\n[agent]\n[log]\nlevel = loud\n",
     ":3: [log]: begins in line 1 already; expected each section once\n"
     ":4: [log] level = loud: is none of the choices; expected error, "
     "warning, info or debug\n"},
    {"[policy a]\n[policy  a]\n",
     ":2: [policy a]: begins in line 1 already; expected each section "
     "once\n"},
    {"[policy default]\n\n[policy default]\n",
     ":3: [policy default]: begins in line 1 already; expected each section "
     "once\n"},
    {"[policy]\n", ":1: [policy]: " NAME_EXPECTED "\n"},
    {"[policy Payments]\nlock-ttl = 1\n",
     ":1: [policy Payments]: " NAME_EXPECTED "\n"
     ":2: [policy] lock-ttl = 1: has no unit (ms, s, m, h or d); expected a "
     "duration from 100ms to 7d\n"},
    {"[policy a b]\ndrop-headers = a\n[policy a_b]\ndrop-headers = b\n",
     ":1: [policy a b]: " NAME_EXPECTED "\n"
     ":3: [policy a_b]: " NAME_EXPECTED "\n"},
    {"[policy 123456789-123456789-123456789-12]\n"
     "[policy 123456789-123456789-123456789-123]\n",
     ":2: [policy 123456789-123456789-123456789-123]: " NAME_EXPECTED "\n"},
    /* "default" and this have the same CRC-32C. */
    {"[policy payments-p0sdlee]\nlock-ttl = x\n",
     ":1: [policy payments-p0sdlee]: has the same checksum as [policy "
     "default]; expected another name\n"
     ":2: [policy] lock-ttl = x: does not begin with a digit; expected a "
     "duration from 100ms to 7d\n"},

    /* keys */
    {"[agent]\nthread = 2\n",
     ":2: [agent] thread = 2: there is no such key; expected threads in "
     "[agent], perhaps\n"},
    {"[agent]\nmax_frame_size = 2\n",
     ":2: [agent] max_frame_size = 2: there is no such key; expected "
     "max-frame-size in [agent], perhaps\n"},
    {"[agent]\nlock-ttl = 2\n",
     ":2: [agent] lock-ttl = 2: there is no such key; expected lock-ttl in "
     "[policy], perhaps\n"},
    /* Two letters from either: the one at hand is meant. */
    {"[policy a]\nmax-sidy = 2\n[store]\nmax-sidy = 2\n",
     ":2: [policy a] max-sidy = 2: there is no such key; expected max-body in "
     "[policy], perhaps\n"
     ":4: [store] max-sidy = 2: there is no such key; expected max-size in "
     "[store], perhaps\n"},
    {"[log]\ncolour = yes\n",
     ":2: [log] colour = yes: there is no such key; expected one of target "
     "level\n"},
    {"[agent]\nthreads = 2\nbacklog = 5\nthreads = 2\n",
     ":4: [agent] threads = 2: is set in line 2 already; expected each key "
     "once\n"},
    {"[agent]\nthreads = 2\n[agent]\nthreads = 2\n",
     ":3: [agent]: begins in line 1 already; expected each section once\n"
     ":4: [agent] threads = 2: is set in line 2 already; expected each key "
     "once\n"},
    {"[agent]\n"
     "a-key-of-which-nobody-would-think-for-it-is-longer-than-any-key-is-and-"
     "then-some = 1\n",
     ":2: [agent] a-key-of-which-nobody-would-think-for-it-is-longer-than-"
     "any-key-is-and-then-some = 1: there is no such key; expected one of "
     "listen socket-mode threads backlog max-connections max-in-flight "
     "max-frame-size pipelining hello-timeout idle-timeout answer-timeout "
     "processing-timeout max-waiters max-waiters-per-key wait-interval "
     "drain-timeout\n"},

    /* values; ranges are in agent_config_value_test.c */
    {"[agent]\nthreads = two\n",
     ":2: [agent] threads = two: is not a number; expected a number from 1 "
     "to 64\n"},
    {"[agent]\nthreads =\n",
     ":2: [agent] threads = : is not a number; expected a number from 1 to "
     "64\n"},
    {"[agent]\nthreads = -1\n",
     ":2: [agent] threads = -1: is not a number; expected a number from 1 to "
     "64\n"},
    {"[agent]\nthreads = 99999999999999999999999\n",
     ":2: [agent] threads = 99999999999999999999999: is too large; expected "
     "a number from 1 to 64\n"},
    {"[agent]\nthreads = 4 # four\n",
     ":2: [agent] threads = 4 # four: is not a number; expected a number "
     "from 1 to 64 (a comment behind a value begins with ;)\n"},
    {"[agent]\nmax-frame-size = 16 MB\n",
     ":2: [agent] max-frame-size = 16 MB: has an unknown unit; expected a "
     "size from 256 to 16M\n"},
    {"[agent]\nmax-frame-size = M\n",
     ":2: [agent] max-frame-size = M: does not begin with a digit; expected "
     "a size from 256 to 16M\n"},
    {"[agent]\nhello-timeout = 5\n",
     ":2: [agent] hello-timeout = 5: has no unit (ms, s, m, h or d); "
     "expected a duration from 100ms to 10m\n"},
    {"[agent]\nhello-timeout = 99999999999999999999d\n",
     ":2: [agent] hello-timeout = 99999999999999999999d: is too large; "
     "expected a duration from 100ms to 10m\n"},
    {"[agent]\nhello-timeout = 18446744073709551615d\n",
     ":2: [agent] hello-timeout = 18446744073709551615d: is too large; "
     "expected a duration from 100ms to 10m\n"},
    {"[agent]\nsocket-mode = 0880\n",
     ":2: [agent] socket-mode = 0880: is not an octal number; expected octal "
     "permissions from 0000 to 0777\n"},
    {"[agent]\nsocket-mode = 2000000000000000000000\n",
     ":2: [agent] socket-mode = 2000000000000000000000: is too large; "
     "expected octal permissions from 0000 to 0777\n"},
    {"[policy a]\nfingerprint = method body method\n",
     ":2: [policy a] fingerprint = method body method: \"method\" is listed "
     "twice\n"},
    {"[policy a]\nfingerprint = method headers\n",
     ":2: [policy a] fingerprint = method headers: \"headers\" is none of "
     "method path query body digest\n"},
    {"[policy a]\nfingerprint =\n",
     ":2: [policy a] fingerprint = : is empty; expected some of method, path, "
     "query, body or digest\n"},
    {"[policy a]\nfingerprint-body = json\n"
     "fingerprint-exclude = sent_at /a~2 / /x /x\n",
     ":3: [policy a] fingerprint-exclude = sent_at /a~2 / /x /x: \"sent_at\" "
     "is "
     "no JSON pointer; expected one like /sent_at or /meta/attempt\n"},
    {"[policy a]\nfingerprint-body = json\nfingerprint-exclude = /a~2\n",
     ":3: [policy a] fingerprint-exclude = /a~2: \"/a~2\" is no JSON pointer; "
     "expected one like /sent_at or /meta/attempt\n"},
    {"[policy a]\nfingerprint-body = json\nfingerprint-exclude = /x /\n",
     ":3: [policy a] fingerprint-exclude = /x /: \"/\" is no JSON pointer; "
     "expected one like /sent_at or /meta/attempt\n"},
    {"[policy a]\nfingerprint-body = json\nfingerprint-exclude = /x /y /x\n",
     ":3: [policy a] fingerprint-exclude = /x /y /x: \"/x\" is listed twice\n"},
    {"[policy a]\nfingerprint-exclude = /x\n",
     ":2: [policy a] fingerprint-exclude: bytes have no members; expected "
     "fingerprint-body = json\n"},
    {"[policy a]\npreset = stripe\n",
     ":2: [policy a] preset = stripe: is none of the choices; expected ietf or "
     "stripe-v1\n"},
    {"[policy a]\nretry-after-min = 31s\n",
     ":2: [policy a] retry-after-min: is above retry-after-max; expected the "
     "smaller one\n"},
    {"[policy default]\nretry-after-max = 5s\n[policy a]\n"
     "retry-after-min = 10s\nretry-after-max = 9s\n",
     ":4: [policy a] retry-after-min: is above retry-after-max; expected the "
     "smaller one\n"},
    {"[policy default]\nlock-ttl = 2d\n[policy a]\npreset = stripe-v1\n",
     ":4: [policy a] on-lock-expiry = hold: nothing is left to hold when the "
     "lock ends; expected a response-ttl above lock-ttl\n"},
    {"[policy a]\nretry-after-max = 1500ms\n",
     ":2: [policy a] retry-after-max = 1500ms: has a fraction; expected "
     "whole seconds from 1s to 1h\n"},
    {"[agent]\npipelining = yes\n",
     ":2: [agent] pipelining = yes: is none of the choices; expected auto, "
     "on or off\n"},
    {"[store]\ndriver = rocks\n", ":2: [store] driver = rocks: is none of the "
                                  "choices; expected lmdb or redis\n"},
    {"[store]\ndriver = redis\n[redis]\nmode = cluster\ndatabase = 1\n",
     ":5: [redis] database: a cluster has only one; expected 0\n"},
    {"[store]\npath = var/lib\n",
     ":2: [store] path = var/lib: does not begin with /; expected an "
     "absolute path of at most 160 bytes\n"},
    {"[store]\npath = /a #b\n",
     ":2: [store] path = /a #b: has a #; expected an absolute path of at "
     "most 160 bytes (a comment behind a value begins with ;)\n"},
    {"[store]\npath = /a\033[31m\n",
     ":2: [store] path = /a\\u001b[31m: has a control character; expected an "
     "absolute path of at most 160 bytes\n"},

    /* lists */
    {"[agent]\nlisten = localhost\n",
     ":2: [agent] listen = localhost: \"localhost\" has no port; expected "
     "127.0.0.1:9000, [::1]:9000, *:9000, unix:/path, /path or @name, or tls: "
     "and one of these\n"},
    {"[notices]\nlisten = localhost\n",
     ":2: [notices] listen = localhost: \"localhost\" has no port; expected "
     "127.0.0.1:9000, [::1]:9000, *:9000, unix:/path, /path or @name, or tls: "
     "and one of these\n"},
    {"[notices]\nlisten = /a unix:/a\n",
     ":2: [notices] listen = /a unix:/a: \"unix:/a\" is listed twice\n"},
    {"[notices]\nlisten = tls:127.0.0.1:1\n",
     ":2: [notices] listen = tls:127.0.0.1:1: \"tls:127.0.0.1:1\" cannot have "
     "TLS; expected it without tls:\n"},
    {"[agent]\nlisten = /a tls:127.0.0.1:1\n",
     ":2: [agent] listen: TLS needs a certificate; expected certificate in "
     "[tls]\n"},
    {"[tls]\nkey = /a\nclient-ca = /b\n",
     ":2: [tls] key: there is no certificate for it; expected certificate in "
     "[tls]\n"
     ":3: [tls] client-ca: there is no certificate to serve TLS with; "
     "expected certificate in [tls]\n"},
    {"[tls]\ncertificate = a.pem\n",
     ":2: [tls] certificate = a.pem: does not begin with /; expected an "
     "absolute path of at most 160 bytes, or nothing\n"},
    {"[agent]\nlisten =\n",
     ":2: [agent] listen = : is empty; expected a list of 1 to 16 "
     "addresses\n"},
    {"[agent]\nlisten = /a unix:/a\n",
     ":2: [agent] listen = /a unix:/a: \"unix:/a\" is listed twice\n"},
    {"[agent]\nlisten = /0 /1 /2 /3 /4 /5 /6 /7 /8 /9 /a /b /c /d /e /f\n"
     " /g\n",
     ":3: [agent] listen = /g: \"/g\" is one too many\n"},
    {"[policy a]\nstore-status =\n",
     ":2: [policy a] store-status = : is empty; expected a list of "
     "statuses\n"},
    {"[policy a]\nstore-status = 2xx !200-299\n",
     ":2: [policy a] store-status = : is empty; expected a list of "
     "statuses\n"},
    {"[policy a]\nstore-status = 600\n",
     ":2: [policy a] store-status = 600: \"600\" is no status; " STATUS_EXPECTED
     "\n"},
    {"[policy a]\nstore-status = 200 ! 204\n",
     ":2: [policy a] store-status = 200 ! 204: \"!\" is no "
     "status; " STATUS_EXPECTED "\n"},
    {"[policy a]\nstore-status = 299-200\n",
     ":2: [policy a] store-status = 299-200: \"299-200\" ends before it "
     "begins; " STATUS_EXPECTED "\n"},
    {"[policy a]\ndrop-headers = set-cookie: x\n",
     ":2: [policy a] drop-headers = set-cookie: x: \"set-cookie:\" is no "
     "header name; expected letters, digits and -\n"},
    {"[policy a]\ndrop-headers = A b a\n",
     ":2: [policy a] drop-headers = A b a: \"a\" is listed twice\n"},

    /* indented lines */
    {"[agent]\nthreads = 2\n backlog = 3\n",
     ":3: [agent] threads = backlog = 3: an indented line goes on with the "
     "value above it; expected a key at the beginning of the line\n"},
    {"[agent]\nthreads = 2\n 3\n",
     ":3: [agent] threads = 3: goes on in an indented line; expected a "
     "number from 1 to 64\n"},
    {"[agent]\nthreads = 2\nbogus = 1\n 3\nalso bogus\n 4\n",
     ":3: [agent] bogus = 1: there is no such key; expected one of listen "
     "socket-mode threads backlog max-connections max-in-flight "
     "max-frame-size pipelining hello-timeout idle-timeout answer-timeout "
     "processing-timeout max-waiters max-waiters-per-key wait-interval "
     "drain-timeout\n"
     ":5: the line has no =; expected [section], key = value or a "
     "comment\n"},

    /* times that do not go together */
    {"[policy a]\nlock-ttl = 1s\n",
     ":2: [policy a] lock-ttl: the lock may end before its owner is told; "
     "expected more than answer-timeout of [agent]\n"},
    {"[policy a]\nlock-ttl = 1500ms\n[agent]\nanswer-timeout = 2s\n",
     ":2: [policy a] lock-ttl: the lock may end before its owner is told; "
     "expected more than answer-timeout of [agent]\n"},
    {"[policy a]\n[policy default]\nlock-ttl = 300ms\n",
     ":3: [policy default] lock-ttl: the lock may end before its owner is "
     "told; expected more than answer-timeout of [agent]\n"},
    {"[policy a]\non-lock-expiry = hold\nlock-ttl = 1h\n"
     "response-ttl = 1h\n[policy b]\nlock-ttl = 1h\nresponse-ttl = 1h\n",
     ":2: [policy a] on-lock-expiry = hold: nothing is left to hold when the "
     "lock ends; expected a response-ttl above lock-ttl\n"},
    /* 1 s of the 2 s that HAProxy waits is answer-timeout's */
    {"[policy a]\nwait = 1s\n",
     ":2: [policy a] wait: HAProxy gives up before the wait is over; expected "
     "less than processing-timeout less answer-timeout of [agent], or a "
     "longer processing-timeout there and `timeout processing` in HAProxy\n"},
    {"[policy a]\n[policy b]\nwait = 0s\n[policy default]\nwait = 5s\n"
     "[agent]\nprocessing-timeout = 6s\n",
     ":5: [policy default] wait: HAProxy gives up before the wait is over; "
     "expected less than processing-timeout less answer-timeout of [agent], "
     "or a longer processing-timeout there and `timeout processing` in "
     "HAProxy\n"},
    {"[agent]\nmax-waiters = 51\nmax-connections = 101\n"
     "[policy a]\nwait = 100ms\n",
     ":5: [policy a] wait: those who wait may take the connections of those "
     "who are waited for; expected a max-waiters of at most half of "
     "max-connections in [agent]\n"},
    {"[policy default]\non-lock-expiry = hold\n[policy a]\nlock-ttl = 2d\n",
     ":4: [policy a] on-lock-expiry = hold: nothing is left to hold when the "
     "lock ends; expected a response-ttl above lock-ttl\n"},
};

/* The mistakes of a row with the name of the file; free it. */
static char *in_full(const char *mistakes)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	while (*mistakes) {
		int length = (int)strcspn(mistakes, "\n") + 1;

		fprintf(out, "test.ini%.*s", length, mistakes);
		mistakes += length;
	}
	fclose(out);
	return text;
}

static void are_said(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *mistakes = in_full(rows[i].mistakes);

		rig_bad(rows[i].text, mistakes);
		free(mistakes);
	}
}

static void too_many_policies(void **state)
{
	char text[4096] = "";
	size_t used = 0;

	(void)state;
	/* "default" is there already. */
	for (int i = 1; i < CONFIG_POLICIES_MAX; i++)
		used += (size_t)sprintf(text + used, "[policy p%d]\n", i);
	config_unref(rig_good(text));
	strcpy(text + used, "[policy more]\n[policy p1]\n");
	rig_bad(text, "test.ini:64: [policy more]: is one too many; expected "
	              "64 policies at most\n"
	              "test.ini:65: [policy p1]: begins in line 1 already; "
	              "expected each section once\n");
}

/* inih has room for 200 bytes: the line, its end and a NUL. */
static void long_lines(void **state)
{
	enum { LINE_BYTES = 198 };
	char text[600];
	char expected[300];

	(void)state;
	memset(text, '#', sizeof(text));
	strcpy(text + LINE_BYTES, "\n[agent]\nthreads = 2\n");
	config_unref(rig_good(text));
	memset(text, '#', sizeof(text));
	strcpy(text + LINE_BYTES + 1, "\n[agent]\nthreads = x\n");
	snprintf(expected, sizeof(expected),
	         "test.ini:1: the line has 199 bytes; expected at most 198 "
	         "(the items of a list may go on in an indented line)\n"
	         "test.ini:3: [agent] threads = x: is not a number; expected a "
	         "number from 1 to 64\n");
	rig_bad(text, expected);
}

/* What a line that is too long began is not taken for what came before. */
static void what_follows_a_long_line(void **state)
{
	char text[1000];
	int used = sprintf(text, "[agent]\nlisten = /a\nlisten = ");

	(void)state;
	memset(text + used, 'x', 300);
	strcpy(text + used + 300, "\n /a\n[agent");
	used = (int)strlen(text);
	memset(text + used, 'x', 300);
	strcpy(text + used + 300, "\nbogus = 1\n");
	rig_bad(text,
	        "test.ini:3: the line has 309 bytes; expected at most 198 "
	        "(the items of a list may go on in an indented line)\n"
	        "test.ini:5: the line has 306 bytes; expected at most 198 "
	        "(the items of a list may go on in an indented line)\n");
}

static void nul_bytes(void **state)
{
	static const char text[] = "[agent]\nlisten = /a\0\n /b\n[\0]\nx=\n\0";
	char *errors;

	(void)state;
	assert_null(rig_read_bytes(text, sizeof(text) - 1, &errors));
	assert_string_equal(
	    errors,
	    "test.ini:2: the line has a NUL byte; expected a text file\n"
	    "test.ini:4: the line has a NUL byte; expected a text file\n"
	    "test.ini:6: the line has a NUL byte; expected a text file\n");
	free(errors);
}

/* Whatever is in the file, its messages are printable and one line each. */
static void messages_are_printable(void **state)
{
	static const char pattern[] = "%c = 1\n[%c]\n[policy %c]\n[agent]\n"
				      "%c = 1\nlisten = a%cb\n[log]\n"
				      "level = a%cb\nx%cy\n";
	char text[128];
	char *errors;

	(void)state;
	for (int b = 1; b < 256; b++) {
		sprintf(text, pattern, b, b, b, b, b, b, b);
		assert_null(rig_read(text, &errors));
		for (const char *c = errors; *c; c++)
			assert_true((*c >= ' ' && *c <= '~') || *c == '\n');
		free(errors);
	}
}

static void long_values_are_cut(void **state)
{
	char text[300] = "[log]\nlevel = ";
	char *errors;

	(void)state;
	memset(text + strlen(text), 'x', 150);
	assert_null(rig_read(text, &errors));
	assert_non_null(strstr(errors, "xxxx...: is none of the choices"));
	assert_true(strlen(errors) < 250);
	free(errors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(are_said),
	    cmocka_unit_test(too_many_policies),
	    cmocka_unit_test(long_lines),
	    cmocka_unit_test(what_follows_a_long_line),
	    cmocka_unit_test(nul_bytes),
	    cmocka_unit_test(messages_are_printable),
	    cmocka_unit_test(long_values_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
