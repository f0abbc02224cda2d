/* What it costs to keep responses encrypted:
 *
 *     encryption_bench    prints CPU per response, and how much it grows, for
 *                         bodies of some sizes */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "agent/core/keyring.h"

enum { ROUNDS = 20000 };

static const uint8_t record_key[RECORD_KEY_SIZE] = "r";

static double cpu_us_since(clock_t start)
{
	return (double)(clock() - start) * 1e6 / CLOCKS_PER_SEC / ROUNDS;
}

static void measure(const struct keyring *k, size_t size)
{
	const struct spoe_span headers = spoe_span("\0", 2);
	const struct record_response response = {
	    .status = 201,
	    .headers = headers,
	    .body = spoe_span(calloc(1, size), size),
	};
	const size_t capacity =
	    record_response_capacity(headers, response.body);
	struct spoe_writer plain = spoe_writer(malloc(capacity), capacity);
	struct spoe_writer encrypted = {.data = NULL};
	struct record record = {.state = RECORD_STORED};
	double encrypt_us, decrypt_us;
	clock_t start;

	if (!response.body.data || !plain.data ||
	    !record_encode_response(&plain, &response))
		abort();
	record.response = spoe_span(plain.data, plain.size);
	start = clock();
	for (int i = 0; i < ROUNDS; i++) {
		free(encrypted.data);
		if (keyring_encrypt(k, record_key, &record, &encrypted) !=
		    REASON_NONE)
			abort();
	}
	encrypt_us = cpu_us_since(start);
	record.response = spoe_span(encrypted.data, encrypted.size);
	start = clock();
	for (int i = 0; i < ROUNDS; i++) {
		struct record_response opened;
		uint8_t *memory;

		if (keyring_decode_response(k, record_key, &record, &memory,
		                            &opened) != REASON_NONE)
			abort();
		free(memory);
	}
	decrypt_us = cpu_us_since(start);
	printf(
	    "%6zu bytes: encrypt %5.1f us, decrypt %5.1f us, %zu more bytes\n",
	    size, encrypt_us, decrypt_us, encrypted.size - plain.size);
	free(encrypted.data);
	free(plain.data);
	free((void *)(uintptr_t)response.body.data);
}

int main(void)
{
	static const size_t sizes[] = {500, 2000, 15000};
	static const uint8_t key[KEYRING_KEY_SIZE] = "k";
	struct keyring *k = keyring_new();

	if (!k || keyring_add(k, spoe_span_of("2026-01"), key) != KEYRING_ADDED)
		abort();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		measure(k, sizes[i]);
	keyring_free(k);
	return 0;
}
