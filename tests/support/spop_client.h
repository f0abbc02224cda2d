/* tests/support/spop_client.h: a blocking SPOP client, HAProxy's side of the
 * wire, for tests that want to say exactly what is sent and when. */
#ifndef TESTS_SUPPORT_SPOP_CLIENT_H
#define TESTS_SUPPORT_SPOP_CLIENT_H

#include <stdio.h>

#include "spoe/data.h"
#include "spoe/frame.h"

enum {
	SPOP_CLIENT_FRAME_SIZE = 16380, /* HAProxy's default offer */
	SPOP_CLIENT_TIMEOUT_MS = 20000, /* every wait's bound */
};

struct spop_client {
	int fd;
	uint64_t stream_id; /* of the last NOTIFY */
	uint8_t frame[SPOP_CLIENT_FRAME_SIZE + SPOE_FRAME_PREFIX];
};

/* What an ACK set; texts are empty and numbers -1 where it did not. */
struct spop_reply {
	uint64_t stream_id;
	char first[32]; /* the name of the first variable */
	char verdict[32];
	char outcome[32];
	char ticket[128];
	char reason[128];
	int64_t status;
	int64_t age;
	int64_t expires;
	int64_t retry_after;
	struct spoe_span headers; /* borrowed until the next receive */
	struct spoe_span body;
};

struct spop_check {
	const char *key; /* NULL: not there */
	const char *scope;
	const char *method;
	const char *path;
	const char *body;
	const char *policy;
};

struct spop_complete {
	const char *ticket;
	int64_t status;
	struct spoe_span headers;
	struct spoe_span body;
};

/* Connects to the Unix socket at `path`, trying until something listens there
 * or the bound is reached; then says HELLO with `capabilities`. */
bool spop_client_open(struct spop_client *c, const char *path,
                      const char *capabilities);
void spop_client_close(struct spop_client *c);

/* The pieces of spop_client_open(). */
bool spop_client_connect(struct spop_client *c, const char *path);
bool spop_client_hello(struct spop_client *c, const char *capabilities);

/* Sends and does not wait. */
bool spop_client_send_check(struct spop_client *c,
                            const struct spop_check *check);
bool spop_client_send_complete(struct spop_client *c,
                               const struct spop_complete *complete);

/* Receives one frame into c->frame; its payload is in *ret_payload. False at
 * the end of the connection or the bound. */
bool spop_client_receive(struct spop_client *c,
                         struct spoe_frame_head *ret_head,
                         struct spoe_span *ret_payload);

/* Receives an ACK and takes it apart. */
bool spop_client_reply(struct spop_client *c, struct spop_reply *ret_reply);

/* Send, then receive. */
bool spop_client_check(struct spop_client *c, const struct spop_check *check,
                       struct spop_reply *ret_reply);
bool spop_client_complete(struct spop_client *c,
                          const struct spop_complete *complete,
                          struct spop_reply *ret_reply);

/* Appends a message's head, then its arguments: for payloads of a test's own.
 */
void spop_write_message(struct spoe_writer *w, const char *name, uint8_t args);
void spop_write_text(struct spoe_writer *w, const char *name,
                     const char *text); /* NULL: a NULL value */

/* Reads the actions of an ACK's payload. */
bool spop_read_actions(struct spoe_span payload, struct spop_reply *ret_reply);

#endif
