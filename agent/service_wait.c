#include "agent/service_private.h"

static void step(struct pending *p, enum exchange_event_type type)
{
	const struct exchange_event event = {
	    .type = type,
	    .now_ms = service_now_ms(p->service),
	};

	service_step(p, &event);
}

static void on_woken(struct waiter *waiter)
{
	struct pending *p =
	    (struct pending *)((char *)waiter -
	                       offsetof(struct pending, waiter));

	counter_add(&p->service->counters.wait_wakes, 1);
	step(p, EXCHANGE_WAKE);
}

static void on_look(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct pending *p = timer->data;

	(void)loop;
	(void)revents;
	counter_add(&p->service->counters.wait_looks, 1);
	step(p, EXCHANGE_TIMEOUT);
}

void service_wait_init(struct pending *p)
{
	p->waiter = (struct waiter){.woken = on_woken};
	ev_timer_init(&p->look, on_look, 0., 0.);
	p->look.data = p;
	p->waiting = false;
	p->waited = false;
}

static void move(struct pending *p, bool waiting)
{
	service_list_remove(p);
	p->waiting = waiting;
	service_list_append(p);
}

static void start(struct pending *p, uint64_t wake_ms)
{
	struct service *s = p->service;
	const uint64_t now_ms = service_now_ms(s);

	move(p, true);
	if (!p->waited)
		counter_add(&s->counters.waits, 1);
	p->waited = true;
	ev_timer_set(&p->look,
	             wake_ms > now_ms ? (double)(wake_ms - now_ms) / 1e3 : 0.,
	             0.);
	ev_timer_start(s->loop, &p->look);
}

/* Where it would stand in the way, it does not wait. Who has a place has been
 * asked that before. */
static enum waiters_result find_place(struct pending *p)
{
	struct service *s = p->service;
	const struct waiters_limits limits = {
	    .all = s->config->max_waiters,
	    .per_key = s->config->max_waiters_per_key,
	};

	if (s->draining)
		return WAITERS_FULL;
	if (!p->waited && connection_crowded(p->notify->connection))
		return WAITERS_FULL;
	return waiters_wait(s->waiters_client, &p->waiter,
	                    p->exchange.op.record_key, p->moment, &limits);
}

void service_wait_begin(struct pending *p, uint64_t wake_ms)
{
	switch (find_place(p)) {
	case WAITERS_WAITING:
		start(p, wake_ms);
		break;
	case WAITERS_SETTLED:
		counter_add(&p->service->counters.wait_wakes, 1);
		step(p, EXCHANGE_WAKE);
		break;
	case WAITERS_FULL:
		if (!p->service->draining)
			counter_add(&p->service->counters.waits_refused, 1);
		step(p, EXCHANGE_HURRY);
		break;
	}
}

void service_wait_look(struct pending *p)
{
	struct service *s = p->service;

	ev_timer_stop(s->loop, &p->look);
	waiters_look(&p->waiter);
	if (p->waiting)
		move(p, false);
	if (p->exchange.policy->wait_ms > 0)
		p->moment =
		    waiters_moment(s->waiters, p->exchange.op.record_key);
}

void service_wait_fini(struct pending *p)
{
	ev_timer_stop(p->service->loop, &p->look);
	waiters_leave(&p->waiter);
}

void service_drain(struct service *s)
{
	s->draining = true;
	while (s->waiting.first)
		step(s->waiting.first, EXCHANGE_HURRY);
}
