// One file of `pixpop put`, from its name to the lines about it; used by several threads at once.
#ifndef PIXPOP_PUT_FILE_H
#define PIXPOP_PUT_FILE_H

#include "options.h"
#include "tally.h"
#include "transfer.h"

// What is to be printed about one file, once those before it have been.
struct put_result {
  struct base_buffer line;       // empty when it failed
  const struct resume_key *key;  // while it is on its way and remembered
  bool is_ended, has_failed;
};

struct put {
  const struct options *options;
  uint64_t chunk_bytes;
  struct tally tally;  // its lock guards what follows
  size_t next, printed;
  bool is_hopeless;  // the files that are left would fail in the same way
  struct put_result *results;
};

// Hands out the next file; false when there is none, or no hope.
bool put_next(struct put *put, size_t *at);
void put_file(struct put *put, struct remote *remote, size_t at);
// After all files: an exit status.
int put_finish(struct put *put);

#endif
