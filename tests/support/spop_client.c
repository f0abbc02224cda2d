#include "tests/support/spop_client.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void sleep_ms(long ms)
{
	struct timespec t = {.tv_sec = ms / 1000,
	                     .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

bool spop_client_connect(struct spop_client *c, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memset(c, 0, sizeof(*c));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	for (int waited = 0; waited < SPOP_CLIENT_TIMEOUT_MS; waited += 10) {
		c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(c->fd, (struct sockaddr *)&address,
		            sizeof(address)) == 0)
			return true;
		close(c->fd);
		sleep_ms(10);
	}
	c->fd = -1;
	return false;
}

void spop_client_close(struct spop_client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static bool send_all(int fd, const uint8_t *data, size_t size)
{
	while (size > 0) {
		ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		size -= (size_t)n;
	}
	return true;
}

static bool receive_all(int fd, uint8_t *data, size_t size)
{
	while (size > 0) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (poll(&p, 1, SPOP_CLIENT_TIMEOUT_MS) != 1)
			return false;
		n = recv(fd, data, size, 0);
		if (n <= 0)
			return false;
		data += n;
		size -= (size_t)n;
	}
	return true;
}

/* Puts the length before the frame in c->frame and sends it. */
static bool send_frame(struct spop_client *c, const struct spoe_writer *w)
{
	struct spoe_writer prefix = spoe_writer(c->frame, SPOE_FRAME_PREFIX);

	spoe_writer_u32(&prefix, (uint32_t)(w->size - SPOE_FRAME_PREFIX));
	return send_all(c->fd, c->frame, w->size);
}

static struct spoe_writer begin_frame(struct spop_client *c, uint8_t type,
                                      uint64_t stream_id, uint64_t frame_id)
{
	struct spoe_writer w = spoe_writer(c->frame, sizeof(c->frame));
	struct spoe_frame_head head = {.type = type,
	                               .flags = SPOE_FRAME_FIN,
	                               .stream_id = stream_id,
	                               .frame_id = frame_id};

	spoe_writer_u32(&w, 0);
	spoe_frame_head_write(&w, &head);
	return w;
}

bool spop_client_hello(struct spop_client *c, const char *capabilities)
{
	struct spoe_writer w = begin_frame(c, SPOE_FRAME_HAPROXY_HELLO, 0, 0);
	struct spoe_data version = spoe_data_string(spoe_span_of("2.0"));
	struct spoe_data size = {.type = SPOE_TYPE_UINT32,
	                         .uint = SPOP_CLIENT_FRAME_SIZE};
	struct spoe_data offered = spoe_data_string(spoe_span_of(capabilities));
	struct spoe_frame_head head;
	struct spoe_span payload;

	spoe_data_write_kv(&w, "supported-versions", &version);
	spoe_data_write_kv(&w, "max-frame-size", &size);
	spoe_data_write_kv(&w, "capabilities", &offered);
	return send_frame(c, &w) && spop_client_receive(c, &head, &payload) &&
	       head.type == SPOE_FRAME_AGENT_HELLO;
}

bool spop_client_open(struct spop_client *c, const char *path,
                      const char *capabilities)
{
	return spop_client_connect(c, path) &&
	       spop_client_hello(c, capabilities);
}

void spop_write_message(struct spoe_writer *w, const char *name, uint8_t args)
{
	spoe_writer_string(w, spoe_span_of(name));
	spoe_writer_u8(w, args);
}

void spop_write_text(struct spoe_writer *w, const char *name, const char *text)
{
	struct spoe_data value = {.type = SPOE_TYPE_NULL};

	if (text)
		value = spoe_data_string(spoe_span_of(text));
	spoe_data_write_kv(w, name, &value);
}

bool spop_client_send_check(struct spop_client *c,
                            const struct spop_check *check)
{
	struct spoe_writer w =
	    begin_frame(c, SPOE_FRAME_NOTIFY, ++c->stream_id, 1);

	spop_write_message(&w, "idem-check", 6);
	spop_write_text(&w, "key", check->key);
	spop_write_text(&w, "scope", check->scope);
	spop_write_text(&w, "method", check->method ? check->method : "POST");
	spop_write_text(&w, "path", check->path ? check->path : "/");
	spop_write_text(&w, "body", check->body);
	spop_write_text(&w, "policy", check->policy);
	return send_frame(c, &w);
}

bool spop_client_send_complete(struct spop_client *c,
                               const struct spop_complete *complete)
{
	struct spoe_writer w =
	    begin_frame(c, SPOE_FRAME_NOTIFY, ++c->stream_id, 1);
	struct spoe_data status = spoe_data_int64(complete->status);
	struct spoe_data headers = spoe_data_binary(complete->headers);
	struct spoe_data body = spoe_data_binary(complete->body);

	spop_write_message(&w, "idem-complete", 4);
	spop_write_text(&w, "ticket", complete->ticket);
	spoe_data_write_kv(&w, "status", &status);
	spoe_data_write_kv(&w, "headers", &headers);
	return spoe_data_write_kv(&w, "body", &body) && send_frame(c, &w);
}

bool spop_client_receive(struct spop_client *c,
                         struct spoe_frame_head *ret_head,
                         struct spoe_span *ret_payload)
{
	struct spoe_reader r;
	uint32_t size;

	if (!receive_all(c->fd, c->frame, SPOE_FRAME_PREFIX))
		return false;
	r = spoe_reader(spoe_span(c->frame, SPOE_FRAME_PREFIX));
	spoe_reader_u32(&r, &size);
	if (size > SPOP_CLIENT_FRAME_SIZE ||
	    !receive_all(c->fd, c->frame, size))
		return false;
	r = spoe_reader(spoe_span(c->frame, size));
	if (!spoe_frame_head_read(&r, ret_head))
		return false;
	*ret_payload = spoe_span(r.at, r.left);
	return true;
}

static void keep_text(char *text, size_t size, const struct spoe_data *value)
{
	snprintf(text, size, "%.*s", (int)value->bytes.size,
	         (const char *)value->bytes.data);
}

static void keep_action(struct spop_reply *reply, struct spoe_span name,
                        const struct spoe_data *value)
{
	const struct {
		const char *name;
		char *text;
		size_t size;
		int64_t *number;
		struct spoe_span *bytes;
	} variables[] = {
	    {"verdict", reply->verdict, sizeof(reply->verdict), 0, 0},
	    {"outcome", reply->outcome, sizeof(reply->outcome), 0, 0},
	    {"ticket", reply->ticket, sizeof(reply->ticket), 0, 0},
	    {"reason", reply->reason, sizeof(reply->reason), 0, 0},
	    {"status", NULL, 0, &reply->status, NULL},
	    {"age", NULL, 0, &reply->age, NULL},
	    {"expires", NULL, 0, &reply->expires, NULL},
	    {"retry_after", NULL, 0, &reply->retry_after, NULL},
	    {"headers", NULL, 0, NULL, &reply->headers},
	    {"body", NULL, 0, NULL, &reply->body},
	};

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		if (!spoe_span_equal(name, spoe_span_of(variables[i].name)))
			continue;
		if (variables[i].text)
			keep_text(variables[i].text, variables[i].size, value);
		else if (variables[i].number)
			*variables[i].number = value->sint;
		else
			*variables[i].bytes = value->bytes;
	}
}

bool spop_read_actions(struct spoe_span payload, struct spop_reply *ret_reply)
{
	struct spoe_reader r = spoe_reader(payload);

	memset(ret_reply, 0, sizeof(*ret_reply));
	ret_reply->status = ret_reply->age = -1;
	ret_reply->expires = ret_reply->retry_after = -1;
	while (r.left > 0) {
		uint8_t type, args, scope;
		struct spoe_span name;
		struct spoe_data value;

		if (!spoe_reader_u8(&r, &type) || type != 1 ||
		    !spoe_reader_u8(&r, &args) || args != 3 ||
		    !spoe_reader_u8(&r, &scope) || scope != 2 ||
		    !spoe_reader_string(&r, &name) ||
		    !spoe_data_read(&r, &value))
			return false;
		if (!ret_reply->first[0])
			snprintf(ret_reply->first, sizeof(ret_reply->first),
			         "%.*s", (int)name.size,
			         (const char *)name.data);
		keep_action(ret_reply, name, &value);
	}
	return true;
}

bool spop_client_reply(struct spop_client *c, struct spop_reply *ret_reply)
{
	struct spoe_frame_head head;
	struct spoe_span payload;

	if (!spop_client_receive(c, &head, &payload) ||
	    head.type != SPOE_FRAME_ACK ||
	    !spop_read_actions(payload, ret_reply))
		return false;
	ret_reply->stream_id = head.stream_id;
	return true;
}

bool spop_client_check(struct spop_client *c, const struct spop_check *check,
                       struct spop_reply *ret_reply)
{
	return spop_client_send_check(c, check) &&
	       spop_client_reply(c, ret_reply);
}

bool spop_client_complete(struct spop_client *c,
                          const struct spop_complete *complete,
                          struct spop_reply *ret_reply)
{
	return spop_client_send_complete(c, complete) &&
	       spop_client_reply(c, ret_reply);
}
