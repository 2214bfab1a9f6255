#include "cover.h"

#include <stdlib.h>

#include "base/checked.h"

static int compare(const void *a, const void *b) {
  const struct inspect_extent *first = a, *second = b;
  if (first->offset != second->offset) return first->offset < second->offset ? -1 : 1;
  return first->bytes < second->bytes ? -1 : first->bytes > second->bytes;
}

void inspect_cover_sort(struct inspect_extent *extents, size_t count) {
  if (count > 1) qsort(extents, count, sizeof *extents, compare);
}

void inspect_cover_overlaps(struct inspect_walk *walk, const struct inspect_extent *extents, size_t count,
                            const char *place) {
  for (size_t i = 1; i < count; i++) {
    const struct inspect_extent *before = &extents[i - 1], *extent = &extents[i];
    bool is_same = before->offset == extent->offset && before->bytes == extent->bytes;
    if (is_same || extent->bytes == 0 || extent->offset >= before->offset + before->bytes) continue;
    image_report_find(walk->report, IMAGE_RULE_STRUCTURE, extent->offset, extent->bytes, place,
                      "it lies half over another part");
  }
}

void inspect_cover_sweep(struct inspect_walk *walk, const struct inspect_extent *extents, size_t count, uint64_t begin,
                         uint64_t end, void (*gap)(void *argument, uint64_t begin, uint64_t end), void *argument) {
  uint64_t at = begin;
  for (size_t i = 0; i < count; i++) {
    const struct inspect_extent *extent = &extents[i];
    uint64_t extent_end = base_min_u64(extent->offset + extent->bytes, end);
    if (extent->offset >= end) break;
    if (extent_end <= at) continue;
    if (extent->offset > at) gap(argument, at, extent->offset);
    uint64_t from = base_max_u64(at, extent->offset);
    if (extent->is_data) inspect_data(walk, base_span_slice(walk->file, from, extent_end - from));
    at = extent_end;
  }
  if (at < end) gap(argument, at, end);
}
