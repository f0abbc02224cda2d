#include "agent/core/notice.h"

#include "agent/core/policy.h"

#include <ctype.h>

static const char MARK[] = "idem=";

enum { MARK_SIZE = sizeof(MARK) - 1, STATE_MAX = 4, DIGITS_MAX = 9 };

/* --- reading ------------------------------------------------------------ */

/* What is left of the line. */
struct cursor {
	const uint8_t *at;
	size_t left;
};

/* A letter of a token, so that what stands beside it would be another token. */
static bool is_word(uint8_t c)
{
	return isalnum(c) || c == '-' || c == '_';
}

/* What stands before the next comma; false when there is none. */
static bool take_field(struct cursor *c, struct spoe_span *ret_field)
{
	const uint8_t *comma = memchr(c->at, ',', c->left);
	size_t size;

	if (comma == NULL)
		return false;
	size = (size_t)(comma - c->at);
	*ret_field = spoe_span(c->at, size);
	c->at += size + 1;
	c->left -= size + 1;
	return true;
}

static bool read_digits(struct spoe_span text, int *ret_number)
{
	int number = 0;

	if (text.size == 0 || text.size > DIGITS_MAX)
		return false;
	for (size_t i = 0; i < text.size; i++) {
		if (!isdigit(text.data[i]))
			return false;
		number = number * 10 + (text.data[i] - '0');
	}
	*ret_number = number;
	return true;
}

static bool read_status(struct spoe_span text, int *ret_status)
{
	if (spoe_span_equal(text, spoe_span_of("-1"))) {
		*ret_status = -1;
		return true;
	}
	return text.size <= 3 && read_digits(text, ret_status);
}

/* `--`, `SC`, or with what became of a cookie, `--NI`. */
static bool read_state(struct spoe_span text, char ret_state[2])
{
	if (text.size < 2 || text.size > STATE_MAX)
		return false;
	for (size_t i = 0; i < text.size; i++) {
		if (!isalpha(text.data[i]) && text.data[i] != '-')
			return false;
	}
	ret_state[0] = (char)text.data[0];
	ret_state[1] = (char)text.data[1];
	return true;
}

/* A number; with a `+` in front after another server was tried. */
static bool read_retries(struct spoe_span text, bool *ret_retried)
{
	const bool redispatched = text.size > 0 && text.data[0] == '+';
	int retries;

	if (!read_digits(
		spoe_span(text.data + redispatched, text.size - redispatched),
		&retries))
		return false;
	*ret_retried = redispatched || retries > 0;
	return true;
}

/* The word that ends the token, whole or not at all. */
static bool read_outcome(const struct cursor *c, struct notice *notice)
{
	size_t size = 0;
	struct spoe_span word;

	while (size < c->left && is_word(c->at[size]))
		size++;
	word = spoe_span(c->at, size);
	notice->answered = false;
	notice->outcome = IDEM_OUTCOME_ERROR;
	if (spoe_span_equal(word, spoe_span_of("-")))
		return true;
	notice->answered = true;
	for (int o = 0; o < IDEM_OUTCOMES; o++) {
		notice->outcome = (enum idem_outcome)o;
		if (spoe_span_equal(
			word, spoe_span_of(idem_outcome_text(notice->outcome))))
			return true;
	}
	return false;
}

/* What follows a mark. */
static enum notice_found read_token(struct cursor c, struct notice *notice)
{
	struct spoe_span ticket, status, state, retries;

	/* A transaction without a lock says `-`. */
	if (c.left >= 2 && memcmp(c.at, "-,", 2) == 0)
		return NOTICE_ABSENT;
	/* No look for a comma goes far beyond where it has to be. */
	if (c.left > TICKET_TEXT_SIZE + 64)
		c.left = TICKET_TEXT_SIZE + 64;
	if (take_field(&c, &ticket) && ticket_decode(ticket, &notice->ticket) &&
	    take_field(&c, &status) && read_status(status, &notice->status) &&
	    take_field(&c, &state) && read_state(state, notice->state) &&
	    take_field(&c, &retries) &&
	    read_retries(retries, &notice->retried) && read_outcome(&c, notice))
		return NOTICE_PRESENT;
	return NOTICE_MALFORMED;
}

/* Moves the cursor behind the next mark that is not the end of another word. */
static bool find_mark(struct cursor *c, const uint8_t *start)
{
	while (c->left >= MARK_SIZE) {
		const uint8_t *at = memmem(c->at, c->left, MARK, MARK_SIZE);

		if (at == NULL)
			return false;
		c->left -= (size_t)(at - c->at) + MARK_SIZE;
		c->at = at + MARK_SIZE;
		if (at == start || !is_word(at[-1]))
			return true;
	}
	return false;
}

enum notice_found notice_read(struct spoe_span line, struct notice *ret_notice)
{
	struct cursor c = {.at = line.data, .left = line.size};
	enum notice_found found = NOTICE_ABSENT;

	/* A client's URL may hold `idem=` as well. It can spoil the notice of
	 * its own request, no more: it knows no ticket. */
	while (find_mark(&c, line.data)) {
		struct notice notice;
		enum notice_found here = read_token(c, &notice);

		if (here == NOTICE_PRESENT && found == NOTICE_PRESENT)
			return NOTICE_REPEATED;
		if (here == NOTICE_PRESENT)
			*ret_notice = notice;
		if (here == NOTICE_PRESENT ||
		    (here == NOTICE_MALFORMED && found == NOTICE_ABSENT))
			found = here;
	}
	return found;
}

/* --- deciding ----------------------------------------------------------- */

enum retried { NEVER, ANY };

/* The last column of a rule; POLICY asks the policy. */
enum { POLICY = NOTICE_ACTIONS };

enum { UNANSWERED = IDEM_OUTCOMES };

#define OUTCOME_UNANSWERED UNANSWERED
#define OUTCOME_PENDING    IDEM_OUTCOME_PENDING
#define OUTCOME_ERROR      IDEM_OUTCOME_ERROR
#define ACTION_CONFIRM     NOTICE_CONFIRM
#define ACTION_SEAL        NOTICE_SEAL
#define ACTION_RELEASE     NOTICE_RELEASE
#define ACTION_POLICY      POLICY

static const struct rule {
	int outcome;
	char state[3];
	enum retried retried;
	int action;
} rules[] = {
#define NOTICE_RULE(outcome_, state_, retried_, action_) \
	{OUTCOME_##outcome_, state_, retried_, ACTION_##action_},
#include "agent/core/notice_rule.def"
#undef NOTICE_RULE
};

static bool letter_fits(char wanted, char letter)
{
	return wanted == '*' || wanted == letter;
}

static bool fits(const struct rule *rule, const struct notice *notice)
{
	const int outcome =
	    notice->answered ? (int)notice->outcome : (int)UNANSWERED;

	return rule->outcome == outcome &&
	       letter_fits(rule->state[0], notice->state[0]) &&
	       letter_fits(rule->state[1], notice->state[1]) &&
	       (rule->retried == ANY || !notice->retried);
}

static enum notice_action ask(const struct policy *policy)
{
	switch (policy->on_unknown_outcome) {
	case POLICY_UNKNOWN_RELEASE:
		return NOTICE_RELEASE;
	case POLICY_UNKNOWN_SEAL:
		return NOTICE_SEAL;
	case POLICY_UNKNOWN_HOLD:
		break;
	}
	return NOTICE_HOLD;
}

enum notice_action notice_decide(const struct notice *notice,
                                 const struct policy *policy)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (!fits(&rules[i], notice))
			continue;
		if (rules[i].action == POLICY)
			return ask(policy);
		return (enum notice_action)rules[i].action;
	}
	return NOTICE_NOTHING;
}
