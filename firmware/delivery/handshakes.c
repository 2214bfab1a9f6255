#include "handshakes.h"

#include <stddef.h>

#include "base/result.h"

void delivery_handshakes_init(struct handshakes *handshakes, uint64_t limit_us) {
  *handshakes = (struct handshakes){.limit_us = limit_us};
  for (int lane = 0; lane < HANDSHAKE_LANES; lane++) {
    struct handshake *list = &handshakes->lanes[lane];
    list->previous = list->next = list;
  }
}

static struct handshake *first(const struct handshakes *handshakes, enum handshake_lane lane) {
  return handshakes->counts[lane] > 0 ? handshakes->lanes[lane].next : NULL;
}

// 0 unless there are many; then one more with each doubling.
static unsigned size_of(unsigned waiting) {
  unsigned size = 0;
  for (; waiting >= DELIVERY_WAITING_MANY; waiting /= 2) size++;
  return size;
}

static void set_waiting(struct handshakes *handshakes, struct handshake_share *share, unsigned waiting) {
  const unsigned before = size_of(share->waiting), size = size_of(waiting);
  share->waiting = waiting;
  if (before == size) return;
  if (before > 0) {
    *(share->previous ? &share->previous->next : &handshakes->large[before]) = share->next;
    if (share->next) share->next->previous = share->previous;
  }
  if (size > 0) {
    share->previous = NULL;
    share->next = handshakes->large[size];
    if (share->next) share->next->previous = share;
    handshakes->large[size] = share;
  }
}

// One of those with the most waiting, but for a factor of two; NULL when none has many.
static const struct handshake_share *largest(const struct handshakes *handshakes) {
  for (int size = DELIVERY_WAITING_SIZES - 1; size > 0; size--) {
    if (handshakes->large[size]) return handshakes->large[size];
  }
  return NULL;
}

static void enter_share(struct handshakes *handshakes, struct handshake *handshake) {
  struct handshake_share *share = handshake->share;
  handshake->newer = NULL;
  handshake->older = share->newest;
  if (handshake->older) handshake->older->newer = handshake;
  share->newest = handshake;
  set_waiting(handshakes, share, share->waiting + 1);
}

static void leave_share(struct handshakes *handshakes, struct handshake *handshake) {
  struct handshake_share *share = handshake->share;
  *(handshake->newer ? &handshake->newer->older : &share->newest) = handshake->older;
  if (handshake->older) handshake->older->newer = handshake->newer;
  set_waiting(handshakes, share, share->waiting - 1);
}

// Behind those of the lane that are there for as long.
static void enter(struct handshakes *handshakes, struct handshake *handshake, enum handshake_lane lane,
                  uint64_t since_us) {
  BASE_ASSERT(handshake->lane == HANDSHAKE_NOWHERE);
  const struct handshake *list = &handshakes->lanes[lane];
  struct handshake *before = list->previous;
  // Only AWAY has any to pass, and they are few.
  while (before != list && before->since_us > since_us) before = before->previous;
  handshake->lane = (uint8_t)lane;
  handshake->since_us = since_us;
  handshake->previous = before;
  handshake->next = before->next;
  before->next->previous = handshake;
  before->next = handshake;
  handshakes->counts[lane]++;
  if (lane == HANDSHAKE_NEW && handshake->share) enter_share(handshakes, handshake);
}

void delivery_handshakes_leave(struct handshakes *handshakes, struct handshake *handshake) {
  if (handshake->lane == HANDSHAKE_NOWHERE) return;
  handshake->previous->next = handshake->next;
  handshake->next->previous = handshake->previous;
  handshakes->counts[handshake->lane]--;
  if (handshake->lane == HANDSHAKE_NEW && handshake->share) leave_share(handshakes, handshake);
  handshake->lane = HANDSHAKE_NOWHERE;
}

static uint64_t wait_us(const struct handshakes *handshakes, unsigned ahead) { return ahead * handshakes->turn_us; }

// A client with many waits, and that many are far more than `waiting`.
static const struct handshake_share *larger_than(const struct handshakes *handshakes, unsigned waiting) {
  const struct handshake_share *share = largest(handshakes);
  return share && size_of(waiting) < size_of(share->waiting) ? share : NULL;
}

static bool is_too_late(const struct handshakes *handshakes, const struct handshake *handshake) {
  if (wait_us(handshakes, handshakes->counts[HANDSHAKE_NEW]) <= handshakes->limit_us) return false;
  return !handshake->share || !larger_than(handshakes, handshake->share->waiting + 1);
}

bool delivery_handshakes_offer(struct handshakes *handshakes, struct handshake *handshake, enum handshake_lane lane,
                               uint64_t now_us) {
  if (handshake->lane != HANDSHAKE_NOWHERE && handshake->lane != HANDSHAKE_AWAY) return true;
  if (lane == HANDSHAKE_NEW) {
    if (is_too_late(handshakes, handshake)) return false;
    if (handshakes->counts[HANDSHAKE_NEW] == 0) {
      // We keep up, whatever was measured under another load.
      handshakes->turn_us = 0;
      handshakes->sample_begin_us = now_us;
      handshakes->begun = 0;
    }
  }
  delivery_handshakes_leave(handshakes, handshake);
  enter(handshakes, handshake, lane, now_us);
  return true;
}

// Measures while others wait: many at a time, since turns come in bursts, or for long enough.
static void note_begun(struct handshakes *handshakes, uint64_t now_us) {
  const uint64_t taken_us = now_us - handshakes->sample_begin_us;
  const bool is_slow = taken_us >= handshakes->limit_us / DELIVERY_SLOW_SAMPLES_A_LIMIT;
  if (++handshakes->begun < (is_slow ? DELIVERY_BEGUN_A_SLOW_SAMPLE : DELIVERY_BEGUN_A_SAMPLE)) return;
  uint64_t turn_us = taken_us / handshakes->begun + 1;
  handshakes->turn_us = handshakes->turn_us > 0 ? (handshakes->turn_us + turn_us) / 2 : turn_us;
  handshakes->sample_begin_us = now_us;
  handshakes->begun = 0;
}

// Clients that have been silent for longer than the grace are at work no more.
static void let_go(struct handshakes *handshakes, uint64_t now_us) {
  struct handshake *away;
  while ((away = first(handshakes, HANDSHAKE_AWAY)) && away->since_us + DELIVERY_HANDSHAKE_GRACE_US <= now_us) {
    delivery_handshakes_leave(handshakes, away);
  }
}

static struct handshake *next_with_keys(struct handshakes *handshakes, uint64_t now_us) {
  struct handshake *next = first(handshakes, HANDSHAKE_KEYS);
  if (next) return next;
  next = first(handshakes, HANDSHAKE_NEW);
  if (!next) return NULL;
  let_go(handshakes, now_us);
  if (handshakes->counts[HANDSHAKE_AWAY] >= DELIVERY_HANDSHAKES_AT_WORK) return NULL;
  note_begun(handshakes, now_us);
  return next;
}

struct handshake *delivery_handshakes_next(struct handshakes *handshakes, uint64_t now_us) {
  struct handshake *resumed = first(handshakes, HANDSHAKE_RESUMED);
  struct handshake *next = NULL;
  if (!resumed || handshakes->resumed_in_a_row >= DELIVERY_RESUMED_IN_A_ROW) {
    next = next_with_keys(handshakes, now_us);
    handshakes->resumed_in_a_row = 0;
  }
  if (!next && resumed) {
    next = resumed;
    handshakes->resumed_in_a_row++;
  }
  if (next) delivery_handshakes_leave(handshakes, next);
  return next;
}

void delivery_handshakes_await(struct handshakes *handshakes, struct handshake *handshake, uint64_t now_us) {
  handshake->begun_us = now_us;
  enter(handshakes, handshake, HANDSHAKE_AWAY, now_us);
}

void delivery_handshakes_await_rest(struct handshakes *handshakes, struct handshake *handshake, uint64_t now_us) {
  if (handshake->begun_us + DELIVERY_HANDSHAKE_GRACE_US <= now_us) return;
  enter(handshakes, handshake, HANDSHAKE_AWAY, handshake->begun_us);
}

struct handshake *delivery_handshakes_excess(const struct handshakes *handshakes, uint64_t now_us) {
  if (handshakes->counts[HANDSHAKE_NEW] == 0) return NULL;
  struct handshake *newest = handshakes->lanes[HANDSHAKE_NEW].previous;
  uint64_t waited_us = now_us > newest->since_us ? now_us - newest->since_us : 0;
  uint64_t whole_us = waited_us + wait_us(handshakes, handshakes->counts[HANDSHAKE_NEW] - 1);
  // An eighth more than when they come: the measure goes up and down.
  if (whole_us <= handshakes->limit_us + handshakes->limit_us / 8) return NULL;
  const struct handshake_share *larger = newest->share ? larger_than(handshakes, newest->share->waiting) : NULL;
  return larger ? larger->newest : newest;
}

uint64_t delivery_handshakes_due_us(const struct handshakes *handshakes) {
  if (handshakes->counts[HANDSHAKE_RESUMED] > 0 || handshakes->counts[HANDSHAKE_KEYS] > 0) return 0;
  if (handshakes->counts[HANDSHAKE_NEW] == 0) return UINT64_MAX;
  if (handshakes->counts[HANDSHAKE_AWAY] < DELIVERY_HANDSHAKES_AT_WORK) return 0;
  return first(handshakes, HANDSHAKE_AWAY)->since_us + DELIVERY_HANDSHAKE_GRACE_US;
}
