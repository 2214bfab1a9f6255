// EXIF blocks through libexif: bounded, silent, and what it says is what its readers may show.
#include "base/utf8.h"
#include "metadata/exif.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_text(const char *text) {
  struct base_span rest = base_span_text(text);
  while (rest.bytes > 0) {
    const size_t plain = base_utf8_plain_bytes(rest);
    BASE_ASSERT(plain > 0);
    rest = base_span_slice(rest, plain, rest.bytes);
  }
}

static void visit(void *argument, const char *tag, struct base_span text) {
  const struct base_span *block = argument;
  BASE_ASSERT(tag[0] != '\0' && text.bytes > 0);
  BASE_ASSERT(text.data >= block->data && text.data + text.bytes <= block->data + block->bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  struct base_span block = base_span_of(data, bytes);
  struct metadata_exif exif;
  const bool is_read = metadata_exif_read(block, &exif);
  const uint8_t orientation = metadata_exif_orientation(block);
  BASE_ASSERT(orientation >= 1 && orientation <= 8);
  if (is_read && exif.orientation >= 1 && exif.orientation <= 8) BASE_ASSERT(exif.orientation == orientation);
  check_text(exif.maker);
  check_text(exif.model);
  check_text(exif.software);
  BASE_ASSERT(exif.taken[0] == '\0' || metadata_exif_is_time(base_span_text(exif.taken)));
  metadata_exif_texts(block, visit, &block);
  return 0;
}
