#include "agent/store/lmdb_index_page.h"

#include <errno.h>
#include <fcntl.h>

enum {
	USED_MAX = LMDB_INDEX_SLOTS * 3 / 4,
	/* A directory with fewer records for each entry is somebody's doing,
	 * who chose keys that begin alike. Where it may not grow he keeps out
	 * whose keys begin so, too: up to so many pages, and such a part of the
	 * map, it may. Of 20 bits he has to try a million keys for each. */
	RECORDS_PER_ENTRY = 16,
	DIRECTORY_FREE = 1024,
	DIRECTORY_PART = 16,
	GROW_MIN = 16,  /* pages */
	GROW_PART = 16, /* of what is there */
};

uint64_t lmdb_index_prefix(const uint8_t *record_key)
{
	struct spoe_reader r =
	    spoe_reader(spoe_span(record_key, sizeof(uint64_t)));
	uint64_t prefix = 0;

	spoe_reader_u64(&r, &prefix);
	return prefix;
}

/* --- reading ------------------------------------------------------------ */

void lmdb_index_expect(const struct lmdb_index *index,
                       const uint8_t *record_key)
{
	struct directory d;

	if (read_directory(index, &d))
		__builtin_prefetch(&d.entries[entry_of(
		    d.depth, lmdb_index_prefix(record_key))]);
}

void lmdb_index_approach(const struct lmdb_index *index,
                         const uint8_t *record_key)
{
	const uint64_t prefix = lmdb_index_prefix(record_key);
	const struct lmdb_index_page *page;
	struct directory d;
	uint64_t n;

	if (!read_directory(index, &d))
		return;
	page = led_to(index, &d, prefix, &n);
	if (!page)
		return;
	__builtin_prefetch(page);
	__builtin_prefetch(&page->slots[home(prefix)]);
}

static int find(const struct lmdb_index *index, uint64_t prefix,
                unsigned *place, uint64_t *ret_number)
{
	uint64_t number = 0;
	const struct lmdb_index_page *page = page_of(index, prefix, &number);
	unsigned at = (home(prefix) + *place) % LMDB_INDEX_SLOTS;

	*ret_number = 0;
	if (!page)
		return MDB_CORRUPTED;
	for (unsigned i = *place; i < LMDB_INDEX_SLOTS; i++, at = behind(at)) {
		uint64_t found;

		if (!read_slot(&page->slots[at], &found, &number))
			return MDB_CORRUPTED;
		if (number == 0)
			return 0;
		if (found == prefix && number != REMOVED) {
			*place = i + 1;
			*ret_number = number;
			return 0;
		}
	}
	return 0;
}

int lmdb_index_find(const struct lmdb_index *index, const uint8_t *record_key,
                    unsigned *place, uint64_t *ret_number)
{
	const uint64_t prefix = lmdb_index_prefix(record_key);
	uint64_t changes;
	int rc;

	/* A page that is reused while it is read looks damaged, or empty. */
	do {
		changes = lmdb_index_changes(index);
		rc = find(index, prefix, place, ret_number);
	} while ((rc != 0 || *ret_number == 0) &&
	         changes != lmdb_index_changes(index));
	return rc;
}

static int list(const struct lmdb_index *index, uint64_t prefix,
                struct lmdb_index_list *list)
{
	uint64_t number = 0;
	const struct lmdb_index_page *page = page_of(index, prefix, &number);
	uint64_t common;

	list->n = 0;
	if (!page)
		return MDB_CORRUPTED;
	for (unsigned i = 0; i < LMDB_INDEX_SLOTS; i++) {
		uint64_t found;

		if (!read_slot(&page->slots[i], &found, &number))
			return MDB_CORRUPTED;
		if (number != 0 && number != REMOVED)
			list->numbers[list->n++] = number;
	}
	common = atomic_load(&page->common);
	list->next = depth_of(common) == 0
	                 ? 0
	                 : (common & ~DEPTH_MASK) +
	                       ((uint64_t)1 << (64 - depth_of(common)));
	return 0;
}

int lmdb_index_list(const struct lmdb_index *index, uint64_t prefix,
                    struct lmdb_index_list *ret_list)
{
	uint64_t changes;
	int rc;

	do {
		changes = lmdb_index_changes(index);
		rc = list(index, prefix, ret_list);
	} while (changes != lmdb_index_changes(index));
	return rc;
}

/* --- growing ------------------------------------------------------------ */

/* Gives `n` more pages at the end their blocks: a full disk is an error here,
 * and would be a SIGBUS later. */
static int allocate(const struct lmdb_index *index, uint64_t n)
{
	const uint64_t needed = index->head->pages + n;
	const uint64_t before = atomic_load(&index->head->allocated);
	uint64_t after = before + before / GROW_PART + GROW_MIN;
	int rc;

	if (needed <= before)
		return 0;
	if (needed > index->map_pages)
		return MDB_MAP_FULL;
	if (after < needed)
		after = needed;
	if (after > index->map_pages)
		after = index->map_pages;
	rc = posix_fallocate(index->fd, (off_t)(before * LMDB_INDEX_PAGE),
	                     (off_t)((after - before) * LMDB_INDEX_PAGE));
	if (rc == 0)
		atomic_store(&index->head->allocated, after);
	return rc;
}

/* Killed in the middle of what follows, pages may be lost, but none is used
 * twice. */
static int take_page(const struct lmdb_index *index, uint64_t *ret_page)
{
	struct lmdb_index_head *head = index->head;
	int rc;

	*ret_page = head->spare;
	if (head->spare != 0) {
		head->spare = link_of(page_at(index, head->spare));
		return 0;
	}
	rc = allocate(index, 1);
	if (rc == 0)
		*ret_page = head->pages++;
	return rc;
}

static void give_page(const struct lmdb_index *index, uint64_t page)
{
	struct lmdb_index_head *head = index->head;

	set_used(page_at(index, page), head->spare, 0);
	head->spare = page;
}

static struct lmdb_index_page *clear_page(const struct lmdb_index *index,
                                          uint64_t n, uint64_t common)
{
	struct lmdb_index_page *page = page_at(index, n);

	for (unsigned i = 0; i < LMDB_INDEX_SLOTS; i++) {
		atomic_store_explicit(&page->slots[i].number, 0,
		                      memory_order_relaxed);
		atomic_store_explicit(&page->slots[i].prefix, 0,
		                      memory_order_relaxed);
	}
	atomic_store(&page->common, common);
	set_used(page, n, 0);
	return page;
}

/* False: damaged. */
static bool put_in_page(struct lmdb_index_page *page, uint64_t prefix,
                        uint64_t number)
{
	unsigned at = home(prefix);

	for (unsigned i = 0; i < LMDB_INDEX_SLOTS; i++, at = behind(at)) {
		if (atomic_load_explicit(&page->slots[at].number,
		                         memory_order_relaxed) != 0)
			continue;
		/* First: there must be empty slots, to end a search. */
		set_used(page, link_of(page), used_of(page) + 1);
		fill_slot(&page->slots[at], prefix, number);
		return true;
	}
	return false;
}

static bool may_deepen(const struct lmdb_index *index, unsigned depth)
{
	const uint64_t pages = directory_pages(depth + 1);
	const bool small = pages <= DIRECTORY_FREE &&
	                   pages <= index->map_pages / DIRECTORY_PART;

	return depth < DEPTH_MAX &&
	       (small || index->head->records >> depth >= RECORDS_PER_ENTRY);
}

/* A directory twice as large. */
static int deepen(const struct lmdb_index *index)
{
	struct lmdb_index_head *head = index->head;
	struct directory d;
	atomic_uint_least32_t *entries;
	uint64_t page;
	int rc;

	if (!read_directory(index, &d))
		return MDB_CORRUPTED;
	if (!may_deepen(index, d.depth))
		return MDB_MAP_FULL;
	rc = allocate(index, directory_pages(d.depth + 1));
	if (rc != 0)
		return rc;
	page = head->pages;
	head->pages += directory_pages(d.depth + 1);
	entries = (atomic_uint_least32_t *)(void *)page_at(index, page);
	for (uint64_t i = 0; i < (uint64_t)2 << d.depth; i++)
		atomic_store_explicit(
		    &entries[i],
		    atomic_load_explicit(&d.entries[i / 2],
		                         memory_order_relaxed),
		    memory_order_relaxed);
	atomic_store(&head->directory, page << DEPTH_BITS | (d.depth + 1));
	atomic_fetch_add(&head->changes, 1);
	for (uint64_t i = 0; i < directory_pages(d.depth); i++)
		give_page(index, d.page + i);
	return 0;
}

/* Leads what led to page `old` to `low`, or to `high` when the bit behind the
 * first `depth` is set. What leads elsewhere already (a process was killed
 * here) stays as it is. */
static void redirect(const struct directory *d, uint64_t common, uint64_t old,
                     uint64_t low, uint64_t high)
{
	const unsigned depth = depth_of(common);
	const uint64_t n = (uint64_t)1 << (d->depth - depth);
	const uint64_t first = entry_of(d->depth, common & ~DEPTH_MASK);

	for (uint64_t i = 0; i < n; i++) {
		const uint64_t to = n > 1 && i >= n / 2 ? high : low;

		if (atomic_load(&d->entries[first + i]) == old)
			atomic_store(&d->entries[first + i], (uint32_t)to);
	}
}

static unsigned numbers_in(const struct lmdb_index_page *page)
{
	unsigned n = 0;

	for (unsigned i = 0; i < LMDB_INDEX_SLOTS; i++) {
		const uint64_t word = atomic_load_explicit(
		    &page->slots[i].number, memory_order_relaxed);

		n += word != 0 && (word & NUMBER_MASK) != REMOVED;
	}
	return n;
}

/* Copies what is in `from`: to `high` what has the bit behind the first
 * `depth` set. False: damaged. */
static bool copy_page(const struct lmdb_index_page *from, unsigned depth,
                      struct lmdb_index_page *low, struct lmdb_index_page *high)
{
	for (unsigned i = 0; i < LMDB_INDEX_SLOTS; i++) {
		uint64_t prefix, number;

		if (!read_slot(&from->slots[i], &prefix, &number))
			return false;
		if (number == 0 || number == REMOVED)
			continue;
		if (!put_in_page(prefix >> (63 - depth) & 1 ? high : low,
		                 prefix, number))
			return false;
	}
	return true;
}

/* Puts two pages in the place of one, or one without what was removed. */
static int renew_page(const struct lmdb_index *index, uint64_t old, bool split)
{
	const struct lmdb_index_page *from = page_at(index, old);
	const uint64_t common = atomic_load(&from->common);
	const unsigned depth = depth_of(common);
	const unsigned new_depth = split ? depth + 1 : depth;
	struct directory d;
	struct lmdb_index_page *low, *high;
	uint64_t low_page, high_page;
	int rc = take_page(index, &low_page);

	if (rc != 0)
		return rc;
	high_page = low_page;
	rc = split ? take_page(index, &high_page) : 0;
	if (rc != 0) {
		give_page(index, low_page);
		return rc;
	}
	low = clear_page(index, low_page, common_of(common, new_depth));
	high = low;
	if (split)
		high = clear_page(
		    index, high_page,
		    common_of(common | (uint64_t)1 << (63 - depth), new_depth));
	if (!copy_page(from, depth, low, high) || !read_directory(index, &d))
		return MDB_CORRUPTED;
	redirect(&d, common, old, low_page, high_page);
	atomic_fetch_add(&index->head->changes, 1);
	give_page(index, old);
	return 0;
}

/* Makes room in a page that is full. */
static int make_room(const struct lmdb_index *index, uint64_t page)
{
	const struct lmdb_index_page *full = page_at(index, page);
	struct directory d;

	if (numbers_in(full) <= USED_MAX * 3 / 4)
		return renew_page(index, page, false);
	if (!read_directory(index, &d))
		return MDB_CORRUPTED;
	if (depth_of(atomic_load(&full->common)) >= d.depth) {
		int rc = deepen(index);

		if (rc != 0)
			return rc;
	}
	return renew_page(index, page, true);
}

/* --- writing ------------------------------------------------------------ */

int lmdb_index_put(const struct lmdb_index *index, const uint8_t *record_key,
                   uint64_t number)
{
	const uint64_t prefix = lmdb_index_prefix(record_key);

	if (number >= REMOVED)
		return MDB_MAP_FULL;
	for (unsigned tries = 0; tries <= DEPTH_MAX; tries++) {
		uint64_t n = 0;
		struct lmdb_index_page *page = page_of(index, prefix, &n);
		int rc;

		if (!page)
			return MDB_CORRUPTED;
		if (used_of(page) < USED_MAX) {
			if (!put_in_page(page, prefix, number))
				return MDB_CORRUPTED;
			index->head->records++;
			if (number > index->head->last)
				index->head->last = number;
			return 0;
		}
		rc = make_room(index, n);
		if (rc != 0)
			return rc;
	}
	return MDB_MAP_FULL;
}

void lmdb_index_remove(const struct lmdb_index *index, uint64_t prefix,
                       uint64_t number)
{
	uint64_t n = 0;
	struct lmdb_index_page *page = page_of(index, prefix, &n);
	unsigned at = home(prefix);

	if (!page)
		return;
	for (unsigned i = 0; i < LMDB_INDEX_SLOTS; i++, at = behind(at)) {
		struct lmdb_index_slot *slot = &page->slots[at];
		const uint64_t word =
		    atomic_load_explicit(&slot->number, memory_order_relaxed);

		if (word == 0)
			return;
		if (word != sealed(prefix, number) ||
		    atomic_load_explicit(&slot->prefix, memory_order_relaxed) !=
		        prefix)
			continue;
		atomic_store_explicit(&slot->number, sealed(prefix, REMOVED),
		                      memory_order_release);
		index->head->records--;
		return;
	}
}

int lmdb_index_init(const struct lmdb_index *index)
{
	struct lmdb_index_head *head = index->head;
	const uint64_t directory = 1, page = 2;
	int rc;

	head->pages = 1;
	rc = allocate(index, 2);
	if (rc != 0)
		return rc;
	head->pages = 3;
	clear_page(index, page, common_of(0, 0));
	atomic_store((atomic_uint_least32_t *)(void *)page_at(index, directory),
	             (uint32_t)page);
	atomic_store(&head->directory, directory << DEPTH_BITS);
	return 0;
}

bool lmdb_index_whole(const struct lmdb_index *index, uint64_t *ret_records)
{
	struct lmdb_index_list slots;
	uint64_t prefix = 0;

	*ret_records = 0;
	if (index->head->pages > atomic_load(&index->head->allocated))
		return false;
	do {
		if (list(index, prefix, &slots) != 0)
			return false;
		*ret_records += slots.n;
		prefix = slots.next;
	} while (prefix != 0);
	return true;
}
