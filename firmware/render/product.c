#include "product.h"

#include <string.h>

#include "codec/codec.h"

enum { BYTES_A_PIXEL = 4 };
// No encoder makes more of the largest result (160 MB of pixels).
#define MAX_PRODUCT_BYTES ((size_t)256 << 20)

static const struct codec_encoder *encoder_of(enum recipe_format format) {
  switch (format) {
    case RECIPE_FORMAT_WEBP:
      return codec_encoder_for(CODEC_WEBP);
    case RECIPE_FORMAT_JPEG:
      return codec_encoder_for(CODEC_JPEG);
    case RECIPE_FORMAT_PNG:
      return codec_encoder_for(CODEC_PNG);
    default:
      return NULL;
  }
}

// RGBA8 of our own to change: a source that is the result already may be shared, or the decoder's memory.
static enum base_result make_own(struct image **image, struct base_fault *fault) {
  if (atomic_load(&(*image)->refs) == 1 && !(*image)->release) return BASE_OK;
  struct image *own;
  const enum base_result result = image_create((*image)->width, (*image)->height, (*image)->has_alpha, &own);
  if (result != BASE_OK) return BASE_FAIL(fault, result, "size", "no memory for a copy of the picture");
  for (uint32_t y = 0; y < own->height; y++) {
    memcpy(image_row(own, y), image_row(*image, y), (size_t)own->width * BYTES_A_PIXEL);
  }
  image_unref(image);
  *image = own;
  return BASE_OK;
}

// The encoded bytes. A buffer that grew by doubling may be half empty, and a cache full of such would need twice the
// memory that it counts: those are copied.
static struct base_blob *take_bytes(struct base_buffer *bytes) {
  const bool is_wasteful = bytes->capacity - bytes->bytes > bytes->bytes / 8;
  return is_wasteful ? base_blob_copy(base_buffer_span(bytes)) : base_blob_from_buffer(bytes);
}

static enum base_result encode(const struct render *render, const struct recipe *recipe, struct image **image,
                               struct recipe_product *product) {
  const struct codec_encoder *encoder = encoder_of(recipe->format);
  BASE_ASSERT(encoder);  // the plan refused every other format
  const struct codec_encode_options options = {
      .quality = recipe->quality ? recipe->quality : RECIPE_DEFAULT_QUALITY,
      .lossless = recipe->lossless,
      .sharp_yuv = render->sharp_yuv,
      .effort = render->effort,
  };
  struct base_buffer bytes;
  enum base_result result = BASE_OK;
  if ((*image)->has_alpha && !encoder->keeps_alpha) {
    result = make_own(image, &product->fault);
    if (result != BASE_OK) return result;
    image_flatten(*image, recipe->background);
  }
  base_buffer_init(&bytes, MAX_PRODUCT_BYTES);
  result = encoder->encode(*image, &options, &bytes, &product->fault);
  if (result == BASE_OK) {
    product->blob = take_bytes(&bytes);
    if (!product->blob) result = BASE_FAIL(&product->fault, BASE_NO_MEMORY, "", "no memory for the encoded picture");
  }
  base_buffer_finish(&bytes);
  product->media_type = encoder->media_type;
  return result;
}

void render_product_make(const struct render *render, const struct recipe *recipe, struct render_picture *picture,
                         struct recipe_product *product) {
  product->width = picture->layout.canvas_width;
  product->height = picture->layout.canvas_height;
  enum base_result result = render_picture_end(render, picture, recipe, &product->fault);
  if (result == BASE_OK) result = encode(render, recipe, &picture->image, product);
  image_unref(&picture->image);
  if (result != BASE_OK) {
    (void)BASE_FAIL(&product->fault, result, "", "the picture could not be encoded");
    return;
  }
  integrity_digest_of(base_blob_span(product->blob), &product->digest);
}
