// A walk over bytes of a test's own, for the scans behind the walkers.
#ifndef SCAN_RIG_H
#define SCAN_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "walk.h"

struct scan_rig {
  struct image_report report;
  struct image_limits limits;
  struct inspect_walk walk;
};

static inline void scan_rig_init(struct scan_rig *rig, const void *data, size_t bytes) {
  memset(rig, 0, sizeof *rig);
  rig->limits = IMAGE_LIMITS_DEFAULT;
  rig->report.frames = 1;
  rig->report.file_bytes = bytes;
  rig->walk = (struct inspect_walk){.file = base_span_of(data, bytes), .limits = &rig->limits, .report = &rig->report};
}

// Findings of every rule together.
static inline uint32_t scan_rig_findings(const struct scan_rig *rig) {
  uint32_t sum = 0;
  for (int i = 0; i < IMAGE_RULE_COUNT; i++) sum += rig->report.rule_counts[i];
  return sum;
}

// xorshift64*: the same bytes on every run.
static inline void scan_rig_random(uint8_t *out, size_t bytes, uint64_t seed) {
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
  for (size_t i = 0; i < bytes; i++) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    out[i] = (uint8_t)(state * 0x2545f4914f6cdd1du >> 56);
  }
}

#endif
