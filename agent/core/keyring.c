#include "agent/core/keyring.h"

#include <assert.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>

struct key {
	char id[KEYRING_ID_MAX];
	size_t id_size;
	uint8_t bytes[KEYRING_KEY_SIZE];
};

struct keyring {
	EVP_CIPHER *cipher;
	bool plain_refused;
	size_t n;
	struct key keys[KEYRING_KEYS_MAX];
};

static const uint8_t mark[KEYRING_MARK_SIZE] = {0, 0, 0xff, 0xff, 0xff, 0xff};

/* The parts of an encrypted response; borrowed from it. */
struct parts {
	struct spoe_span head; /* mark and key id */
	struct spoe_span id;
	struct spoe_span nonce;
	struct spoe_span text; /* encrypted */
	struct spoe_span tag;
};

struct keyring *keyring_new(void)
{
	struct keyring *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return NULL;
	k->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	if (k->cipher != NULL)
		return k;
	free(k);
	return NULL;
}

void keyring_free(struct keyring *k)
{
	if (k == NULL)
		return;
	EVP_CIPHER_free(k->cipher);
	OPENSSL_cleanse(k, sizeof(*k));
	free(k);
}

static struct spoe_span id_of(const struct key *key)
{
	return spoe_span(key->id, key->id_size);
}

static const struct key *find(const struct keyring *k, struct spoe_span id)
{
	const size_t n = keyring_keys(k);

	for (size_t i = 0; i < n; i++) {
		if (spoe_span_equal(id_of(&k->keys[i]), id))
			return &k->keys[i];
	}
	return NULL;
}

static bool is_id(struct spoe_span id)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz0123456789._-";

	if (id.size == 0 || id.size > KEYRING_ID_MAX)
		return false;
	for (size_t i = 0; i < id.size; i++) {
		if (memchr(letters, id.data[i], sizeof(letters) - 1) == NULL)
			return false;
	}
	return true;
}

enum keyring_added keyring_add(struct keyring *k, struct spoe_span id,
                               const uint8_t key[KEYRING_KEY_SIZE])
{
	struct key *added = &k->keys[k->n];

	if (!is_id(id))
		return KEYRING_BAD_ID;
	if (find(k, id) != NULL)
		return KEYRING_REPEATED_ID;
	if (k->n == KEYRING_KEYS_MAX)
		return KEYRING_FULL;
	memcpy(added->id, id.data, id.size);
	added->id_size = id.size;
	memcpy(added->bytes, key, KEYRING_KEY_SIZE);
	k->n++;
	return KEYRING_ADDED;
}

size_t keyring_keys(const struct keyring *k)
{
	return k == NULL ? 0 : k->n;
}

void keyring_refuse_plain(struct keyring *k)
{
	k->plain_refused = true;
}

/* --- the bytes ----------------------------------------------------------- */

/* The first two bytes are those of a status that there is not: what is wrong
 * behind them is a change. */
static bool is_marked(struct spoe_span response)
{
	return response.size >= 2 && memcmp(response.data, mark, 2) == 0;
}

static bool take_apart(struct spoe_span content, struct parts *ret_parts)
{
	struct spoe_reader r = spoe_reader(content);
	struct spoe_span marked;

	if (!spoe_reader_bytes(&r, sizeof(mark), &marked) ||
	    memcmp(marked.data, mark, sizeof(mark)) != 0 ||
	    !spoe_reader_string(&r, &ret_parts->id))
		return false;
	ret_parts->head = spoe_span(content.data, content.size - r.left);
	return spoe_reader_bytes(&r, KEYRING_NONCE_SIZE, &ret_parts->nonce) &&
	       r.left >= KEYRING_TAG_SIZE &&
	       spoe_reader_bytes(&r, r.left - KEYRING_TAG_SIZE,
	                         &ret_parts->text) &&
	       spoe_reader_bytes(&r, KEYRING_TAG_SIZE, &ret_parts->tag);
}

bool keyring_encrypted(struct spoe_span response, struct spoe_span *ret_id)
{
	struct spoe_span content;
	struct parts parts;

	if (!is_marked(response))
		return false;
	if (ret_id == NULL)
		return true;
	*ret_id = spoe_span(NULL, 0);
	if (record_signed(response, &content) && take_apart(content, &parts))
		*ret_id = parts.id;
	return true;
}

bool keyring_current(const struct keyring *k, struct spoe_span response)
{
	struct spoe_span id;

	if (!keyring_encrypted(response, &id))
		return keyring_keys(k) == 0;
	return keyring_keys(k) > 0 && spoe_span_equal(id, id_of(&k->keys[0]));
}

/* --- the cipher ---------------------------------------------------------- */

static bool bind(EVP_CIPHER_CTX *c, struct spoe_span bytes)
{
	int size;

	return EVP_CipherUpdate(c, NULL, &size, bytes.data, (int)bytes.size) ==
	       1;
}

/* A context with all that is not the text itself; NULL when OpenSSL fails. */
static EVP_CIPHER_CTX *prepare(const struct keyring *k, const struct key *key,
                               const struct parts *parts, bool encrypt,
                               const uint8_t *record_key, const uint8_t *owner)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

	if (c != NULL &&
	    EVP_CipherInit_ex2(c, k->cipher, key->bytes, parts->nonce.data,
	                       encrypt, NULL) == 1 &&
	    bind(c, parts->head) &&
	    bind(c, spoe_span(record_key, RECORD_KEY_SIZE)) &&
	    bind(c, spoe_span(owner, RECORD_OWNER_SIZE)))
		return c;
	EVP_CIPHER_CTX_free(c);
	return NULL;
}

/* Mark, key id and a nonce. */
static bool begin(struct spoe_writer *w, const struct key *key,
                  struct parts *ret_parts)
{
	uint8_t nonce[KEYRING_NONCE_SIZE];

	if (RAND_bytes(nonce, sizeof(nonce)) != 1 ||
	    !spoe_writer_bytes(w, spoe_span(mark, sizeof(mark))) ||
	    !spoe_writer_string(w, id_of(key)))
		return false;
	ret_parts->head = spoe_span(w->data, w->size);
	ret_parts->nonce = spoe_span(w->data + w->size, sizeof(nonce));
	return spoe_writer_bytes(w, spoe_span(nonce, sizeof(nonce)));
}

static bool write_text(struct spoe_writer *w, EVP_CIPHER_CTX *c,
                       struct spoe_span plain)
{
	uint8_t tag[KEYRING_TAG_SIZE];
	int size, rest;

	if (EVP_CipherUpdate(c, w->data + w->size, &size, plain.data,
	                     (int)plain.size) != 1 ||
	    (size_t)size != plain.size)
		return false;
	w->size += plain.size;
	return EVP_CipherFinal_ex(c, w->data + w->size, &rest) == 1 &&
	       EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, sizeof(tag),
	                           tag) == 1 &&
	       spoe_writer_bytes(w, spoe_span(tag, sizeof(tag))) &&
	       record_sign(w, 0);
}

static bool encrypt(const struct keyring *k, const uint8_t *record_key,
                    const struct record *record, struct spoe_writer *w)
{
	struct parts parts;
	EVP_CIPHER_CTX *c;
	bool done;

	if (!begin(w, &k->keys[0], &parts))
		return false;
	c = prepare(k, &k->keys[0], &parts, true, record_key, record->owner);
	done = c != NULL && write_text(w, c, record->response);
	EVP_CIPHER_CTX_free(c);
	return done;
}

enum reason keyring_encrypt(const struct keyring *k,
                            const uint8_t record_key[RECORD_KEY_SIZE],
                            const struct record *record,
                            struct spoe_writer *ret_encrypted)
{
	const size_t plain = record->response.size;
	struct spoe_writer w;
	size_t capacity;

	assert(keyring_keys(k) > 0);
	if (plain > INT_MAX)
		return REASON_ENCRYPTION_FAILED;
	capacity = sizeof(mark) + spoe_writer_varint_size(k->keys[0].id_size) +
	           k->keys[0].id_size + KEYRING_NONCE_SIZE + plain +
	           KEYRING_TAG_SIZE + RECORD_CRC_SIZE;
	w = spoe_writer(malloc(capacity), capacity);
	if (w.data == NULL)
		return REASON_NO_MEMORY;
	if (!encrypt(k, record_key, record, &w)) {
		free(w.data);
		return REASON_ENCRYPTION_FAILED;
	}
	assert(w.size == capacity);
	*ret_encrypted = w;
	return REASON_NONE;
}

/* OpenSSL takes the tag as something it might write to. */
static bool expect_tag(EVP_CIPHER_CTX *c, struct spoe_span tag)
{
	uint8_t bytes[KEYRING_TAG_SIZE];

	memcpy(bytes, tag.data, sizeof(bytes));
	return EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, sizeof(bytes),
	                           bytes) == 1;
}

static enum reason read_text(EVP_CIPHER_CTX *c, const struct parts *parts,
                             struct spoe_writer *w)
{
	int size, rest;

	if (!expect_tag(c, parts->tag) ||
	    EVP_CipherUpdate(c, w->data, &size, parts->text.data,
	                     (int)parts->text.size) != 1)
		return REASON_INTERNAL;
	w->size = (size_t)size;
	return EVP_CipherFinal_ex(c, w->data + size, &rest) == 1
	           ? REASON_NONE
	           : REASON_RESPONSE_CHANGED;
}

static enum reason decrypt(const struct keyring *k, const uint8_t *record_key,
                           const struct record *record,
                           const struct parts *parts, struct spoe_writer *w)
{
	const struct key *key = find(k, parts->id);
	EVP_CIPHER_CTX *c;
	enum reason reason = REASON_INTERNAL;

	if (key == NULL)
		return REASON_RESPONSE_KEY_MISSING;
	c = prepare(k, key, parts, false, record_key, record->owner);
	if (c != NULL)
		reason = read_text(c, parts, w);
	EVP_CIPHER_CTX_free(c);
	return reason;
}

enum reason keyring_decrypt(const struct keyring *k,
                            const uint8_t record_key[RECORD_KEY_SIZE],
                            const struct record *record,
                            struct spoe_writer *ret_plain)
{
	struct spoe_span content;
	struct spoe_writer w;
	struct parts parts;
	enum reason reason;

	if (!record_signed(record->response, &content))
		return REASON_RECORD_CORRUPT;
	if (content.size > INT_MAX || !take_apart(content, &parts))
		return REASON_RESPONSE_CHANGED;
	w = spoe_writer(malloc(content.size), content.size);
	if (w.data == NULL)
		return REASON_NO_MEMORY;
	reason = decrypt(k, record_key, record, &parts, &w);
	if (reason == REASON_NONE)
		*ret_plain = w;
	else
		free(w.data);
	return reason;
}

enum reason keyring_decode_response(const struct keyring *k,
                                    const uint8_t record_key[RECORD_KEY_SIZE],
                                    const struct record *record,
                                    uint8_t **ret_memory,
                                    struct record_response *ret_response)
{
	struct spoe_writer plain;
	enum reason reason;

	*ret_memory = NULL;
	if (!keyring_encrypted(record->response, NULL)) {
		if (k != NULL && k->plain_refused)
			return REASON_RESPONSE_PLAIN;
		return record_decode_response(record->response, ret_response);
	}
	reason = keyring_decrypt(k, record_key, record, &plain);
	if (reason != REASON_NONE)
		return reason;
	reason = record_decode_response(spoe_span(plain.data, plain.size),
	                                ret_response);
	if (reason == REASON_NONE)
		*ret_memory = plain.data;
	else
		free(plain.data);
	return reason;
}
