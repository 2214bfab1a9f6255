#include "delta/choose.h"

enum { WORTH_TENTHS = 8 };

uint64_t delta_worth_bytes(uint64_t full_bytes) {
  return full_bytes / 10 * WORTH_TENTHS + full_bytes % 10 * WORTH_TENTHS / 10;
}

bool delta_is_worth(uint64_t bytes, uint64_t full_bytes) { return bytes <= delta_worth_bytes(full_bytes); }

enum delta_way delta_choose(const uint64_t costs[DELTA_WAYS]) {
  enum delta_way best = DELTA_FULL;
  for (enum delta_way way = DELTA_DIFF; way < DELTA_WAYS; way++) {
    if (costs[way] == DELTA_UNKNOWN || !delta_is_worth(costs[way], costs[DELTA_FULL])) continue;
    if (best == DELTA_FULL || costs[way] < costs[best]) best = way;
  }
  return best;
}

const char *delta_way_name(enum delta_way way) {
  static const char *const names[DELTA_WAYS] = {"full", "diff", "patch", "rolling"};
  return names[way];
}
