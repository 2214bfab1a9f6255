// What parts of a file reach which of its bytes: for formats whose parts lie anywhere.
#ifndef INSPECT_COVER_H
#define INSPECT_COVER_H

#include "structure.h"

struct inspect_extent {
  uint64_t offset, bytes;  // inside the file
  bool is_data;            // image data, to be looked at
};

// Sorts by offset, the order that the others want.
void inspect_cover_sort(struct inspect_extent *extents, size_t count);
// Structure findings where an extent lies half over another: equal ones may be shared, one inside another may not.
void inspect_cover_overlaps(struct inspect_walk *walk, const struct inspect_extent *extents, size_t count,
                            const char *place);
// Goes over begin..end: hands every byte that is image data to inspect_data, once, however many extents claim it, and
// every stretch that no extent reaches to `gap`.
void inspect_cover_sweep(struct inspect_walk *walk, const struct inspect_extent *extents, size_t count, uint64_t begin,
                         uint64_t end, void (*gap)(void *argument, uint64_t begin, uint64_t end), void *argument);

#endif
