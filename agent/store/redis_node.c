#include "agent/store/redis_node_private.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	READ_SIZE = 16 << 10,
	/* Reads of one turn: other connections want theirs, too. */
	READS_MAX = 16,
};

static const double BACKOFF_MIN_S = .05;
static const double BACKOFF_MAX_S = 2.;
static const double PULSE_S = .25;
/* A connection on which nothing comes though something should. */
static const double SILENCE_MIN_S = 2.;
static const double SILENCE_TIMEOUTS = 5.;
/* How long it may be idle before it is asked for a sign of life. */
static const double IDLE_S = 1.;

/* --- its end ------------------------------------------------------------ */

static void say_why(struct redis_node *node, const char *what, const char *why)
{
	char place[ENDPOINT_TEXT_SIZE];

	endpoint_format(&node->endpoint, place, sizeof(place));
	snprintf(node->why, sizeof(node->why), "%s: %.200s%.160s", place, what,
	         why);
}

static void disconnect(struct redis_node *node)
{
	resolver_free(node->resolver);
	node->resolver = NULL;
	if (node->fd >= 0) {
		ev_io_stop(node->loop, &node->connecting);
		close(node->fd);
		node->fd = -1;
	}
	if (node->state == NODE_GREETING || node->state == NODE_READY)
		transport_fini(&node->transport);
	ev_timer_stop(node->loop, &node->timer);
	ev_timer_stop(node->loop, &node->pulse);
	ev_idle_stop(node->loop, &node->idle);
	redisReaderFree(node->reader);
	node->reader = NULL;
	bytes_clear(&node->out);
	node->retiring = false;
	node->state = NODE_WAITING;
}

static double jitter(struct redis_node *node, double span_s)
{
	node->random = node->random * 1103515245 + 12345;
	return span_s * (.5 + (double)(node->random >> 16) / 131072.);
}

void redis_node_wake(struct redis_node *node, double after_s)
{
	ev_timer_stop(node->loop, &node->timer);
	ev_timer_set(&node->timer, after_s, 0.);
	ev_timer_start(node->loop, &node->timer);
}

/* The connection, or the attempt, has ended: `why` is written down. The first
 * attempt after a good connection is made at once, and worth waiting for. */
static void end(struct redis_node *node)
{
	const bool was_ready = node->state == NODE_READY;
	struct redis_requests lost;

	redis_requests_init(&lost);
	disconnect(node);
	redis_requests_move(&lost, &node->sent);
	/* Nobody waits for what did not answer before. */
	node->hopeful = was_ready && !node->health.down;
	if (was_ready) {
		redis_node_wake(node, 0.);
	} else {
		redis_requests_move(&lost, &node->waiting);
		redis_node_wake(node, jitter(node, node->backoff_s));
		node->backoff_s *= 2.;
		if (node->backoff_s > BACKOFF_MAX_S)
			node->backoff_s = BACKOFF_MAX_S;
	}
	redis_requests_fail(&lost);
	node->options.handler->down(node->options.cookie, node, node->why);
}

void redis_node_end(struct redis_node *node, const char *what, const char *why,
                    bool refused)
{
	say_why(node, what, why);
	node->refused = refused;
	end(node);
}

void redis_node_lose(struct redis_node *node, const char *why)
{
	redis_node_end(node, why, "", false);
}

void redis_node_refuse(struct redis_node *node, const char *why)
{
	redis_node_end(node, why, "", true);
}

void redis_node_retire(struct redis_node *node, const char *why)
{
	if (node->state != NODE_READY || node->retiring)
		return;
	say_why(node, why, "");
	node->retiring = true;
}

/* --- output ------------------------------------------------------------- */

static void flush(struct redis_node *node)
{
	enum transport_status status = TRANSPORT_OK;
	size_t written;

	while (node->out.size > 0 && status == TRANSPORT_OK) {
		status = transport_write(&node->transport,
		                         bytes_span(&node->out), &written);
		if (status == TRANSPORT_OK)
			bytes_consume(&node->out, written);
	}
	if (status == TRANSPORT_ERROR) {
		redis_node_end(node, "cannot be written to: ",
		               transport_failure(&node->transport), false);
	} else if (status == TRANSPORT_EOF) {
		redis_node_lose(node, "closed the connection");
	} else {
		transport_watch(&node->transport, true, node->out.size > 0);
	}
}

static void on_prepare(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct redis_node *node = w->data;

	(void)revents;
	if (!ev_is_active(&node->idle))
		return;
	ev_idle_stop(loop, &node->idle);
	if (node->state == NODE_GREETING || node->state == NODE_READY)
		flush(node);
}

static void on_idle(struct ev_loop *loop, ev_idle *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
}

/* Puts the request's text on its way. False when memory is short. */
bool redis_node_put(struct redis_node *node, struct redis_request *request)
{
	if (!bytes_append(&node->out,
	                  spoe_span(request->text, request->text_size)))
		return false;
	redis_request_drop(request);
	if (node->sent.first == NULL)
		node->quiet_s = 0.;
	request->sent = true;
	redis_requests_append(&node->sent, request);
	ev_idle_start(node->loop, &node->idle);
	return true;
}

bool redis_node_send(struct redis_node *node, struct redis_request *request,
                     const struct redis_command *command)
{
	if (node->state != NODE_READY ? !node->hopeful
	                              : node->health.down || node->retiring)
		return false;
	if (!redis_request_say(request, command))
		return false;
	if (node->state != NODE_READY) {
		redis_requests_append(&node->waiting, request);
		return true;
	}
	if (redis_node_put(node, request))
		return true;
	redis_request_drop(request);
	return false;
}

bool redis_node_withdraw(struct redis_node *node, struct redis_request *request)
{
	if (request->sent || !redis_requests_remove(&node->waiting, request))
		return false;
	redis_request_drop(request);
	return true;
}

void redis_node_become_ready(struct redis_node *node)
{
	struct redis_request *request;
	struct redis_requests waited;

	node->state = NODE_READY;
	node->hopeful = true;
	node->refused = false;
	node->health = (struct redis_health){.down = false};
	node->backoff_s = BACKOFF_MIN_S;
	node->quiet_s = 0.;
	ev_timer_stop(node->loop, &node->timer);
	ev_timer_again(node->loop, &node->pulse);
	redis_requests_init(&waited);
	redis_requests_move(&waited, &node->waiting);
	while ((request = redis_requests_take(&waited))) {
		if (redis_node_put(node, request))
			continue;
		redis_request_drop(request);
		request->done(request, NULL);
	}
	node->options.handler->ready(node->options.cookie, node);
}

/* --- input -------------------------------------------------------------- */

/* Gives the replies that are whole to their requests; false when the
 * connection has ended. */
static bool take_replies(struct redis_node *node)
{
	const struct redisReader *reader = node->reader;
	struct redis_request *request;
	void *reply = NULL;

	for (;;) {
		if (redisReaderGetReply(node->reader, &reply) != REDIS_OK) {
			redis_node_end(node, "speaks no Redis protocol: ",
			               reader->errstr, false);
			return false;
		}
		if (!reply)
			return true;
		request = node->sent.first;
		if (request && request->asking) {
			request->asking = false;
			freeReplyObject(reply);
			continue;
		}
		redis_requests_take(&node->sent);
		if (!request) {
			freeReplyObject(reply);
			redis_node_lose(node, "replied to nothing");
			return false;
		}
		request->done(request, reply);
		freeReplyObject(reply);
		/* What it did may have ended the connection. */
		if (node->reader != reader)
			return false;
		if (node->retiring && !node->sent.first) {
			end(node);
			return false;
		}
	}
}

void redis_node_readable(struct transport *t)
{
	struct redis_node *node =
	    (struct redis_node *)((char *)t -
	                          offsetof(struct redis_node, transport));
	enum transport_status status = TRANSPORT_OK;
	char buffer[READ_SIZE];
	size_t size;

	for (int i = 0; i < READS_MAX; i++) {
		status = transport_read(t, buffer, sizeof(buffer), &size);
		if (status != TRANSPORT_OK)
			break;
		node->quiet_s = 0.;
		if (redisReaderFeed(node->reader, buffer, size) != REDIS_OK) {
			redis_node_lose(node, "out of memory");
			return;
		}
		if (!take_replies(node))
			return;
		/* Asking the kernel once more would only be told so. */
		if (size < sizeof(buffer))
			return;
	}
	if (status == TRANSPORT_EOF) {
		redis_node_lose(node, "closed the connection");
	} else if (status == TRANSPORT_ERROR) {
		redis_node_end(
		    node, "cannot be read from: ", transport_failure(t), false);
	}
}

void redis_node_writable(struct transport *t)
{
	flush((struct redis_node *)((char *)t -
	                            offsetof(struct redis_node, transport)));
}

/* --- time --------------------------------------------------------------- */

/* The time for the attempt is over, or the time for the next has come. */
static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct redis_node *node = w->data;

	(void)loop;
	(void)revents;
	if (node->state == NODE_WAITING)
		redis_node_connect(node);
	else
		redis_node_lose(node, node->state == NODE_CONNECTING
		                          ? "connecting took too long"
		                          : "its greeting took too long");
}

/* --- signs of life ------------------------------------------------------ */

static double timeout_s(const struct redis_node *node)
{
	return (double)node->options.redis->timeout_ms / 1e3;
}

static void tell_slow(struct redis_node *node)
{
	if (node->health.down)
		say_why(node, "does not answer in time", "");
	redis_node_tell_slow(node->options.handler, node->options.cookie, node,
	                     node->health.down);
}

void redis_node_worked(struct redis_node *node)
{
	if (redis_health_worked(&node->health))
		tell_slow(node);
}

void redis_node_timed_out(struct redis_node *node)
{
	if (redis_health_failed(&node->health))
		tell_slow(node);
}

static void on_pong(struct redis_request *request,
                    const struct redisReply *reply)
{
	struct redis_node *node =
	    (struct redis_node *)((char *)request -
	                          offsetof(struct redis_node, ping));

	node->pinging = false;
	if (reply && ev_now(node->loop) - node->ping_at <= timeout_s(node))
		redis_node_worked(node);
}

static void ping(struct redis_node *node)
{
	struct redis_command command = {.n = 0};

	redis_command_add_text(&command, "PING");
	node->ping.done = on_pong;
	node->ping_at = ev_now(node->loop);
	node->pinging = redis_request_say(&node->ping, &command) &&
	                redis_node_put(node, &node->ping);
	if (!node->pinging)
		redis_request_drop(&node->ping);
}

static void on_pulse(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct redis_node *node = w->data;
	double limit_s = SILENCE_TIMEOUTS * timeout_s(node);

	(void)loop;
	(void)revents;
	node->quiet_s += PULSE_S;
	if (limit_s < SILENCE_MIN_S)
		limit_s = SILENCE_MIN_S;
	if (node->sent.first && node->quiet_s > limit_s)
		redis_node_lose(node, "is silent");
	else if (!node->pinging &&
	         (node->health.down ||
	          (!node->sent.first && node->quiet_s >= IDLE_S)))
		ping(node);
}

/* --- the node ----------------------------------------------------------- */

struct redis_node *redis_node_new(struct ev_loop *loop,
                                  const struct redis_node_options *options,
                                  const struct endpoint *endpoint)
{
	struct redis_node *node = calloc(1, sizeof(*node));

	if (!node)
		return NULL;
	node->loop = loop;
	node->options = *options;
	node->endpoint = *endpoint;
	node->fd = -1;
	node->hopeful = true;
	node->confirm.node = node;
	node->backoff_s = BACKOFF_MIN_S;
	node->random = (unsigned)getpid() * 2654435761u +
	               (unsigned)(uintptr_t)node / sizeof(*node);
	redis_requests_init(&node->waiting);
	redis_requests_init(&node->sent);
	ev_init(&node->connecting, redis_node_connected);
	node->connecting.data = node;
	ev_timer_init(&node->timer, on_timer, 0., 0.);
	node->timer.data = node;
	ev_timer_init(&node->pulse, on_pulse, 0., PULSE_S);
	node->pulse.data = node;
	ev_idle_init(&node->idle, on_idle);
	ev_prepare_init(&node->prepare, on_prepare);
	/* Behind all that may send. */
	ev_set_priority(&node->prepare, EV_MINPRI);
	node->prepare.data = node;
	ev_prepare_start(loop, &node->prepare);
	redis_node_wake(node, 0.);
	return node;
}

void redis_node_free(struct redis_node *node)
{
	if (!node)
		return;
	disconnect(node);
	ev_timer_stop(node->loop, &node->timer);
	ev_prepare_stop(node->loop, &node->prepare);
	node->hopeful = false;
	redis_requests_fail(&node->sent);
	redis_requests_fail(&node->waiting);
	free(node);
}

void redis_node_move(struct redis_node *node, const struct endpoint *endpoint)
{
	node->endpoint = *endpoint;
	disconnect(node);
	node->hopeful = true;
	node->refused = false;
	node->backoff_s = BACKOFF_MIN_S;
	redis_node_wake(node, 0.);
	redis_requests_fail(&node->sent);
	/* Nothing of what waits was sent: it is for the new one. */
}

bool redis_node_ready(const struct redis_node *node)
{
	return node->state == NODE_READY;
}

const struct endpoint *redis_node_endpoint(const struct redis_node *node)
{
	return &node->endpoint;
}

const struct redis_options *redis_node_options(const struct redis_node *node)
{
	return node->options.redis;
}

struct redis_confirm *redis_node_confirm(struct redis_node *node)
{
	return &node->confirm;
}

const struct redis_info *redis_node_info(const struct redis_node *node)
{
	return &node->info;
}

const char *redis_node_failure(const struct redis_node *node)
{
	return node->why;
}

bool redis_node_refused(const struct redis_node *node)
{
	return node->refused;
}
