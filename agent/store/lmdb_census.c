#include "agent/store/lmdb_writer.h"

static bool on_record(void *cookie, const uint8_t *record_key,
                      const struct record *record)
{
	(void)record_key;
	store_census_add(cookie, record);
	return true;
}

enum store_census_result lmdb_census(struct store *base,
                                     struct store_census *census, size_t limit)
{
	struct lmdb_store *store = (struct lmdb_store *)base;
	struct lmdb_tree tree = {.file = &store->file};
	int rc;

	lmdb_writer_show(store);
	rc = lmdb_file_read(&store->file, &tree.txn);
	if (rc != 0)
		return STORE_CENSUS_FAILED;
	rc = lmdb_tree_walk(&tree, &census->next, limit, on_record, census);
	lmdb_file_read_end(&store->file, tree.txn);
	lmdb_file_read_free(&store->file, &tree.txn);
	if (rc == 0)
		return STORE_CENSUS_MORE;
	return rc == MDB_NOTFOUND ? STORE_CENSUS_DONE : STORE_CENSUS_FAILED;
}
