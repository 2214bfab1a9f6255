// One original on its way into a mirror: what of it is there, and by which way the rest comes.
#ifndef PIXPOP_FETCHING_H
#define PIXPOP_FETCHING_H

#include "delta/diff.h"
#include "sync.h"
#include "verify_hash.h"

struct fetching {
  struct sync *sync;
  const struct sync_original *original;
  const struct integrity_digest *root;  // by the ledger; NULL: not known
  char id[BASE_DIGEST_BASE64URL_CHARS + 1];
  // The new file, .pixpop/partial/<id>: `hash` has seen all that is in it.
  int fd;
  struct verify_hash *hash;
  uint64_t reported;                 // of it, to the progress bar
  struct client_response *response;  // of the request under way
  uint64_t asked_from;
  // The old file.
  int base_fd;  // -1: none
  uint64_t base_bytes;
  struct integrity_digest base_digest;
  struct base_buffer base_leaves;
  // The way, and what is known already of what comes by it.
  enum delta_way way;
  uint64_t costs[DELTA_WAYS];
  struct delta_plan plan;
  struct base_buffer delta;
};

// "/api/v1/originals/<id>/<leaf>".
void fetching_path(const struct fetching *fetching, const char *leaf, char out[SYNC_PATH_BYTES]);
// Appends to the new file. `self` is the struct.
enum base_result fetching_write(void *self, struct base_span bytes, struct base_fault *fault) BASE_CHECKED;
// Looks at the old file and asks the box what each way would cost. Ways that are not open are no failure.
enum base_result fetching_choose(struct fetching *fetching, const char *base, struct base_fault *fault) BASE_CHECKED;
// Makes the new file by that way, which is not DELTA_FULL.
enum base_result fetching_apply(struct fetching *fetching, struct base_fault *fault) BASE_CHECKED;
// Frees what choosing and applying needed.
void fetching_finish(struct fetching *fetching);

#endif
