/* tests/sim/fake_store.h: records in memory as a store must keep them, one
 * operation at a time; and, to see that somebody notices, every way of keeping
 * them wrongly. */
#ifndef TESTS_SIM_FAKE_STORE_H
#define TESTS_SIM_FAKE_STORE_H

#include "agent/core/record_op.h"

enum { FAKE_STORE_SLOTS = 8, FAKE_STORE_RESPONSE_MAX = 1024 };

/* What the store does wrong. */
enum sabotage {
	SABOTAGE_NONE,
	SABOTAGE_IGNORES_OWNER,  /* anybody may settle a lock */
	SABOTAGE_IGNORES_LOCK,   /* grants a lock that somebody has */
	SABOTAGE_IGNORES_STORED, /* grants it over a stored record */
	SABOTAGE_IGNORES_SEALED, /* grants it over a sealed record */
	SABOTAGE_IGNORES_END,    /* an expired owner may settle */
	SABOTAGE_NEVER_EXPIRES,  /* what is there stays */
	SABOTAGE_EXPIRES_EARLY,  /* a record ends a little too soon */
	SABOTAGE_FORGETS,        /* says it stored, and did not */
	SABOTAGE_SWALLOWS,       /* says it released, and did not */
	SABOTAGE_MIXES_KEYS,     /* compares one byte of a record key */
	SABOTAGE_CUTS_BODY,      /* loses the response's last byte */
	SABOTAGE_READS_DAMAGE,   /* takes a damaged record for none */
	SABOTAGE_LOSES_KEPT,     /* a response that is to stay does not */
	/* what the world around it does wrong */
	SABOTAGE_HIDES_FAILURE,   /* a claim that failed is granted */
	SABOTAGE_KEEPS_ORPHANS,   /* a lock is never given back */
	SABOTAGE_TELLS_NOBODY,    /* of an ACK that did not go out */
	SABOTAGE_IGNORES_FROM,    /* settles what it must not find */
	SABOTAGE_SLEEPS,          /* no time-out is ever delivered */
	SABOTAGE_CONFIRMS_ALL,    /* a notice confirms what broke off */
	SABOTAGE_RELEASES_RUN,    /* a notice releases what is to be held */
	SABOTAGE_GRANTS_WAITERS,  /* who looks again is granted a lock */
	SABOTAGE_FORGETS_WAITERS, /* nobody tells them anything */
	SABOTAGE_KEEPS_WAITERS,   /* their time-outs come late */
	SABOTAGE_TELLS_WAITERS,   /* at once: conflict */
	SABOTAGES
};

struct fake_slot {
	bool used;
	uint8_t record_key[RECORD_KEY_SIZE];
	size_t head_size;
	size_t response_size;
	uint8_t head[RECORD_HEAD_MAX];
	uint8_t response[FAKE_STORE_RESPONSE_MAX];
};

struct fake_store {
	enum sabotage sabotage;
	struct fake_slot slots[FAKE_STORE_SLOTS];
};

/* An answer with its own copy of what was found. */
struct fake_answer {
	enum reason health;
	enum record_result result;
	struct fake_slot found; /* RECORD_FOUND */
};

void fake_store_init(struct fake_store *store, enum sabotage sabotage);

/* Carries out `op`, whole and at once. */
void fake_store_apply(struct fake_store *store, const struct record_op *op,
                      struct fake_answer *ret_answer);

/* The record that `answer` found; borrows from it. */
void fake_store_found(const struct fake_answer *answer,
                      struct record *ret_record);

/* Flips one bit of the key's head or of its response; false when it has
 * none. */
bool fake_store_damage(struct fake_store *store, const uint8_t *record_key,
                       bool head, unsigned bit);

#endif
