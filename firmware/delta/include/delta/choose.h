// Which way of getting a new object costs the fewest bytes on the wire, when an older one is at hand.
//
// The box and its clients decide by the same rule. Thread-safe: pure functions.
#ifndef DELTA_CHOOSE_H
#define DELTA_CHOOSE_H

#include <stdbool.h>
#include <stdint.h>

enum delta_way {
  DELTA_FULL,     // all of its bytes
  DELTA_DIFF,     // the 64 KiB blocks that the old one does not have, by leaf hashes (delta/diff.h)
  DELTA_PATCH,    // Zstandard with the old one as dictionary (delta/patch.h)
  DELTA_ROLLING,  // librsync: blocks of the old one wherever they lie (delta/rolling.h)
  DELTA_WAYS
};
#define DELTA_UNKNOWN UINT64_MAX  // a cost: this way is not open

// Whether that many bytes are few enough to bother: at most 0.8 of the whole.
bool delta_is_worth(uint64_t bytes, uint64_t full_bytes);
// The largest number of bytes that is worth it.
uint64_t delta_worth_bytes(uint64_t full_bytes);
// The cheapest way; DELTA_FULL when none is worth it. Of equal ones the first in the order above.
enum delta_way delta_choose(const uint64_t costs[DELTA_WAYS]);
// "full", "diff", "patch", "rolling".
const char *delta_way_name(enum delta_way way);

#endif
