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

static void enter(struct handshakes *handshakes, struct handshake *handshake, enum handshake_lane lane,
                  uint64_t now_us) {
  BASE_ASSERT(handshake->lane == HANDSHAKE_NOWHERE);
  struct handshake *list = &handshakes->lanes[lane];
  handshake->lane = (uint8_t)lane;
  handshake->since_us = now_us;
  handshake->next = list;
  handshake->previous = list->previous;
  list->previous->next = handshake;
  list->previous = handshake;
  handshakes->counts[lane]++;
}

void delivery_handshakes_leave(struct handshakes *handshakes, struct handshake *handshake) {
  if (handshake->lane == HANDSHAKE_NOWHERE) return;
  handshake->previous->next = handshake->next;
  handshake->next->previous = handshake->previous;
  handshakes->counts[handshake->lane]--;
  handshake->lane = HANDSHAKE_NOWHERE;
}

static uint64_t wait_us(const struct handshakes *handshakes, unsigned ahead) { return ahead * handshakes->turn_us; }

bool delivery_handshakes_offer(struct handshakes *handshakes, struct handshake *handshake, enum handshake_lane lane,
                               uint64_t now_us) {
  if (handshake->lane != HANDSHAKE_NOWHERE && handshake->lane != HANDSHAKE_AWAY) return true;
  if (lane == HANDSHAKE_NEW) {
    unsigned ahead = handshakes->counts[HANDSHAKE_NEW];
    if (wait_us(handshakes, ahead) > handshakes->limit_us) return false;
    if (ahead == 0) {
      handshakes->sample_begin_us = now_us;
      handshakes->begun = 0;
    }
  }
  delivery_handshakes_leave(handshakes, handshake);
  enter(handshakes, handshake, lane, now_us);
  return true;
}

// Measures while others wait: many at a time, since turns come in bursts.
static void note_begun(struct handshakes *handshakes, uint64_t now_us) {
  if (++handshakes->begun < DELIVERY_BEGUN_A_SAMPLE) return;
  uint64_t turn_us = (now_us - handshakes->sample_begin_us) / handshakes->begun + 1;
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
  enter(handshakes, handshake, HANDSHAKE_AWAY, now_us);
}

struct handshake *delivery_handshakes_excess(const struct handshakes *handshakes, uint64_t now_us) {
  if (handshakes->counts[HANDSHAKE_NEW] == 0) return NULL;
  struct handshake *newest = handshakes->lanes[HANDSHAKE_NEW].previous;
  uint64_t waited_us = now_us > newest->since_us ? now_us - newest->since_us : 0;
  uint64_t whole_us = waited_us + wait_us(handshakes, handshakes->counts[HANDSHAKE_NEW] - 1);
  // An eighth more than when they come: the measure goes up and down.
  return whole_us > handshakes->limit_us + handshakes->limit_us / 8 ? newest : NULL;
}

uint64_t delivery_handshakes_due_us(const struct handshakes *handshakes) {
  if (handshakes->counts[HANDSHAKE_RESUMED] > 0 || handshakes->counts[HANDSHAKE_KEYS] > 0) return 0;
  if (handshakes->counts[HANDSHAKE_NEW] == 0) return UINT64_MAX;
  if (handshakes->counts[HANDSHAKE_AWAY] < DELIVERY_HANDSHAKES_AT_WORK) return 0;
  return first(handshakes, HANDSHAKE_AWAY)->since_us + DELIVERY_HANDSHAKE_GRACE_US;
}
