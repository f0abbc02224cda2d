#include "agent/admin/admin_census.h"

#include "agent/clock.h"

enum {
	SLICE = 1024, /* records: well below a millisecond */
	REST = 200,   /* times what a slice took: half a percent of a CPU */
};

static const double REST_MIN_S = 0.01;
static const double AGAIN_S = 2.; /* from the end of one to the next */

static void again_in(struct admin_census *c, double seconds)
{
	ev_timer_stop(c->loop, &c->timer);
	ev_timer_set(&c->timer, seconds, 0.);
	ev_timer_start(c->loop, &c->timer);
}

static void begin(struct admin_census *c, double in_s)
{
	c->running = (struct store_census){.now_ms = 0};
	again_in(c, in_s);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct admin_census *c = timer->data;
	const struct clock_moment before = clock_moment();
	double rest_s;

	(void)loop;
	(void)revents;
	if (c->running.now_ms == 0)
		c->running.now_ms = before.now_ms;
	switch (store_census(c->store, &c->running, SLICE)) {
	case STORE_CENSUS_DONE:
		c->done = c->running;
		begin(c, AGAIN_S);
		break;
	case STORE_CENSUS_FAILED:
		begin(c, AGAIN_S);
		break;
	case STORE_CENSUS_MORE:
		rest_s =
		    REST / 1e6 *
		    (double)(clock_moment().monotonic_us - before.monotonic_us);
		again_in(c, rest_s > REST_MIN_S ? rest_s : REST_MIN_S);
		break;
	case STORE_CENSUS_NEVER:
		break;
	}
}

void admin_census_start(struct admin_census *c, struct ev_loop *loop,
                        struct store *store)
{
	*c = (struct admin_census){.loop = loop, .store = store};
	ev_timer_init(&c->timer, on_timer, 0., 0.);
	c->timer.data = c;
	begin(c, 0.);
}

void admin_census_stop(struct admin_census *c)
{
	ev_timer_stop(c->loop, &c->timer);
}
