// The scrubber: walks every original, variant and level on disk at a set rate, again and again, and verifies all their
// bytes. What it finds damaged is dropped (variants, levels) or reported and not served (originals).
//
// The program starts one. Its thread is of low priority and reads past the page cache (POSIX_FADV_DONTNEED).
#ifndef STORE_SCRUB_H
#define STORE_SCRUB_H

#include "store/store.h"

enum { STORE_SCRUB_MAX_DAMAGED = 64 };  // originals that a report names

struct store_scrub_config {
  uint64_t bytes_per_s;  // default 8 MiB; 0: as fast as it goes
  uint64_t rest_s;       // between the end of a round and the next; default 86,400
  uint64_t settle_s;     // a round does not begin or go on earlier after the start; default 60
  // Told of every damaged variant after it was dropped, so that it can be made anew; on the scrubber's thread. NULL:
  // nobody.
  void (*on_dropped)(void *self, const struct store_variant *variant);
  void *self;
};

struct store_scrub_report {
  bool is_walking;
  uint64_t rounds;                      // ended since the start
  uint64_t round_bytes, round_objects;  // of the round under way
  uint64_t total_objects;               // about how many a round has
  int64_t last_round_s;                 // when the last one ended; 0: none yet (kept over restarts)
  uint64_t verified_bytes;              // since the start
  uint64_t damaged_variants, damaged_levels, damaged_originals;  // since the start
  size_t damaged_count;  // originals known to be damaged now, by whatever found it; `damaged` has the first ones
  struct {
    struct integrity_digest id;
    int64_t found_s;
  } damaged[STORE_SCRUB_MAX_DAMAGED];
};

struct store_scrub;
enum base_result store_scrub_start(struct store *store, const struct store_scrub_config *config,
                                   struct store_scrub **out, struct base_fault *fault) BASE_CHECKED;
// Begins a round now, or does nothing while one is under way.
void store_scrub_run(struct store_scrub *scrub);
void store_scrub_get_report(struct store_scrub *scrub, struct store_scrub_report *out);
// Before store_close.
void store_scrub_stop(struct store_scrub **scrub);

#endif
