// A long start, told to whoever waits for it: a store that was not closed is read record by record before the box
// answers anybody.
//
// pixpop-system must not take that for a hang (--starting-file). The file gets longer with what has been done, a byte a
// step, and holds nothing: its length is all there is to know. A box that dies at the same place again and again gets
// no further than that place.
#ifndef PIXPOPD_STARTING_H
#define PIXPOPD_STARTING_H

#include "base/clock.h"
#include "base/log.h"

struct starting {
  struct base_log *log;
  const struct base_clock *clock;
  int fd;  // -1: nobody wants to know
  uint64_t steps, begun_ms, noted_ms, said_ms;
};

// Makes the file anew and empty. `path` may be NULL. What is wrong with it is logged: no reason not to start.
void starting_begin(struct starting *starting, const char *path, const struct base_clock *clock, struct base_log *log);
// A step more; `done` records so far. The file is changed at most once a second, and the log told every 10 s.
void starting_note(void *starting, uint64_t done);
void starting_end(struct starting *starting);

#endif
