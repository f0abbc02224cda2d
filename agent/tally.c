#include "agent/tally.h"

#include <stdio.h>
#include <string.h>

/* The place of a policy: its id is a hash of its name already. NULL when all
 * are taken. */
static struct tally_row *find(struct tally *t, const struct policy *policy)
{
	for (size_t i = 0; i < TALLY_POLICIES; i++) {
		struct tally_row *row =
		    &t->rows[(policy->id + i) % TALLY_POLICIES];

		if (!atomic_load_explicit(&row->used, memory_order_relaxed)) {
			memcpy(row->name, policy->name, sizeof(row->name));
			atomic_store_explicit(&row->used, true,
			                      memory_order_release);
			return row;
		}
		if (strcmp(row->name, policy->name) == 0)
			return row;
	}
	return NULL;
}

void tally_count(struct tally *t, const struct policy *policy,
                 enum idem_verdict verdict)
{
	struct tally_row *row = policy ? find(t, policy) : NULL;

	if (row)
		counter_add(&row->verdicts[verdict], 1);
	else
		counter_add(policy ? &t->other[verdict] : &t->none[verdict], 1);
}

static bool row_used(const struct tally_row *row)
{
	return atomic_load_explicit(&row->used, memory_order_acquire);
}

void tally_sum(const struct tally *t, uint64_t ret_verdicts[IDEM_VERDICTS])
{
	for (size_t v = 0; v < IDEM_VERDICTS; v++) {
		ret_verdicts[v] =
		    counter_get(&t->none[v]) + counter_get(&t->other[v]);
		for (size_t i = 0; i < TALLY_POLICIES; i++)
			ret_verdicts[v] += counter_get(&t->rows[i].verdicts[v]);
	}
}

struct tally_view_row *tally_view_row(struct tally_view *view, const char *name)
{
	const size_t max = sizeof(view->rows) / sizeof(view->rows[0]);

	for (size_t i = 0; i < view->n; i++) {
		if (strcmp(view->rows[i].name, name) == 0)
			return &view->rows[i];
	}
	/* The last place is for what finds none. */
	if (view->n == max - 1)
		name = "(other)";
	if (view->n == max)
		return &view->rows[max - 1];
	snprintf(view->rows[view->n].name, TALLY_NAME_SIZE, "%s", name);
	return &view->rows[view->n++];
}

static void add(struct tally_view *view, const char *name,
                const atomic_uint_least64_t verdicts[IDEM_VERDICTS])
{
	struct tally_view_row *row = tally_view_row(view, name);

	for (size_t v = 0; v < IDEM_VERDICTS; v++)
		row->verdicts[v] += counter_get(&verdicts[v]);
}

void tally_read(const struct tally *t, struct tally_view *view)
{
	add(view, "(none)", t->none);
	for (size_t i = 0; i < TALLY_POLICIES; i++) {
		if (row_used(&t->rows[i]))
			add(view, t->rows[i].name, t->rows[i].verdicts);
	}
	/* Seldom, so it is not shown to everybody. */
	for (size_t v = 0; v < IDEM_VERDICTS; v++) {
		if (counter_get(&t->other[v]) > 0) {
			add(view, "(other)", t->other);
			return;
		}
	}
}
