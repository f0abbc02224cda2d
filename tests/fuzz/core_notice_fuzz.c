/* Any bytes at all, as a log line: what is taken for a notice has a ticket that
 * is one, and stands in the line. */
#include <assert.h>

#include "agent/core/notice.h"
#include "agent/core/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A forged line does not get around its own ticket. */
static void check_ticket(struct spoe_span line, const struct notice *notice)
{
	char text[TICKET_TEXT_SIZE];

	ticket_encode(&notice->ticket, text);
	assert(memmem(line.data, line.size, text, sizeof(text)) != NULL);
}

static void check_decision(const struct notice *notice)
{
	const struct policy hold = {.on_unknown_outcome = POLICY_UNKNOWN_HOLD};
	const enum notice_action action = notice_decide(notice, &hold);

	if (notice->retried || notice->answered)
		assert(action != NOTICE_RELEASE);
	if (action == NOTICE_CONFIRM)
		assert(notice->answered &&
		       notice->outcome == IDEM_OUTCOME_PENDING &&
		       memcmp(notice->state, "--", 2) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct spoe_span line = spoe_span(data, size);
	struct notice notice;

	if (notice_read(line, &notice) == NOTICE_PRESENT) {
		check_ticket(line, &notice);
		check_decision(&notice);
	}
	return 0;
}
