#include "agent/cli/cli_doctor.h"

#include <unistd.h>

#include "agent/cli/cli_private.h"

enum { OPTION_HAPROXY = 256, OPTION_ENVIRONMENT };

enum severity { WARNING, PROBLEM };

static const struct {
	enum severity severity;
	const char *text;
	const char *advice;
} findings[] = {
#define CLI_FINDING(name, severity_, text_, advice_) \
	{.severity = (severity_), .text = (text_), .advice = (advice_)},
#include "agent/cli/finding.def"
#undef CLI_FINDING
};

static const char default_haproxy[] = "/etc/haproxy/haproxy.cfg";

static const struct argp_option options[] = {
    {.name = "haproxy",
     .key = OPTION_HAPROXY,
     .arg = "FILE",
     .doc = "HAProxy's configuration, unless it is /etc/haproxy/haproxy.cfg"},
    {.name = "haproxy-environment",
     .key = OPTION_ENVIRONMENT,
     .arg = "FILE",
     .doc = "HAProxy's environment, unless it is /etc/default/haproxy"},
    {0},
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct cli_doctor *d = state->input;

	switch (key) {
	case OPTION_HAPROXY:
		d->haproxy_path = value;
		return 0;
	case OPTION_ENVIRONMENT:
		d->haproxy_environment = value;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void cli_doctor_well(const char *where, const char *what)
{
	printf("ok       %s: %s\n", where, what);
}

void cli_doctor_found(struct cli_doctor *d, const char *where,
                      enum cli_finding finding, const char *detail)
{
	const bool problem = findings[finding].severity == PROBLEM;

	printf("%-8s %s: %s%s%s%s\n         %s\n",
	       problem ? "PROBLEM" : "warning", where, findings[finding].text,
	       detail ? " (" : "", detail ? detail : "", detail ? ")" : "",
	       findings[finding].advice);
	if (problem)
		d->problems++;
	else
		d->warnings++;
}

enum cli_status cli_doctor(const char *config_path, int argc, char **argv)
{
	struct argp argp = {.options = options, .parser = parse};
	struct cli_doctor d = {.haproxy_path = default_haproxy,
	                       .haproxy_environment = "/etc/default/haproxy"};

	cli_parse(&argp, argc, argv, &d);
	d.config = config_load(config_path, stderr);
	if (!d.config)
		return CLI_USAGE;
	cli_doctor_well(config_path ? config_path : "defaults",
	                "the configuration is valid");
	cli_doctor_look_at_store(&d);
	cli_doctor_look_at_machine(&d);
	cli_doctor_look_at_haproxy(&d);
	printf("%zu problem(s), %zu warning(s)\n", d.problems, d.warnings);
	config_unref(d.config);
	return d.problems > 0 ? CLI_PROBLEMS : CLI_DONE;
}
