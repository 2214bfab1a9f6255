// HEIC through libheif, which reads the boxes and composes grids, and libde265. The primary image is taken.
#include "coded.h"

#include <stdlib.h>
#include <string.h>

#include <libheif/heif.h>

#include "base/checked.h"
#include "decoders.h"
#include "hevc_decode.h"

enum {
  MAX_PROFILE_BYTES = 16 << 20,
  // A tile of a grid may be larger than the picture that is cut from it, but not much.
  MAX_TILE_SIDE = 4096,
  // Coded pictures are whole blocks.
  CODED_SPARE = 64,
};

struct reader {
  struct heif_context *context;
  struct heif_image_handle *handle;
  avifImage *image;  // what is known of the picture; its planes are borrowed from `decoded`
  struct heif_image *decoded;
  struct coded_rect crop;
  enum image_orientation orientation;
  bool has_alpha, has_nclx;
};

static enum base_result damaged(struct base_fault *fault, const char *text) {
  return BASE_FAIL(fault, BASE_UNPROCESSABLE, "heic", "the HEIC is damaged: %s", text);
}

static enum base_result no_memory(struct base_fault *fault) {
  return BASE_FAIL(fault, BASE_NO_MEMORY, "heic", "no memory to decode the HEIC");
}

static enum base_result failed(struct heif_error error, struct base_fault *fault) {
  if (error.code == heif_error_Unsupported_feature || error.code == heif_error_Unsupported_filetype) {
    return BASE_FAIL(fault, BASE_UNSUPPORTED, "heic", "this kind of HEIC is not read: %s", error.message);
  }
  if (error.code == heif_error_Memory_allocation_error && error.subcode != heif_suberror_Security_limit_exceeded) {
    return no_memory(fault);
  }
  // libheif puts a preamble of its own before what hevc_decode.c says.
  static const char preamble[] = "Decoder plugin generated an error: Unspecified: ";
  const bool has_preamble = strncmp(error.message, preamble, sizeof preamble - 1) == 0;
  return damaged(fault, error.message + (has_preamble ? sizeof preamble - 1 : 0));
}

// In the order in which they stand (ISO/IEC 23008-12, 6.3); a crop comes before the rest (ISO/IEC 23000-22, 7.3.6.7).
// EXIF's orientation is not looked at: in this container it is information only (ISO/IEC 23008-12, A.2.2).
static enum base_result read_transformations(struct reader *reader, struct base_fault *fault) {
  struct heif_transformation found;
  reader->crop = (struct coded_rect){.width = reader->image->width, .height = reader->image->height};
  reader->orientation = IMAGE_UPRIGHT;
  for (int i = 0; heif_image_handle_get_transformation(reader->handle, i, &found); i++) {
    if (found.type == heif_fourcc('c', 'l', 'a', 'p')) {
      if (i > 0) {
        return BASE_FAIL(fault, BASE_UNSUPPORTED, "heic",
                         "this kind of HEIC is not read: a crop after another property");
      }
      if (!codec_coded_crop(found.values, reader->image->width, reader->image->height, &reader->crop)) {
        return damaged(fault, "its crop lies outside of its picture");
      }
      continue;
    }
    const bool is_rotation = found.type == heif_fourcc('i', 'r', 'o', 't');
    reader->orientation = image_orientation_compose(
        reader->orientation, is_rotation ? codec_coded_rotation(found.values[0]) : codec_coded_mirror(found.values[0]));
  }
  return BASE_OK;
}

static void set_nclx(avifImage *image, const struct heif_color_profile_nclx *nclx) {
  image->colorPrimaries = (avifColorPrimaries)nclx->color_primaries;
  image->transferCharacteristics = (avifTransferCharacteristics)nclx->transfer_characteristics;
  image->matrixCoefficients = (avifMatrixCoefficients)nclx->matrix_coefficients;
  image->yuvRange = nclx->full_range_flag ? AVIF_RANGE_FULL : AVIF_RANGE_LIMITED;
}

static enum base_result read_colours(struct reader *reader, struct base_fault *fault) {
  struct heif_color_profile_nclx *nclx = NULL;
  const enum heif_color_profile_type type = heif_image_handle_get_color_profile_type(reader->handle);
  const bool has_icc = type == heif_color_profile_type_rICC || type == heif_color_profile_type_prof;
  const size_t bytes = has_icc ? heif_image_handle_get_raw_color_profile_size(reader->handle) : 0;
  if (heif_image_handle_get_nclx_color_profile(reader->handle, &nclx).code == heif_error_Ok && nclx) {
    reader->has_nclx = true;
    set_nclx(reader->image, nclx);
  }
  heif_nclx_color_profile_free(nclx);
  if (bytes == 0 || bytes > MAX_PROFILE_BYTES) return BASE_OK;
  uint8_t *profile = malloc(bytes);
  if (!profile) return no_memory(fault);
  struct heif_error error = heif_image_handle_get_raw_color_profile(reader->handle, profile);
  if (error.code == heif_error_Ok) avifImageSetProfileICC(reader->image, profile, bytes);
  free(profile);
  return error.code == heif_error_Ok ? BASE_OK : failed(error, fault);
}

static avifPixelFormat pixel_format(enum heif_chroma chroma) {
  switch (chroma) {
    case heif_chroma_monochrome:
      return AVIF_PIXEL_FORMAT_YUV400;
    case heif_chroma_420:
      return AVIF_PIXEL_FORMAT_YUV420;
    case heif_chroma_422:
      return AVIF_PIXEL_FORMAT_YUV422;
    case heif_chroma_444:
      return AVIF_PIXEL_FORMAT_YUV444;
    default:
      return AVIF_PIXEL_FORMAT_NONE;
  }
}

static enum base_result reader_open(struct reader *reader, struct base_span file, struct base_fault *fault) {
  *reader = (struct reader){.context = codec_hevc_register() ? heif_context_alloc() : NULL};
  if (!reader->context) return no_memory(fault);
  heif_context_set_max_decoding_threads(reader->context, 0);
  struct heif_error error = heif_context_read_from_memory_without_copy(reader->context, file.data, file.bytes, NULL);
  if (error.code == heif_error_Ok) error = heif_context_get_primary_image_handle(reader->context, &reader->handle);
  if (error.code != heif_error_Ok) return failed(error, fault);

  const int width = heif_image_handle_get_ispe_width(reader->handle);
  const int height = heif_image_handle_get_ispe_height(reader->handle);
  const int bits = heif_image_handle_get_luma_bits_per_pixel(reader->handle);
  if (width <= 0 || height <= 0) return damaged(fault, "it does not say how large it is");
  if (bits < 8 || bits > 16) return damaged(fault, "it does not say how many bits its samples have");
  reader->image = avifImageCreate((uint32_t)width, (uint32_t)height, (uint32_t)bits,
                                  pixel_format(heif_image_handle_get_coded_chroma(reader->handle)));
  if (!reader->image) return no_memory(fault);
  reader->has_alpha = heif_image_handle_has_alpha_channel(reader->handle);
  reader->image->alphaPremultiplied = heif_image_handle_is_premultiplied_alpha(reader->handle) != 0;
  enum base_result result = read_colours(reader, fault);
  return result == BASE_OK ? read_transformations(reader, fault) : result;
}

static void reader_close(struct reader *reader) {
  if (reader->image) avifImageDestroy(reader->image);
  if (reader->decoded) heif_image_release(reader->decoded);
  if (reader->handle) heif_image_handle_release(reader->handle);
  if (reader->context) heif_context_free(reader->context);
}

// The coded data may have the last word on its colours (no `nclx`): planes are only promised when it has not.
static struct codec_picture plan_of(const struct reader *reader) {
  if (!reader->has_nclx) return (struct codec_picture){.format = IMAGE_RGBA8};
  return codec_coded_plan(reader->image, &reader->crop, reader->has_alpha);
}

static bool heic_matches(struct base_span file) {
  static const char brands[][5] = {"heic", "heix", "heim", "heis", "mif1"};
  if (file.bytes < 16 || memcmp(file.data + 4, "ftyp", 4) != 0) return false;
  const uint32_t box =
      (uint32_t)file.data[0] << 24 | (uint32_t)file.data[1] << 16 | (uint32_t)file.data[2] << 8 | file.data[3];
  const size_t end = box < file.bytes ? box : file.bytes;
  for (size_t at = 8; at + 4 <= end; at += at == 8 ? 8 : 4) {
    for (size_t i = 0; i < sizeof brands / sizeof *brands; i++) {
      if (memcmp(file.data + at, brands[i], 4) == 0) return true;
    }
  }
  return false;
}

static enum base_result heic_inspect(struct base_span file, struct image_header *out, struct base_fault *fault) {
  struct reader reader;
  enum base_result result = reader_open(&reader, file, fault);
  if (result == BASE_OK) {
    *out = (struct image_header){
        .format = IMAGE_FILE_HEIC,
        .width = reader.crop.width,
        .height = reader.crop.height,
        .coded_width = reader.image->width,
        .coded_height = reader.image->height,
        .orientation = reader.orientation,
        .colour = codec_coded_colour(reader.image),
        .bits = (uint8_t)reader.image->depth,
        .has_alpha = reader.has_alpha,
        .has_icc = reader.image->icc.size > 0,
    };
  }
  reader_close(&reader);
  return result;
}

static enum base_result heic_plan(struct base_span file, const struct image_header *header, struct codec_picture *out,
                                  struct base_fault *fault) {
  struct reader reader;
  (void)header;
  enum base_result result = reader_open(&reader, file, fault);
  if (result == BASE_OK) *out = plan_of(&reader);
  reader_close(&reader);
  return result;
}

// Lends a decoded plane to reader->image; false when it is not what the header said.
static bool borrow_plane(struct reader *reader, enum heif_channel channel, uint32_t width, uint32_t height,
                         uint8_t **out, uint32_t *row_bytes) {
  int stride = 0;
  const struct heif_image *decoded = reader->decoded;
  const uint8_t *plane = heif_image_get_plane_readonly(decoded, channel, &stride);
  if (!plane || stride <= 0 || heif_image_get_width(decoded, channel) != (int)width ||
      heif_image_get_height(decoded, channel) != (int)height ||
      heif_image_get_bits_per_pixel_range(decoded, channel) != (int)reader->image->depth) {
    return false;
  }
  *out = (uint8_t *)(uintptr_t)plane;
  *row_bytes = (uint32_t)stride;
  return true;
}

// What was composed in R, G and B is 4:4:4 of the identity matrix: G, B, R (ITU-T H.273, 8.3).
static bool borrow_planes(struct reader *reader) {
  static const enum heif_channel yuv[3] = {heif_channel_Y, heif_channel_Cb, heif_channel_Cr};
  static const enum heif_channel gbr[3] = {heif_channel_G, heif_channel_B, heif_channel_R};
  avifImage *image = reader->image;
  const bool is_rgb = heif_image_get_colorspace(reader->decoded) == heif_colorspace_RGB;
  const avifPixelFormat format = pixel_format(heif_image_get_chroma_format(reader->decoded));
  if (is_rgb) {
    if (image->yuvFormat != AVIF_PIXEL_FORMAT_NONE) return false;
    image->yuvFormat = AVIF_PIXEL_FORMAT_YUV444;
    image->matrixCoefficients = AVIF_MATRIX_COEFFICIENTS_IDENTITY;
    image->yuvRange = AVIF_RANGE_FULL;
    image->depth = (uint32_t)heif_image_get_bits_per_pixel_range(reader->decoded, heif_channel_G);
  }
  if (format != image->yuvFormat || format == AVIF_PIXEL_FORMAT_NONE) return false;
  avifPixelFormatInfo shape;
  avifGetPixelFormatInfo(image->yuvFormat, &shape);
  for (int i = 0; i < (shape.monochrome ? 1 : 3); i++) {
    const uint32_t width = i ? (image->width + (uint32_t)shape.chromaShiftX) >> shape.chromaShiftX : image->width;
    const uint32_t height = i ? (image->height + (uint32_t)shape.chromaShiftY) >> shape.chromaShiftY : image->height;
    if (!borrow_plane(reader, is_rgb ? gbr[i] : yuv[i], width, height, &image->yuvPlanes[i], &image->yuvRowBytes[i])) {
      return false;
    }
  }
  return !reader->has_alpha || borrow_plane(reader, heif_channel_Alpha, image->width, image->height, &image->alphaPlane,
                                            &image->alphaRowBytes);
}

static enum base_result decode_planes(struct reader *reader, struct base_fault *fault) {
  struct heif_decoding_options *options = heif_decoding_options_alloc();
  if (!options) return no_memory(fault);
  options->ignore_transformations = 1;
  options->strict_decoding = 1;
  codec_hevc_expect((uint32_t)base_max_u64(reader->image->width, MAX_TILE_SIDE) + CODED_SPARE,
                    (uint32_t)base_max_u64(reader->image->height, MAX_TILE_SIDE) + CODED_SPARE);
  struct heif_error error =
      heif_decode_image(reader->handle, &reader->decoded, heif_colorspace_YCbCr, heif_chroma_undefined, options);
  heif_decoding_options_free(options);
  if (error.code != heif_error_Ok) return failed(error, fault);
  struct heif_color_profile_nclx *nclx = NULL;
  if (!reader->has_nclx && heif_image_get_nclx_color_profile(reader->decoded, &nclx).code == heif_error_Ok && nclx) {
    set_nclx(reader->image, nclx);
  }
  heif_nclx_color_profile_free(nclx);
  return borrow_planes(reader) ? BASE_OK : damaged(fault, "it is not what its header said");
}

static bool is_as_planned(const struct reader *reader, const struct image *out) {
  const struct codec_picture picture = plan_of(reader);
  const struct image_yuv *a = &picture.yuv, *b = &out->yuv;
  if (out->width != reader->crop.width || out->height != reader->crop.height || picture.format != out->format)
    return false;
  if (out->format == IMAGE_RGBA8) return out->has_alpha == reader->has_alpha;
  return a->range == b->range && a->chroma_x == b->chroma_x && a->chroma_y == b->chroma_y && a->is_grey == b->is_grey;
}

static enum base_result heic_decode(struct base_span file, const struct image_header *header, struct image *out,
                                    struct base_fault *fault) {
  struct reader reader;
  (void)header;
  enum base_result result = reader_open(&reader, file, fault);
  if (result == BASE_OK && !is_as_planned(&reader, out)) result = damaged(fault, "it is not what its header said");
  if (result == BASE_OK) result = decode_planes(&reader, fault);
  if (result == BASE_OK) result = codec_coded_deliver(reader.image, &reader.crop, out, "heic", fault);
  reader_close(&reader);
  return result;
}

const struct codec_decoder codec_heic_decoder = {
    .format = IMAGE_FILE_HEIC,
    .matches = heic_matches,
    .inspect = heic_inspect,
    .plan = heic_plan,
    .decode = heic_decode,
};
