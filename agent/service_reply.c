#include "agent/log.h"
#include "agent/messages.h"
#include "agent/service_private.h"

static void log_check(const struct exchange_reply *reply,
                      const uint8_t *record_key)
{
	enum idem_verdict verdict = reply->answer.verdict;
	enum log_event event = verdict == IDEM_INVALID ? LOG_CHECK_INVALID
	                       : verdict == IDEM_ERROR ? LOG_CHECK_ERROR
	                                               : LOG_CHECK;

	log_record(event, "verdict", idem_verdict_text(verdict),
	           reason_text(reply->answer.reason), record_key);
}

static void log_complete(const struct exchange_reply *reply,
                         const uint8_t *record_key)
{
	static const enum log_event events[IDEM_OUTCOMES] = {
	    [IDEM_OUTCOME_STORED] = LOG_COMPLETE,
	    [IDEM_OUTCOME_PENDING] = LOG_COMPLETE,
	    [IDEM_OUTCOME_RELEASED] = LOG_COMPLETE,
	    [IDEM_OUTCOME_SEALED] = LOG_COMPLETE_SEALED,
	    [IDEM_OUTCOME_LOST] = LOG_COMPLETE_LOST,
	    [IDEM_OUTCOME_ERROR] = LOG_COMPLETE_ERROR,
	};

	log_record(events[reply->outcome], "outcome",
	           idem_outcome_text(reply->outcome),
	           reason_text(reply->reason), record_key);
}

bool service_reply_grants(const struct exchange_reply *reply)
{
	return reply->is_check && reply->answer.verdict == IDEM_PROCEED;
}

bool service_reply(struct service *s, struct notify *n,
                   const struct policy *policy,
                   const struct exchange_reply *reply,
                   const uint8_t *record_key)
{
	struct spoe_ack ack;

	if (reply->is_check) {
		tally_count(&s->counters.verdicts, policy,
		            reply->answer.verdict);
		log_check(reply, record_key);
	} else {
		counter_add(&s->counters.outcomes[reply->outcome], 1);
		log_complete(reply, record_key);
	}
	notify_ack_begin(n, &ack);
	messages_write(&ack, reply);
	if (service_reply_grants(reply) ? notify_ack_send_tracked(n, &ack)
	                                : notify_ack_send(n, &ack))
		return true;
	/* messages_replay_room() keeps every reply within an ACK. Should one
	 * not fit all the same, HAProxy must not be left waiting. */
	notify_ack_begin(n, &ack);
	messages_write_nothing(&ack);
	notify_ack_send(n, &ack);
	return false;
}
