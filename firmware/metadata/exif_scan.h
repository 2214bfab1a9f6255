// A walk over an EXIF block's directories, for what libexif is not asked.
#ifndef METADATA_EXIF_SCAN_H
#define METADATA_EXIF_SCAN_H

#include "base/span.h"

struct metadata_exif_entry {
  size_t at;  // of its tag's two bytes in the block
  bool is_little;
  uint16_t tag, type;      // TIFF 6.0, section 2
  struct base_span value;  // in the block; empty when it says that it lies outside
};

// Calls `visit` with every entry of `tiff`, the block behind "Exif\0\0"; `visit` may be NULL. False when it is no TIFF
// structure, or one that would make libexif copy far more than the block has: entries that share their values,
// thumbnails named again and again. It stops there.
bool metadata_exif_scan(struct base_span tiff, void (*visit)(void *argument, const struct metadata_exif_entry *entry),
                        void *argument) BASE_CHECKED;

#endif
