/* Text stays text, and a chart is one, whatever the numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "agent/admin/admin_chart.h"
#include "agent/admin/admin_html.h"

static char *text_of(const char *text)
{
	char *html;
	size_t size;
	FILE *out = open_memstream(&html, &size);

	admin_html_text(out, text);
	fclose(out);
	return html;
}

static void nothing_is_markup(void **state)
{
	char *html =
	    text_of("<script>alert('x')</script> & \"y\" &lt; \xc3\xa9");

	(void)state;
	assert_string_equal(html,
	                    "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; "
	                    "&amp; &quot;y&quot; &amp;lt; \xc3\xa9");
	free(html);
}

static char *chart_of(const double *rates, size_t n)
{
	char *svg;
	size_t size;
	FILE *out = open_memstream(&svg, &size);

	admin_chart_write(out, "cached", rates, n);
	fclose(out);
	return svg;
}

static void an_empty_chart_has_its_axis(void **state)
{
	double rates[ADMIN_SAMPLES_INTERVALS] = {0};
	char *svg = chart_of(rates, 0);

	(void)state;
	assert_non_null(strstr(svg, "<title>cached: at most 0 a second"));
	assert_non_null(strstr(svg, "class=\"axis\""));
	assert_null(strstr(svg, "class=\"line\""));
	free(svg);
	svg = chart_of(rates, ADMIN_SAMPLES_INTERVALS);
	assert_null(strstr(svg, "class=\"line\""));
	free(svg);
}

/* The newest is at the right edge, the largest at the top. */
static void a_chart_is_to_scale(void **state)
{
	double rates[ADMIN_SAMPLES_INTERVALS] = {1e9}; /* not one of them */
	char *svg;

	(void)state;
	rates[ADMIN_SAMPLES_INTERVALS - 3] = 0;
	rates[ADMIN_SAMPLES_INTERVALS - 2] = 40;
	rates[ADMIN_SAMPLES_INTERVALS - 1] = 20;
	assert_true(admin_chart_peak(rates, 3) == 40);
	svg = chart_of(rates, 3);
	assert_non_null(strstr(svg, "at most 40 a second"));
	assert_non_null(
	    strstr(svg, "class=\"line\" d=\"M296 40.0L298 2.0L300 21.0\""));
	assert_non_null(strstr(
	    svg, "class=\"area\" d=\"M296 40.0L298 2.0L300 21.0V40H296Z\""));
	free(svg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_is_markup),
	    cmocka_unit_test(an_empty_chart_has_its_axis),
	    cmocka_unit_test(a_chart_is_to_scale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
