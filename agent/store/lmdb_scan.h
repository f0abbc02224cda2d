/* agent/store/lmdb_scan.h: store_scan() of the LMDB store. */
#ifndef AGENT_STORE_LMDB_SCAN_H
#define AGENT_STORE_LMDB_SCAN_H

#include "agent/store/lmdb_store.h"

int lmdb_scan_all(struct store *base, const uint8_t *after, store_visit *visit,
                  void *cookie, char *reterr_text, size_t reterr_size);

#endif
