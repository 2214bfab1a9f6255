// What `verify` remembers between runs: of every ledger the last checkpoint it has seen, and of every place (a box, a
// folder) which ledger it showed. A box that shows another history than it did is found out by this.
//
// One JSON file, replaced as a whole, under a lock of its own.
#ifndef PIXPOP_VERIFY_SEEN_H
#define PIXPOP_VERIFY_SEEN_H

#include <limits.h>

#include "integrity/checkpoint.h"

struct verify_seen {
  char origin[INTEGRITY_NOTE_MAX_NAME + 1];
  char vkey[INTEGRITY_VKEY_MAX_CHARS + 1];
  uint64_t size;
  struct integrity_digest root;
  int64_t seen_s;
};

// The file of --state, else $XDG_STATE_HOME/pixpop/ledgers.json; empty when there is no place for state.
void verify_seen_path(const char *state_option, char out[PATH_MAX]);
// What is remembered of the ledger of that origin. *out is zeroed when nothing is. BASE_CORRUPT when the file is no
// state of ours.
enum base_result verify_seen_find(const char *path, const char *origin, struct verify_seen *out,
                                  struct base_fault *fault) BASE_CHECKED;
// The same by place.
enum base_result verify_seen_find_place(const char *path, const char *place, struct verify_seen *out,
                                        struct base_fault *fault) BASE_CHECKED;
// Durable when it returns. A newer checkpoint that another program remembered meanwhile stays.
enum base_result verify_seen_remember(const char *path, const char *place, const struct verify_seen *seen,
                                      struct base_fault *fault) BASE_CHECKED;

#endif
