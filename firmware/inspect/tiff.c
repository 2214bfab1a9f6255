// TIFF: header, the walk over its directories, what no part of it reaches.
#include "tiff_parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

enum { HEAD_BYTES = 8, BIG_HEAD_BYTES = 16, ALIGNMENT = 16 };

uint64_t inspect_tiff_number(const struct tiff *tiff, const uint8_t *at, unsigned bytes) {
  uint64_t value = 0;
  for (unsigned i = 0; i < bytes; i++) value = value << 8 | at[tiff->is_little ? bytes - 1 - i : i];
  return value;
}

uint64_t inspect_tiff_value(const struct tiff *tiff, const struct tiff_values *values, uint64_t index) {
  if (index >= values->count || values->values.bytes == 0) return 0;
  return inspect_tiff_number(tiff, values->values.data + index * values->width, values->width);
}

bool inspect_tiff_reach(struct tiff *tiff, uint64_t offset, uint64_t bytes, bool is_data, const char *place) {
  struct base_span file = tiff->walk->file;
  if (!inspect_has(file, offset, bytes)) {
    image_report_find(tiff->walk->report, IMAGE_RULE_STRUCTURE, offset, bytes, place,
                      "%" PRIu64 " bytes from %" PRIu64 " lie outside of the file", bytes, offset);
    return false;
  }
  if (bytes == 0) return true;
  struct inspect_extent extent = {.offset = offset, .bytes = bytes, .is_data = is_data};
  if (base_buffer_append(&tiff->extents, &extent, sizeof extent) != BASE_OK) tiff->is_partial = true;
  tiff->end = base_max_u64(tiff->end, offset + bytes);
  return true;
}

void inspect_tiff_add(struct tiff *tiff, uint64_t offset, enum tiff_kind kind, unsigned depth) {
  struct image_report *report = tiff->walk->report;
  if (depth > INSPECT_MAX_DEPTH) {
    image_report_find(report, IMAGE_RULE_NESTING, offset, 0, "IFD", "directories nested deeper than %d",
                      INSPECT_MAX_DEPTH);
    return;
  }
  if (!inspect_spend(tiff->walk, tiff->pending_count)) return;
  for (uint32_t i = 0; i < tiff->pending_count; i++) {
    if (tiff->pending[i].offset != offset) continue;
    if (kind >= TIFF_EXIF && tiff->pending[i].kind == kind) return;  // pages may share what the camera said
    image_report_find(report, IMAGE_RULE_NESTING, offset, 0, "IFD", "a directory is reached a second time");
    return;
  }
  if (tiff->pending_count == TIFF_MAX_DIRECTORIES) {
    if (!tiff->is_partial) {
      image_report_find(report, IMAGE_RULE_FRAMES, offset, 0, "IFD", "more than %d directories", TIFF_MAX_DIRECTORIES);
    }
    tiff->is_partial = true;
    return;
  }
  tiff->pending[tiff->pending_count++] = (struct tiff_pending){.offset = offset, .kind = kind, .depth = depth};
}

static bool matches(struct base_span file) {
  return inspect_begins(file, "II*\0", 4) || inspect_begins(file, "MM\0*", 4) || inspect_begins(file, "II+\0", 4) ||
         inspect_begins(file, "MM\0+", 4);
}

// Offset of the first directory; 0 with a finding when there is none.
static uint64_t read_head(struct tiff *tiff) {
  struct base_span file = tiff->walk->file;
  tiff->is_little = file.data[0] == 'I';
  tiff->is_big = file.data[tiff->is_little ? 2 : 3] == '+';
  size_t head_bytes = tiff->is_big ? BIG_HEAD_BYTES : HEAD_BYTES;
  if (!inspect_tiff_reach(tiff, 0, head_bytes, false, "header")) return 0;
  if (!tiff->is_big) return inspect_tiff_number(tiff, file.data + 4, 4);
  if (inspect_tiff_number(tiff, file.data + 4, 2) != 8) {
    image_report_find(tiff->walk->report, IMAGE_RULE_STRUCTURE, 4, 2, "header",
                      "a BigTIFF whose offsets are not 8 bytes");
    return 0;
  }
  return inspect_tiff_number(tiff, file.data + 8, 8);
}

static void hide(void *argument, uint64_t begin, uint64_t end) {
  struct tiff *tiff = argument;
  if (tiff->is_partial || end - begin < ALIGNMENT) return;
  inspect_hidden(tiff->walk, begin, end - begin, "");
}

static void cover(struct tiff *tiff) {
  struct inspect_extent *extents = (void *)tiff->extents.data;
  size_t count = tiff->extents.bytes / sizeof *extents;
  inspect_cover_sort(extents, count);
  inspect_cover_overlaps(tiff->walk, extents, count, "");
  inspect_cover_sweep(tiff->walk, extents, count, 0, tiff->end, hide, tiff);
}

static uint64_t walk(struct inspect_walk *walk) {
  walk->report->format = IMAGE_FILE_TIFF;
  struct tiff *tiff = calloc(1, sizeof *tiff);
  if (!tiff) {
    image_report_find(walk->report, IMAGE_RULE_STRUCTURE, 0, 0, "", "no memory to look at its directories");
    return walk->file.bytes;
  }
  tiff->walk = walk;
  base_buffer_init(&tiff->extents, TIFF_MAX_EXTENTS_BYTES);
  uint64_t first = read_head(tiff);
  if (first != 0) {
    inspect_tiff_add(tiff, first, TIFF_MAIN, 1);
  } else {
    image_report_find(walk->report, IMAGE_RULE_STRUCTURE, 0, 0, "header", "it has no directory");
  }
  for (; tiff->next_pending < tiff->pending_count; tiff->next_pending++) {
    struct tiff_pending pending = tiff->pending[tiff->next_pending];
    inspect_tiff_directory(tiff, &pending);
  }
  inspect_tiff_picture(tiff);
  cover(tiff);
  if (tiff->is_partial) walk->known_end = tiff->end;
  uint64_t end = tiff->is_partial ? walk->file.bytes : tiff->end + (tiff->end & 1);
  base_buffer_finish(&tiff->extents);
  free(tiff);
  return base_min_u64(end, walk->file.bytes);
}

const struct inspect_walker inspect_tiff = {.format = IMAGE_FILE_TIFF, .matches = matches, .walk = walk};
