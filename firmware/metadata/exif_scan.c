#include "exif_scan.h"

#include <string.h>

enum {
  MAX_DIRECTORIES = 16,
  MAX_ENTRIES = 4096,
  ENTRY_BYTES = 12,
  TAG_THUMBNAIL_OFFSET = 0x0201,
  TAG_THUMBNAIL_BYTES = 0x0202,
  TAG_EXIF_DIRECTORY = 0x8769,
  TAG_GPS_DIRECTORY = 0x8825,
  TAG_INTEROPERABILITY_DIRECTORY = 0xa005,
};

struct scan {
  struct base_span tiff;
  bool is_little;
  void (*visit)(void *argument, const struct metadata_exif_entry *entry);
  void *argument;
  uint32_t directories[MAX_DIRECTORIES];
  unsigned directory_count;
  unsigned entries;
  uint64_t copied;  // what libexif would copy so far
};

static uint16_t get16(const struct scan *scan, size_t at) {
  const uint8_t *p = scan->tiff.data + at;
  return (uint16_t)(scan->is_little ? p[0] | p[1] << 8 : p[0] << 8 | p[1]);
}

static uint32_t get32(const struct scan *scan, size_t at) {
  uint32_t first = get16(scan, at), second = get16(scan, at + 2);
  return scan->is_little ? first | second << 16 : first << 16 | second;
}

// False when there are too many. A directory that is there already is not read again: libexif may do so, but no deeper
// than it allows itself.
static bool add_directory(struct scan *scan, uint32_t offset) {
  for (unsigned i = 0; i < scan->directory_count; i++) {
    if (scan->directories[i] == offset) return true;
  }
  if (scan->directory_count == MAX_DIRECTORIES) return false;
  scan->directories[scan->directory_count++] = offset;
  return true;
}

static uint64_t value_bytes(uint32_t type, uint32_t count) {
  static const uint8_t widths[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8};
  return type < sizeof widths ? (uint64_t)widths[type] * count : 0;
}

static bool is_too_much(const struct scan *scan) { return scan->copied > 4 * (uint64_t)scan->tiff.bytes; }

static bool scan_entry(struct scan *scan, size_t at) {
  struct metadata_exif_entry entry = {
      .at = at, .is_little = scan->is_little, .tag = get16(scan, at), .type = get16(scan, at + 2)};
  uint64_t bytes = value_bytes(entry.type, get32(scan, at + 4));
  size_t value_at = bytes <= 4 ? at + 8 : get32(scan, at + 8);
  if (value_at <= scan->tiff.bytes && bytes <= scan->tiff.bytes - value_at) {  // libexif drops any other
    entry.value = base_span_slice(scan->tiff, value_at, bytes);
    scan->copied += bytes;
  }
  if (is_too_much(scan)) return false;
  if (scan->visit) scan->visit(scan->argument, &entry);
  switch (entry.tag) {
    case TAG_EXIF_DIRECTORY:
    case TAG_GPS_DIRECTORY:
    case TAG_INTEROPERABILITY_DIRECTORY:
      return add_directory(scan, get32(scan, at + 8));
    case TAG_THUMBNAIL_OFFSET:
    case TAG_THUMBNAIL_BYTES:
      scan->copied += scan->tiff.bytes;
      return !is_too_much(scan);
    default:
      return true;
  }
}

static bool scan_directory(struct scan *scan, uint32_t offset, bool is_first) {
  size_t bytes = scan->tiff.bytes;
  if (offset > bytes || bytes - offset < 2) return true;  // libexif stops there, too
  uint32_t count = get16(scan, offset);
  size_t at = (size_t)offset + 2;
  for (uint32_t i = 0; i < count && bytes - at >= ENTRY_BYTES; i++, at += ENTRY_BYTES) {
    if (++scan->entries > MAX_ENTRIES || !scan_entry(scan, at)) return false;
  }
  if (!is_first || bytes - at < 4) return true;
  uint32_t next = get32(scan, at);
  return next == 0 || add_directory(scan, next);
}

bool metadata_exif_scan(struct base_span tiff, void (*visit)(void *argument, const struct metadata_exif_entry *entry),
                        void *argument) {
  if (tiff.bytes < 8) return false;
  struct scan scan = {.tiff = tiff, .is_little = tiff.data[0] == 'I', .visit = visit, .argument = argument};
  if (memcmp(tiff.data, scan.is_little ? "II*\0" : "MM\0*", 4) != 0) return false;
  if (!add_directory(&scan, get32(&scan, 4))) return false;
  for (unsigned i = 0; i < scan.directory_count; i++) {
    if (!scan_directory(&scan, scan.directories[i], i == 0)) return false;
  }
  return true;
}
