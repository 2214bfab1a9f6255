#include "structure.h"

#include <string.h>

bool inspect_begins(struct base_span part, const char *bytes, size_t count) {
  return part.bytes >= count && memcmp(part.data, bytes, count) == 0;
}

bool inspect_is_zeros(struct base_span part) {
  // Every byte equals its neighbour and the first is zero: memcmp does the walking.
  return part.bytes == 0 || (part.data[0] == 0 && memcmp(part.data, part.data + 1, part.bytes - 1) == 0);
}

struct inspect_code inspect_code_of(const uint8_t *at) {
  struct inspect_code code = {0};
  for (int i = 0; i < 4; i++) code.text[i] = at[i] > ' ' && at[i] < 0x7F ? (char)at[i] : '?';
  return code;
}

bool inspect_next_part(struct inspect_walk *walk, uint64_t offset) {
  if (walk->report->parts >= INSPECT_MAX_PARTS) {
    image_report_find(walk->report, IMAGE_RULE_STRUCTURE, offset, walk->file.bytes - offset, "",
                      "it has more than %d parts; the rest was not looked at", INSPECT_MAX_PARTS);
    return false;
  }
  walk->report->parts++;
  return true;
}

bool inspect_spend(struct inspect_walk *walk, uint64_t steps) {
  enum { TIMES = 2 };  // every byte as a text, and once more
  const uint64_t most = INSPECT_FREE_STEPS + TIMES * (uint64_t)walk->file.bytes;
  if (walk->is_spent) return false;
  if (steps <= most - walk->steps) {
    walk->steps += steps;
    return true;
  }
  walk->is_spent = true;
  image_report_find(walk->report, IMAGE_RULE_NESTING, 0, 0, "",
                    "its parts refer to each other over and over; not all of them were looked at");
  return false;
}

void inspect_picture(struct inspect_walk *walk, uint32_t width, uint32_t height, uint8_t bits, uint8_t channels,
                     enum image_colour colour) {
  enum { MAX_BITS = 64 };  // TIFF's double; the field in other formats can say more
  struct image_report *report = walk->report;
  if (bits > MAX_BITS) {
    image_report_find(report, IMAGE_RULE_STRUCTURE, 0, 0, "", "a depth of %u bits", bits);
    bits = MAX_BITS;
  }
  report->width = width;
  report->height = height;
  report->bits = bits;
  report->channels = channels;
  report->colour = (uint8_t)colour;
}

void inspect_frames(struct inspect_walk *walk, uint64_t frames) {
  struct image_report *report = walk->report;
  if (frames == 0) frames = 1;
  report->frames = frames > UINT32_MAX ? UINT32_MAX : (uint32_t)frames;
  // A palette's indices become colours; what decodes to less than a byte a channel still takes one.
  uint64_t channels = report->colour == IMAGE_COLOUR_PALETTE ? 3u + report->has_alpha : report->channels;
  uint64_t factors[] = {report->height, channels, (report->bits + 7u) / 8, report->frames};
  uint64_t bytes = report->width;
  for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
    if (__builtin_mul_overflow(bytes, factors[i], &bytes)) bytes = UINT64_MAX;
  }
  walk->pixel_bytes = bytes;
}

void inspect_hidden(struct inspect_walk *walk, uint64_t offset, uint64_t bytes, const char *place) {
  struct image_report *report = walk->report;
  struct base_span part = base_span_slice(walk->file, offset, bytes);
  if (inspect_is_zeros(part)) return;
  // Parts that lie over each other could count their bytes more than once.
  report->hidden_bytes = base_min_u64(report->hidden_bytes + part.bytes, walk->file.bytes);
  image_report_find(report, IMAGE_RULE_HIDDEN, offset, part.bytes, place, "%zu bytes belong to no part of the picture",
                    part.bytes);
}

void inspect_trailing(struct inspect_walk *walk, uint64_t end) {
  struct image_report *report = walk->report;
  if (end >= walk->file.bytes) return;
  struct base_span part = base_span_slice(walk->file, end, walk->file.bytes);
  report->trailing_bytes = part.bytes;
  if (inspect_is_zeros(part)) return;
  image_report_find(report, IMAGE_RULE_TRAILING, end, part.bytes, "", "%zu bytes follow the end of the picture",
                    part.bytes);
}
