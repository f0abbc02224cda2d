/* Damaged records and records of a newer agent: an error, never a lock, and
 * never overwritten. The file is changed under the open store, byte by byte:
 * what a map shows is the file. */
#include <fcntl.h>

#include "tests/unit/store_rig.h"

enum { COPIES_MAX = 64, HEAD_AT = RECORD_KEY_SIZE + 2 };

/* Where the value of a record is in the file: LMDB leaves old copies. */
struct places {
	int fd;
	off_t at[COPIES_MAX];
	size_t n;
	size_t size; /* of the value */
};

static void find_places(struct rig *rig, uint64_t n, size_t size,
                        struct places *p)
{
	char name[256];
	uint8_t key[RECORD_KEY_SIZE];
	struct stat st;
	uint8_t *bytes;

	rig_show(rig);
	snprintf(name, sizeof(name), "%s/data.mdb", rig->path);
	*p = (struct places){.fd = open(name, O_RDWR), .size = size};
	assert_true(p->fd >= 0);
	assert_int_equal(fstat(p->fd, &st), 0);
	bytes = malloc((size_t)st.st_size);
	assert_int_equal(pread(p->fd, bytes, (size_t)st.st_size, 0),
	                 st.st_size);
	rig_key(key, n);
	for (off_t i = 0; i + (off_t)size <= st.st_size; i++) {
		if (memcmp(bytes + i, key, sizeof(key)) != 0)
			continue;
		assert_true(p->n < COPIES_MAX);
		p->at[p->n++] = i;
	}
	free(bytes);
	assert_true(p->n > 0);
}

/* Flips bits of one byte in every copy; again: as it was. */
static void flip(const struct places *p, size_t offset, uint8_t bits)
{
	for (size_t i = 0; i < p->n; i++) {
		uint8_t byte;

		assert_int_equal(
		    pread(p->fd, &byte, 1, p->at[i] + (off_t)offset), 1);
		byte ^= bits;
		assert_int_equal(
		    pwrite(p->fd, &byte, 1, p->at[i] + (off_t)offset), 1);
	}
}

static void expect_health(struct rig *rig, uint64_t n, uint64_t owner,
                          enum reason health)
{
	assert_int_equal(rig_health(rig, rig_peek_op(n, RIG_NOW)), health);
	assert_int_equal(rig_health(rig, rig_claim_op(n, 99, RIG_NOW)), health);
	/* However late it is. */
	assert_int_equal(
	    rig_health(rig, rig_settle_op(n, owner, RIG_NOW, RECORD_NONE,
	                                  RIG_NO_RESPONSE)),
	    health);
}

enum { LOCK_SIZE = HEAD_AT + RECORD_HEAD_MAX - 255 + 23 };

static void every_damaged_byte_is_seen(struct rig *rig)
{
	struct places p;

	assert_int_equal(rig_claim(rig, 1, 11), RECORD_GRANTED);
	assert_int_equal(rig_claim(rig, 2, 12), RECORD_GRANTED);
	find_places(rig, 1, LOCK_SIZE, &p);
	for (size_t i = 0; i < p.size; i++) {
		const uint8_t bits = (uint8_t)(1 << i % 8);
		const bool version = i == HEAD_AT && bits > 1;

		flip(&p, i, bits);
		expect_health(rig, 1, 11,
		              version ? REASON_RECORD_VERSION
		                      : REASON_RECORD_CORRUPT);
		assert_int_equal(
		    rig_health(rig, rig_claim_op(1, 99, RIG_NOW * 2)),
		    version ? REASON_RECORD_VERSION : REASON_RECORD_CORRUPT);
		flip(&p, i, bits);
	}
	assert_true(store_healthy(rig->store));
	assert_int_equal(rig_claim(rig, 2, 13), RECORD_FOUND);
	close(p.fd);
}

static void every_damaged_byte_of_a_lock_is_seen(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	every_damaged_byte_is_seen(&rig);
	assert_int_equal(rig_settle(&rig, 1, 11, RECORD_NONE, RIG_NO_RESPONSE),
	                 RECORD_SETTLED);
	rig_fini(&rig);
}

/* Settles until locks have room for such responses. */
static void teach_room(struct rig *rig, struct spoe_span response)
{
	for (uint64_t n = 1000; n < 1200; n++) {
		assert_int_equal(rig_claim(rig, n, n), RECORD_GRANTED);
		assert_int_equal(rig_settle(rig, n, n, RECORD_STORED, response),
		                 RECORD_SETTLED);
	}
}

static void fill_room(struct rig *rig, size_t from, size_t to)
{
	struct places p;

	find_places(rig, 1, to, &p);
	for (size_t i = from; i < to; i++)
		flip(&p, i, 0xee);
	close(p.fd);
}

/* What is in the room is nobody's, and no response. */
static void damage_is_seen_in_front_of_room(void **state)
{
	struct spoe_span response = rig_response(400, 1);
	struct spoe_span other = rig_response(300, 2);
	struct rig rig;
	struct rig_call c;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	teach_room(&rig, response);
	every_damaged_byte_is_seen(&rig);
	fill_room(&rig, LOCK_SIZE, LOCK_SIZE + response.size);
	c = rig_do(&rig, rig_peek_op(1, RIG_NOW));
	assert_int_equal(c.health, REASON_NONE);
	assert_int_equal(c.found.state, RECORD_LOCKED);
	assert_int_equal(c.found.response.size, 0);
	rig_call_fini(&c);
	assert_int_equal(rig_settle(&rig, 1, 11, RECORD_PENDING, other),
	                 RECORD_SETTLED);
	assert_int_equal(rig_result(&rig, rig_confirm_op(1, 11, RIG_NOW)),
	                 RECORD_SETTLED);
	c = rig_do(&rig, rig_peek_op(1, RIG_NOW));
	assert_true(spoe_span_equal(c.found.response, other));
	rig_call_fini(&c);
	/* Its neighbour kept its lock, and has room, too. */
	assert_int_equal(rig_settle(&rig, 2, 12, RECORD_STORED, response),
	                 RECORD_SETTLED);
	c = rig_do(&rig, rig_peek_op(2, RIG_NOW));
	assert_true(spoe_span_equal(c.found.response, response));
	rig_call_fini(&c);
	rig_response_free(response);
	rig_response_free(other);
	rig_fini(&rig);
}

static void every_damaged_byte_of_a_response_is_seen(void **state)
{
	struct spoe_span response = rig_response(300, 1);
	struct rig rig;
	struct places p;
	size_t head;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	assert_int_equal(rig_claim(&rig, 1, 11), RECORD_GRANTED);
	assert_int_equal(rig_settle(&rig, 1, 11, RECORD_STORED, response),
	                 RECORD_SETTLED);
	head = LOCK_SIZE;
	find_places(&rig, 1, head + response.size, &p);
	for (size_t i = head; i < p.size; i++) {
		flip(&p, i, 0x10);
		assert_int_equal(rig_health(&rig, rig_peek_op(1, RIG_NOW)),
		                 REASON_RECORD_CORRUPT);
		assert_int_equal(rig_health(&rig, rig_claim_op(1, 99, RIG_NOW)),
		                 REASON_RECORD_CORRUPT);
		flip(&p, i, 0x10);
	}
	assert_int_equal(rig_claim(&rig, 1, 12), RECORD_FOUND);
	close(p.fd);
	rig_response_free(response);
	rig_fini(&rig);
}

/* Whatever of the index is damaged, a lock is not granted a second time. */
static void a_misleading_index_is_seen(void **state)
{
	char name[256];
	struct rig rig;
	struct places p = {.n = 1};
	struct stat st;
	unsigned n_seen = 0;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	for (uint64_t n = 0; n < 8; n++)
		assert_int_equal(rig_claim(&rig, n, n), RECORD_GRANTED);
	snprintf(name, sizeof(name), "%s/index", rig.path);
	p.fd = open(name, O_RDWR);
	assert_int_equal(fstat(p.fd, &st), 0);
	/* Behind the head, up to the end of the only page. */
	p.at[0] = 4096;
	for (size_t i = 0; i < 2 * 4096; i++) {
		struct rig_call c;

		flip(&p, i, (uint8_t)(1 << i % 8));
		c = rig_do(&rig, rig_claim_op(1, 99, RIG_NOW));
		rig_call_fini(&c);
		if (c.health == REASON_NONE)
			assert_int_equal(c.result, RECORD_FOUND);
		else
			assert_int_equal(c.health, REASON_RECORD_CORRUPT);
		if (c.health != REASON_NONE && n_seen++ == 0)
			expect_health(&rig, 1, 1, REASON_RECORD_CORRUPT);
		flip(&p, i, (uint8_t)(1 << i % 8));
	}
	/* The way to the page, and the key's own slot. */
	assert_true(n_seen >= 4 + 8 + 16);
	assert_int_equal(rig_claim(&rig, 1, 99), RECORD_FOUND);
	close(p.fd);
	rig_fini(&rig);
}

static bool count_unreadable(void *cookie, const uint8_t *record_key,
                             const struct record *record)
{
	unsigned *n = cookie;

	(void)record_key;
	*n += record->state == RECORD_NONE;
	return true;
}

static void a_newer_record_is_left_alone(void **state)
{
	struct rig rig;
	struct places p;
	struct store_stats stats;
	unsigned unreadable = 0;
	char text[256];

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	assert_int_equal(rig_claim(&rig, 1, 11), RECORD_GRANTED);
	assert_int_equal(rig_claim(&rig, 2, 12), RECORD_GRANTED);
	find_places(&rig, 1, HEAD_AT + 1, &p);
	flip(&p, HEAD_AT, RECORD_VERSION ^ (RECORD_VERSION + 1));
	expect_health(&rig, 1, 11, REASON_RECORD_VERSION);
	assert_int_equal(store_scan(rig.store, NULL, count_unreadable,
	                            &unreadable, text, sizeof(text)),
	                 0);
	assert_int_equal(unreadable, 1);
	/* Its neighbour is removed in time, but this one is not. */
	rig_clock = RIG_NOW + 10 * RIG_LOCK_MS;
	rig_until(&rig, (store_stats(rig.store, &stats), stats.expired == 1));
	assert_int_equal(stats.records, 1);
	assert_int_equal(stats.failures, 3);
	expect_health(&rig, 1, 11, REASON_RECORD_VERSION);
	close(p.fd);
	find_places(&rig, 1, HEAD_AT + 1, &p);
	flip(&p, HEAD_AT, RECORD_VERSION ^ (RECORD_VERSION + 1));
	assert_int_equal(rig_claim(&rig, 1, 13), RECORD_FOUND);
	close(p.fd);
	rig_fini(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_damaged_byte_of_a_lock_is_seen),
	    cmocka_unit_test(damage_is_seen_in_front_of_room),
	    cmocka_unit_test(every_damaged_byte_of_a_response_is_seen),
	    cmocka_unit_test(a_misleading_index_is_seen),
	    cmocka_unit_test(a_newer_record_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
