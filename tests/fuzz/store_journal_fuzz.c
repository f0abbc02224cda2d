/* Any bytes at all as the changes of a journal: each that is read lies inside,
 * and reading ends. */
#include <assert.h>
#include <lmdb.h>
#include <stdlib.h>

#include "agent/store/lmdb_journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_inside(const struct lmdb_journal *journal,
                          struct spoe_span span)
{
	assert(span.size == 0 ||
	       (span.data >= journal->changes &&
	        span.data + span.size <= journal->changes + journal->size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lmdb_journal_head head = {.counting = size};
	struct lmdb_journal journal = {
	    .head = &head,
	    .changes = malloc(size + 1),
	    .size = size,
	};
	struct lmdb_journal_change change;
	size_t at = 0, before = 0;
	int rc;

	assert(journal.changes);
	memcpy(journal.changes, data, size);
	while ((rc = lmdb_journal_next(&journal, &at, &change)) == 0) {
		expect_inside(&journal, change.key);
		expect_inside(&journal, change.value);
		assert(at > before && at <= size);
		before = at;
	}
	assert(rc == MDB_CORRUPTED || (rc == MDB_NOTFOUND && at == size));
	/* More than there is room for. */
	head.counting = size + 1;
	at = size;
	assert(lmdb_journal_next(&journal, &at, &change) == MDB_CORRUPTED);
	free(journal.changes);
	return 0;
}
