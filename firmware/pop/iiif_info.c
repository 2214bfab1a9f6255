#include "base/json.h"
#include "pop/iiif.h"

enum { TILE_SIDE = 512 };

static void put_list(struct base_json_writer *writer, const char *key, const char *const *names) {
  base_json_array(writer, key);
  for (; *names; names++) base_json_string(writer, NULL, *names);
  base_json_array_end(writer);
}

static void put_size(struct base_json_writer *writer, uint32_t width, uint32_t height) {
  base_json_object(writer, NULL);
  base_json_integer(writer, "width", width);
  base_json_integer(writer, "height", height);
  base_json_object_end(writer);
}

// The good widths that are smaller than the largest size, and that.
static void put_sizes(struct base_json_writer *writer, const struct image_header *original, const uint32_t *widths,
                      size_t count) {
  struct pop_iiif wish = {.region = POP_IIIF_FULL, .size = POP_IIIF_MAX, .turn = IMAGE_UPRIGHT};
  struct recipe largest, smaller;
  if (pop_iiif_resolve(&wish, original, &largest, NULL) != BASE_OK) return;
  base_json_array(writer, "sizes");
  wish.size = POP_IIIF_WIDTH;
  for (size_t i = 0; i < count; i++) {
    wish.width = widths[i];
    if (widths[i] >= largest.width || pop_iiif_resolve(&wish, original, &smaller, NULL) != BASE_OK) continue;
    put_size(writer, smaller.width, smaller.height);
  }
  put_size(writer, largest.width, largest.height);
  base_json_array_end(writer);
}

// Square tiles, down to the scale at which one holds the whole picture.
static void put_tiles(struct base_json_writer *writer, uint32_t longer_side) {
  base_json_array(writer, "tiles");
  base_json_object(writer, NULL);
  base_json_integer(writer, "width", TILE_SIDE);
  base_json_integer(writer, "height", TILE_SIDE);
  base_json_array(writer, "scaleFactors");
  for (uint64_t factor = 1;; factor *= 2) {
    base_json_integer(writer, NULL, (int64_t)factor);
    if (factor * TILE_SIDE >= longer_side) break;
  }
  base_json_array_end(writer);
  base_json_object_end(writer);
  base_json_array_end(writer);
}

enum base_result pop_iiif_info(struct base_span base_url, const struct image_header *original, const uint32_t *sizes,
                               size_t size_count, struct base_buffer *out) {
  static const char *const features[] = {"mirroring", "profileLinkHeader", "sizeUpscaling", NULL};
  static const char *const formats[] = {"webp", NULL}, *const preferred[] = {"webp", "jpg", NULL};
  static const char *const qualities[] = {"color", "gray", NULL};
  struct base_json_writer writer;
  const bool lies = image_orientation_swaps(original->orientation);
  const uint32_t width = lies ? original->height : original->width, height = lies ? original->width : original->height;
  base_json_begin(&writer, out);
  base_json_object(&writer, NULL);
  base_json_string(&writer, "@context", "http://iiif.io/api/image/3/context.json");
  base_json_text(&writer, "id", base_url);
  base_json_string(&writer, "type", "ImageService3");
  base_json_string(&writer, "protocol", "http://iiif.io/api/image");
  base_json_string(&writer, "profile", "level2");
  base_json_integer(&writer, "width", width);
  base_json_integer(&writer, "height", height);
  base_json_integer(&writer, "maxWidth", POP_IIIF_MAX_SIDE);
  base_json_integer(&writer, "maxHeight", POP_IIIF_MAX_SIDE);
  base_json_integer(&writer, "maxArea", POP_IIIF_MAX_AREA);
  put_sizes(&writer, original, sizes, size_count);
  put_tiles(&writer, width > height ? width : height);
  put_list(&writer, "preferredFormats", preferred);
  put_list(&writer, "extraFormats", formats);
  // Of a picture without colours `color` may be asked for, but is not offered.
  put_list(&writer, "extraQualities", original->colour == IMAGE_COLOUR_GREY ? qualities + 1 : qualities);
  put_list(&writer, "extraFeatures", features);
  base_json_object_end(&writer);
  return writer.result;
}
