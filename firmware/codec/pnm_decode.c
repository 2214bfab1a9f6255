// Binary PGM and PPM (P5, P6), read where they lie. By hand rather than through stb_image, which neither scales by
// the maximum value nor swaps 16-bit samples.
#include "decoders.h"

#include <string.h>

#include "bytes.h"

enum { MAX_VALUE = 65535, MAX_SIDE = 1 << 24 };

struct reader {
  uint32_t width, height, max_value;
  unsigned channels;
  unsigned sample_bytes;
  size_t raster;  // offset of the first sample
};

static bool is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static size_t skip_space_and_comments(struct base_span file, size_t at) {
  bool in_comment = false;
  for (; at < file.bytes; at++) {
    uint8_t c = file.data[at];
    if (in_comment) {
      in_comment = c != '\n' && c != '\r';
    } else if (c == '#') {
      in_comment = true;
    } else if (!is_space(c)) {
      break;
    }
  }
  return at;
}

// One decimal field of the header. At least one digit, at most `limit`.
static bool read_number(struct base_span file, size_t *at, uint32_t limit, uint32_t *out) {
  uint64_t value = 0;
  size_t start = skip_space_and_comments(file, *at);
  size_t end = start;
  for (; end < file.bytes && file.data[end] >= '0' && file.data[end] <= '9'; end++) {
    value = value * 10 + (uint64_t)(file.data[end] - '0');
    if (value > limit) return false;
  }
  *at = end;
  *out = (uint32_t)value;
  return end > start;
}

static enum base_result read_header(struct base_span file, struct reader *out, struct base_fault *fault) {
  size_t at = 2;
  *out = (struct reader){.channels = file.data[1] == '6' ? 3 : 1};
  if (!read_number(file, &at, MAX_SIDE, &out->width) || !read_number(file, &at, MAX_SIDE, &out->height) ||
      !read_number(file, &at, MAX_VALUE, &out->max_value) || out->max_value == 0 || at >= file.bytes ||
      !is_space(file.data[at])) {
    return BASE_FAIL(fault, BASE_UNPROCESSABLE, "pnm", "the PNM is damaged: its header makes no sense");
  }
  out->sample_bytes = out->max_value > 255 ? 2 : 1;
  out->raster = at + 1;
  return BASE_OK;
}

static uint8_t read_sample(const struct reader *reader, const uint8_t *at) {
  uint32_t value = reader->sample_bytes == 2 ? codec_be16(at) : at[0];
  if (value > reader->max_value) value = reader->max_value;
  return (uint8_t)((value * 255 + reader->max_value / 2) / reader->max_value);
}

static void read_row(const struct reader *reader, const uint8_t *in, uint8_t *rgba) {
  size_t green = reader->channels == 3 ? reader->sample_bytes : 0;
  for (uint32_t x = 0; x < reader->width; x++, rgba += 4, in += (size_t)reader->channels * reader->sample_bytes) {
    rgba[0] = read_sample(reader, in);
    rgba[1] = read_sample(reader, in + green);
    rgba[2] = read_sample(reader, in + 2 * green);
    rgba[3] = 255;
  }
}

static bool pnm_matches(struct base_span file) {
  return file.bytes >= 3 && file.data[0] == 'P' && (file.data[1] == '5' || file.data[1] == '6') &&
         (is_space(file.data[2]) || file.data[2] == '#');
}

static enum base_result pnm_inspect(struct base_span file, struct image_header *out, struct base_fault *fault) {
  struct reader reader;
  enum base_result result = read_header(file, &reader, fault);
  if (result != BASE_OK) return result;
  *out = (struct image_header){
      .format = IMAGE_FILE_PNM,
      .width = reader.width,
      .height = reader.height,
      .orientation = IMAGE_UPRIGHT,
      .colour = reader.channels == 3 ? IMAGE_COLOUR_RGB : IMAGE_COLOUR_GREY,
      .bits = (uint8_t)(reader.sample_bytes * 8),
  };
  return BASE_OK;
}

static enum base_result pnm_decode(struct base_span file, const struct image_header *header, struct image *out,
                                   struct base_fault *fault) {
  struct reader reader;
  (void)header;
  enum base_result result = read_header(file, &reader, fault);
  if (result != BASE_OK) return result;
  size_t row_bytes = (size_t)reader.width * reader.channels * reader.sample_bytes;
  if (reader.width != out->width || reader.height != out->height ||
      (file.bytes - reader.raster) / row_bytes < reader.height) {
    return BASE_FAIL(fault, BASE_UNPROCESSABLE, "pnm", "the PNM is damaged: it ends early");
  }
  for (uint32_t y = 0; y < out->height; y++) {
    read_row(&reader, file.data + reader.raster + (size_t)y * row_bytes, image_row(out, y));
  }
  return BASE_OK;
}

const struct codec_decoder codec_pnm_decoder = {
    .format = IMAGE_FILE_PNM,
    .matches = pnm_matches,
    .inspect = pnm_inspect,
    .plan = codec_plan_rgba,
    .decode = pnm_decode,
};
