#include "structure.h"

enum {
  // Gradients, film strips and panoramas are long; a picture that is longer than this is made to be scaled.
  MAX_RATIO = 256,
  RATIO_FROM_SIDE = 4096,
  // A blank page is a fair picture: 12 megapixels of one colour are 36 MB in 35 KB of PNG and 1 KB of WebP. So only a
  // picture that is both large and far larger than its file is a bomb.
  MAX_EXPANSION = 300,
  EXPANSION_FROM_MIB = 192,
  MAX_FRAMES = 4096,
};

static void check_size(struct inspect_walk *walk) {
  const struct image_limits *limits = walk->limits;
  struct image_report *report = walk->report;
  const uint64_t pixels = (uint64_t)report->width * report->height;
  if (report->width > limits->max_side || report->height > limits->max_side) {
    image_report_find(report, IMAGE_RULE_SIZE, 0, 0, "", "%u x %u: at most %u a side are accepted (max_side)",
                      report->width, report->height, limits->max_side);
  } else if (pixels > limits->max_pixels) {
    image_report_find(report, IMAGE_RULE_SIZE, 0, 0, "", "%u x %u: at most %llu pixels are accepted (max_pixels)",
                      report->width, report->height, (unsigned long long)limits->max_pixels);
  }
}

static void check_ratio(struct inspect_walk *walk) {
  struct image_report *report = walk->report;
  const uint32_t longer = report->width > report->height ? report->width : report->height;
  const uint32_t shorter = report->width > report->height ? report->height : report->width;
  if (longer > RATIO_FROM_SIDE && longer / MAX_RATIO > shorter) {
    image_report_find(report, IMAGE_RULE_RATIO, 0, 0, "", "%u x %u: one side is more than %d times the other",
                      report->width, report->height, MAX_RATIO);
  }
}

// One frame is what is decoded; an animation of many small changes is large in sum and harmless.
static void check_expansion(struct inspect_walk *walk) {
  struct image_report *report = walk->report;
  const uint64_t frame_bytes = walk->pixel_bytes / (report->frames ? report->frames : 1);
  if (frame_bytes >= (uint64_t)EXPANSION_FROM_MIB << 20 && frame_bytes / MAX_EXPANSION > report->data_bytes) {
    image_report_find(report, IMAGE_RULE_EXPANSION, 0, 0, "", "%llu bytes of pixels from %llu bytes of data",
                      (unsigned long long)frame_bytes, (unsigned long long)report->data_bytes);
  }
}

void inspect_bombs(struct inspect_walk *walk) {
  struct image_report *report = walk->report;
  check_size(walk);
  if (report->width && report->height) {
    check_ratio(walk);
    check_expansion(walk);
  }
  if (report->frames > MAX_FRAMES) {
    image_report_find(report, IMAGE_RULE_FRAMES, 0, 0, "", "%u frames or pages; at most %d are usual", report->frames,
                      MAX_FRAMES);
  }
}
