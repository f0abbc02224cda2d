/* The status page of the real process: what it says, that nothing foreign gets
 * into it, and that a browser shows it: with JavaScript and without, light and
 * dark. KEEP_SCREENSHOTS names a directory for the pictures. */
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/process/admin_rig.h"

static void expect_text(const char *page, const char *text)
{
	if (!strstr(page, text))
		fail_msg("not on the page: %s\n%s", text, page);
}

static void test_what_it_says(void **state)
{
	struct agent_process *a = rig_started(state, "", "[policy pay]\n");
	struct spop_client *c = rig_opened(a);
	struct http_reply page;

	execute(c, "k", "pay");
	ask(c, "k", "pay");
	ask(c, "running", NULL);
	/* A census may have seen `k` while it was locked. */
	expect_sample_soon(a, P "store_records{state=\"stored\"}", 1);
	expect_sample_soon(a, P "store_records{state=\"locked\"}", 1);
	assert_true(http_client_becomes(a->admin, "/readyz", 200));
	page = got(a, "/");
	assert_int_equal(page.status, 200);
	assert_non_null(
	    strstr(page.head, "Content-Type: text/html; charset=utf-8"));
	expect_text(page.body, "<title>Ready: spoa-idempotency</title>");
	expect_text(page.body,
	            "<th scope=\"row\">pay</th><td class=\"n\">1</td>"
	            "<td class=\"n\">1</td><td class=\"n zero\">0</td>");
	expect_text(page.body, "<dt>records locked</dt><dd>1</dd>");
	expect_text(page.body, "<dt>records stored</dt><dd>1</dd>");
	expect_text(page.body, "<small>1 engine</small>");
	expect_text(page.body, "[policy pay]\npreset = ietf\n");
	assert_null(strstr(page.body, "Warnings"));
	http_client_free(&page);
	rig_closed(c);
}

static void test_it_warns(void **state)
{
	struct agent_process *a = rig_started(state, "", "");
	struct http_reply page;

	assert_true(agent_process_configure(a, "threads = 2\n", ""));
	agent_process_signal(a, SIGHUP);
	expect_sample_soon(a, P "reloads_total{result=\"done\"}", 1);
	assert_true(agent_process_configure(a, "<b>&amp;</b> = 1", ""));
	agent_process_signal(a, SIGHUP);
	expect_sample_soon(a, P "reloads_total{result=\"failed\"}", 1);
	page = got(a, "/");
	expect_text(page.body, "Warnings");
	expect_text(page.body, "a restart is needed for [agent] threads");
	expect_text(page.body, "the last reload failed");
	/* The log's line is there, and stays text. */
	expect_text(page.body, "event=reload-failed");
	expect_text(page.body, "&lt;b&gt;&amp;amp;&lt;/b&gt;");
	assert_null(strstr(page.body, "<b>"));
	http_client_free(&page);
}

/* Passwords are nowhere, wherever they come from. */
static void test_no_secrets(void **state)
{
	const struct redis_setup setup = {.password = "open-sesame"};
	struct redis_process r;
	struct agent_process *a = *state;
	struct http_reply page;
	char extra[256];

	assert_true(redis_process_start(&r, &setup));
	snprintf(extra, sizeof(extra),
	         "driver = redis\n[redis]\nservers = unix:%s\n", r.socket);
	setenv("SPOA_IDEMPOTENCY_REDIS_PASSWORD", "open-sesame", 1);
	rig_started(state, "", extra);
	unsetenv("SPOA_IDEMPOTENCY_REDIS_PASSWORD");
	assert_true(http_client_becomes(a->admin, "/readyz", 200));
	page = got(a, "/");
	expect_text(page.body, "driver = redis");
	assert_null(strstr(page.body, "sesame"));
	http_client_free(&page);
	redis_process_fini(&r);
}

/* Only its own style and script are used, and nothing is loaded. */
static void test_its_policy(void **state)
{
	struct agent_process *a = rig_started(state, "", "");
	struct http_reply page = got(a, "/");

	expect_text(page.head, "default-src 'none'; style-src 'sha256-");
	expect_text(page.head, "; script-src 'sha256-");
	expect_text(page.head, "frame-ancestors 'none'");
	assert_null(strstr(page.head, "unsafe"));
	assert_null(strstr(page.body, "style=\""));
	assert_null(strstr(page.body, "http://"));
	assert_null(strstr(page.body, "https://"));
	http_client_free(&page);
}

/* --- well formed ------------------------------------------------------ */

static bool is_void(const char *name)
{
	return strcmp(name, "meta") == 0 || strcmp(name, "link") == 0;
}

/* Every element is closed, in order. */
static void expect_well_formed(const char *page)
{
	char open[64][16];
	size_t n = 0;
	const char *at = strchr(page, '<');

	for (; at; at = strchr(at + 1, '<')) {
		char name[16] = "";
		const char *end = strchr(at, '>');

		assert_non_null(end);
		if (at[1] == '!')
			continue;
		sscanf(at + 1, "%15[/a-z0-9]", name);
		if (name[0] == '/') {
			assert_true(n > 0);
			assert_string_equal(name + 1, open[--n]);
		} else if (!is_void(name) && end[-1] != '/') {
			assert_true(n < 64);
			strcpy(open[n++], name);
		}
		/* What is inside is no markup. */
		if (strcmp(name, "script") == 0)
			at = strstr(at, "</script") - 1;
	}
	assert_int_equal(n, 0);
}

static void test_it_is_well_formed(void **state)
{
	struct agent_process *a = rig_started(state, "", "");
	struct spop_client *c = rig_opened(a);
	struct http_reply page = got(a, "/");

	execute(c, "k", NULL);
	expect_well_formed(page.body);
	http_client_free(&page);
	rig_closed(c);
}

/* --- in a browser ------------------------------------------------------- */

struct browser {
	char profile[128]; /* a directory */
	char address[64];
};

/* The port of its TCP socket, from the log. */
static void find_address(struct agent_process *a, struct browser *b)
{
	static char log[1 << 16];
	FILE *f = fopen(a->output, "r");
	const char *at;

	assert_non_null(f);
	log[fread(log, 1, sizeof(log) - 1, f)] = '\0';
	fclose(f);
	at = strstr(log, "address=127.0.0.1:");
	assert_non_null(at);
	assert_int_equal(
	    sscanf(at + strlen("address="), "%40[0-9.:]", b->address), 1);
}

/* A page of a browser of its own: all it prints. Free it. */
static char *browse(struct agent_process *a, const struct browser *b,
                    const char *options)
{
	char command[1024];
	char *text = NULL;
	size_t size = 0;
	FILE *out;

	(void)a;
	snprintf(command, sizeof(command),
	         "timeout -k 5 60 chromium --headless --no-sandbox "
	         "--disable-gpu --disable-quic --no-first-run "
	         "--disable-background-networking --disable-component-update "
	         "--disable-sync --hide-scrollbars --enable-logging=stderr "
	         "--user-data-dir='%s' --window-size=1200,1500 "
	         "--virtual-time-budget=7000 %s http://%s/ 2>&1",
	         b->profile, options, b->address);
	out = popen(command, "r");
	assert_non_null(out);
	assert_true(getdelim(&text, &size, '\0', out) > 0);
	assert_int_equal(pclose(out), 0);
	return text;
}

static void new_profile(struct agent_process *a, struct browser *b,
                        const char *name, const char *preferences)
{
	char path[160];
	FILE *f;

	snprintf(b->profile, sizeof(b->profile), "%s/%s", a->directory, name);
	assert_int_equal(mkdir(b->profile, 0700), 0);
	snprintf(path, sizeof(path), "%s/Default", b->profile);
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/Preferences");
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(preferences, f);
	fclose(f);
}

/* Without a word about what the page's policy forbids, or a mistake. */
static void expect_quiet(const char *printed)
{
	assert_null(strstr(printed, "Content Security Policy"));
	assert_null(strstr(printed, "Uncaught"));
	assert_null(strstr(printed, "Refused to"));
}

static void expect_picture(struct agent_process *a, struct browser *b,
                           const char *name, const char *options)
{
	const char *keep = getenv("KEEP_SCREENSHOTS");
	char path[192];
	char all[320];
	char *printed;
	struct stat s;

	snprintf(path, sizeof(path), "%s/%s.png", keep ? keep : a->directory,
	         name);
	snprintf(all, sizeof(all), "--screenshot='%s' %s", path, options);
	printed = browse(a, b, all);
	expect_quiet(printed);
	free(printed);
	assert_int_equal(stat(path, &s), 0);
	assert_true(s.st_size > 20000);
}

static struct agent_process *started_on_tcp(void **state)
{
	struct agent_process *a = *state;
	char extra[160];

	snprintf(extra, sizeof(extra),
	         "[admin]\nlisten = unix:%s 127.0.0.1:0\n", a->admin);
	return rig_started(state, "", extra);
}

static void test_a_browser_keeps_it_up_to_date(void **state)
{
	struct agent_process *a = started_on_tcp(state);
	struct browser b;
	char *dom;

	find_address(a, &b);
	new_profile(a, &b, "script", "{}");
	dom = browse(a, &b, "--dump-dom");
	expect_quiet(dom);
	expect_text(dom, "This page keeps itself up to date.");
	/* It asked for itself, and took over what came. */
	expect_text(dom, "<body data-updates=\"");
	free(dom);
}

static void test_a_browser_without_javascript(void **state)
{
	struct agent_process *a = started_on_tcp(state);
	struct browser b;
	char *dom;

	find_address(a, &b);
	new_profile(a, &b, "plain",
	            "{\"profile\":{\"default_content_setting_values\":"
	            "{\"javascript\":2}}}");
	dom = browse(a, &b, "--dump-dom");
	expect_text(dom, "Load it again for newer numbers.");
	expect_text(dom, "<body>");
	expect_text(dom, "hidden=\"\">Pause</button>");
	free(dom);
	expect_picture(a, &b, "plain", "");
}

static void test_light_and_dark(void **state)
{
	struct agent_process *a = started_on_tcp(state);
	struct spop_client *c = rig_opened(a);
	struct browser b;

	for (int i = 0; i < 20; i++) {
		char key[8];

		snprintf(key, sizeof(key), "k%d", i);
		execute(c, key, NULL);
	}
	find_address(a, &b);
	new_profile(a, &b, "colours", "{}");
	expect_picture(a, &b, "light", "");
	expect_picture(a, &b, "dark",
	               "--blink-settings=preferredColorScheme=0");
	rig_closed(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RIG_TEST(test_what_it_says),
	    RIG_TEST(test_it_warns),
	    RIG_TEST(test_no_secrets),
	    RIG_TEST(test_its_policy),
	    RIG_TEST(test_it_is_well_formed),
	    RIG_TEST(test_a_browser_keeps_it_up_to_date),
	    RIG_TEST(test_a_browser_without_javascript),
	    RIG_TEST(test_light_and_dark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
