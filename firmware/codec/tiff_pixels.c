#include "tiff_pixels.h"

#include <stdlib.h>
#include <string.h>

#include "decoders.h"

enum { CHANNELS = 4, FOURTH = 3 };

enum base_result codec_tiff_pixels_init(struct tiff_pixels *out, const struct tiff_file *file,
                                        struct base_fault *fault) {
  *out = (struct tiff_pixels){.file = file};
  // A profile of 16-bit samples is applied before they are narrowed.
  out->is_wide = file->bits > 8 && !file->is_separate && (file->kind == TIFF_KIND_GREY || file->kind == TIFF_KIND_RGB);
  enum colour_layout layout = out->is_wide ? COLOUR_RGBA16 : COLOUR_RGBA8;
  if (file->kind == TIFF_KIND_CMYK) layout = COLOUR_CMYK8;
  // What libtiff converts itself has left the profile's colour model.
  if (file->kind != TIFF_KIND_LIBRARY) out->conversion = codec_colour_create(file->profile, layout);
  if (!out->is_wide) return BASE_OK;
  out->wide = calloc(file->width, CHANNELS * sizeof *out->wide);
  return out->wide ? BASE_OK : BASE_FAIL(fault, BASE_NO_MEMORY, "tiff", "no memory to decode the TIFF");
}

void codec_tiff_pixels_finish(struct tiff_pixels *pixels) {
  codec_colour_destroy(&pixels->conversion);
  free(pixels->wide);
  pixels->wide = NULL;
}

bool codec_tiff_pixels_wants(const struct tiff_pixels *pixels, unsigned index) {
  return index < pixels->file->colour_samples || (int)index == pixels->file->alpha;
}

// The channel that a sample belongs to. The others go nowhere.
static unsigned channel_of(const struct tiff_file *file, unsigned index) {
  return (int)index == file->alpha ? FOURTH : index;
}

// Sample `index` of a row of them; libtiff has brought 16 and 32 bits to the host's order.
static uint32_t read_sample(const uint8_t *samples, size_t index, unsigned bits) {
  uint16_t wide;
  uint32_t widest, value = 0;
  switch (bits) {
    case 8:
      return samples[index];
    case 16:
      memcpy(&wide, samples + index * sizeof wide, sizeof wide);
      return wide;
    case 32:
      memcpy(&widest, samples + index * sizeof widest, sizeof widest);
      return widest;
    default:
      for (size_t bit = index * bits; bit < (index + 1) * bits; bit++) {
        value = value << 1 | (samples[bit / 8] >> (7 - bit % 8) & 1u);
      }
      return value;
  }
}

static uint8_t to_8(uint32_t value, unsigned bits) {
  if (bits == 8) return (uint8_t)value;
  if (bits == 16) return codec_narrow((uint16_t)value);
  const uint64_t top = ((uint64_t)1 << bits) - 1;
  return (uint8_t)((value * (uint64_t)255 + top / 2) / top);
}

static uint16_t to_16(uint32_t value, unsigned bits) {
  if (bits == 16) return (uint16_t)value;
  const uint64_t top = ((uint64_t)1 << bits) - 1;
  return (uint16_t)((value * (uint64_t)65535 + top / 2) / top);
}

static bool is_index(const struct tiff_file *file, unsigned index) {
  return file->kind == TIFF_KIND_PALETTE && index == 0;
}

static uint8_t channel_value(const struct tiff_file *file, uint32_t value, unsigned index) {
  if (is_index(file, index)) return (uint8_t)value;
  const uint8_t narrow = to_8(value, file->bits);
  return file->is_inverted && index == 0 ? (uint8_t)~narrow : narrow;
}

static uint16_t restore(uint32_t value, uint32_t alpha, uint32_t top) {
  if (alpha == 0) return 0;
  const uint64_t straight = ((uint64_t)value * top + alpha / 2) / alpha;
  return (uint16_t)(straight > top ? top : straight);
}

// Files of 8-bit palettes exist whose entries were never brought to 16 bits.
static bool has_narrow_palette(const struct tiff_file *file) {
  for (unsigned i = 0; i < 1u << file->bits; i++) {
    if (file->palette[0][i] > 255 || file->palette[1][i] > 255 || file->palette[2][i] > 255) return false;
  }
  return true;
}

static void look_up_colours(const struct tiff_file *file, uint8_t *rgba, uint32_t count) {
  const bool is_narrow = has_narrow_palette(file);
  for (uint32_t x = 0; x < count; x++, rgba += CHANNELS) {
    const uint8_t entry = rgba[0];
    for (unsigned c = 0; c < 3; c++) {
      const uint16_t value = file->palette[c][entry];
      rgba[c] = is_narrow ? (uint8_t)value : codec_narrow(value);
    }
  }
}

static void restore_colours(const struct tiff_file *file, uint8_t *rgba, uint32_t count) {
  const unsigned colours = file->kind == TIFF_KIND_GREY ? 1 : 3;
  for (uint32_t x = 0; x < count; x++, rgba += CHANNELS) {
    for (unsigned c = 0; c < colours; c++) rgba[c] = (uint8_t)restore(rgba[c], rgba[FOURTH], 255);
  }
}

void codec_tiff_pixels_finish_row(const struct tiff_pixels *pixels, uint8_t *rgba, uint32_t count) {
  const struct tiff_file *file = pixels->file;
  if (file->kind == TIFF_KIND_CMYK) {
    if (pixels->conversion) {
      codec_colour_row(pixels->conversion, rgba, rgba, count);
      codec_make_row_opaque(rgba, count);
    } else {
      codec_cmyk_row(rgba, false, rgba, count);
    }
    return;
  }
  if (file->kind == TIFF_KIND_PALETTE) look_up_colours(file, rgba, count);
  if (file->alpha >= 0 && file->is_associated) restore_colours(file, rgba, count);
  if (file->kind == TIFF_KIND_GREY) {
    for (uint32_t x = 0; x < count; x++)
      rgba[(size_t)x * CHANNELS + 1] = rgba[(size_t)x * CHANNELS + 2] = rgba[(size_t)x * CHANNELS];
  }
  if (file->alpha < 0) codec_make_row_opaque(rgba, count);
  if (pixels->conversion) codec_colour_row(pixels->conversion, rgba, rgba, count);
}

void codec_tiff_pixels_plane(const struct tiff_pixels *pixels, const uint8_t *samples, unsigned index,
                             uint8_t *channels, uint32_t count) {
  const struct tiff_file *file = pixels->file;
  uint8_t *out = channels + channel_of(file, index);
  for (size_t x = 0; x < count; x++)
    out[x * CHANNELS] = channel_value(file, read_sample(samples, x, file->bits), index);
}

// Grey or RGB of more than 8 bits, with what has to be done before it becomes 8.
static void convert_wide_row(struct tiff_pixels *pixels, const uint8_t *samples, uint8_t *rgba, uint32_t count) {
  const struct tiff_file *file = pixels->file;
  uint16_t *wide = pixels->wide;
  const bool is_grey = file->kind == TIFF_KIND_GREY;
  for (size_t x = 0; x < count; x++) {
    const size_t first = x * file->samples;
    uint16_t *pixel = wide + x * CHANNELS;
    pixel[FOURTH] = 65535;
    if (file->alpha >= 0)
      pixel[FOURTH] = to_16(read_sample(samples, first + (size_t)file->alpha, file->bits), file->bits);
    for (unsigned c = 0; c < 3; c++) {
      uint16_t value = to_16(read_sample(samples, first + (is_grey ? 0 : c), file->bits), file->bits);
      if (file->is_inverted) value = (uint16_t)~value;
      pixel[c] = file->is_associated ? restore(value, pixel[FOURTH], 65535) : value;
    }
    for (unsigned c = 0; c < CHANNELS; c++) rgba[x * CHANNELS + c] = codec_narrow(pixel[c]);
  }
  if (pixels->conversion) codec_colour_row(pixels->conversion, wide, rgba, count);
}

// The common case, by itself because it is ten times as fast: RGB and alpha of 8 bits, nothing else in between.
static void copy_row(const struct tiff_file *file, const uint8_t *samples, uint8_t *rgba, uint32_t count) {
  const size_t step = file->samples;
  for (size_t x = 0; x < count; x++) {
    rgba[x * CHANNELS] = samples[x * step];
    rgba[x * CHANNELS + 1] = samples[x * step + 1];
    rgba[x * CHANNELS + 2] = samples[x * step + 2];
  }
  for (size_t x = 0; x < count && file->colour_samples == CHANNELS; x++) rgba[x * CHANNELS + 3] = samples[x * step + 3];
  for (size_t x = 0; x < count && file->alpha >= 0; x++) {
    rgba[x * CHANNELS + FOURTH] = samples[x * step + (size_t)file->alpha];
  }
}

void codec_tiff_pixels_row(struct tiff_pixels *pixels, const uint8_t *samples, uint8_t *rgba, uint32_t count) {
  const struct tiff_file *file = pixels->file;
  if (pixels->is_wide) {
    convert_wide_row(pixels, samples, rgba, count);
    return;
  }
  const bool is_plain = file->bits == 8 && file->colour_samples >= 3;
  if (is_plain) copy_row(file, samples, rgba, count);
  for (unsigned index = 0; index < file->samples && !is_plain; index++) {
    if (!codec_tiff_pixels_wants(pixels, index)) continue;
    uint8_t *out = rgba + channel_of(file, index);
    for (size_t x = 0; x < count; x++) {
      const uint32_t value = read_sample(samples, x * file->samples + index, file->bits);
      out[x * CHANNELS] = channel_value(file, value, index);
    }
  }
  codec_tiff_pixels_finish_row(pixels, rgba, count);
}
