#include "hevc_decode.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <libde265/de265.h>
#include <libheif/heif.h>
#include <libheif/heif_plugin.h>

enum {
  PLUGIN_VERSION = 3,
  PRIORITY = 100,
  NAL_LENGTH_BYTES = 4,
  // A still picture needs one; the decoder holds another while it hands it over.
  MAX_PICTURES = 3,
};

static _Thread_local uint32_t allowed_width, allowed_height;

struct decoder {
  de265_decoder_context *context;
  unsigned pictures;
};

static const struct heif_error success = {heif_error_Ok, heif_suberror_Unspecified, "Success"};

static struct heif_error damaged(const char *text) {
  return (struct heif_error){heif_error_Decoder_plugin_error, heif_suberror_Unspecified, text};
}

void codec_hevc_expect(uint32_t max_width, uint32_t max_height) {
  allowed_width = max_width;
  allowed_height = max_height;
}

// The library's own memory, but never more than announced, and never as somebody else's picture has left it: slices may
// be missing.
static int get_buffer(de265_decoder_context *context, struct de265_image_spec *spec, struct de265_image *image,
                      void *user) {
  struct decoder *decoder = user;
  const struct de265_image_allocation *library = de265_get_default_image_allocation_functions();
  if (spec->width <= 0 || spec->height <= 0 || (uint32_t)spec->width > allowed_width ||
      (uint32_t)spec->height > allowed_height || decoder->pictures >= MAX_PICTURES) {
    return 0;
  }
  if (!library->get_buffer(context, spec, image, NULL)) return 0;
  decoder->pictures++;
  const int planes = spec->format == de265_image_format_mono8 ? 1 : 3;
  for (int i = 0; i < planes; i++) {
    int stride = 0;
    const uint8_t *plane = de265_get_image_plane(image, i, &stride);
    const int rows = i > 0 && spec->format == de265_image_format_YUV420P8 ? spec->height / 2 : spec->height;
    if (plane) memset((void *)(uintptr_t)plane, 0, (size_t)stride * (size_t)rows);
  }
  return 1;
}

static void release_buffer(de265_decoder_context *context, struct de265_image *image, void *user) {
  struct decoder *decoder = user;
  decoder->pictures--;
  de265_get_default_image_allocation_functions()->release_buffer(context, image, NULL);
}

static const char *plugin_name(void) { return "libde265"; }
static void init_plugin(void) { de265_init(); }
static void finish_plugin(void) { de265_free(); }
static int supports(enum heif_compression_format format) { return format == heif_compression_HEVC ? PRIORITY : 0; }

static struct heif_error new_decoder(void **out) {
  static struct de265_image_allocation allocation = {.get_buffer = get_buffer, .release_buffer = release_buffer};
  struct decoder *decoder = calloc(1, sizeof *decoder);
  if (decoder) decoder->context = de265_new_decoder();
  if (!decoder || !decoder->context) {
    free(decoder);
    return (struct heif_error){heif_error_Memory_allocation_error, heif_suberror_Unspecified, "no memory"};
  }
  // No worker threads: several processes decode side by side.
  de265_set_image_allocation_functions(decoder->context, &allocation, decoder);
  *out = decoder;
  return success;
}

static void free_decoder(void *self) {
  struct decoder *decoder = self;
  de265_free_decoder(decoder->context);
  free(decoder);
}

static struct heif_error push_data(void *self, const void *data, size_t bytes) {
  struct decoder *decoder = self;
  const uint8_t *at = data;
  while (bytes > 0) {
    if (bytes < NAL_LENGTH_BYTES) return damaged("its coded data ends early");
    const uint32_t length = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    at += NAL_LENGTH_BYTES;
    bytes -= NAL_LENGTH_BYTES;
    if (length > bytes || length > INT32_MAX) return damaged("its coded data ends early");
    de265_error error = de265_push_NAL(decoder->context, at, (int)length, 0, NULL);
    if (!de265_isOK(error)) return damaged(de265_get_error_text(error));
    at += length;
    bytes -= length;
  }
  return success;
}

// True for what costs no pixel.
static bool is_harmless(de265_error warning) {
  switch (warning) {
    case DE265_WARNING_NO_WPP_CANNOT_USE_MULTITHREADING:
    case DE265_WARNING_WARNING_BUFFER_FULL:
    case DE265_WARNING_NUMBER_OF_THREADS_LIMITED_TO_MAXIMUM:
    case DE265_WARNING_SPS_MISSING_CANNOT_DECODE_SEI:
      return true;
    default:
      return false;
  }
}

// The library paints over what is missing and warns.
static struct heif_error check_warnings(const struct decoder *decoder) {
  for (;;) {
    de265_error warning = de265_get_warning(decoder->context);
    if (warning == DE265_OK) return success;
    if (!is_harmless(warning)) return damaged(de265_get_error_text(warning));
  }
}

static struct heif_error copy_plane(const struct de265_image *from, int channel, struct heif_image *to) {
  static const enum heif_channel channels[3] = {heif_channel_Y, heif_channel_Cb, heif_channel_Cr};
  int in_stride, out_stride;
  const int width = de265_get_image_width(from, channel), height = de265_get_image_height(from, channel);
  const int bits = de265_get_bits_per_pixel(from, channel);
  const uint8_t *in = de265_get_image_plane(from, channel, &in_stride);
  if (!in || width <= 0 || height <= 0 || bits != de265_get_bits_per_pixel(from, 0)) {
    return damaged("its planes contradict each other");
  }
  struct heif_error error = heif_image_add_plane(to, channels[channel], width, height, bits);
  if (error.code != heif_error_Ok) return error;
  uint8_t *out = heif_image_get_plane(to, channels[channel], &out_stride);
  for (int y = 0; y < height; y++) {
    memcpy(out + (ptrdiff_t)y * out_stride, in + (ptrdiff_t)y * in_stride, (size_t)width * (bits > 8 ? 2 : 1));
  }
  return success;
}

// What the coded data says about its colours; the container's word counts more.
static void set_colours(const struct de265_image *from, struct heif_image *to) {
  struct heif_color_profile_nclx *nclx = heif_nclx_color_profile_alloc();
  if (!nclx) return;
  nclx->color_primaries = (enum heif_color_primaries)de265_get_image_colour_primaries(from);
  nclx->transfer_characteristics = (enum heif_transfer_characteristics)de265_get_image_transfer_characteristics(from);
  nclx->matrix_coefficients = (enum heif_matrix_coefficients)de265_get_image_matrix_coefficients(from);
  nclx->full_range_flag = de265_get_image_full_range_flag(from) != 0;
  heif_image_set_nclx_color_profile(to, nclx);
  heif_nclx_color_profile_free(nclx);
}

static struct heif_error copy_picture(const struct de265_image *from, struct heif_image **out) {
  const enum de265_chroma chroma = de265_get_chroma_format(from);
  const bool is_grey = chroma == de265_chroma_mono;
  struct heif_error error =
      heif_image_create(de265_get_image_width(from, 0), de265_get_image_height(from, 0),
                        is_grey ? heif_colorspace_monochrome : heif_colorspace_YCbCr, (enum heif_chroma)chroma, out);
  for (int i = 0; i < (is_grey ? 1 : 3) && error.code == heif_error_Ok; i++) error = copy_plane(from, i, *out);
  if (error.code == heif_error_Ok) set_colours(from, *out);
  return error;
}

static struct heif_error decode_image(void *self, struct heif_image **out) {
  struct decoder *decoder = self;
  struct heif_error error = success;
  int has_more = 1;
  *out = NULL;
  de265_error result = de265_flush_data(decoder->context);
  while (has_more && error.code == heif_error_Ok) {
    has_more = 0;
    if (result == DE265_OK) result = de265_decode(decoder->context, &has_more);
    if (!de265_isOK(result)) error = damaged(de265_get_error_text(result));
    const struct de265_image *picture = error.code == heif_error_Ok ? de265_get_next_picture(decoder->context) : NULL;
    if (!picture) continue;
    if (*out) {
      error = damaged("its coded data holds more than one picture");
    } else {
      error = copy_picture(picture, out);
    }
    de265_release_next_picture(decoder->context);
  }
  if (error.code == heif_error_Ok) error = check_warnings(decoder);
  if (error.code == heif_error_Ok && !*out) error = damaged("its coded data holds no picture");
  if (error.code != heif_error_Ok && *out) {
    heif_image_release(*out);
    *out = NULL;
  }
  return error;
}

static void set_strict(void *self, int is_strict) { (void)self, (void)is_strict; }

static const struct heif_decoder_plugin plugin = {
    .plugin_api_version = PLUGIN_VERSION,
    .get_plugin_name = plugin_name,
    .init_plugin = init_plugin,
    .deinit_plugin = finish_plugin,
    .does_support_format = supports,
    .new_decoder = new_decoder,
    .free_decoder = free_decoder,
    .push_data = push_data,
    .decode_image = decode_image,
    .set_strict_decoding = set_strict,
    .id_name = "libde265",
};

static bool is_registered;
static void register_once(void) { is_registered = heif_register_decoder_plugin(&plugin).code == heif_error_Ok; }

bool codec_hevc_register(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, register_once);
  return is_registered;
}
