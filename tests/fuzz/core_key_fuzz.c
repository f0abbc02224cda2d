/* Any bytes at all, as an Idempotency-Key header: what is accepted is one to
 * 255 printable bytes, and the same key when it is written in either form. */
#include <assert.h>

#include "agent/core/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t quote(const struct key *key, char text[2 * KEY_MAX + 2])
{
	size_t n = 0;

	text[n++] = '"';
	for (size_t i = 0; i < key->size; i++) {
		if (key->text[i] == '"' || key->text[i] == '\\')
			text[n++] = '\\';
		text[n++] = key->text[i];
	}
	text[n++] = '"';
	return n;
}

static void check_same(struct spoe_span raw, const struct key *key)
{
	struct key again;

	assert(key_parse(raw, &again) == REASON_NONE);
	assert(spoe_span_equal(key_span(key), key_span(&again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char quoted[2 * KEY_MAX + 2];
	struct key key;

	if (key_parse(spoe_span(data, size), &key) != REASON_NONE)
		return 0;
	assert(key.size > 0);
	for (size_t i = 0; i < key.size; i++)
		assert(key.text[i] >= ' ' && key.text[i] <= '~');
	check_same(spoe_span(quoted, quote(&key, quoted)), &key);
	/* These have only the quoted form. */
	if (key.text[0] != '"' && key.text[0] != ' ' &&
	    key.text[key.size - 1] != ' ')
		check_same(key_span(&key), &key);
	return 0;
}
