#include "tests/sim/timeline.h"

#include <assert.h>

void timeline_init(struct timeline *t)
{
	t->order = 0;
	t->n = 0;
}

static bool before(const struct plan *a, const struct plan *b)
{
	return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void swap(struct plan *a, struct plan *b)
{
	struct plan c = *a;

	*a = *b;
	*b = c;
}

void timeline_add(struct timeline *t, uint64_t at, uint16_t what, uint16_t who)
{
	unsigned i = t->n++;

	assert(i < TIMELINE_MAX);
	t->heap[i] = (struct plan){
	    .at = at,
	    .order = t->order++,
	    .what = what,
	    .who = who,
	};
	while (i > 0 && before(&t->heap[i], &t->heap[(i - 1) / 2])) {
		swap(&t->heap[i], &t->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
}

bool timeline_next(struct timeline *t, struct plan *ret_plan)
{
	unsigned i = 0;

	if (t->n == 0)
		return false;
	*ret_plan = t->heap[0];
	t->heap[0] = t->heap[--t->n];
	for (;;) {
		unsigned least = i;

		for (unsigned child = 2 * i + 1; child <= 2 * i + 2; child++) {
			if (child < t->n &&
			    before(&t->heap[child], &t->heap[least]))
				least = child;
		}
		if (least == i)
			return true;
		swap(&t->heap[i], &t->heap[least]);
		i = least;
	}
}
