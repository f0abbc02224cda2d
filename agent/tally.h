/* agent/tally.h: the verdicts of one event loop by policy. The loop counts, any
 * thread reads. A policy keeps its row through reloads, and after it is gone.
 */
#ifndef AGENT_TALLY_H
#define AGENT_TALLY_H

#include "agent/core/idem.h"
#include "agent/core/policy.h"
#include "agent/counter.h"

enum {
	/* Those of the configuration and of many before it; what would be
	 * one more counts as "(other)". */
	TALLY_POLICIES = 128,
	TALLY_NAME_SIZE = POLICY_NAME_MAX + 1,
};

struct tally_row {
	atomic_bool used; /* the name is there, for good */
	char name[TALLY_NAME_SIZE];
	atomic_uint_least64_t verdicts[IDEM_VERDICTS];
};

/* All zero is empty. */
struct tally {
	struct tally_row rows[TALLY_POLICIES];
	atomic_uint_least64_t none[IDEM_VERDICTS];  /* no policy */
	atomic_uint_least64_t other[IDEM_VERDICTS]; /* no row */
};

/* A policy's verdicts, read. */
struct tally_view_row {
	char name[TALLY_NAME_SIZE]; /* "(none)" and "(other)" are no policies */
	uint64_t verdicts[IDEM_VERDICTS];
};

struct tally_view {
	size_t n;
	struct tally_view_row rows[TALLY_POLICIES + 2];
};

/* A check under `policy` (NULL: it never got that far) had this verdict. */
void tally_count(struct tally *t, const struct policy *policy,
                 enum idem_verdict verdict);

/* The verdicts of all policies together. */
void tally_sum(const struct tally *t, uint64_t ret_verdicts[IDEM_VERDICTS]);

/* The row of `name`, which is made if there is room for it; else that of
 * "(other)". */
struct tally_view_row *tally_view_row(struct tally_view *view,
                                      const char *name);

/* Adds what `t` has to *view. */
void tally_read(const struct tally *t, struct tally_view *view);

#endif
