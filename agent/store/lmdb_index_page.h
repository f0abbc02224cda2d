/* agent/store/lmdb_index_page.h: how the slots, the pages and the directory of
 * the index are read and written where they are. Only for lmdb_index.c. */
#ifndef AGENT_STORE_LMDB_INDEX_PAGE_H
#define AGENT_STORE_LMDB_INDEX_PAGE_H

#include <lmdb.h>

#include "agent/store/lmdb_index.h"

enum {
	DEPTH_MAX = 30,
	NUMBER_BITS = 48,
	DEPTH_BITS = 8,
	USED_BITS = 16,
};

static const uint64_t NUMBER_MASK = ((uint64_t)1 << NUMBER_BITS) - 1;
static const uint64_t REMOVED = ((uint64_t)1 << NUMBER_BITS) - 1;
static const uint64_t USED_MASK = ((uint64_t)1 << USED_BITS) - 1;
static const uint64_t DEPTH_MASK = ((uint64_t)1 << DEPTH_BITS) - 1;

/* --- slots -------------------------------------------------------------- */

/* A number with its check: a slot that was damaged does not go unseen. */
static inline uint64_t sealed(uint64_t prefix, uint64_t number)
{
	uint64_t mixed = (prefix ^ number * 0x9e3779b97f4a7c15u);

	mixed = (mixed ^ mixed >> 32) * 0xd6e8feb86659fd93u;
	mixed ^= mixed >> 29;
	return mixed << NUMBER_BITS | number;
}

/* False: damaged. *ret_number 0: empty. */
static inline bool read_slot(const struct lmdb_index_slot *slot,
                             uint64_t *ret_prefix, uint64_t *ret_number)
{
	const uint64_t word =
	    atomic_load_explicit(&slot->number, memory_order_acquire);

	*ret_number = word & NUMBER_MASK;
	*ret_prefix = 0;
	if (word == 0)
		return true;
	*ret_prefix = atomic_load_explicit(&slot->prefix, memory_order_acquire);
	return *ret_number != 0 && word == sealed(*ret_prefix, *ret_number);
}

static inline void fill_slot(struct lmdb_index_slot *slot, uint64_t prefix,
                             uint64_t number)
{
	atomic_store_explicit(&slot->prefix, prefix, memory_order_relaxed);
	atomic_store_explicit(&slot->number, sealed(prefix, number),
	                      memory_order_release);
}

/* Where the search for a key begins: the first bits are the same for all keys
 * of a page. */
static inline unsigned home(uint64_t prefix)
{
	return (unsigned)((prefix & UINT32_MAX) * LMDB_INDEX_SLOTS >> 32);
}

static inline unsigned behind(unsigned slot)
{
	return slot + 1 == LMDB_INDEX_SLOTS ? 0 : slot + 1;
}

/* --- pages -------------------------------------------------------------- */

static inline struct lmdb_index_page *page_at(const struct lmdb_index *index,
                                              uint64_t page)
{
	return (struct lmdb_index_page *)(void *)(index->map +
	                                          page * LMDB_INDEX_PAGE);
}

static inline bool page_exists(const struct lmdb_index *index, uint64_t page,
                               uint64_t n)
{
	uint64_t end =
	    atomic_load_explicit(&index->head->allocated, memory_order_acquire);

	if (end > index->map_pages)
		end = index->map_pages;
	return page > 0 && n <= end && page <= end - n;
}

struct directory {
	atomic_uint_least32_t *entries;
	uint64_t page;
	unsigned depth;
};

static inline uint64_t directory_pages(unsigned depth)
{
	return (((uint64_t)1 << depth) * sizeof(uint32_t) + LMDB_INDEX_PAGE -
	        1) /
	       LMDB_INDEX_PAGE;
}

static inline bool read_directory(const struct lmdb_index *index,
                                  struct directory *ret_directory)
{
	const uint64_t word = atomic_load(&index->head->directory);

	*ret_directory = (struct directory){
	    .page = word >> DEPTH_BITS,
	    .depth = (unsigned)(word & DEPTH_MASK),
	};
	if (ret_directory->depth > DEPTH_MAX ||
	    !page_exists(index, ret_directory->page,
	                 directory_pages(ret_directory->depth)))
		return false;
	ret_directory->entries = (atomic_uint_least32_t *)(void *)page_at(
	    index, ret_directory->page);
	return true;
}

static inline uint64_t entry_of(unsigned depth, uint64_t prefix)
{
	return depth == 0 ? 0 : prefix >> (64 - depth);
}

static inline unsigned depth_of(uint64_t common)
{
	return (unsigned)(common & DEPTH_MASK);
}

static inline uint64_t common_of(uint64_t prefix, unsigned depth)
{
	const uint64_t mask = depth == 0 ? 0 : ~(uint64_t)0 << (64 - depth);

	return (prefix & mask) | depth;
}

/* A page in use names itself, a spare one the next spare page. */
static inline uint64_t link_of(const struct lmdb_index_page *page)
{
	return atomic_load_explicit(&page->used, memory_order_acquire) >>
	       USED_BITS;
}

static inline uint64_t used_of(const struct lmdb_index_page *page)
{
	return atomic_load_explicit(&page->used, memory_order_relaxed) &
	       USED_MASK;
}

static inline void set_used(struct lmdb_index_page *page, uint64_t link,
                            uint64_t used)
{
	atomic_store_explicit(&page->used, link << USED_BITS | used,
	                      memory_order_release);
}

/* The page that the directory leads to, which is not looked at; NULL: it leads
 * nowhere. */
static inline struct lmdb_index_page *led_to(const struct lmdb_index *index,
                                             const struct directory *d,
                                             uint64_t prefix,
                                             uint64_t *ret_page)
{
	*ret_page = atomic_load(&d->entries[entry_of(d->depth, prefix)]);
	return page_exists(index, *ret_page, 1) ? page_at(index, *ret_page)
	                                        : NULL;
}

/* The page that the directory has for `prefix`; NULL: damaged. */
static inline struct lmdb_index_page *page_of(const struct lmdb_index *index,
                                              uint64_t prefix,
                                              uint64_t *ret_page)
{
	struct directory d;
	struct lmdb_index_page *page;
	uint64_t common;

	if (!read_directory(index, &d))
		return NULL;
	page = led_to(index, &d, prefix, ret_page);
	if (!page)
		return NULL;
	common = atomic_load_explicit(&page->common, memory_order_acquire);
	if (depth_of(common) > d.depth ||
	    common != common_of(prefix, depth_of(common)) ||
	    link_of(page) != *ret_page)
		return NULL;
	return page;
}

#endif
