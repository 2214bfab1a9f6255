// What does not fit at the first look: a box that runs meanwhile may have stored or removed it a moment ago, so it is
// looked at again with a newer ledger before it is called wrong.
#ifndef PIXPOP_VERIFY_SUSPECTS_H
#define PIXPOP_VERIFY_SUSPECTS_H

#include <pthread.h>

#include "verify_ledger.h"

enum { VERIFY_ABOUT_BYTES = 384, VERIFY_PATH_BYTES = 160, VERIFY_MAX_SUSPECTS = 10000 };

struct verify_suspect {
  struct verify_suspect *next;
  enum integrity_entry_kind kind;
  bool is_missing;  // entered and not on the disk; else on the disk, and not entered
  struct integrity_digest object, root, whose;
  uint64_t bytes;
  char about[VERIFY_ABOUT_BYTES];
  char path[VERIFY_PATH_BYTES];  // below the store
};

// Thread-safe.
struct verify_suspects {
  pthread_mutex_t lock;
  struct verify_suspect *first;
  size_t count, dropped;  // over the limit, or for want of memory
};

void verify_suspects_init(struct verify_suspects *suspects);
void verify_suspects_finish(struct verify_suspects *suspects);
// Copies it.
void verify_suspects_add(struct verify_suspects *suspects, const struct verify_suspect *suspect);
// Takes one out; NULL: there is none. To be freed.
struct verify_suspect *verify_suspects_take(struct verify_suspects *suspects);

#endif
