// Levels: an original's picture at 1/shrink, kept in the disk tier with the variants and as fleeting as they are.
//
// `render` makes and reads them; the store knows nothing of what is in them. They belong to no tenant and go when the
// original's bytes go. Thread-safe.
#ifndef STORE_LEVEL_H
#define STORE_LEVEL_H

#include "store/store.h"

// Part of their keys: raised when levels are made in another way, so that the old ones are not found any more.
enum { STORE_LEVEL_VERSION = 1 };

// `shrink` is 2, 4 or 8 (asserted). Not fsynced: a torn record fails its digest and is a miss. Nothing is kept and
// nothing is lost on: BASE_NOT_FOUND, the original has been deleted meanwhile; BASE_TOO_LARGE, larger than the budget;
// BASE_NO_SPACE, the disk is too full.
enum base_result store_level_put(struct store *store, const struct integrity_digest *original, unsigned shrink,
                                 struct base_span body, struct base_fault *fault) BASE_CHECKED;
// Reads and verifies the whole record; *out is the caller's. BASE_NOT_FOUND for a miss, also when the record was
// damaged (it is dropped and counted).
enum base_result store_level_get(struct store *store, const struct integrity_digest *original, unsigned shrink,
                                 struct base_blob **out, struct base_fault *fault) BASE_CHECKED;
// Whether it is in the tier; no use, nothing is read.
bool store_level_exists(struct store *store, const struct integrity_digest *original, unsigned shrink);

#endif
