#include "agent/admin/admin_private.h"

/* Writes a reason, if there is one. Returns whether all is well. */
static bool well(FILE *out, bool is_well, const char *what, const char *why)
{
	if (!is_well && out)
		fprintf(out, "not ready: %s%s%s\n", what, why ? ": " : "",
		        why ? why : "");
	return is_well;
}

bool admin_health_ready(const struct admin *a, FILE *out)
{
	const struct report *r = &a->report;
	const char *failure = admin_probe_failure(&a->probe);
	bool ready = admin_health_alive(a, out);

	ready &= well(out, !r->draining, "the agent is stopping", NULL);
	ready &=
	    well(out, r->draining || r->accepting,
	         "no more connections are accepted (max-connections)", NULL);
	ready &= well(out, !failure, "the store does not answer", failure);
	ready &= well(out, r->late == 0,
	              "requests wait for the store, longer than answer-timeout",
	              NULL);
	ready &= well(out, failure || r->store_worked,
	              "the store failed when it was used last", NULL);
	return ready;
}

bool admin_health_alive(const struct admin *a, FILE *out)
{
	if (a->stuck == ADMIN_NO_WORKER)
		return true;
	if (out)
		fprintf(out, "not alive: event loop %zd does not turn\n",
		        a->stuck);
	return false;
}
