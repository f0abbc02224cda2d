#include "agent/messages.h"

#include "spoe/message.h"

enum argument_type {
	ARGUMENT_KEY,
	ARGUMENT_SCOPE,
	ARGUMENT_BYTES,
	ARGUMENT_UINT
};

struct argument {
	enum message_kind kind;
	enum argument_type type;
	const char *name;
	size_t size;   /* of the name */
	size_t offset; /* of the field in struct message */
};

static const struct argument arguments[] = {
#define MESSAGE_ARGUMENT(message_, name_, type_, field_) \
	{.kind = MESSAGE_##message_,                     \
	 .type = ARGUMENT_##type_,                       \
	 .name = (name_),                                \
	 .size = sizeof(name_) - 1,                      \
	 .offset = offsetof(struct message, field_)},
#include "agent/messages.def"
#undef MESSAGE_ARGUMENT
};

enum { N_ARGUMENTS = sizeof(arguments) / sizeof(arguments[0]) };

/* Room that a cached verdict takes in an ACK besides headers and body: length
 * prefix, frame head, six actions with their names and numbers. */
enum { REPLAY_OVERHEAD = 160 };

static enum message_kind message_kind(struct spoe_span name)
{
	if (spoe_span_equal(name, spoe_span_of("idem-check")))
		return MESSAGE_CHECK;
	if (spoe_span_equal(name, spoe_span_of("idem-complete")))
		return MESSAGE_COMPLETE;
	return MESSAGE_NONE;
}

/* The row's number, N_ARGUMENTS when there is none. */
static size_t argument_find(enum message_kind kind, struct spoe_span name)
{
	for (size_t i = 0; i < N_ARGUMENTS; i++) {
		const struct argument *a = &arguments[i];

		if (a->kind == kind && a->size == name.size &&
		    memcmp(a->name, name.data, a->size) == 0)
			return i;
	}
	return N_ARGUMENTS;
}

static enum reason take_scope(struct message_check *check,
                              struct spoe_span part)
{
	if (check->n_scopes == DIGEST_SCOPES_MAX)
		return REASON_TOO_MANY_SCOPES;
	check->scopes[check->n_scopes++] = part;
	return REASON_NONE;
}

static void take_key(struct message_check *check, struct spoe_span key)
{
	if (key.size == 0)
		return;
	if (check->n_keys++ == 0)
		check->key = key;
}

static enum reason take_value(struct message *m, const struct argument *a,
                              const struct spoe_data *value)
{
	void *field = (char *)m + a->offset;
	struct spoe_span bytes = {0};

	if (a->type == ARGUMENT_UINT)
		return spoe_data_uint(value, field) ? REASON_NONE
		                                    : REASON_BAD_ARGUMENT;
	if (value->type != SPOE_TYPE_NULL && !spoe_data_bytes(value, &bytes))
		return REASON_BAD_ARGUMENT;
	switch (a->type) {
	case ARGUMENT_KEY:
		take_key(&m->check, bytes);
		return REASON_NONE;
	case ARGUMENT_SCOPE:
		return take_scope(&m->check, bytes);
	default:
		memcpy(field, &bytes, sizeof(bytes));
		return REASON_NONE;
	}
}

static void note_unknown(struct message *m, struct spoe_span name,
                         size_t *counter)
{
	if (m->unknown_arguments + m->unknown_messages == 0)
		m->unknown_name = name;
	(*counter)++;
}

/* Takes one argument; `seen` has a bit for every row met so far. */
static enum reason take_argument(struct message *m, struct spoe_span name,
                                 const struct spoe_data *value, uint32_t *seen)
{
	size_t row = argument_find(m->kind, name);
	const struct argument *a = &arguments[row];

	if (row == N_ARGUMENTS) {
		note_unknown(m, name, &m->unknown_arguments);
		return REASON_NONE;
	}
	/* A NULL number is a sample HAProxy did not have. */
	if (a->type == ARGUMENT_UINT && value->type == SPOE_TYPE_NULL)
		return REASON_NONE;
	if (a->type == ARGUMENT_UINT || a->type == ARGUMENT_BYTES) {
		if (*seen & 1u << row)
			return REASON_REPEATED_ARGUMENT;
		*seen |= 1u << row;
	}
	return take_value(m, a, value);
}

static bool seen_field(uint32_t seen, size_t offset)
{
	for (size_t i = 0; i < N_ARGUMENTS; i++)
		if (arguments[i].offset == offset)
			return seen & 1u << i;
	return false;
}

/* What the absence of an argument means. */
static void settle_defaults(struct message *m, uint32_t seen)
{
	struct digest_request *request = &m->check.request;
	struct idem_response *response = &m->complete.response;

	if (!seen_field(seen,
	                offsetof(struct message, check.request.body_size)))
		request->body_size = request->body.size;
	/* An empty digest says nothing about the body. */
	request->has_digest = request->digest.size > 0;
	if (!seen_field(seen,
	                offsetof(struct message, complete.response.body_size)))
		response->body_size = response->body.size;
}

static void read_arguments(struct message *m, struct spoe_message *source)
{
	struct spoe_span name;
	struct spoe_data value;
	uint32_t seen = 0;

	while (spoe_message_arg(source, &name, &value)) {
		enum reason reason = take_argument(m, name, &value, &seen);

		if (m->reason == REASON_NONE)
			m->reason = reason;
	}
	settle_defaults(m, seen);
}

void messages_read(struct spoe_span payload, struct message *ret_message)
{
	struct spoe_message source = spoe_message(payload);

	_Static_assert(N_ARGUMENTS <= 32, "`seen` has a bit for every row");
	memset(ret_message, 0, sizeof(*ret_message));
	while (spoe_message_next(&source)) {
		enum message_kind kind = message_kind(source.name);

		if (kind == MESSAGE_NONE || ret_message->kind != MESSAGE_NONE) {
			note_unknown(ret_message, source.name,
			             &ret_message->unknown_messages);
			continue;
		}
		ret_message->kind = kind;
		read_arguments(ret_message, &source);
	}
}

size_t messages_replay_room(const struct spoe_session *session)
{
	size_t capacity = spoe_ack_capacity(session);

	return capacity > REPLAY_OVERHEAD ? capacity - REPLAY_OVERHEAD : 0;
}

static void set_text(struct spoe_ack *ack, const char *name, const char *text)
{
	struct spoe_data data = spoe_data_string(spoe_span_of(text));

	spoe_ack_set(ack, SPOE_SCOPE_TRANSACTION, name, &data);
}

static void set_number(struct spoe_ack *ack, const char *name, int64_t number)
{
	struct spoe_data data = spoe_data_int64(number);

	spoe_ack_set(ack, SPOE_SCOPE_TRANSACTION, name, &data);
}

static void set_binary(struct spoe_ack *ack, const char *name,
                       struct spoe_span bytes)
{
	struct spoe_data data = spoe_data_binary(bytes);

	spoe_ack_set(ack, SPOE_SCOPE_TRANSACTION, name, &data);
}

static void write_ticket(struct spoe_ack *ack, const struct ticket *ticket)
{
	char text[TICKET_TEXT_SIZE];
	struct spoe_data data;

	ticket_encode(ticket, text);
	data = spoe_data_string(spoe_span(text, sizeof(text)));
	spoe_ack_set(ack, SPOE_SCOPE_TRANSACTION, "ticket", &data);
}

static void write_replay(struct spoe_ack *ack, const struct idem_answer *answer)
{
	set_number(ack, "status", answer->response.status);
	set_binary(ack, "headers", answer->response.headers);
	set_binary(ack, "body", answer->response.body);
	set_number(ack, "age", answer->age_s);
}

void messages_write(struct spoe_ack *ack, const struct exchange_reply *reply)
{
	const struct idem_answer *answer = &reply->answer;

	if (!reply->is_check) {
		set_text(ack, "outcome", idem_outcome_text(reply->outcome));
		if (reply->expires_s > 0)
			set_number(ack, "expires", reply->expires_s);
		return;
	}
	set_text(ack, "verdict", idem_verdict_text(answer->verdict));
	switch (answer->verdict) {
	case IDEM_PROCEED:
		write_ticket(ack, &reply->ticket);
		break;
	case IDEM_CACHED:
		write_replay(ack, answer);
		break;
	case IDEM_CONFLICT:
		set_number(ack, "retry_after", answer->retry_after_s);
		break;
	default:
		break;
	}
	if (answer->expires_s > 0)
		set_number(ack, "expires", answer->expires_s);
	if (answer->reason != REASON_NONE)
		set_text(ack, "reason", reason_text(answer->reason));
}

void messages_write_nothing(struct spoe_ack *ack)
{
	set_text(ack, "reason", "no message");
}
