/* agent/store/store.h: one asynchronous interface to where records live. The
 * rules it must keep are in DESIGN.md section 5; tests/unit/store_contract.h
 * runs them against every driver.
 *
 *     struct store          one per process: files, writer
 *     struct store_client   one per event loop: submits and gets answers there
 *     struct store_call     one operation in flight, embedded in what waits
 *
 * - submit never calls back before it returns; every submitted call is
 *   answered exactly once, on its client's loop, unless it is cancelled.
 * - cancel means never: after it returns, `done` is not called and nothing of
 *   the call is touched again. It does not undo the operation.
 * - A failing store answers with a health other than REASON_NONE; it never
 *   answers RECORD_GRANTED or RECORD_ABSENT for a record it could not read.
 * - Operations on one record key take effect one after the other, whoever
 *   submits them. Calls in flight together may do so in any order. */
#ifndef AGENT_STORE_STORE_H
#define AGENT_STORE_STORE_H

#include "agent/core/condition.h"
#include "agent/core/record_op.h"
#include "agent/counter.h"

struct ev_loop;

struct store;
struct store_client;

struct store_call {
	struct record_op op; /* filled by the caller; untouched until done */
	/* Called on the loop of the client; may submit, cancel other calls and
	 * free the call as its last statement. `answer` is borrowed. */
	void (*done)(struct store_call *call,
	             const struct record_answer *answer);
	/* private to the driver while in flight */
	struct store_call *next;
	struct store_call *prev;
	void *driver_data;
};

enum store_durability {
	STORE_DURABILITY_COMMIT, /* on disk before it is answered */
	STORE_DURABILITY_NONE, /* in the kernel's hands before it is answered */
};

/* What a store tells the shell besides answers, for its log. */
enum store_event {
	STORE_EVENT_DOWN,    /* it cannot be used */
	STORE_EVENT_UP,      /* it can be used again */
	STORE_EVENT_WARNING, /* something about it needs a person */
};

struct redis_options;

struct store_options {
	const char *driver; /* a store_driver's name */
	const char *path;   /* lmdb: the directory of its files */
	enum store_durability durability;
	uint64_t max_size; /* lmdb: bytes the file may grow to */
	bool must_exist;   /* a tool's: create nothing */
	/* The shell's clock (Unix ms), for expiry between operations. May be
	 * called from the store's own threads. */
	uint64_t (*now_ms)(void);
	/* May be NULL. `text` is for people, and says which server. May be
	 * called from any thread that submits. */
	void (*report)(enum store_event event, const char *text);
	const struct redis_options *redis; /* redis: borrowed */
};

/* Counters since the store was opened, and what it holds now. */
struct store_stats {
	uint64_t claims_granted;
	uint64_t claims_found;
	uint64_t settles_done;
	uint64_t settles_lost;
	uint64_t failures;   /* answers whose health was not REASON_NONE */
	uint64_t expired;    /* records removed after their time */
	uint64_t commits;    /* write transactions */
	uint64_t commit_ops; /* operations in them */
	struct histogram_view commit_sizes; /* by store_commit_bounds */
	/* Of a store that is reached over a network. */
	uint64_t round_trips; /* claims and settles that were sent */
	uint64_t time_outs;   /* of operations */
	uint64_t connects;    /* connections that became usable */
	uint64_t orphans;     /* locks of lost answers, released again */
	uint64_t records;     /* in the store now, expired ones included */
	uint64_t bytes_used;  /* by the records */
	uint64_t bytes_size;  /* of the file or memory now */
};

enum { STORE_COMMIT_BOUNDS = 9 };
extern const uint32_t store_commit_bounds[STORE_COMMIT_BOUNDS];

/* One record seen by a scan; spans borrowed during the call-back. A record that
 * cannot be read is RECORD_NONE with nothing else in it. */
typedef bool store_visit(void *cookie, const uint8_t *record_key,
                         const struct record *record);

/* What a look at every record has counted, by condition at `now_ms`. Starts as
 * zeroes but for that. */
struct store_census {
	uint64_t now_ms;
	uint64_t records[RECORD_CONDITIONS];
	uint64_t bytes[RECORD_CONDITIONS]; /* of their responses */
	/* When the oldest was created; 0: there is none. */
	uint64_t oldest_ms[RECORD_CONDITIONS];
	uint64_t next; /* private: where it goes on */
};

enum store_census_result {
	STORE_CENSUS_DONE,
	STORE_CENSUS_MORE,   /* call again to go on */
	STORE_CENSUS_FAILED, /* it could not be read */
	STORE_CENSUS_NEVER,  /* this store does not know */
};

/* Opens the store (start-up: may block, creates what is missing). Returns 0,
 * or -1 with a text for people in reterr_text: what, where, what to do. */
int store_open(struct store **ret_store, const struct store_options *options,
               char *reterr_text, size_t reterr_size);

/* Closes the store; every client must be detached before. NULL is fine. */
void store_close(struct store *store);

/* Joins an event loop to the store; call on the loop's own thread or before it
 * runs. NULL when out of memory. Thread-safe. While it is attached, ev_run()
 * does not return for want of watchers. */
struct store_client *store_attach(struct store *store, struct ev_loop *loop);

/* Answers nothing more: calls in flight are cancelled. Not from within `done`.
 * NULL is fine. */
void store_detach(struct store_client *client);

/* The loop will not be run for a while, or any more: what was answered is not
 * held back for its next turns. On the loop's own thread, before that waits for
 * other loops, or ends. */
void store_rest(struct store_client *client);

void store_submit(struct store_client *client, struct store_call *call);
void store_cancel(struct store_client *client, struct store_call *call);

/* Whether the store worked when it was last used: cheap, any thread. */
bool store_healthy(struct store *store);

void store_stats(struct store *store, struct store_stats *ret_stats);

/* Visits every record in the order of record keys, from the first one behind
 * `after` (RECORD_KEY_SIZE bytes, or NULL), expired ones included, until the
 * visitor returns false. For tools: blocks; not from within `done`. Returns 0,
 * or -1 with a text. */
int store_scan(struct store *store, const uint8_t *after, store_visit *visit,
               void *cookie, char *reterr_text, size_t reterr_size);

/* Counts up to `limit` more records, expired ones included. Blocks no event
 * loop; what changes between two calls may be counted twice, or not at all. Any
 * thread. Redis does not know: a look at every record is a load for it. */
enum store_census_result store_census(struct store *store,
                                      struct store_census *census,
                                      size_t limit);

/* Counts one. */
void store_census_add(struct store_census *census, const struct record *record);

/* The age of the oldest record in this condition; 0: there is none, or it is
 * younger than the count. */
uint64_t store_census_age_ms(const struct store_census *census,
                             enum record_condition condition);

/* What a driver provides; store.c finds it by name and forwards. */
struct store_driver {
	const char *name;
	int (*open)(struct store **ret_store,
	            const struct store_options *options, char *reterr_text,
	            size_t reterr_size);
	void (*close)(struct store *store);
	struct store_client *(*attach)(struct store *store,
	                               struct ev_loop *loop);
	void (*detach)(struct store_client *client);
	void (*rest)(struct store_client *client); /* NULL: nothing is held */
	void (*submit)(struct store_client *client, struct store_call *call);
	void (*cancel)(struct store_client *client, struct store_call *call);
	bool (*healthy)(struct store *store);
	void (*stats)(struct store *store, struct store_stats *ret_stats);
	int (*scan)(struct store *store, const uint8_t *after,
	            store_visit *visit, void *cookie, char *reterr_text,
	            size_t reterr_size);
	/* NULL: STORE_CENSUS_NEVER */
	enum store_census_result (*census)(struct store *store,
	                                   struct store_census *census,
	                                   size_t limit);
};

/* A driver's store and client begin with these. */
struct store {
	const struct store_driver *driver;
};

struct store_client {
	struct store *store;
};

#endif
