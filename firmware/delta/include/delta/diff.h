// Block differences: which 64 KiB blocks of a new object an old one has already, by the leaf hashes of both trees.
//
// The leaves of the new one come from the network: what is made by such a plan is to be checked as a whole before
// anybody uses it. Thread-safe: no state but the caller's.
#ifndef DELTA_DIFF_H
#define DELTA_DIFF_H

#include "integrity/merkle.h"

// A run of bytes of the new object.
struct delta_run {
  bool is_old;          // lies in the old one, at old_offset; else it has to be fetched
  uint64_t new_offset;  // the runs follow each other without gaps
  uint64_t old_offset;
  uint64_t bytes;
};

struct delta_plan {
  struct delta_run *runs;
  size_t count;
  size_t missing_runs;  // that have to be fetched
  uint64_t missing_bytes;
};

// One object as leaves: integrity_block_count(bytes) of them.
struct delta_leaves {
  const struct integrity_digest *leaves;
  uint64_t bytes;
};

// BASE_NO_MEMORY; BASE_TOO_LARGE above 2^32 blocks. Finish the plan after BASE_OK.
enum base_result delta_diff_plan(const struct delta_leaves *old, const struct delta_leaves *new, struct delta_plan *out,
                                 struct base_fault *fault) BASE_CHECKED;
void delta_plan_finish(struct delta_plan *plan);

#endif
