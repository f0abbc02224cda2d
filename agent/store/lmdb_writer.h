/* agent/store/lmdb_writer.h: who changes an LMDB store, one at a time: a thread
 * of its own or, without syncs, a loop itself.
 *
 * What a commit costs is the pages that it writes, and half of them are the
 * same every time. A loop that is alone therefore holds its transaction open
 * for a few turns: what it has answered for is in the journal meanwhile, and
 * only the loop itself sees it. */
#ifndef AGENT_STORE_LMDB_WRITER_H
#define AGENT_STORE_LMDB_WRITER_H

#include "agent/store/lmdb_store.h"

enum {
	/* For so long others do not see what is written, and cannot write. */
	LMDB_HOLD_MS = 5,
	/* Loops that take turns are never alone. */
	LMDB_ALONE_MS = 100,
};

/* Starts the thread; `store` is complete. Returns 0 or an errno. */
int lmdb_writer_start(struct lmdb_store *store);

/* Ends it behind the transaction in flight. What is queued stays undone. */
void lmdb_writer_stop(struct lmdb_store *store);

/* Hands over what the client has gathered. The loop's own thread. */
void lmdb_writer_hand_over(struct lmdb_client *client);

/* The client has calls, and is about to look: waits for what another loop
 * holds. The loop's own thread. */
void lmdb_writer_arrive(struct lmdb_client *client);

/* Commits what the client holds, if it does. The loop's own thread. */
void lmdb_writer_end_hold(struct lmdb_client *client);

/* What was answered by now can be read by everybody. Any thread. */
void lmdb_writer_show(struct lmdb_store *store);

/* Takes a call back, wherever it is: waits until the writer does not read it.
 * The loop's own thread. */
void lmdb_writer_cancel(struct lmdb_client *client, struct store_call *call);

/* Joins a client, and takes it out again with all its calls. */
void lmdb_writer_join(struct lmdb_client *client);
void lmdb_writer_leave(struct lmdb_client *client);

#endif
