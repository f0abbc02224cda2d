#include "agent/store/lmdb_scan.h"

#include <stdio.h>
#include <stdlib.h>

/* The keys of one page of the index, in the map. */
struct keys {
	size_t n;
	const uint8_t *keys[LMDB_INDEX_SLOTS];
};

static int compare(const void *a, const void *b)
{
	const uint8_t *const *left = a;
	const uint8_t *const *right = b;

	return memcmp(*left, *right, RECORD_KEY_SIZE);
}

static int read_keys(struct lmdb_tree *tree, const struct lmdb_index_list *list,
                     struct keys *keys)
{
	keys->n = 0;
	for (size_t i = 0; i < list->n; i++) {
		int rc =
		    lmdb_tree_key(tree, list->numbers[i], &keys->keys[keys->n]);

		if (rc == 0)
			keys->n++;
		else if (rc != MDB_NOTFOUND)
			return rc;
	}
	qsort(keys->keys, keys->n, sizeof(keys->keys[0]), compare);
	return 0;
}

static int visit_one(struct lmdb_tree *tree, const uint8_t *record_key,
                     store_visit *visit, void *cookie, bool *ret_more)
{
	static const struct record unreadable = {.state = RECORD_NONE};
	struct lmdb_entry entry;
	int rc = lmdb_tree_find(tree, record_key, &entry);

	/* Gone since the snapshot was taken. */
	if (rc == MDB_NOTFOUND)
		return 0;
	if (rc != 0)
		return rc;
	if (entry.health == REASON_NONE)
		lmdb_tree_check(&entry);
	*ret_more =
	    visit(cookie, record_key,
	          entry.health == REASON_NONE ? &entry.record : &unreadable);
	return 0;
}

static int walk(struct lmdb_tree *tree, const uint8_t *after,
                store_visit *visit, void *cookie)
{
	const struct lmdb_index *index = &tree->file->index;
	struct lmdb_index_list list = {
	    .next = after ? lmdb_index_prefix(after) : 0,
	};
	struct keys keys;
	bool more = true;

	do {
		int rc = lmdb_index_list(index, list.next, &list);

		if (rc == 0)
			rc = read_keys(tree, &list, &keys);
		for (size_t i = 0; rc == 0 && more && i < keys.n; i++) {
			if (!after || compare(&keys.keys[i], &after) > 0)
				rc = visit_one(tree, keys.keys[i], visit,
				               cookie, &more);
		}
		if (rc != 0)
			return rc;
	} while (more && list.next != 0);
	return 0;
}

int lmdb_scan_all(struct store *base, const uint8_t *after, store_visit *visit,
                  void *cookie, char *reterr_text, size_t reterr_size)
{
	struct lmdb_store *store = (struct lmdb_store *)base;
	struct lmdb_tree tree = {.file = &store->file};
	int rc = lmdb_file_read(&store->file, &tree.txn);

	if (rc == 0) {
		rc = walk(&tree, after, visit, cookie);
		lmdb_file_read_end(&store->file, tree.txn);
		lmdb_file_read_free(&store->file, &tree.txn);
	}
	if (rc == 0)
		return 0;
	snprintf(reterr_text, reterr_size, "store %s: cannot be read: %s",
	         store->file.path, mdb_strerror(rc));
	return -1;
}
