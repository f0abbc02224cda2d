/* agent/engines.h: which HAProxy engines are connected, over all event loops.
 * An engine is a process of HAProxy, up to 3.0 one of its threads. Touched when
 * connections come and go, not by requests. Thread-safe. */
#ifndef AGENT_ENGINES_H
#define AGENT_ENGINES_H

#include <stddef.h>

#include "spoe/session.h"

struct engines;

struct engines_entry {
	char id[SPOE_ENGINE_ID_MAX + 1];
	size_t connections;
	uint32_t max_frame_size;
	bool pipelining;
};

struct engines *engines_new(void); /* NULL when out of memory */
void engines_free(struct engines *e);

/* A connection of an engine is ready, or has ended. When memory is short the
 * engine is not seen. */
void engines_join(struct engines *e, const struct spoe_session *session);
void engines_leave(struct engines *e, const struct spoe_session *session);

/* Writes as many as fit into ret_entries; returns how many there are. */
size_t engines_list(struct engines *e, struct engines_entry *ret_entries,
                    size_t max);

#endif
