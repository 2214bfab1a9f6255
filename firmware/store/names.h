// Names of kept uploads that somebody has open, so that each is used by one at a time; and the digests of those that
// rest, as far as they had got. Thread-safe; its lock is a leaf.
#ifndef STORE_NAMES_H
#define STORE_NAMES_H

#include "store/upload.h"

enum store_name_use {
  STORE_NAME_FREE,
  STORE_NAME_OPEN,
  STORE_NAME_COMMITTED,  // an original already, and its record does not say so yet
};

struct store_names;

// NULL when memory is short.
struct store_names *store_names_create(void);
void store_names_destroy(struct store_names **names);

enum store_name_use store_names_look(struct store_names *names, const char *name);
// Opens the name; *before is what it was. BASE_CONFLICT when it is open, or committed and `before` is NULL.
enum base_result store_names_take(struct store_names *names, const char *name, enum store_name_use *before,
                                  struct base_fault *fault) BASE_CHECKED;
// Of one that is open: what it is from now on, not STORE_NAME_OPEN.
void store_names_give_back(struct store_names *names, const char *name, enum store_name_use use);

// Remembers the digest of the first `hashed` bytes; the longest forgotten one gives way.
void store_names_keep_hash(struct store_names *names, const char *name, const struct integrity_hash *hash,
                           uint64_t hashed);
// Takes it out again; false when it is not known.
bool store_names_take_hash(struct store_names *names, const char *name, struct integrity_hash *hash,
                           uint64_t *hashed) BASE_CHECKED;
void store_names_forget_hash(struct store_names *names, const char *name);

#endif
