// How far several files are that move at once: one bar over all of them, and lines that do not run into it.
//
// Any thread may call these.
#ifndef PIXPOP_TALLY_H
#define PIXPOP_TALLY_H

#include <pthread.h>
#include <stddef.h>

#include "progress.h"

struct tally {
  pthread_mutex_t lock;
  struct progress progress;
  bool is_quiet;
  size_t files, ended;
  char name[64];  // "3 of 12 files"
};

// `only_file` names the bar when `files` is 1. `total` bytes of all.
void tally_begin(struct tally *tally, size_t files, const char *only_file, uint64_t total, bool is_quiet);
// Holds the bar back while something is written to stdout or stderr. Not twice.
void tally_pause(struct tally *tally);
void tally_go_on(struct tally *tally);
// A file that was at *done bytes is now at `now`; *done becomes that.
void tally_move(struct tally *tally, uint64_t *done, uint64_t now);
// The same for bytes that need not move.
void tally_skip(struct tally *tally, uint64_t *done, uint64_t now);
void tally_end_of_file(struct tally *tally);
void tally_end(struct tally *tally);

#endif
