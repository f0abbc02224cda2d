/* agent/cli/cli_doctor.h: what doctor finds, and how its parts report it.
 * Private to the doctor's files. */
#ifndef AGENT_CLI_CLI_DOCTOR_H
#define AGENT_CLI_CLI_DOCTOR_H

#include "agent/config.h"

enum cli_finding {
#define CLI_FINDING(name, severity, text, advice) CLI_FINDING_##name,
#include "agent/cli/finding.def"
#undef CLI_FINDING
	CLI_FINDINGS
};

struct cli_doctor {
	struct config *config;
	const char *haproxy_path;
	const char *haproxy_environment; /* a file; may not be there */
	size_t problems;
	size_t warnings;
};

/* Something is well. `where` may be a path, an address. */
void cli_doctor_well(const char *where, const char *what);

/* Something is not; `detail` (may be NULL) stands behind the row's text. */
void cli_doctor_found(struct cli_doctor *d, const char *where,
                      enum cli_finding finding, const char *detail);

/* The parts. */
void cli_doctor_look_at_store(struct cli_doctor *d);
void cli_doctor_look_at_machine(struct cli_doctor *d);
void cli_doctor_look_at_haproxy(struct cli_doctor *d);

#endif
