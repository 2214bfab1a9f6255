#include "inspect/inspect.h"

#include "walk.h"

static enum base_result unsupported(struct base_span file, struct base_fault *fault) {
  const char *name = inspect_content_name(file);
  if (!name) {
    return BASE_FAIL(fault, BASE_UNSUPPORTED, "format",
                     "the content is none of JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC, AVIF, TGA, PSD and PNM");
  }
  return BASE_FAIL(fault, BASE_UNSUPPORTED, "format",
                   "the content is %s, not a picture of a format that is read here (JPEG, PNG, WebP, GIF, BMP, TIFF, "
                   "HEIC, AVIF, TGA, PSD, PNM)",
                   name);
}

enum base_result inspect_file(struct base_span file, const struct image_limits *limits, struct image_report *out,
                              struct base_fault *fault) {
  *out = (struct image_report){.file_bytes = file.bytes, .frames = 1};
  const struct inspect_walker *walker = inspect_walker_for(file);
  if (!walker) return unsupported(file, fault);
  out->format = (uint8_t)walker->format;
  struct inspect_walk walk = {.file = file, .limits = limits, .report = out};
  inspect_entropy_begin(&walk);
  uint64_t end = walker->walk(&walk);
  inspect_trailing(&walk, end);
  inspect_colour_conclude(&walk);
  inspect_bombs(&walk);
  inspect_entropy_conclude(&walk);
  inspect_polyglot(&walk, walk.known_end ? walk.known_end : end);
  return BASE_OK;
}
