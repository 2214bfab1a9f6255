// One file on its way to the box by tus 1.0 (https://tus.io/protocols/resumable-upload): in chunks, each of which is
// safe on the box when it is acknowledged, tried again where trying again can help.
//
// What the box says of its offset is the truth; after any doubt it is asked.
#ifndef PIXPOP_TRANSFER_H
#define PIXPOP_TRANSFER_H

#include "remote.h"
#include "resume.h"

enum {
  TRANSFER_DEFAULT_CHUNK_BYTES = 5 << 20,
  TRANSFER_CHUNK_TIMEOUT_MS = 30000,  // to send one
  TRANSFER_MAX_RETRIES = 3,           // without one more byte on the box
};

struct transfer {
  // Set by the caller, the rest zero.
  struct remote *remote;
  const char *name;  // of the original
  int fd;
  uint64_t bytes;
  uint64_t chunk_bytes;
  struct resume_key *key;  // NULL: nothing is remembered, nor looked for
  // How far it is: `offset` is what the box has or is being sent. `is_found` once, with what it had from an earlier
  // run.
  void (*moved)(void *self, uint64_t offset, bool is_found);
  // Something the user may want to know: "the connection broke; trying again (1 of 3)".
  void (*say)(void *self, const char *text);
  void *self;

  // What came of it.
  char original[64];           // the id; empty when the box did not name it
  char path[RESUME_MAX_PATH];  // of the upload on the box; empty before it is there
  uint64_t offset;
  uint64_t found_bytes;  // were there from an earlier run

  // Between the steps.
  bool is_from_memory;  // the path, and the box has not been asked about it yet
  bool is_offset_known;
  bool has_begun_anew;
  int retries;
  uint64_t best_offset;  // the highest that was seen
  uint64_t sending_from;
};

// Sends until the file is an original, or until the box says something that trying again would not change: then
// BASE_OK with response->status other than 2xx. `response` is the last one, finished by the caller. Failures as
// client_send's.
enum base_result transfer_run(struct transfer *transfer, struct client_response *response,
                              struct base_fault *fault) BASE_CHECKED;

#endif
