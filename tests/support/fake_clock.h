// A clock that moves when the test says so. May be read from any thread while the test moves it.
#ifndef TESTS_FAKE_CLOCK_H
#define TESTS_FAKE_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/clock.h"

// Hand out `&fake.clock`; `fake` must stay where it is.
struct fake_clock {
  struct base_clock clock;
  atomic_uint_fast64_t monotonic_us;
  atomic_int_fast64_t wall_s;
};

static inline uint64_t fake_clock_monotonic_us(void *self) {
  return atomic_load(&((struct fake_clock *)self)->monotonic_us);
}

static inline int64_t fake_clock_wall_s(void *self) { return atomic_load(&((struct fake_clock *)self)->wall_s); }

// Starts at monotonic 1 s and the given wall time.
static inline void fake_clock_init(struct fake_clock *fake, int64_t wall_s) {
  fake->clock = (struct base_clock){fake_clock_monotonic_us, fake_clock_wall_s, fake};
  atomic_init(&fake->monotonic_us, 1000000);
  atomic_init(&fake->wall_s, wall_s);
}

// Moves the monotonic clock only, so that fractions of a second do not round the wall clock.
static inline void fake_clock_advance_us(struct fake_clock *fake, uint64_t us) {
  atomic_fetch_add(&fake->monotonic_us, us);
}

// Moves both clocks.
static inline void fake_clock_advance_s(struct fake_clock *fake, uint64_t seconds) {
  atomic_fetch_add(&fake->monotonic_us, seconds * 1000000);
  atomic_fetch_add(&fake->wall_s, (int64_t)seconds);
}

static inline void fake_clock_set_wall_s(struct fake_clock *fake, int64_t wall_s) {
  atomic_store(&fake->wall_s, wall_s);
}

#endif
