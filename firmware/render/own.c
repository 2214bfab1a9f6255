#include "own.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "metadata/strip.h"

// Originals that are larger than this are not held in memory a second time; a variant of theirs is hardly larger.
static const off_t OWN_BYTES_MOST = (off_t)64 << 20;

// From the default quality on; the last is as bad as is still fit to be seen.
static const uint8_t qualities[] = {RECIPE_DEFAULT_QUALITY, 70, 60, 50};

static enum base_result read_all(int fd, struct render_own *out, struct base_fault *fault) {
  struct stat status;
  if (fstat(fd, &status) != 0) return BASE_FAIL(fault, BASE_IO, "id", "the original's size can not be read");
  if (status.st_size <= 0 || status.st_size > OWN_BYTES_MOST) return BASE_OK;
  const size_t bytes = (size_t)status.st_size;
  out->bytes = malloc(bytes);
  if (!out->bytes) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the original's %zu bytes", bytes);
  out->file = base_span_of(out->bytes, bytes);
  return base_fd_pread_all(fd, out->bytes, bytes, 0, fault);
}

enum base_result render_own_open(const struct render *render, const struct recipe_order *order, struct render_own *out,
                                 struct base_fault *fault) {
  int fd = -1;
  *out = (struct render_own){.bytes = NULL};
  enum base_result result = store_original_open(render->store, &order->original, &fd, fault);
  if (result != BASE_OK) return BASE_FAIL(fault, result, "id", "the original could not be opened");
  result = read_all(fd, out, fault);
  base_fd_close(&fd);
  if (result != BASE_OK) render_own_close(out);
  return result;
}

void render_own_close(struct render_own *own) {
  free(own->bytes);
  *own = (struct render_own){.bytes = NULL};
}

static enum base_result strip(enum recipe_format format, struct base_span file, struct base_buffer *out) {
  switch (format) {
    case RECIPE_FORMAT_JPEG:
      return metadata_strip_jpeg(file, out, NULL);
    case RECIPE_FORMAT_PNG:
      return metadata_strip_png(file, out, NULL);
    case RECIPE_FORMAT_WEBP:
      return metadata_strip_webp(file, out, NULL);
    default:
      return BASE_UNSUPPORTED;
  }
}

bool render_own_replace(const struct render_own *own, const struct recipe *recipe, const struct image_header *header,
                        struct recipe_product *product) {
  const enum recipe_format format = recipe_own_format(header);
  if (!own->bytes || format == RECIPE_FORMAT_AUTO || !(recipe->or_own || recipe->format == format)) return false;
  struct base_buffer bytes;
  struct base_blob *blob = NULL;
  // A file that would not be smaller does not fit.
  base_buffer_init(&bytes, product->blob->bytes - 1);
  if (strip(format, own->file, &bytes) == BASE_OK) blob = base_blob_copy(base_buffer_span(&bytes));
  base_buffer_finish(&bytes);
  if (!blob) return false;
  base_blob_unref(&product->blob);
  product->blob = blob;
  product->media_type = image_file_format_media_type(header->format);
  return true;
}

uint8_t render_own_next_quality(const struct render_own *own, const struct recipe *recipe, uint8_t quality,
                                const struct base_blob *blob) {
  const bool is_lossy = recipe->format != RECIPE_FORMAT_PNG && !recipe->lossless;
  if (!own->bytes || !is_lossy || recipe->quality != RECIPE_DEFAULT_QUALITY || blob->bytes <= own->file.bytes) return 0;
  for (size_t i = 0; i + 1 < sizeof qualities; i++) {
    if (qualities[i] == quality) return qualities[i + 1];
  }
  return 0;
}
