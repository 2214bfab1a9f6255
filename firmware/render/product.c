#include "product.h"

#include "codec/codec.h"
#include "own.h"

// No encoder makes more of the largest result (160 MB of pixels).
#define MAX_PRODUCT_BYTES ((size_t)256 << 20)

static const struct codec_encoder *encoder_of(enum recipe_format format) {
  switch (format) {
    case RECIPE_FORMAT_WEBP:
      return codec_encoder_for(CODEC_WEBP);
    case RECIPE_FORMAT_AVIF:
      return codec_encoder_for(CODEC_AVIF);
    case RECIPE_FORMAT_JPEG:
      return codec_encoder_for(CODEC_JPEG);
    case RECIPE_FORMAT_PNG:
      return codec_encoder_for(CODEC_PNG);
    default:
      return NULL;
  }
}

// The encoded bytes. A buffer that grew by doubling may be half empty, and a cache full of such would need twice the
// memory that it counts: those are copied.
static struct base_blob *take_bytes(struct base_buffer *bytes) {
  const bool is_wasteful = bytes->capacity - bytes->bytes > bytes->bytes / 8;
  return is_wasteful ? base_blob_copy(base_buffer_span(bytes)) : base_blob_from_buffer(bytes);
}

// Replaces the product's blob by the picture in this quality.
static enum base_result encode(const struct render *render, const struct recipe *recipe, uint8_t quality,
                               const struct image *image, struct recipe_product *product) {
  const struct codec_encoder *encoder = encoder_of(recipe->format);
  const struct codec_encode_options options = {
      .quality = quality,
      .lossless = recipe->lossless,
      .sharp_yuv = render->sharp_yuv,
      .effort = render->effort,
      .avif_speed = render->avif_speed,
  };
  struct base_buffer bytes;
  base_blob_unref(&product->blob);
  base_buffer_init(&bytes, MAX_PRODUCT_BYTES);
  enum base_result result = encoder->encode(image, &options, &bytes, &product->fault);
  if (result == BASE_OK) {
    product->blob = take_bytes(&bytes);
    if (!product->blob) result = BASE_FAIL(&product->fault, BASE_NO_MEMORY, "", "no memory for the encoded picture");
  }
  base_buffer_finish(&bytes);
  product->media_type = encoder->media_type;
  return result;
}

// The encoded picture; where nothing but the encoding changes it must not be larger than the original.
static enum base_result choose(const struct render *render, const struct recipe_order *order,
                               const struct recipe *recipe, const struct image *image, struct recipe_product *product) {
  uint8_t quality = recipe->quality ? recipe->quality : RECIPE_DEFAULT_QUALITY;
  enum base_result result = encode(render, recipe, quality, image, product);
  if (result != BASE_OK || !recipe_keeps_picture(recipe, &order->header)) return result;
  struct render_own own;
  result = render_own_open(render, order, &own, &product->fault);
  if (result != BASE_OK) return result;
  if (!render_own_replace(&own, recipe, &order->header, product)) {
    while (result == BASE_OK && (quality = render_own_next_quality(&own, recipe, quality, product->blob)) != 0) {
      result = encode(render, recipe, quality, image, product);
    }
  }
  render_own_close(&own);
  return result;
}

static enum base_result make(const struct render *render, const struct recipe_order *order, const struct recipe *recipe,
                             struct render_picture *picture, struct recipe_product *product) {
  BASE_ASSERT(encoder_of(recipe->format));  // the plan refused every other format
  enum base_result result = render_picture_end(render, picture, recipe, &product->fault);
  if (result == BASE_OK && picture->image->has_alpha && !encoder_of(recipe->format)->keeps_alpha) {
    result = render_picture_flatten(&picture->image, recipe, &product->fault);
  }
  return result == BASE_OK ? choose(render, order, recipe, picture->image, product) : result;
}

void render_product_make(const struct render *render, const struct recipe_order *order, const struct recipe *recipe,
                         struct render_picture *picture, struct recipe_product *product) {
  product->width = picture->layout.canvas_width;
  product->height = picture->layout.canvas_height;
  const enum base_result result = make(render, order, recipe, picture, product);
  image_unref(&picture->image);
  if (result != BASE_OK) {
    base_blob_unref(&product->blob);
    (void)BASE_FAIL(&product->fault, result, "", "the picture could not be encoded");
    return;
  }
  integrity_digest_of(base_blob_span(product->blob), &product->digest);
}
