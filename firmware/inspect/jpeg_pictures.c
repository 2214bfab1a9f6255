// Multi-Picture index (CIPA DC-007): a TIFF directory in an APP2 segment that names the JPEG pictures of the file.
#include "jpeg.h"

enum {
  TIFF_HEAD_BYTES = 8,
  ENTRY_BYTES = 12,
  PICTURE_BYTES = 16,
  TAG_COUNT = 0xB001,
  TAG_PICTURES = 0xB002,
};

struct index {
  struct base_span part;
  bool is_little;
};

static uint32_t read16(const struct index *index, uint64_t at) {
  return index->is_little ? inspect_le16(index->part.data + at) : inspect_be16(index->part.data + at);
}
static uint32_t read32(const struct index *index, uint64_t at) {
  return index->is_little ? inspect_le32(index->part.data + at) : inspect_be32(index->part.data + at);
}

// Where the list of pictures lies in the index. False when it is damaged.
static bool find_list(struct index *index, uint64_t *at, uint64_t *count) {
  struct base_span part = index->part;
  index->is_little = inspect_begins(part, "II*\0", 4);
  if (part.bytes < TIFF_HEAD_BYTES || (!index->is_little && !inspect_begins(part, "MM\0*", 4))) return false;
  uint64_t directory = read32(index, 4);
  if (!inspect_has(part, directory, 2)) return false;
  uint64_t entries = read16(index, directory);
  if (!inspect_has(part, directory + 2, entries * ENTRY_BYTES)) return false;
  *at = *count = 0;
  uint64_t said = 0;
  for (uint64_t entry = directory + 2; entries-- > 0; entry += ENTRY_BYTES) {
    if (read16(index, entry) == TAG_COUNT) said = read32(index, entry + 8);
    if (read16(index, entry) != TAG_PICTURES) continue;
    *count = read32(index, entry + 4) / PICTURE_BYTES;
    *at = read32(index, entry + 8);
  }
  return *count > 0 && *count == said && inspect_has(part, *at, *count * PICTURE_BYTES);
}

uint64_t inspect_jpeg_pictures(struct jpeg *jpeg, uint64_t end,
                               uint64_t (*visit)(struct inspect_walk *walk, uint64_t start, uint64_t bytes)) {
  struct inspect_walk *walk = jpeg->walk;
  struct index index = {.part = jpeg->pictures};
  uint64_t list, count;
  if (!jpeg->pictures.data) return end;
  uint64_t base = inspect_offset(walk, index.part);
  if (!find_list(&index, &list, &count)) {
    image_report_find(walk->report, IMAGE_RULE_STRUCTURE, base, index.part.bytes, "MPF",
                      "the index of pictures makes no sense");
    return end;
  }
  walk->report->frames = (uint32_t)count;  // of one segment: at most 4095
  for (uint64_t i = 1; i < count; i++) {
    uint64_t bytes = read32(&index, list + i * PICTURE_BYTES + 4);
    uint64_t start = base + read32(&index, list + i * PICTURE_BYTES + 8);
    // In the file's order and apart from each other, so that no byte is walked twice.
    if (start < end || !inspect_has(walk->file, start, bytes) || bytes < 4 ||
        !inspect_begins(base_span_slice(walk->file, start, bytes), "\xFF\xD8\xFF", 3)) {
      image_report_find(walk->report, IMAGE_RULE_STRUCTURE, base, index.part.bytes, "MPF",
                        "the index names a picture where there is none");
      return end;
    }
    inspect_hidden(walk, end, start - end, "MPF");
    end = visit(walk, start, bytes);
    if (end < start + bytes) inspect_hidden(walk, end, start + bytes - end, "MPF");
    end = start + bytes;
  }
  return end;
}
