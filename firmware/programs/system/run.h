// Another program, to its end.
#ifndef SYSTEM_RUN_H
#define SYSTEM_RUN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/result.h"

enum { RUN_LINE_BYTES = 256 };

struct run {
  const char *const *words;  // the program's path first; NULL ends them
  bool is_other_user;        // runs as these two, when this is root, and may never become more
  uid_t user;
  gid_t group;
  unsigned timeout_ms;
  const atomic_bool *is_stopping;  // ends it before its time (BASE_CANCELLED); NULL: nothing does
  int *status;                     // gets the exit status, -1 when there is none; may be NULL
};

// BASE_OK: exit status 0. BASE_BAD_INPUT: another one, with the first line it wrote as the text; BASE_TIMEOUT (it is
// killed, with its process group); BASE_NOT_FOUND: there is no such program. `line` (RUN_LINE_BYTES, may be NULL) is
// the first line it wrote, without control characters.
enum base_result run_program(const struct run *run, char *line, struct base_fault *fault) BASE_CHECKED;

#endif
