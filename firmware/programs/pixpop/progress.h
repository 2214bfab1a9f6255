// A progress bar on a terminal; nothing elsewhere. Drawn on stderr, so that stdout stays clean.
#ifndef PIXPOP_PROGRESS_H
#define PIXPOP_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
  const char *name;  // of what is moving
  const char *unit;  // of what is counted, such as "variants"; NULL: bytes
  bool is_terminal;
  bool is_shown;
  uint64_t started_ms, shown_ms;
  uint64_t done, total;
  uint64_t skipped;  // of done: was there before, and says nothing about how fast it goes
};

void progress_begin(struct progress *progress, const char *name);
// Draws at most ten times a second, and at the end. `self` is the struct, so that it fits client_request.progress.
void progress_show(void *self, uint64_t done, uint64_t total);
// Erases the bar, so that a line can take its place.
void progress_erase(struct progress *progress);
// Erases the bar and, where there was none, says in one plain line what was moved and how fast.
void progress_end(struct progress *progress);
// That line alone.
void progress_sum_up(const struct progress *progress);

#endif
