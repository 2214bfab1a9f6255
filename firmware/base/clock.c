#include "base/clock.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

#include "base/result.h"

static uint64_t system_monotonic_us(void *self) {
  (void)self;
  struct timespec now;
  BASE_ASSERT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
  return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int64_t system_wall_s(void *self) {
  (void)self;
  return (int64_t)time(NULL);
}

const struct base_clock *base_clock_system(void) {
  static const struct base_clock clock = {.monotonic_us = system_monotonic_us, .wall_s = system_wall_s};
  return &clock;
}

void base_random_bytes(void *out, size_t bytes) {
  uint8_t *at = out;
  while (bytes > 0) {
    const ssize_t got = getrandom(at, bytes, 0);
    if (got < 0 && errno == EINTR) continue;
    BASE_ASSERT(got > 0);
    at += got;
    bytes -= (size_t)got;
  }
}
