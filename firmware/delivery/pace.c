#include "pace.h"

void delivery_pace_start(struct pace *pace, uint64_t now_ms, uint64_t queued_bytes) {
  *pace = (struct pace){.from_ms = now_ms, .queued_bytes = queued_bytes};
}

bool delivery_pace_move(struct pace *pace, uint64_t bytes) {
  pace->moved_bytes += bytes;
  return pace->moved_bytes >= DELIVERY_PACE_BYTES;
}

bool delivery_pace_is_kept(const struct pace *pace, uint64_t queued_bytes) {
  uint64_t in = pace->queued_bytes + pace->moved_bytes;
  return in > queued_bytes && in - queued_bytes >= DELIVERY_PACE_BYTES;
}
