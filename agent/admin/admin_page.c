#include "agent/admin/admin_page.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "agent/admin/admin_html.h"
#include "agent/human.h"

enum { HASH_SIZE = 32, HASH_TEXT_SIZE = 4 * (HASH_SIZE + 2) / 3 + 1 };

/* "" when OpenSSL has no memory: then neither style nor script is used. */
static void hash(const char *text, char ret_hash[HASH_TEXT_SIZE])
{
	uint8_t bytes[HASH_SIZE];

	*ret_hash = '\0';
	if (EVP_Digest(text, strlen(text), bytes, NULL, EVP_sha256(), NULL))
		EVP_EncodeBlock((uint8_t *)ret_hash, bytes, sizeof(bytes));
}

/* Nothing but our own style and script, and the page itself again. By hashes
 * and not by a nonce: the script reads the page again, with the same style. */
static void set_policy(struct admin_http_reply *reply)
{
	char style[HASH_TEXT_SIZE], script[HASH_TEXT_SIZE];

	hash(admin_page_style, style);
	hash(admin_page_script, script);
	snprintf(reply->policy, sizeof(reply->policy),
	         "default-src 'none'; style-src 'sha256-%s'; "
	         "script-src 'sha256-%s'; connect-src 'self'; img-src data:; "
	         "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	         style, script);
}

static void put_head(const struct admin *a, FILE *out)
{
	fprintf(out,
	        "<!DOCTYPE html>\n<html lang=\"en\"><head>"
	        "<meta charset=\"utf-8\">"
	        "<meta name=\"viewport\" content=\"width=device-width\">"
	        "<meta name=\"color-scheme\" content=\"light dark\">"
	        "<link rel=\"icon\" href=\"data:,\">"
	        "<title>%s: spoa-idempotency</title>\n"
	        "<style>%s</style></head><body>\n",
	        admin_health_ready(a, NULL) ? "Ready" : "Not ready",
	        admin_page_style);
}

static void put_state(const struct admin *a, FILE *out)
{
	const struct report *r = &a->report;
	const bool ready = admin_health_ready(a, NULL);
	char up[HUMAN_SIZE], rss[HUMAN_SIZE], now[HUMAN_SIZE];

	human_span(r->now_ms - r->started_ms, up);
	human_bytes(r->rss_bytes, rss);
	human_time(r->now_ms, now);
	fprintf(out,
	        "<header><h1>spoa-idempotency</h1>"
	        "<span class=\"state %s\">%s</span>"
	        "<span class=\"soft\">version %s, up %s, %zu thread%s, %s, "
	        "as of %s</span></header>\n",
	        ready ? "ok" : "bad", ready ? "Ready" : "Not ready",
	        PROJECT_VERSION, up, r->n_workers, r->n_workers == 1 ? "" : "s",
	        rss, now);
}

static void put_config(const struct admin *a, FILE *out)
{
	struct config *config = status_config(a->status);
	char *text = NULL;
	size_t size;
	FILE *printed = open_memstream(&text, &size);

	fputs("<details><summary>Configuration in force</summary>"
	      "<pre id=\"config\">",
	      out);
	if (printed) {
		config_print(config, printed);
		fclose(printed);
		admin_html_text(out, text);
		free(text);
	}
	fputs("</pre></details>\n", out);
	config_unref(config);
}

void admin_page_write(const struct admin *a, FILE *out,
                      struct admin_http_reply *ret_reply)
{
	ret_reply->type = "text/html; charset=utf-8";
	set_policy(ret_reply);
	put_head(a, out);
	fputs("<main id=\"now\">\n", out);
	put_state(a, out);
	admin_page_warnings(a, out);
	admin_page_verdicts(a, out);
	admin_page_store(a, out);
	admin_page_haproxy(a, out);
	admin_page_totals(a, out);
	fputs("</main>\n", out);
	put_config(a, out);
	fprintf(out,
	        "<footer><p><span id=\"note\">Load it again for newer "
	        "numbers.</span> <button id=\"pause\" type=\"button\" "
	        "hidden>Pause</button></p><p><a href=\"metrics\">/metrics</a> "
	        "for Prometheus, <a href=\"healthz\">/healthz</a>, "
	        "<a href=\"readyz\">/readyz</a></p></footer>\n"
	        "<script>%s</script></body></html>\n",
	        admin_page_script);
}
