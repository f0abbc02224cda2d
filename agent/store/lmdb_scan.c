#include "agent/store/lmdb_scan.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/store/lmdb_writer.h"

/* A record that moves has a new number (lmdb_tree.c), and soon only that one in
 * the index, which has no snapshots: in an older one of LMDB's it is not there.
 * So each page of the index has a snapshot of its own, and the next one when
 * that lacks a number. Most of these are of records that are gone: not more
 * often than this. */
enum { SNAPSHOTS_MAX = 4 };

struct item {
	const uint8_t *key; /* in the map */
	uint64_t number;
};

/* One page of the index, with the records it leads to. */
struct page {
	struct lmdb_index_list list;
	bool lacks; /* a number is in the index alone */
	size_t n;
	struct item items[LMDB_INDEX_SLOTS];
};

static int compare_keys(const uint8_t *left, const uint8_t *right)
{
	return memcmp(left, right, RECORD_KEY_SIZE);
}

static int compare(const void *a, const void *b)
{
	const struct item *left = a;
	const struct item *right = b;

	return compare_keys(left->key, right->key);
}

static int read_items(const struct lmdb_tree *tree, uint64_t prefix,
                      struct page *page)
{
	int rc = lmdb_index_list(&tree->file->index, prefix, &page->list);

	page->n = 0;
	page->lacks = false;
	for (size_t i = 0; rc == 0 && i < page->list.n; i++) {
		struct item *item = &page->items[page->n];

		item->number = page->list.numbers[i];
		rc = lmdb_tree_key(tree, item->number, &item->key);
		if (rc == 0)
			page->n++;
		if (rc == MDB_NOTFOUND) {
			page->lacks = true;
			rc = 0;
		}
	}
	qsort(page->items, page->n, sizeof(page->items[0]), compare);
	return rc;
}

static int visit_one(const struct lmdb_tree *tree, const struct item *item,
                     store_visit *visit, void *cookie, bool *ret_more)
{
	static const struct record unreadable = {.state = RECORD_NONE};
	struct lmdb_entry entry;
	int rc = lmdb_tree_get(tree, item->number, item->key, &entry);

	if (rc != 0)
		return rc;
	if (entry.health == REASON_NONE)
		lmdb_tree_check(&entry);
	*ret_more =
	    visit(cookie, item->key,
	          entry.health == REASON_NONE ? &entry.record : &unreadable);
	return 0;
}

/* Reads the page that `prefix` belongs to. 0: in a transaction that is the
 * caller's to end. */
static int begin_page(struct lmdb_file *file, struct lmdb_tree *tree,
                      uint64_t prefix, struct page *page)
{
	for (int i = 1;; i++) {
		int rc = lmdb_file_read(file, &tree->txn);

		if (rc != 0)
			return rc;
		rc = read_items(tree, prefix, page);
		if (rc == 0 && (!page->lacks || i == SNAPSHOTS_MAX))
			return 0;
		lmdb_file_read_end(file, tree->txn);
		if (rc != 0)
			return rc;
	}
}

static int walk(struct lmdb_file *file, struct lmdb_tree *tree,
                const uint8_t *after, store_visit *visit, void *cookie)
{
	struct page page;
	uint64_t prefix = after ? lmdb_index_prefix(after) : 0;
	bool more = true;
	int rc;

	do {
		rc = begin_page(file, tree, prefix, &page);
		if (rc != 0)
			return rc;
		for (size_t i = 0; rc == 0 && more && i < page.n; i++) {
			if (!after ||
			    compare_keys(page.items[i].key, after) > 0)
				rc = visit_one(tree, &page.items[i], visit,
				               cookie, &more);
		}
		lmdb_file_read_end(file, tree->txn);
		prefix = page.list.next;
	} while (rc == 0 && more && prefix != 0);
	return rc;
}

int lmdb_scan_all(struct store *base, const uint8_t *after, store_visit *visit,
                  void *cookie, char *reterr_text, size_t reterr_size)
{
	struct lmdb_store *store = (struct lmdb_store *)base;
	struct lmdb_tree tree = {.file = &store->file};
	int rc;

	lmdb_writer_show(store);
	rc = walk(&store->file, &tree, after, visit, cookie);

	lmdb_file_read_free(&store->file, &tree.txn);
	if (rc == 0)
		return 0;
	snprintf(reterr_text, reterr_size, "store %s: cannot be read: %s",
	         store->file.path, mdb_strerror(rc));
	return -1;
}
