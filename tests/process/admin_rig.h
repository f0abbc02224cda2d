/* tests/process/admin_rig.h: asks an agent's admin endpoint, and gives the
 * agent something to tell. */
#ifndef TESTS_PROCESS_ADMIN_RIG_H
#define TESTS_PROCESS_ADMIN_RIG_H

#include "tests/process/rig.h"
#include "tests/support/http_client.h"
#include "tests/support/redis_process.h"

/* `res.hdrs_bin` with Content-Length: 1. */
static const uint8_t HEADERS[] = "\016content-length\0011\000";

static inline struct http_reply got(struct agent_process *a, const char *url)
{
	return http_client_ask(a->admin, "GET", url);
}

static inline void expect_answer(struct agent_process *a, const char *url,
                                 int status, const char *body)
{
	struct http_reply reply = got(a, url);

	assert_int_equal(reply.status, status);
	assert_string_equal(reply.body, body);
	http_client_free(&reply);
}

/* The value of the sample whose line begins with `sample`; -1: it is not there.
 */
static inline double value_in(const char *metrics, const char *sample)
{
	const size_t length = strlen(sample);

	for (const char *line = metrics; line && *line;) {
		if (strncmp(line, sample, length) == 0 && line[length] == ' ')
			return atof(line + length);
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return -1;
}

static inline double value_of(struct agent_process *a, const char *sample)
{
	struct http_reply reply = got(a, "/metrics");
	double value;

	assert_int_equal(reply.status, 200);
	value = value_in(reply.body, sample);
	http_client_free(&reply);
	return value;
}

#define P "spoa_idempotency_"

static inline void expect_sample(struct agent_process *a, const char *sample,
                                 double value)
{
	const double found = value_of(a, sample);

	if (found != value)
		fail_msg("%s is %g, not %g", sample, found, value);
}

/* For what is counted now and then. */
static inline void expect_sample_soon(struct agent_process *a,
                                      const char *sample, double value)
{
	for (int i = 0; i < 1000 && value_of(a, sample) != value; i++)
		redis_process_pause();
	expect_sample(a, sample, value);
}

/* --- requests --- */

static inline struct spop_reply ask(struct spop_client *c, const char *key,
                                    const char *policy)
{
	const struct spop_check check = {
	    .key = key,
	    .scope = "host",
	    .policy = policy,
	};
	struct spop_reply reply;

	assert_true(spop_client_check(c, &check, &reply));
	return reply;
}

static inline void complete(struct spop_client *c, const char *ticket,
                            int64_t status)
{
	const struct spop_complete complete = {
	    .ticket = ticket,
	    .status = status,
	    .headers = spoe_span(HEADERS, sizeof(HEADERS)),
	    .body = spoe_span("x", 1),
	};
	struct spop_reply reply;

	assert_true(spop_client_complete(c, &complete, &reply));
}

static inline void execute(struct spop_client *c, const char *key,
                           const char *policy)
{
	const struct spop_reply reply = ask(c, key, policy);

	assert_string_equal(reply.verdict, "proceed");
	complete(c, reply.ticket, 200);
}

#endif
