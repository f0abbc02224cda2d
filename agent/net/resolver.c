#include "agent/net/resolver.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Name services bring their own code, which may use the stack freely. */
enum { STACK_SIZE = 512 << 10 };

struct resolver {
	pthread_mutex_t lock;
	int owners;  /* the loop's side, the thread: the last one frees */
	bool wanted; /* the loop's side is still there */
	struct ev_loop *loop;
	ev_async wake;
	char host[ENDPOINT_HOST_SIZE];
	char port[8];
	void (*done)(void *cookie, const struct resolver_answer *answer);
	void *cookie;
	struct resolver_answer answer;
};

static void let_go(struct resolver *r)
{
	bool last;

	pthread_mutex_lock(&r->lock);
	last = --r->owners == 0;
	pthread_mutex_unlock(&r->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static void look_up(struct resolver *r)
{
	const struct addrinfo hints = {
	    .ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_NUMERICSERV,
	};
	struct addrinfo *list = NULL;
	int rc = getaddrinfo(r->host, r->port, &hints, &list);

	if (rc != 0) {
		r->answer.why = gai_strerror(rc);
		return;
	}
	for (const struct addrinfo *i = list;
	     i && r->answer.n < RESOLVER_ADDRESSES_MAX; i = i->ai_next) {
		struct address *a = &r->answer.addresses[r->answer.n++];

		memcpy(&a->storage, i->ai_addr, i->ai_addrlen);
		a->size = i->ai_addrlen;
	}
	freeaddrinfo(list);
}

static void *run(void *cookie)
{
	struct resolver *r = cookie;

	look_up(r);
	pthread_mutex_lock(&r->lock);
	/* Not wanted any more: the loop may be gone. */
	if (r->wanted)
		ev_async_send(r->loop, &r->wake);
	pthread_mutex_unlock(&r->lock);
	let_go(r);
	return NULL;
}

static void on_wake(struct ev_loop *loop, ev_async *w, int revents)
{
	struct resolver *r = w->data;

	(void)revents;
	ev_async_stop(loop, w);
	/* What the thread wrote. */
	pthread_mutex_lock(&r->lock);
	pthread_mutex_unlock(&r->lock);
	r->done(r->cookie, &r->answer);
}

static bool start(struct resolver *r)
{
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t all;
	sigset_t old;
	int rc;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&thread, &attributes, run, r);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attributes);
	return rc == 0;
}

struct resolver *resolver_new(
    struct ev_loop *loop, const struct endpoint *endpoint,
    void (*done)(void *cookie, const struct resolver_answer *answer),
    void *cookie)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	pthread_mutex_init(&r->lock, NULL);
	r->owners = 2;
	r->wanted = true;
	r->loop = loop;
	r->done = done;
	r->cookie = cookie;
	snprintf(r->host, sizeof(r->host), "%s", endpoint->host);
	snprintf(r->port, sizeof(r->port), "%u", endpoint->port);
	ev_async_init(&r->wake, on_wake);
	r->wake.data = r;
	ev_async_start(loop, &r->wake);
	if (start(r))
		return r;
	ev_async_stop(loop, &r->wake);
	pthread_mutex_destroy(&r->lock);
	free(r);
	return NULL;
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	ev_async_stop(r->loop, &r->wake);
	pthread_mutex_lock(&r->lock);
	r->wanted = false;
	pthread_mutex_unlock(&r->lock);
	let_go(r);
}
