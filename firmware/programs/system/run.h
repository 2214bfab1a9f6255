// Another program, to its end.
#ifndef SYSTEM_RUN_H
#define SYSTEM_RUN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/result.h"

struct run {
  const char *const *words;  // the program's path first; NULL ends them
  bool is_other_user;        // runs as these two, when this is root
  uid_t user;
  gid_t group;
  unsigned timeout_ms;
};

// BASE_OK: exit status 0. BASE_BAD_INPUT: another one, with the first line it wrote as the text; BASE_TIMEOUT (it is
// killed); BASE_NOT_FOUND: there is no such program.
enum base_result run_program(const struct run *run, struct base_fault *fault) BASE_CHECKED;

#endif
