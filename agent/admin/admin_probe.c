#include "agent/admin/admin_probe.h"

#include "agent/clock.h"

static const double EVERY_S = 1.;

static void on_done(struct store_call *call, const struct record_answer *answer)
{
	struct admin_probe *p =
	    (struct admin_probe *)((char *)call -
	                           offsetof(struct admin_probe, call));

	p->asking = false;
	p->late = false;
	p->answered = true;
	p->health = answer->health;
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct admin_probe *p = timer->data;

	(void)loop;
	(void)revents;
	p->late = p->asking;
	if (p->asking)
		return;
	p->asking = true;
	p->call = (struct store_call){
	    .op = {.type = RECORD_OP_PEEK, .now_ms = clock_now_ms()},
	    .done = on_done,
	};
	store_submit(p->client, &p->call);
}

bool admin_probe_start(struct admin_probe *p, struct ev_loop *loop,
                       struct store *store)
{
	*p = (struct admin_probe){
	    .loop = loop,
	    .client = store_attach(store, loop),
	};
	if (!p->client)
		return false;
	ev_timer_init(&p->timer, on_timer, 0., EVERY_S);
	p->timer.data = p;
	ev_timer_start(loop, &p->timer);
	return true;
}

void admin_probe_stop(struct admin_probe *p)
{
	ev_timer_stop(p->loop, &p->timer);
	store_detach(p->client);
}

const char *admin_probe_failure(const struct admin_probe *p)
{
	if (p->late)
		return reason_text(REASON_STORE_SLOW);
	if (!p->answered)
		return "it has not answered yet";
	return p->health == REASON_NONE ? NULL : reason_text(p->health);
}
