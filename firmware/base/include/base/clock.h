// Time and randomness as parameters, so that tests need no sleeping and no luck.
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Rooms keep a `const struct base_clock *` they were given. Both functions may be called from any thread.
struct base_clock {
  uint64_t (*monotonic_us)(void *self);  // never goes back; only differences mean something
  int64_t (*wall_s)(void *self);         // Unix seconds
  void *self;
};

// The machine's own clocks; static, never destroyed.
const struct base_clock *base_clock_system(void);

static inline uint64_t base_clock_us(const struct base_clock *clock) { return clock->monotonic_us(clock->self); }
static inline uint64_t base_clock_ms(const struct base_clock *clock) { return base_clock_us(clock) / 1000; }
static inline int64_t base_clock_wall_s(const struct base_clock *clock) { return clock->wall_s(clock->self); }

// False while the wall clock shows a time before this software was written: a board without a battery-backed clock
// starts in 1970 until it hears the time from the network. What depends on dates can not be judged then.
enum { BASE_CLOCK_EARLIEST_S = 1735689600 };  // 2025-01-01
static inline bool base_clock_is_trusted(const struct base_clock *clock) {
  return base_clock_wall_s(clock) >= BASE_CLOCK_EARLIEST_S;
}

// Fills `out` from the kernel's generator; aborts if the kernel has none.
void base_random_bytes(void *out, size_t bytes);

#endif
