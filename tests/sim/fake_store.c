#include "tests/sim/fake_store.h"

#include <assert.h>

enum { EARLY_MS = 40 };

void fake_store_init(struct fake_store *store, enum sabotage sabotage)
{
	store->sabotage = sabotage;
	for (size_t i = 0; i < FAKE_STORE_SLOTS; i++)
		store->slots[i].used = false;
}

/* The slot of a record key, or a free one for it. */
static struct fake_slot *find(struct fake_store *store,
                              const uint8_t *record_key)
{
	const size_t compared =
	    store->sabotage == SABOTAGE_MIXES_KEYS ? 0 : RECORD_KEY_SIZE;
	struct fake_slot *free_slot = NULL;

	for (size_t i = 0; i < FAKE_STORE_SLOTS; i++) {
		struct fake_slot *slot = &store->slots[i];

		if (slot->used &&
		    memcmp(slot->record_key, record_key, compared) == 0)
			return slot;
		if (!slot->used && free_slot == NULL)
			free_slot = slot;
	}
	assert(free_slot != NULL);
	memcpy(free_slot->record_key, record_key, RECORD_KEY_SIZE);
	return free_slot;
}

static enum reason read_head(const struct fake_slot *slot,
                             struct record *ret_record)
{
	size_t response_size;

	return record_decode_head(spoe_span(slot->head, slot->head_size),
	                          ret_record, &response_size);
}

static void write(struct fake_slot *slot, const struct record *record)
{
	struct spoe_writer head = spoe_writer(slot->head, sizeof(slot->head));
	bool done = record_encode_head(&head, record);

	assert(done && record->response.size <= sizeof(slot->response));
	slot->used = true;
	slot->head_size = head.size;
	slot->response_size = record->response.size;
	if (record->response.size > 0)
		memcpy(slot->response, record->response.data,
		       record->response.size);
}

/* Whether the record stands in a claim's way. */
static bool stands(enum sabotage sabotage, const struct record *record,
                   uint64_t now_ms)
{
	switch (sabotage) {
	case SABOTAGE_IGNORES_LOCK:
		if (record->state == RECORD_LOCKED)
			return false;
		break;
	case SABOTAGE_IGNORES_STORED:
		if (record->state == RECORD_STORED)
			return false;
		break;
	case SABOTAGE_IGNORES_SEALED:
		if (record->state == RECORD_SEALED)
			return false;
		break;
	case SABOTAGE_NEVER_EXPIRES:
		return true;
	case SABOTAGE_EXPIRES_EARLY:
		return record_alive(record, now_ms + EARLY_MS);
	default:
		break;
	}
	return record_alive(record, now_ms);
}

static void claim(struct fake_store *store, const struct record_op *op,
                  struct fake_answer *answer)
{
	struct fake_slot *slot = find(store, op->record_key);
	struct record record;
	enum reason reason;

	if (slot->used) {
		reason = read_head(slot, &record);
		if (reason != REASON_NONE &&
		    store->sabotage != SABOTAGE_READS_DAMAGE) {
			answer->health = reason;
			return;
		}
		if (reason == REASON_NONE &&
		    stands(store->sabotage, &record, op->now_ms)) {
			answer->result = RECORD_FOUND;
			answer->found = *slot;
			return;
		}
	}
	write(slot, &op->record);
	answer->result = RECORD_GRANTED;
}

static bool may_settle(enum sabotage sabotage, const struct record *record,
                       const struct record_op *op)
{
	const bool open =
	    record->state == RECORD_LOCKED || record->state == RECORD_PENDING;

	if (sabotage == SABOTAGE_IGNORES_OWNER)
		return open && record_alive(record, op->now_ms);
	if (sabotage == SABOTAGE_IGNORES_END)
		return record_owned(record, op->record.owner, 0);
	if (sabotage == SABOTAGE_IGNORES_FROM)
		return record_owned(record, op->record.owner, op->now_ms);
	return record_op_may_settle(op, record);
}

/* A response without its last byte that looks as if it were whole. */
static void cut_body(struct fake_slot *slot)
{
	uint8_t copy[FAKE_STORE_RESPONSE_MAX];
	struct spoe_writer w =
	    spoe_writer(slot->response, sizeof(slot->response));
	struct record_response response;
	bool done;

	memcpy(copy, slot->response, slot->response_size);
	if (record_decode_response(spoe_span(copy, slot->response_size),
	                           &response) != REASON_NONE ||
	    response.body.size == 0)
		return;
	response.body.size--;
	done = record_encode_response(&w, &response);
	assert(done);
	slot->response_size = w.size;
}

static void replace(struct fake_store *store, struct fake_slot *slot,
                    struct record *record, const struct record_op *op)
{
	uint8_t kept[FAKE_STORE_RESPONSE_MAX];

	if (op->record.state == RECORD_NONE) {
		slot->used = store->sabotage == SABOTAGE_SWALLOWS;
		return;
	}
	memcpy(kept, slot->response, slot->response_size);
	record->response = spoe_span(kept, slot->response_size);
	if (store->sabotage == SABOTAGE_LOSES_KEPT)
		record->response = op->record.response;
	*record = record_op_settled(op, record);
	write(slot, record);
	if (store->sabotage == SABOTAGE_CUTS_BODY)
		cut_body(slot);
	if (store->sabotage == SABOTAGE_FORGETS)
		slot->used = false;
}

static void settle(struct fake_store *store, const struct record_op *op,
                   struct fake_answer *answer)
{
	struct fake_slot *slot = find(store, op->record_key);
	uint8_t key[UINT8_MAX];
	struct record record;

	answer->result = RECORD_LOST;
	if (!slot->used)
		return;
	answer->health = read_head(slot, &record);
	if (answer->health != REASON_NONE ||
	    !may_settle(store->sabotage, &record, op))
		return;
	answer->result = RECORD_SETTLED;
	/* The record borrows its key from the head that is written anew. */
	memcpy(key, record.key.data, record.key.size);
	record.key.data = key;
	replace(store, slot, &record, op);
}

void fake_store_apply(struct fake_store *store, const struct record_op *op,
                      struct fake_answer *ret_answer)
{
	ret_answer->health = REASON_NONE;
	if (op->type == RECORD_OP_CLAIM) {
		claim(store, op, ret_answer);
	} else {
		assert(op->type == RECORD_OP_SETTLE);
		settle(store, op, ret_answer);
	}
}

void fake_store_found(const struct fake_answer *answer,
                      struct record *ret_record)
{
	enum reason reason = read_head(&answer->found, ret_record);

	assert(reason == REASON_NONE);
	ret_record->response =
	    spoe_span(answer->found.response, answer->found.response_size);
}

bool fake_store_damage(struct fake_store *store, const uint8_t *record_key,
                       bool head, unsigned bit)
{
	struct fake_slot *slot = find(store, record_key);
	size_t size = head ? slot->head_size : slot->response_size;
	uint8_t *bytes = head ? slot->head : slot->response;

	if (!slot->used || size == 0)
		return false;
	bytes[bit / 8 % size] ^= (uint8_t)(1u << bit % 8);
	return true;
}
