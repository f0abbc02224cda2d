/* What a transaction means for the index: see lmdb_tree.h. */
#include "agent/store/lmdb_tree.h"

/* Whether there is a record of that number. */
static int is_there(const struct lmdb_tree *tree, uint64_t number,
                    bool *ret_there)
{
	const uint8_t *key;
	int rc = lmdb_tree_key(tree, number, &key);

	*ret_there = rc == 0;
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Removes from the index what the last transaction removed. */
static int remove_last(struct lmdb_tree *tree)
{
	struct lmdb_tree_changes *changes = tree->changes;

	while (changes->n_removed > 0) {
		const struct lmdb_tree_change *c =
		    &changes->removed[changes->n_removed - 1];
		bool there = false;
		int rc = 0;

		if (changes->doubtful)
			rc = is_there(tree, c->number, &there);
		if (rc != 0)
			return rc;
		if (!there)
			lmdb_index_remove(&tree->file->index, c->prefix,
			                  c->number);
		changes->n_removed--;
	}
	changes->doubtful = false;
	changes->n_added = 0;
	return 0;
}

int lmdb_tree_begin(struct lmdb_tree *tree)
{
	/* LMDB closes it with the transaction. */
	const int rc =
	    mdb_cursor_open(tree->txn, tree->file->records, &tree->cursor);

	return rc != 0 ? rc : remove_last(tree);
}

void lmdb_tree_undo(struct lmdb_tree *tree)
{
	struct lmdb_tree_changes *changes = tree->changes;

	while (changes->n_added > 0) {
		const struct lmdb_tree_change *c =
		    &changes->added[--changes->n_added];

		lmdb_index_remove(&tree->file->index, c->prefix, c->number);
	}
	changes->n_removed = 0;
}

void lmdb_tree_committed(struct lmdb_tree *tree, bool done)
{
	struct lmdb_tree_changes *changes = tree->changes;

	/* All or nothing may have happened: the next transaction sees. What was
	 * removed is found again when the index is opened, at the latest. */
	if (!done) {
		changes->n_removed = changes->n_added;
		memcpy(changes->removed, changes->added,
		       changes->n_added * sizeof(changes->added[0]));
		changes->doubtful = true;
	}
	changes->n_added = 0;
}

static bool is_indexed(const struct lmdb_tree *tree, const uint8_t *record_key,
                       uint64_t number)
{
	unsigned place = 0;
	uint64_t found = 0;

	do {
		if (lmdb_index_find(&tree->file->index, record_key, &place,
		                    &found) != 0)
			return false;
	} while (found != 0 && found != number);
	return found == number;
}

static int redo_record(struct lmdb_tree *tree,
                       const struct lmdb_journal_change *change)
{
	MDB_val key = lmdb_val(change->key);
	MDB_val place = {.mv_size = change->value.size + change->room};
	uint64_t number;
	int rc;

	if (change->value.size < RECORD_KEY_SIZE ||
	    !lmdb_tree_number(key, &number))
		return MDB_CORRUPTED;
	rc = mdb_put(tree->txn, tree->file->records, &key, &place, MDB_RESERVE);
	if (rc != 0)
		return rc;
	memcpy(place.mv_data, change->value.data, change->value.size);
	memset((uint8_t *)place.mv_data + change->value.size, 0, change->room);
	if (is_indexed(tree, change->value.data, number))
		return 0;
	return lmdb_index_put(&tree->file->index, change->value.data, number);
}

static int redo(struct lmdb_tree *tree,
                const struct lmdb_journal_change *change)
{
	MDB_val key = lmdb_val(change->key);
	MDB_val value = lmdb_val(change->value);
	int rc = MDB_CORRUPTED;

	switch (change->type) {
	case LMDB_JOURNAL_RECORD:
		return redo_record(tree, change);
	case LMDB_JOURNAL_NO_RECORD:
		/* Its number stays in the index, where it does no harm. */
		rc = mdb_del(tree->txn, tree->file->records, &key, NULL);
		return rc == MDB_NOTFOUND ? 0 : rc;
	case LMDB_JOURNAL_EXPIRY:
		return mdb_put(tree->txn, tree->file->expiry, &key, &value, 0);
	}
	return rc;
}

int lmdb_tree_redo(struct lmdb_tree *tree)
{
	struct lmdb_journal_change change;
	size_t at = 0;
	int rc;

	while ((rc = lmdb_journal_next(&tree->file->journal, &at, &change)) ==
	       0) {
		rc = redo(tree, &change);
		if (rc != 0)
			return rc;
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* In the order of the numbers: the largest comes last. */
static int put_all(MDB_cursor *cursor, const struct lmdb_index *index)
{
	uint64_t number = 0;
	MDB_val value;
	int rc = lmdb_tree_step(cursor, MDB_SET_RANGE, &number, &value);

	while (rc == 0) {
		if (value.mv_size < RECORD_KEY_SIZE)
			return MDB_CORRUPTED;
		rc = lmdb_index_put(index, value.mv_data, number);
		if (rc == 0)
			rc = lmdb_tree_step(cursor, MDB_NEXT, &number, &value);
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int lmdb_tree_put_all(void *cookie, const struct lmdb_index *index)
{
	struct lmdb_tree *tree = cookie;
	MDB_cursor *cursor;
	int rc = mdb_cursor_open(tree->txn, tree->file->records, &cursor);

	if (rc != 0)
		return rc;
	rc = put_all(cursor, index);
	mdb_cursor_close(cursor);
	return rc;
}
