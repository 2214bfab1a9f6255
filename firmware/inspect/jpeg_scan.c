// The entropy-coded data of a JPEG scan: stuffing, restart markers, and where it ends.
#include "jpeg.h"

#include <string.h>

static uint64_t divide_up(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

// Restart markers that a scan has (T.81 A.2, B.2.4.4). False where the count does not follow from the frame alone.
static bool count_restarts(const struct jpeg *jpeg, const struct jpeg_scan *scan, uint64_t *out) {
  const struct jpeg_frame *frame = &jpeg->frame;
  if (jpeg->restart_interval == 0) return *out = 0, true;
  if (scan->component_count == 0 || frame->height == 0 || jpeg_is_lossless(frame->marker) || jpeg->is_hierarchical) {
    return false;
  }
  uint64_t across = 1, down = 1, units;
  for (unsigned i = 0; i < frame->component_count; i++) {
    across = base_max_u64(across, frame->components[i].across);
    down = base_max_u64(down, frame->components[i].down);
  }
  if (scan->component_count > 1) {
    units = divide_up(frame->width, 8 * across) * divide_up(frame->height, 8 * down);
  } else {
    const struct jpeg_component *only = &frame->components[scan->indices[0]];
    units = divide_up(divide_up((uint64_t)frame->width * only->across, across), 8) *
            divide_up(divide_up((uint64_t)frame->height * only->down, down), 8);
  }
  *out = units == 0 ? 0 : (units - 1) / jpeg->restart_interval;
  return true;
}

struct restarts {
  uint64_t count;
  uint64_t first_wrong;  // offset; 0: none
};

// To the marker that is no restart marker. False at the end of the file.
static bool find_marker(struct jpeg *jpeg, struct restarts *restarts) {
  struct base_span file = jpeg->file;
  while (jpeg->at + 1 < file.bytes) {
    const uint8_t *found = memchr(file.data + jpeg->at, 0xFF, file.bytes - jpeg->at - 1);
    if (!found) break;
    jpeg->at = (uint64_t)(found - file.data);
    uint8_t code = found[1];
    if (code == 0) {
      jpeg->at += 2;
    } else if (code == 0xFF) {
      jpeg->at++;
    } else if (code >= JPEG_RST0 && code <= JPEG_RST7) {
      if (code != JPEG_RST0 + (restarts->count & 7) && restarts->first_wrong == 0) restarts->first_wrong = jpeg->at;
      restarts->count++;
      jpeg->at += 2;
    } else {
      return true;
    }
  }
  jpeg->at = file.bytes;
  return false;
}

bool inspect_jpeg_scan(struct jpeg *jpeg, const struct jpeg_scan *scan) {
  struct inspect_walk *walk = jpeg->walk;
  struct restarts restarts = {0};
  uint64_t start = jpeg->at, expected;
  bool has_end = find_marker(jpeg, &restarts);
  uint64_t bytes = jpeg->at - start;
  inspect_data(walk, base_span_slice(jpeg->file, start, bytes));
  if (restarts.count > 0 && jpeg->restart_interval == 0) {
    image_report_find(walk->report, IMAGE_RULE_STRUCTURE, start, bytes, "SOS",
                      "restart markers although no restart interval is set");
  } else if (restarts.first_wrong != 0) {
    image_report_find(walk->report, IMAGE_RULE_STRUCTURE, restarts.first_wrong, 2, "SOS",
                      "restart markers out of their order");
  } else if (has_end && count_restarts(jpeg, scan, &expected) && restarts.count != expected) {
    image_report_find(walk->report, IMAGE_RULE_STRUCTURE, start, bytes, "SOS",
                      "%llu restart markers where the picture's size asks for %llu", (unsigned long long)restarts.count,
                      (unsigned long long)expected);
  }
  if (bytes == 0) {
    image_report_find(walk->report, IMAGE_RULE_STRUCTURE, start, 0, "SOS", "a scan without any data");
  }
  return has_end;
}
