#include "timers.h"

#include <stddef.h>

void delivery_timers_init(struct timers *timers, const uint32_t timeout_ms[DELIVERY_STATES]) {
  for (int state = 0; state < DELIVERY_STATES; state++) {
    struct timer *list = &timers->lists[state];
    *list = (struct timer){.previous = list, .next = list};
    timers->timeout_ms[state] = timeout_ms[state];
  }
}

void delivery_timer_start(struct timers *timers, struct timer *timer, enum delivery_state state, uint64_t now_ms) {
  delivery_timer_stop(timer);
  struct timer *list = &timers->lists[state];
  timer->deadline_ms = now_ms + timers->timeout_ms[state];
  timer->next = list;
  timer->previous = list->previous;
  list->previous->next = timer;
  list->previous = timer;
}

void delivery_timer_start_at(struct timers *timers, struct timer *timer, enum delivery_state state,
                             uint64_t deadline_ms) {
  delivery_timer_stop(timer);
  struct timer *list = &timers->lists[state];
  struct timer *after = list->next;
  while (after != list && after->deadline_ms <= deadline_ms) after = after->next;
  timer->deadline_ms = deadline_ms;
  timer->next = after;
  timer->previous = after->previous;
  after->previous->next = timer;
  after->previous = timer;
}

void delivery_timer_stop(struct timer *timer) {
  if (!timer->next) return;
  timer->previous->next = timer->next;
  timer->next->previous = timer->previous;
  timer->next = NULL;
}

struct timer *delivery_timers_first(struct timers *timers, enum delivery_state state) {
  struct timer *list = &timers->lists[state];
  return list->next == list ? NULL : list->next;
}

struct timer *delivery_timers_expired(struct timers *timers, uint64_t now_ms) {
  for (int state = 0; state < DELIVERY_STATES; state++) {
    struct timer *first = delivery_timers_first(timers, (enum delivery_state)state);
    if (first && first->deadline_ms <= now_ms) return first;
  }
  return NULL;
}

uint64_t delivery_timers_next_ms(const struct timers *timers) {
  uint64_t next_ms = UINT64_MAX;
  for (int state = 0; state < DELIVERY_STATES; state++) {
    const struct timer *list = &timers->lists[state];
    if (list->next != list && list->next->deadline_ms < next_ms) next_ms = list->next->deadline_ms;
  }
  return next_ms;
}
