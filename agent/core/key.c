#include "agent/core/key.h"

static bool is_space(uint8_t byte)
{
	return byte == ' ' || byte == '\t';
}

static struct spoe_span trim(struct spoe_span text)
{
	while (text.size > 0 && is_space(text.data[0])) {
		text.data++;
		text.size--;
	}
	while (text.size > 0 && is_space(text.data[text.size - 1]))
		text.size--;
	return text;
}

static enum reason append(struct key *key, uint8_t byte)
{
	if (byte < ' ' || byte > '~')
		return REASON_KEY_BAD_BYTE;
	if (key->size == KEY_MAX)
		return REASON_KEY_TOO_LONG;
	key->text[key->size++] = (char)byte;
	return REASON_NONE;
}

static enum reason parse_bare(struct spoe_span text, struct key *key)
{
	for (size_t i = 0; i < text.size; i++) {
		enum reason reason = append(key, text.data[i]);

		if (reason != REASON_NONE)
			return reason;
	}
	return REASON_NONE;
}

/* `text` begins with the opening quote. */
static enum reason parse_quoted(struct spoe_span text, struct key *key)
{
	for (size_t i = 1; i < text.size; i++) {
		uint8_t byte = text.data[i];
		enum reason reason;

		if (byte == '"')
			return i + 1 == text.size ? REASON_NONE
			                          : REASON_KEY_TRAILING;
		if (byte == '\\') {
			if (++i == text.size)
				return REASON_KEY_UNCLOSED;
			byte = text.data[i];
			if (byte != '"' && byte != '\\')
				return REASON_KEY_BAD_ESCAPE;
		}
		reason = append(key, byte);
		if (reason != REASON_NONE)
			return reason;
	}
	return REASON_KEY_UNCLOSED;
}

enum reason key_parse(struct spoe_span raw, struct key *ret_key)
{
	struct spoe_span text = trim(raw);
	enum reason reason;

	ret_key->size = 0;
	if (text.size > 0 && text.data[0] == '"')
		reason = parse_quoted(text, ret_key);
	else
		reason = parse_bare(text, ret_key);
	if (reason == REASON_NONE && ret_key->size == 0)
		return REASON_KEY_EMPTY;
	return reason;
}
