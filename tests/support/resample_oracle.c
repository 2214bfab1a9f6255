#include "resample_oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct field {
  uint32_t width, height;
  double *samples;
};

struct resample_oracle {
  bool is_planar;          // the target's kind
  bool is_converted;       // RGBA8 -> YUV: chroma follows from colour
  struct image_yuv yuv;    // the target's
  struct field colour[4];  // straight R, G, B, A; unused from YUV sources
  struct field channels[IMAGE_MAX_PLANES];
};

// --- the filters, from the papers ---

static double sinc(double x) { return x == 0.0 ? 1.0 : sin(M_PI * x) / (M_PI * x); }

static double filter_value(enum resample_filter filter, double x) {
  x = fabs(x);
  if (filter == RESAMPLE_LANCZOS3) return x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0;
  if (filter == RESAMPLE_BICUBIC) {  // Keys, equation 4 with a = -0.5
    if (x <= 1.0) return 1.5 * x * x * x - 2.5 * x * x + 1.0;
    return x < 2.0 ? -0.5 * x * x * x + 2.5 * x * x - 4.0 * x + 2.0 : 0.0;
  }
  if (x < 1.0) return (7.0 * x * x * x - 12.0 * x * x + 16.0 / 3.0) / 6.0;
  return x < 2.0 ? (-7.0 / 3.0 * x * x * x + 12.0 * x * x - 20.0 * x + 32.0 / 3.0) / 6.0 : 0.0;
}

static double support_of(enum resample_filter filter) { return filter == RESAMPLE_LANCZOS3 ? 3.0 : 2.0; }

// --- geometry ---

// Where the upright point (x, y) comes from in a picture of width x height that is still turned (Exif 2.3, tag 0x0112).
static void turn_back(enum image_orientation orientation, double width, double height, double x, double y,
                      double *out_x, double *out_y) {
  const double right = width - x, bottom = height - y;  // upright sizes equal the turned ones
  const double across = width - y, down = height - x;   // or have changed places
  switch (orientation) {
    case IMAGE_UPRIGHT:
      *out_x = x, *out_y = y;
      break;
    case IMAGE_FLIP_H:
      *out_x = right, *out_y = y;
      break;
    case IMAGE_ROTATE_180:
      *out_x = right, *out_y = bottom;
      break;
    case IMAGE_FLIP_V:
      *out_x = x, *out_y = bottom;
      break;
    case IMAGE_TRANSPOSE:
      *out_x = y, *out_y = x;
      break;
    case IMAGE_ROTATE_90:
      *out_x = y, *out_y = down;
      break;
    case IMAGE_TRANSVERSE:
      *out_x = across, *out_y = down;
      break;
    case IMAGE_ROTATE_270:
      *out_x = across, *out_y = x;
      break;
  }
}

static bool swaps_axes(enum image_orientation orientation) { return orientation >= IMAGE_TRANSPOSE; }

// Rectangles are computed, so an edge may miss a pixel's edge by a rounding error.
static double whole_if_near(double edge) { return fabs(edge - round(edge)) < 1e-6 ? round(edge) : edge; }

struct edges {
  double left, top, right, bottom;
};

static struct edges clipped(const struct image_rect *rect, const struct image *source) {
  return (struct edges){.left = whole_if_near(fmax(rect->x, 0.0)),
                        .top = whole_if_near(fmax(rect->y, 0.0)),
                        .right = whole_if_near(fmin(rect->x + rect->width, source->width)),
                        .bottom = whole_if_near(fmin(rect->y + rect->height, source->height))};
}

// Walks towards the picture one reflection at a time.
static long reflect(long position, long low, long high) {
  while (position < low || position >= high) {
    position = position < low ? 2 * low - 1 - position : 2 * high - 1 - position;
  }
  return position;
}

// --- one axis: which samples make an output ---

struct taps {
  long first;  // may lie outside the source
  long count;
  double *weights;
};

struct axis {
  long low, high;  // source samples that exist
  uint32_t outputs;
  struct taps *taps;
};

// `places`: the outputs' centres in source samples; `scale`: source samples an output; of `side` samples those that
// [begin, end] touches exist, one at least.
static struct axis make_axis(enum resample_filter filter, const double *places, uint32_t outputs, double scale,
                             double begin, double end, uint32_t side) {
  const double widening = fmax(scale, 1.0), reach = support_of(filter) * widening;
  struct axis axis = {.low = (long)floor(whole_if_near(begin)),
                      .high = (long)ceil(whole_if_near(end)),
                      .outputs = outputs,
                      .taps = calloc(outputs, sizeof(struct taps))};
  if (axis.low == (long)side) axis.low--;
  if (axis.high == axis.low) axis.high++;
  for (uint32_t i = 0; i < outputs; i++) {
    struct taps *taps = &axis.taps[i];
    taps->first = (long)floor(places[i] - reach) - 1;
    taps->count = (long)ceil(places[i] + reach) + 1 - taps->first;
    taps->weights = calloc((size_t)taps->count, sizeof(double));
    double total = 0.0;
    for (long k = 0; k < taps->count; k++) {
      taps->weights[k] = filter_value(filter, ((double)(taps->first + k) + 0.5 - places[i]) / widening);
      total += taps->weights[k];
    }
    for (long k = 0; k < taps->count; k++) taps->weights[k] /= total;
  }
  return axis;
}

static void free_axis(struct axis *axis) {
  for (uint32_t i = 0; i < axis->outputs; i++) free(axis->taps[i].weights);
  free(axis->taps);
}

static double apply_taps(const struct axis *axis, uint32_t output, const double *line, size_t step) {
  const struct taps *taps = &axis->taps[output];
  double sum = 0.0;
  for (long k = 0; k < taps->count; k++) {
    if (taps->weights[k] == 0.0) continue;
    sum += taps->weights[k] * line[(size_t)reflect(taps->first + k, axis->low, axis->high) * step];
  }
  return sum;
}

// --- one plane ---

static struct field make_field(uint32_t width, uint32_t height) {
  return (struct field){width, height, calloc((size_t)width * height, sizeof(double))};
}

static uint32_t blocks_of(uint32_t side, unsigned block) { return (side + block - 1) / block; }

struct blocks {
  unsigned x, y;
};

// The centres of one target axis's samples, in samples of the source plane: across the target (`is_across`) or down it.
static double *centres(const struct resample_job *job, const struct edges *edges, struct blocks from, struct blocks to,
                       bool is_across, uint32_t outputs) {
  const bool swaps = swaps_axes(job->orientation);
  const double width = swaps ? job->height : job->width, height = swaps ? job->width : job->height;
  double *places = calloc(outputs, sizeof(double));
  for (uint32_t i = 0; i < outputs; i++) {
    const double x = is_across ? (i + 0.5) * to.x : 0.0, y = is_across ? 0.0 : (i + 0.5) * to.y;
    double turned_x = 0.0, turned_y = 0.0;
    turn_back(job->orientation, width, height, x, y, &turned_x, &turned_y);
    if (is_across != swaps) {
      places[i] = (edges->left + turned_x * (edges->right - edges->left) / width) / from.x;
    } else {
      places[i] = (edges->top + turned_y * (edges->bottom - edges->top) / height) / from.y;
    }
  }
  return places;
}

// The source axis that runs across the target (or down it) and what of it is seen.
static struct axis target_axis(const struct resample_job *job, const struct edges *edges, struct blocks from,
                               struct blocks to, bool is_across, const struct field *plane) {
  const bool is_source_x = is_across != swaps_axes(job->orientation);
  const uint32_t pixels = is_across ? job->width : job->height;
  const unsigned to_block = is_across ? to.x : to.y, from_block = is_source_x ? from.x : from.y;
  const double begin = (is_source_x ? edges->left : edges->top) / from_block;
  const double end = (is_source_x ? edges->right : edges->bottom) / from_block;
  const uint32_t outputs = blocks_of(pixels, to_block);
  double *places = centres(job, edges, from, to, is_across, outputs);
  struct axis axis = make_axis(job->filter, places, outputs, (end - begin) / pixels * to_block, begin, end,
                               is_source_x ? plane->width : plane->height);
  free(places);
  return axis;
}

// Filters a plane into the target's orientation. `from` and `to`: pixels a sample covers in source and target.
static struct field filter_plane(const struct resample_job *job, const struct edges *edges, const struct field *plane,
                                 struct blocks from, struct blocks to) {
  struct axis across = target_axis(job, edges, from, to, true, plane);
  struct axis down = target_axis(job, edges, from, to, false, plane);
  const bool swaps = swaps_axes(job->orientation);
  const size_t across_step = swaps ? plane->width : 1, down_step = swaps ? 1 : plane->width;
  const uint32_t lines = swaps ? plane->width : plane->height;
  struct field middle = make_field(across.outputs, lines), out = make_field(across.outputs, down.outputs);
  for (uint32_t line = (uint32_t)down.low; line < (uint32_t)down.high; line++) {
    for (uint32_t i = 0; i < across.outputs; i++) {
      middle.samples[(size_t)line * across.outputs + i] =
          apply_taps(&across, i, plane->samples + line * down_step, across_step);
    }
  }
  for (uint32_t y = 0; y < down.outputs; y++) {
    for (uint32_t x = 0; x < across.outputs; x++) {
      out.samples[(size_t)y * out.width + x] = apply_taps(&down, y, middle.samples + x, across.outputs);
    }
  }
  free(middle.samples);
  free_axis(&across);
  free_axis(&down);
  return out;
}

// --- RGBA8 sources ---

static double linear_of(double value) {  // IEC 61966-2-1, 0..1
  return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4);
}

static double srgb_of(double value) {
  return value <= 0.0031308 ? value * 12.92 : 1.055 * pow(value, 1.0 / 2.4) - 0.055;
}

static double clamp(double value) { return fmin(fmax(value, 0.0), 255.0); }

// A channel of the source as it is filtered: premultiplied colour (linear if wanted), or alpha.
static struct field source_channel(const struct resample_job *job, const struct image *source, unsigned channel) {
  struct field field = make_field(source->width, source->height);
  for (uint32_t y = 0; y < source->height; y++) {
    const uint8_t *row = image_row(source, y);
    for (uint32_t x = 0; x < source->width; x++) {
      const double alpha = source->has_alpha ? row[x * 4 + 3] : 255.0;
      double value = channel == 3 ? 255.0 : row[x * 4 + channel];
      if (channel < 3 && job->is_linear) value = 255.0 * linear_of(value / 255.0);
      field.samples[(size_t)y * source->width + x] = value * alpha / 255.0;
    }
  }
  return field;
}

static void compute_colour(struct resample_oracle *oracle, const struct resample_job *job, const struct image *source) {
  const struct edges edges = clipped(&job->rect, source);
  const struct blocks whole = {1, 1};
  for (unsigned c = 0; c < 4; c++) {
    struct field field = source_channel(job, source, c);
    oracle->colour[c] = filter_plane(job, &edges, &field, whole, whole);
    free(field.samples);
  }
  for (size_t i = 0; i < (size_t)job->width * job->height; i++) {
    const double alpha = oracle->colour[3].samples[i];
    for (unsigned c = 0; c < 3; c++) {
      double *value = &oracle->colour[c].samples[i];
      *value = alpha < 0.5 ? 0.0 : *value * 255.0 / alpha;
      if (job->is_linear) *value = 255.0 * srgb_of(clamp(*value) / 255.0);
    }
  }
}

// --- RGB to YUV (ITU-T T.871; BT.601 for the limited range) ---

static void yuv_of(const double rgb[3], enum image_range range, double out[3]) {
  const double luma = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
  const double blue = (rgb[2] - luma) / 1.772, red = (rgb[0] - luma) / 1.402;
  const bool is_full = range == IMAGE_RANGE_FULL;
  out[0] = is_full ? luma : 16.0 + luma * 219.0 / 255.0;
  out[1] = 128.0 + (is_full ? blue : blue * 224.0 / 255.0);
  out[2] = 128.0 + (is_full ? red : red * 224.0 / 255.0);
}

// The pixels of a chroma block that exist.
struct block {
  size_t count;
  size_t pixels[4];
};

static struct block block_at(const struct resample_oracle *oracle, uint32_t x, uint32_t y) {
  const struct field *colour = &oracle->colour[0];
  struct block block = {0};
  for (uint32_t dy = 0; dy < oracle->yuv.chroma_y; dy++) {
    for (uint32_t dx = 0; dx < oracle->yuv.chroma_x; dx++) {
      const uint32_t px = x * oracle->yuv.chroma_x + dx, py = y * oracle->yuv.chroma_y + dy;
      if (px < colour->width && py < colour->height) block.pixels[block.count++] = (size_t)py * colour->width + px;
    }
  }
  return block;
}

// Chroma of the block's mean colour with the given weights; grey when they are all 0.
static double chroma_of(const struct resample_oracle *oracle, const struct block *block, const double weights[4],
                        unsigned plane) {
  double total = 0.0, mean[3] = {0}, yuv[3];
  for (size_t i = 0; i < block->count; i++) {
    total += weights[i];
    for (unsigned c = 0; c < 3; c++) mean[c] += weights[i] * clamp(oracle->colour[c].samples[block->pixels[i]]);
  }
  if (total <= 0.0) return 128.0;
  for (unsigned c = 0; c < 3; c++) mean[c] /= total;
  yuv_of(mean, oracle->yuv.range, yuv);
  return yuv[plane];
}

static double alpha_at(const struct resample_oracle *oracle, size_t pixel) {
  return clamp(oracle->colour[3].samples[pixel]);
}

static void convert_colour(struct resample_oracle *oracle) {
  const struct field *colour = oracle->colour;
  const uint32_t width = colour->width, height = colour->height;
  struct field *channels = oracle->channels;
  channels[IMAGE_PLANE_Y] = make_field(width, height);
  channels[IMAGE_PLANE_A] = make_field(width, height);
  for (size_t i = 0; i < (size_t)width * height; i++) {
    double rgb[3], yuv[3];
    for (unsigned c = 0; c < 3; c++) rgb[c] = clamp(colour[c].samples[i]);
    yuv_of(rgb, oracle->yuv.range, yuv);
    channels[IMAGE_PLANE_Y].samples[i] = yuv[0];
    channels[IMAGE_PLANE_A].samples[i] = colour[3].samples[i];
  }
  for (unsigned plane = IMAGE_PLANE_U; plane <= IMAGE_PLANE_V; plane++) {
    channels[plane] = make_field(blocks_of(width, oracle->yuv.chroma_x), blocks_of(height, oracle->yuv.chroma_y));
    for (size_t i = 0; i < (size_t)channels[plane].width * channels[plane].height; i++) {
      const struct block block =
          block_at(oracle, (uint32_t)(i % channels[plane].width), (uint32_t)(i / channels[plane].width));
      double weights[4] = {0};
      for (size_t k = 0; k < block.count; k++) weights[k] = floor(alpha_at(oracle, block.pixels[k]) + 0.5);
      channels[plane].samples[i] = chroma_of(oracle, &block, weights, plane);
    }
  }
}

// --- YUV sources ---

static double range_changed(double value, unsigned plane, enum image_range from, enum image_range to) {
  if (from == to || plane == IMAGE_PLANE_A) return value;
  const bool is_luma = plane == IMAGE_PLANE_Y;
  const double limited_low = is_luma ? 16.0 : 128.0, full_low = is_luma ? 0.0 : 128.0;
  const double limited_span = is_luma ? 219.0 : 224.0;
  if (to == IMAGE_RANGE_LIMITED) return limited_low + (value - full_low) * limited_span / 255.0;
  return full_low + (value - limited_low) * 255.0 / limited_span;
}

static void compute_plane(struct resample_oracle *oracle, const struct resample_job *job, const struct image *source,
                          unsigned plane) {
  const struct edges edges = clipped(&job->rect, source);
  const bool is_chroma = plane == IMAGE_PLANE_U || plane == IMAGE_PLANE_V;
  const struct blocks from = {is_chroma ? source->yuv.chroma_x : 1, is_chroma ? source->yuv.chroma_y : 1};
  const struct blocks to = {is_chroma ? oracle->yuv.chroma_x : 1, is_chroma ? oracle->yuv.chroma_y : 1};
  const struct image_plane *samples = &source->planes[plane];
  struct field *out = &oracle->channels[plane];
  if (!samples->samples) {  // grey has no colour, opaque pictures no alpha
    *out = make_field(blocks_of(job->width, to.x), blocks_of(job->height, to.y));
    for (size_t i = 0; i < (size_t)out->width * out->height; i++) out->samples[i] = is_chroma ? 128.0 : 255.0;
    return;
  }
  struct field field = make_field(samples->width, samples->height);
  for (uint32_t y = 0; y < field.height; y++) {
    for (uint32_t x = 0; x < field.width; x++) {
      field.samples[(size_t)y * field.width + x] = image_plane_row(samples, y)[x];
    }
  }
  *out = filter_plane(job, &edges, &field, from, to);
  free(field.samples);
  for (size_t i = 0; i < (size_t)out->width * out->height; i++) {
    out->samples[i] = range_changed(out->samples[i], plane, source->yuv.range, oracle->yuv.range);
  }
}

struct resample_oracle *resample_oracle_create(const struct resample_job *job) {
  const struct image *source = resample_source_image(job->source);
  struct resample_oracle *oracle = calloc(1, sizeof(*oracle));
  oracle->is_planar = job->target->format == IMAGE_YUV;
  oracle->is_converted = oracle->is_planar && source->format == IMAGE_RGBA8;
  oracle->yuv = job->target->yuv;
  if (source->format == IMAGE_RGBA8) {
    compute_colour(oracle, job, source);
    if (oracle->is_converted) convert_colour(oracle);
  } else {
    for (unsigned plane = 0; plane < IMAGE_MAX_PLANES; plane++) compute_plane(oracle, job, source, plane);
  }
  return oracle;
}

void resample_oracle_destroy(struct resample_oracle **oracle) {
  if (!*oracle) return;
  for (unsigned i = 0; i < 4; i++) free((*oracle)->colour[i].samples);
  for (unsigned i = 0; i < IMAGE_MAX_PLANES; i++) free((*oracle)->channels[i].samples);
  free(*oracle);
  *oracle = NULL;
}

// --- comparison ---

static const struct field *channel_of(const struct resample_oracle *oracle, unsigned channel) {
  return oracle->is_planar ? &oracle->channels[channel] : &oracle->colour[channel];
}

double resample_oracle_at(const struct resample_oracle *oracle, unsigned channel, uint32_t x, uint32_t y) {
  const struct field *field = channel_of(oracle, channel);
  return field->samples[(size_t)y * field->width + x];
}

static int to_step(double value) { return (int)floor(clamp(value) + 0.5); }

static uint8_t found_at(const struct resample_job *job, unsigned channel, uint32_t x, uint32_t y) {
  const struct image *target = job->target;
  if (target->format == IMAGE_RGBA8) return image_row(target, job->y + y)[(size_t)(job->x + x) * 4 + channel];
  const bool is_chroma = channel == IMAGE_PLANE_U || channel == IMAGE_PLANE_V;
  const uint32_t left = is_chroma ? job->x / target->yuv.chroma_x : job->x;
  const uint32_t top = is_chroma ? job->y / target->yuv.chroma_y : job->y;
  return image_plane_row(&target->planes[channel], top + y)[left + x];
}

// Steps off, where the mean's weights are alphas that may have been rounded either way or not at all.
static int chroma_difference(const struct resample_oracle *oracle, unsigned plane, uint32_t x, uint32_t y, int found) {
  enum { CHOICES = 3, COMBINATIONS = CHOICES * CHOICES * CHOICES * CHOICES };
  const struct block block = block_at(oracle, x, y);
  double low = 255.0, high = 0.0;
  for (unsigned combination = 0; combination < COMBINATIONS; combination++) {
    double weights[4] = {0};
    unsigned rest = combination;
    for (size_t k = 0; k < block.count; k++, rest /= CHOICES) {
      const double alpha = alpha_at(oracle, block.pixels[k]);
      weights[k] = rest % CHOICES == 0 ? alpha : floor(alpha + (rest % CHOICES == 1 ? 0.49 : 0.51));
    }
    const double value = chroma_of(oracle, &block, weights, plane);
    low = fmin(low, value);
    high = fmax(high, value);
  }
  if (found < to_step(low)) return to_step(low) - found;
  return found > to_step(high) ? found - to_step(high) : 0;
}

// The colour of a pixel that cannot be seen must be none.
static int hidden_difference(const struct resample_oracle *oracle, int found_alpha, int found) {
  if (found_alpha != 0) return 0;  // its expected alpha is 0: a matter of rounding
  const int none = oracle->is_planar && oracle->yuv.range == IMAGE_RANGE_LIMITED ? 16 : 0;
  return abs(found - none);
}

static int sample_difference(const struct resample_oracle *oracle, const struct resample_job *job, unsigned channel,
                             uint32_t x, uint32_t y) {
  const int found = found_at(job, channel, x, y);
  const bool is_chroma = channel == IMAGE_PLANE_U || channel == IMAGE_PLANE_V;
  if (oracle->is_converted && is_chroma && job->target->has_alpha) {
    return chroma_difference(oracle, channel, x, y, found);
  }
  const bool is_colour = oracle->is_planar ? oracle->is_converted && channel == IMAGE_PLANE_Y : channel < 3;
  if (is_colour && job->target->has_alpha) {
    const int alpha = found_at(job, 3, x, y);
    if (alpha == 0 || to_step(resample_oracle_at(oracle, 3, x, y)) == 0) return hidden_difference(oracle, alpha, found);
  }
  return abs(to_step(resample_oracle_at(oracle, channel, x, y)) - found);
}

static unsigned channel_count(const struct resample_oracle *oracle, const struct resample_job *job) {
  return !oracle->is_planar || job->target->has_alpha ? 4 : 3;
}

struct resample_difference resample_oracle_compare(const struct resample_oracle *oracle,
                                                   const struct resample_job *job) {
  struct resample_difference worst = {0};
  for (unsigned channel = 0; channel < channel_count(oracle, job); channel++) {
    const struct field *field = channel_of(oracle, channel);
    for (uint32_t y = 0; y < field->height; y++) {
      for (uint32_t x = 0; x < field->width; x++) {
        const int steps = sample_difference(oracle, job, channel, x, y);
        if (steps <= worst.steps) continue;
        worst = (struct resample_difference){.steps = steps,
                                             .channel = channel,
                                             .x = x,
                                             .y = y,
                                             .expected = resample_oracle_at(oracle, channel, x, y),
                                             .found = found_at(job, channel, x, y)};
      }
    }
  }
  return worst;
}

int resample_oracle_difference(const struct resample_oracle *oracle, const struct resample_job *job) {
  return resample_oracle_compare(oracle, job).steps;
}

double resample_oracle_psnr(const struct resample_oracle *oracle, const struct resample_job *job) {
  double squares = 0.0, samples = 0.0;
  for (unsigned channel = 0; channel < channel_count(oracle, job); channel++) {
    const struct field *field = channel_of(oracle, channel);
    for (uint32_t y = 0; y < field->height; y++) {
      for (uint32_t x = 0; x < field->width; x++) {
        const double difference = to_step(resample_oracle_at(oracle, channel, x, y)) - found_at(job, channel, x, y);
        squares += difference * difference;
        samples += 1.0;
      }
    }
  }
  return 10.0 * log10(255.0 * 255.0 * samples / squares);
}
