/* Encrypted responses: what is stored, that any change to it is seen, that it
 * opens in its own record alone, and that a failing OpenSSL never lets a plain
 * one through. The functions of OpenSSL that agent/core/keyring.c calls are
 * this file's, so that each of them can fail. */
#include "agent/core/keyring.h"

#include <dlfcn.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include "agent/core/crc32c.h"
#include "tests/unit/core_check.h"

/* --- an OpenSSL that can fail --------------------------------------------- */

static long calls_left = -1; /* until one fails; negative: none does */
static bool failed;

static bool fails(void)
{
	if (calls_left < 0 || calls_left-- > 0)
		return false;
	failed = true;
	return true;
}

static void *real(const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);

	assert_non_null(function);
	return function;
}

/* Bytes of a known nonce: the golden response has it. */
int RAND_bytes(unsigned char *bytes, int size)
{
	if (fails())
		return 0;
	for (int i = 0; i < size; i++)
		bytes[i] = (unsigned char)(0x40 + i);
	return 1;
}

int EVP_CipherInit_ex2(EVP_CIPHER_CTX *c, const EVP_CIPHER *cipher,
                       const unsigned char *key, const unsigned char *iv,
                       int enc, const OSSL_PARAM params[])
{
	int (*init)(EVP_CIPHER_CTX *, const EVP_CIPHER *, const unsigned char *,
	            const unsigned char *, int, const OSSL_PARAM[]);

	*(void **)&init = real("EVP_CipherInit_ex2");
	return fails() ? 0 : init(c, cipher, key, iv, enc, params);
}

int EVP_CipherUpdate(EVP_CIPHER_CTX *c, unsigned char *out, int *size,
                     const unsigned char *in, int in_size)
{
	int (*update)(EVP_CIPHER_CTX *, unsigned char *, int *,
	              const unsigned char *, int);

	*(void **)&update = real("EVP_CipherUpdate");
	return fails() ? 0 : update(c, out, size, in, in_size);
}

int EVP_CIPHER_CTX_ctrl(EVP_CIPHER_CTX *c, int type, int arg, void *ptr)
{
	int (*ctrl)(EVP_CIPHER_CTX *, int, int, void *);

	*(void **)&ctrl = real("EVP_CIPHER_CTX_ctrl");
	return fails() ? 0 : ctrl(c, type, arg, ptr);
}

EVP_CIPHER_CTX *EVP_CIPHER_CTX_new(void)
{
	EVP_CIPHER_CTX *(*new)(void);

	*(void **)&new = real("EVP_CIPHER_CTX_new");
	return fails() ? NULL : new ();
}

/* --- a record and a key --------------------------------------------------- */

static const uint8_t key_a[KEYRING_KEY_SIZE] =
    "0123456789abcdef0123456789ABCDE";
static const uint8_t key_b[KEYRING_KEY_SIZE] =
    "another key, of 32 bytes as well";
static const uint8_t record_key[RECORD_KEY_SIZE] = "r";

struct stage {
	struct keyring *keyring; /* "a" */
	struct core_list headers;
	uint8_t plain[200];
	size_t plain_size;
	struct record record; /* with the plain response */
	struct spoe_writer encrypted;
};

static struct keyring *keyring_of(const char *id, const uint8_t *key)
{
	struct keyring *k = keyring_new();

	assert_non_null(k);
	assert_int_equal(keyring_add(k, spoe_span_of(id), key), KEYRING_ADDED);
	return k;
}

static int set_up(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));
	struct record_response response = {.status = 201};
	struct spoe_writer w;

	*state = s;
	assert_non_null(s);
	s->keyring = keyring_of("a", key_a);
	response.headers = core_list(&s->headers, "x: 1\n");
	response.body = spoe_span_of("a secret body");
	w = spoe_writer(s->plain, sizeof(s->plain));
	assert_true(record_encode_response(&w, &response));
	s->plain_size = w.size;
	s->record = (struct record){
	    .state = RECORD_STORED,
	    .key = spoe_span_of("k"),
	    .response = spoe_span(s->plain, w.size),
	};
	memset(s->record.owner, 'o', RECORD_OWNER_SIZE);
	calls_left = -1;
	failed = false;
	return 0;
}

static int tear_down(void **state)
{
	struct stage *s = *state;

	free(s->encrypted.data);
	keyring_free(s->keyring);
	free(s);
	return 0;
}

static struct record encrypted(struct stage *s)
{
	struct record record = s->record;

	assert_int_equal(
	    keyring_encrypt(s->keyring, record_key, &record, &s->encrypted),
	    REASON_NONE);
	record.response = spoe_span(s->encrypted.data, s->encrypted.size);
	return record;
}

/* What a record opens to: REASON_NONE only for the very response. */
static enum reason opened(const struct stage *s, const struct keyring *k,
                          const uint8_t *key, const struct record *record)
{
	struct core_list headers;
	struct record_response response = {.status = 0};
	uint8_t *memory = NULL;
	enum reason reason =
	    keyring_decode_response(k, key, record, &memory, &response);

	if (reason == REASON_NONE) {
		assert_int_equal(response.status, 201);
		assert_true(spoe_span_equal(response.headers,
		                            core_list(&headers, "x: 1\n")));
		assert_true(spoe_span_equal(response.body,
		                            spoe_span_of("a secret body")));
	} else {
		assert_null(memory);
	}
	free(memory);
	(void)s;
	return reason;
}

/* --- tests ---------------------------------------------------------------- */

/* Key "a", nonce 40 41 .. 4b, record key "r" and zeroes, owner "oo..": made
 * with Python's `cryptography`. */
static const uint8_t golden[] = {
    0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0x01, 0x61, 0x40, 0x41, 0x42,
    0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b, 0x70, 0xe6,
    0x54, 0xc2, 0xbb, 0xa5, 0xfb, 0xb1, 0xea, 0x94, 0x6c, 0x6f, 0xed,
    0xe2, 0x8b, 0xd4, 0x00, 0xf1, 0xeb, 0x48, 0x5f, 0x27, 0xda, 0x3f,
    0x7a, 0x98, 0x1a, 0x68, 0x09, 0x5f, 0x8f, 0x93, 0xd8, 0x17, 0x51,
    0xdb, 0x62, 0xd4, 0xe7, 0x2a, 0xfc, 0x0d, 0xd4, 0xe7, 0xea, 0x62,
};

static void test_golden(void **state)
{
	struct stage *s = *state;
	const struct record record = encrypted(s);

	assert_int_equal(record.response.size, sizeof(golden));
	assert_memory_equal(record.response.data, golden, sizeof(golden));
	assert_int_equal(opened(s, s->keyring, record_key, &record),
	                 REASON_NONE);
}

static void test_says_what_it_is(void **state)
{
	struct stage *s = *state;
	const struct record record = encrypted(s);
	struct spoe_span id;

	assert_true(keyring_encrypted(record.response, &id));
	assert_true(spoe_span_equal(id, spoe_span_of("a")));
	assert_false(keyring_encrypted(s->record.response, NULL));
	assert_false(keyring_encrypted(spoe_span(NULL, 0), NULL));
	assert_true(keyring_current(s->keyring, record.response));
	assert_false(keyring_current(s->keyring, s->record.response));
	assert_false(keyring_current(NULL, record.response));
	assert_true(keyring_current(NULL, s->record.response));
	assert_int_equal(record_check_response(record.response), REASON_NONE);
	/* Who knows no encryption replays nothing. */
	assert_int_equal(record_decode_response(record.response,
	                                        &(struct record_response){0}),
	                 REASON_RECORD_CORRUPT);
}

/* Any byte another, with a CRC that fits again or not. */
static void test_every_byte_changed(void **state)
{
	struct stage *s = *state;
	struct record record = encrypted(s);
	uint8_t *bytes = s->encrypted.data;
	const size_t size = s->encrypted.size - RECORD_CRC_SIZE;

	for (size_t i = 0; i < size; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			struct spoe_writer w = spoe_writer(bytes, size + 4);
			enum reason reason;

			w.size = size;
			bytes[i] ^= (uint8_t)(1u << bit);
			assert_int_equal(record_check_response(record.response),
			                 REASON_RECORD_CORRUPT);
			assert_true(record_sign(&w, 0));
			reason = opened(s, s->keyring, record_key, &record);
			/* Not marked any more: no response either. */
			if (i < 2)
				assert_int_equal(reason, REASON_RECORD_CORRUPT);
			else if (reason != REASON_RESPONSE_KEY_MISSING)
				assert_int_equal(reason,
				                 REASON_RESPONSE_CHANGED);
			else /* the id alone can name another key */
				assert_in_range(i, KEYRING_MARK_SIZE,
				                KEYRING_MARK_SIZE + 1);
			bytes[i] ^= (uint8_t)(1u << bit);
			w.size = size;
			assert_true(record_sign(&w, 0));
		}
	}
	assert_int_equal(opened(s, s->keyring, record_key, &record),
	                 REASON_NONE);
}

static void test_every_length(void **state)
{
	struct stage *s = *state;
	struct record record = encrypted(s);

	for (size_t size = 2; size < s->encrypted.size - RECORD_CRC_SIZE;
	     size++) {
		struct spoe_writer w = spoe_writer(
		    malloc(size + RECORD_CRC_SIZE), size + RECORD_CRC_SIZE);

		assert_non_null(w.data);
		assert_true(
		    spoe_writer_bytes(&w, spoe_span(s->encrypted.data, size)));
		record.response = spoe_span(w.data, w.size);
		assert_int_equal(opened(s, s->keyring, record_key, &record),
		                 REASON_RECORD_CORRUPT);
		assert_true(record_sign(&w, 0));
		record.response = spoe_span(w.data, w.size);
		assert_int_equal(opened(s, s->keyring, record_key, &record),
		                 REASON_RESPONSE_CHANGED);
		free(w.data);
	}
}

/* What may change while a response is kept, and what may not. */
static void test_bound_to_its_record(void **state)
{
	struct stage *s = *state;
	struct record record = encrypted(s);
	uint8_t other[RECORD_KEY_SIZE] = "r";

	record.state = RECORD_PENDING;
	record.settled_ms = record.expires_ms = record.forget_ms = 17;
	record.flags = RECORD_HEAD_REQUEST;
	assert_int_equal(opened(s, s->keyring, record_key, &record),
	                 REASON_NONE);
	for (size_t i = 0; i < sizeof(other); i++) {
		other[i] ^= 1;
		assert_int_equal(opened(s, s->keyring, other, &record),
		                 REASON_RESPONSE_CHANGED);
		other[i] ^= 1;
	}
	for (size_t i = 0; i < RECORD_OWNER_SIZE; i++) {
		record.owner[i] ^= 1;
		assert_int_equal(opened(s, s->keyring, record_key, &record),
		                 REASON_RESPONSE_CHANGED);
		record.owner[i] ^= 1;
	}
}

static void test_rotation(void **state)
{
	struct stage *s = *state;
	const struct record record = encrypted(s);
	struct keyring *both = keyring_of("b", key_b);
	struct keyring *later = keyring_of("b", key_b);
	struct keyring *wrong = keyring_of("a", key_b);

	assert_int_equal(keyring_add(both, spoe_span_of("a"), key_a),
	                 KEYRING_ADDED);
	assert_int_equal(opened(s, both, record_key, &record), REASON_NONE);
	assert_false(keyring_current(both, record.response));
	assert_int_equal(opened(s, later, record_key, &record),
	                 REASON_RESPONSE_KEY_MISSING);
	assert_int_equal(opened(s, NULL, record_key, &record),
	                 REASON_RESPONSE_KEY_MISSING);
	assert_int_equal(opened(s, wrong, record_key, &record),
	                 REASON_RESPONSE_CHANGED);
	keyring_free(both);
	keyring_free(later);
	keyring_free(wrong);
}

static void test_plain(void **state)
{
	struct stage *s = *state;

	assert_int_equal(opened(s, NULL, record_key, &s->record), REASON_NONE);
	assert_int_equal(opened(s, s->keyring, record_key, &s->record),
	                 REASON_NONE);
	keyring_refuse_plain(s->keyring);
	assert_int_equal(opened(s, s->keyring, record_key, &s->record),
	                 REASON_RESPONSE_PLAIN);
	{
		const struct record record = encrypted(s);

		assert_int_equal(opened(s, s->keyring, record_key, &record),
		                 REASON_NONE);
	}
}

static void test_ids(void **state)
{
	struct stage *s = *state;
	static const struct {
		const char *id;
		enum keyring_added added;
	} rows[] = {
	    {"", KEYRING_BAD_ID},
	    {"a b", KEYRING_BAD_ID},
	    {"k:1", KEYRING_BAD_ID},
	    {"k\x80", KEYRING_BAD_ID},
	    {"123456789012345678901234567890123", KEYRING_BAD_ID},
	    {"a", KEYRING_REPEATED_ID},
	    {"12345678901234567890123456789012", KEYRING_ADDED},
	    {"2026-11.B_z", KEYRING_ADDED},
	};
	char id[8];

	for (size_t i = 0; i < COUNT(rows); i++)
		check_row(rows[i].id,
		          keyring_add(s->keyring, spoe_span_of(rows[i].id),
		                      key_b) == rows[i].added);
	assert_int_equal(keyring_keys(s->keyring), 3);
	for (int i = 3; i < KEYRING_KEYS_MAX; i++) {
		snprintf(id, sizeof(id), "k%d", i);
		assert_int_equal(
		    keyring_add(s->keyring, spoe_span_of(id), key_b),
		    KEYRING_ADDED);
	}
	assert_int_equal(keyring_add(s->keyring, spoe_span_of("more"), key_b),
	                 KEYRING_FULL);
	assert_int_equal(keyring_keys(s->keyring), KEYRING_KEYS_MAX);
}

/* Each call of OpenSSL fails once: nothing comes out, and then all is well. */
static void test_failing_openssl(void **state)
{
	struct stage *s = *state;
	struct record record = s->record;
	struct spoe_writer out = {.data = NULL};
	enum reason reason;
	long n = 0;

	do {
		assert_in_range(n, 0, 20);
		failed = false;
		calls_left = n++;
		reason = keyring_encrypt(s->keyring, record_key, &record, &out);
		assert_int_equal(reason, failed ? REASON_ENCRYPTION_FAILED
		                                : REASON_NONE);
		if (failed)
			assert_null(out.data);
	} while (failed);
	assert_in_range(n, 8, 20);
	s->encrypted = out;
	record.response = spoe_span(out.data, out.size);
	n = 0;
	do {
		assert_in_range(n, 0, 20);
		failed = false;
		calls_left = n++;
		reason = opened(s, s->keyring, record_key, &record);
		assert_int_equal(reason,
		                 failed ? REASON_INTERNAL : REASON_NONE);
	} while (failed);
	assert_in_range(n, 7, 20);
	calls_left = -1;
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST(test_golden),
	    TEST(test_says_what_it_is),
	    TEST(test_every_byte_changed),
	    TEST(test_every_length),
	    TEST(test_bound_to_its_record),
	    TEST(test_rotation),
	    TEST(test_plain),
	    TEST(test_ids),
	    TEST(test_failing_openssl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
