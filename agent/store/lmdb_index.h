/* agent/store/lmdb_index.h: which numbers a record key may have: a hash table
 * in a mapped file, `index`, beside LMDB's. It is derived from `records` and
 * only a hint: a number that it names may be gone, and whoever follows it
 * compares the record's own key. But no record is without its number here.
 *
 * A tree that is indexed by random keys costs a page for each that is put. Here
 * it is sixteen bytes, written where they are: when the agent is killed they
 * are in the kernel's hands. After the machine itself went down, or when the
 * file is not of one piece with LMDB's, it is made anew (lmdb_index_file.h).
 *
 * Extendible hashing. A record key is a hash already: its first bits lead, by
 * the directory, to a page of slots, and a page that is full becomes two. Pages
 * are changed by whoever has the write transaction, one slot at a time, and
 * never so that a number cannot be found: readers need no lock. */
#ifndef AGENT_STORE_LMDB_INDEX_H
#define AGENT_STORE_LMDB_INDEX_H

#include <stdatomic.h>

#include "agent/core/record.h"
#include "agent/store/lmdb_boot.h"

enum {
	LMDB_INDEX_PAGE = 4096,
	LMDB_INDEX_SLOTS = LMDB_INDEX_PAGE / 16 - 1,
};

/* A slot is filled once; its number is written last. */
struct lmdb_index_slot {
	atomic_uint_least64_t prefix; /* of the record key */
	atomic_uint_least64_t number; /* and a check of both; 0: empty */
};

struct lmdb_index_page {
	/* What its keys have in common: their first bits, and in the last
	 * byte how many these are. */
	atomic_uint_least64_t common;
	atomic_uint_least64_t used; /* its own number; slots that are filled */
	struct lmdb_index_slot slots[LMDB_INDEX_SLOTS];
};

_Static_assert(sizeof(struct lmdb_index_page) == LMDB_INDEX_PAGE,
               "a page is a page");

/* The first page of the file. */
struct lmdb_index_head {
	char magic[8];
	uint32_t clean;                  /* closed, and all of it on disk */
	char boot[LMDB_BOOT_SIZE];       /* since when it has been in use */
	atomic_uint_least64_t stamp;     /* LMDB's transaction it belongs to */
	atomic_uint_least64_t directory; /* its first page; its depth */
	atomic_uint_least64_t changes;   /* grows before a page is reused */
	atomic_uint_least64_t allocated; /* pages that have their blocks */
	/* The writer's. */
	uint64_t pages;   /* in use, or spare */
	uint64_t spare;   /* 0: none */
	uint64_t records; /* numbers in the table */
	uint64_t last;    /* the largest number so far */
};

struct lmdb_index {
	struct lmdb_index_head *head; /* NULL: not open */
	uint8_t *map;
	uint64_t map_pages;
	int fd;
	bool alone; /* being opened, by nobody else */
};

/* The functions that can fail return 0, or an error of LMDB or errno. */

/* The numbers of a key one by one, from *place on, which is moved behind the
 * number and begins as 0; 0: there are no more. Any thread; should the table
 * have `changed` meanwhile, one may be missed, but not for another's being
 * removed. MDB_CORRUPTED: the table is damaged. */
int lmdb_index_find(const struct lmdb_index *index, const uint8_t *record_key,
                    unsigned *place, uint64_t *ret_number);

/* The key will be looked for soon: has the memory for that come meanwhile. The
 * second is for when the first has had its time. Any thread. */
void lmdb_index_expect(const struct lmdb_index *index,
                       const uint8_t *record_key);
void lmdb_index_approach(const struct lmdb_index *index,
                         const uint8_t *record_key);

static inline uint64_t lmdb_index_changes(const struct lmdb_index *index)
{
	return atomic_load(&index->head->changes);
}

/* All numbers of the page that `prefix` belongs to, and the prefix at which the
 * next page begins (0: there is none): for walks in the order of the keys. Any
 * thread. */
struct lmdb_index_list {
	size_t n;
	uint64_t numbers[LMDB_INDEX_SLOTS];
	uint64_t next;
};
int lmdb_index_list(const struct lmdb_index *index, uint64_t prefix,
                    struct lmdb_index_list *ret_list);

uint64_t lmdb_index_prefix(const uint8_t *record_key);

/* The rest is for whoever has the write transaction. */

/* A number that no record has had. */
static inline uint64_t lmdb_index_number(const struct lmdb_index *index)
{
	return ++index->head->last;
}

int lmdb_index_put(const struct lmdb_index *index, const uint8_t *record_key,
                   uint64_t number);

/* Nothing happens when it is not there. */
void lmdb_index_remove(const struct lmdb_index *index, uint64_t prefix,
                       uint64_t number);

/* Makes the table of a file that has no pages but the first. */
int lmdb_index_init(const struct lmdb_index *index);

/* Whether the table is whole; *ret_records: the numbers in it. */
bool lmdb_index_whole(const struct lmdb_index *index, uint64_t *ret_records);

#endif
