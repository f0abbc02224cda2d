/* agent/store/lmdb_writer.h: the one thread that changes an LMDB store. */
#ifndef AGENT_STORE_LMDB_WRITER_H
#define AGENT_STORE_LMDB_WRITER_H

#include "agent/store/lmdb_store.h"

/* Starts the thread; `store` is complete. Returns 0 or an errno. */
int lmdb_writer_start(struct lmdb_store *store);

/* Ends it behind the transaction in flight. What is queued stays undone. */
void lmdb_writer_stop(struct lmdb_store *store);

/* Hands over what the client has gathered. The loop's own thread. */
void lmdb_writer_hand_over(struct lmdb_client *client);

/* Takes a call back, wherever it is: waits until the writer does not read it.
 * The loop's own thread. */
void lmdb_writer_cancel(struct lmdb_client *client, struct store_call *call);

/* Joins a client, and takes it out again with all its calls. */
void lmdb_writer_join(struct lmdb_client *client);
void lmdb_writer_leave(struct lmdb_client *client);

#endif
