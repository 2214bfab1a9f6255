#include "resample_oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

// Walks towards the picture one reflection at a time.
static long reflect(long position, long low, long high) {
  while (position < low || position >= high) {
    position = position < low ? 2 * low - 1 - position : 2 * high - 1 - position;
  }
  return position;
}

// Filters `count` samples of `step` doubles apart (4 channels each) to `outputs` samples.
static void filter_line(const double *line, size_t step, enum resample_filter filter, double origin, double extent,
                        uint32_t outputs, double *out, size_t out_step) {
  long low = (long)floor(origin);
  long high = (long)ceil(origin + extent);
  double scale = extent / outputs;
  double widening = fmax(scale, 1.0);
  for (uint32_t i = 0; i < outputs; i++) {
    double centre = origin + (i + 0.5) * scale;
    double reach = support_of(filter) * widening;
    double sums[4] = {0};
    double total = 0.0;
    for (long s = (long)floor(centre - reach) - 1; s <= (long)ceil(centre + reach) + 1; s++) {
      double weight = filter_value(filter, ((double)s + 0.5 - centre) / widening);
      if (weight == 0.0) continue;
      const double *sample = line + (size_t)reflect(s, low, high) * step;
      for (int c = 0; c < 4; c++) sums[c] += weight * sample[c];
      total += weight;
    }
    for (int c = 0; c < 4; c++) out[i * out_step + (size_t)c] = sums[c] / total;
  }
}

static double *premultiplied(const struct image *image) {
  double *pixels = calloc((size_t)image->width * image->height * 4, sizeof(double));
  for (uint32_t y = 0; y < image->height; y++) {
    const uint8_t *row = image_row(image, y);
    for (uint32_t x = 0; x < image->width; x++) {
      double *to = pixels + ((size_t)y * image->width + x) * 4;
      to[3] = image->has_alpha ? row[x * 4 + 3] : 255.0;
      for (int c = 0; c < 3; c++) to[c] = row[x * 4 + (uint32_t)c] * to[3] / 255.0;
    }
  }
  return pixels;
}

// Where the upright pixel (x, y) comes from in a picture of width x height that is still turned (Exif 2.3, tag 0x0112).
static void turn_back(enum image_orientation orientation, uint32_t width, uint32_t height, uint32_t x, uint32_t y,
                      uint32_t *out_x, uint32_t *out_y) {
  switch (orientation) {
    case IMAGE_UPRIGHT:
      *out_x = x, *out_y = y;
      break;
    case IMAGE_FLIP_H:
      *out_x = width - 1 - x, *out_y = y;
      break;
    case IMAGE_ROTATE_180:
      *out_x = width - 1 - x, *out_y = height - 1 - y;
      break;
    case IMAGE_FLIP_V:
      *out_x = x, *out_y = height - 1 - y;
      break;
    case IMAGE_TRANSPOSE:
      *out_x = y, *out_y = x;
      break;
    case IMAGE_ROTATE_90:
      *out_x = y, *out_y = height - 1 - x;
      break;
    case IMAGE_TRANSVERSE:
      *out_x = width - 1 - y, *out_y = height - 1 - x;
      break;
    case IMAGE_ROTATE_270:
      *out_x = width - 1 - y, *out_y = x;
      break;
  }
}

double *resample_oracle(const struct resample_job *job) {
  const struct image *source = job->source;
  bool swaps = job->orientation >= IMAGE_TRANSPOSE;
  uint32_t width = swaps ? job->height : job->width;
  uint32_t height = swaps ? job->width : job->height;
  double left = fmax(job->rect.x, 0.0), top = fmax(job->rect.y, 0.0);
  double right = fmin(job->rect.x + job->rect.width, source->width);
  double bottom = fmin(job->rect.y + job->rect.height, source->height);
  double *pixels = premultiplied(source);
  double *middle = calloc((size_t)width * source->height * 4, sizeof(double));
  double *turned = calloc((size_t)width * height * 4, sizeof(double));
  double *upright = calloc((size_t)width * height * 4, sizeof(double));
  for (uint32_t y = 0; y < source->height; y++) {
    filter_line(pixels + (size_t)y * source->width * 4, 4, job->filter, left, right - left, width,
                middle + (size_t)y * width * 4, 4);
  }
  for (uint32_t x = 0; x < width; x++) {
    filter_line(middle + x * 4, (size_t)width * 4, job->filter, top, bottom - top, height, turned + x * 4,
                (size_t)width * 4);
  }
  for (uint32_t y = 0; y < job->height; y++) {
    for (uint32_t x = 0; x < job->width; x++) {
      uint32_t from_x = 0, from_y = 0;
      turn_back(job->orientation, width, height, x, y, &from_x, &from_y);
      const double *from = turned + ((size_t)from_y * width + from_x) * 4;
      double *to = upright + ((size_t)y * job->width + x) * 4;
      to[3] = from[3];
      for (int c = 0; c < 3; c++) to[c] = from[3] < 0.5 ? 0.0 : from[c] * 255.0 / from[3];
    }
  }
  free(pixels);
  free(middle);
  free(turned);
  return upright;
}

static int to_step(double value) { return (int)floor(fmin(fmax(value, 0.0), 255.0) + 0.5); }

int resample_oracle_difference(const struct resample_job *job, const double *expected) {
  int worst = 0;
  for (uint32_t y = 0; y < job->height; y++) {
    const uint8_t *row = image_row(job->target, job->y + y) + (size_t)job->x * 4;
    for (uint32_t x = 0; x < job->width; x++) {
      const double *want = expected + ((size_t)y * job->width + x) * 4;
      const uint8_t *have = row + x * 4;
      int alpha = to_step(want[3]);
      int difference = abs(alpha - have[3]);
      bool is_seen = alpha > 0 && have[3] > 0;
      for (int c = 0; c < 3; c++) {
        int colour = is_seen ? abs(to_step(want[c]) - have[c]) : (have[3] == 0 ? have[c] : 0);
        if (colour > difference) difference = colour;
      }
      if (difference > worst) worst = difference;
    }
  }
  return worst;
}

double resample_oracle_psnr(const struct resample_job *job, const double *expected) {
  double squares = 0.0;
  for (uint32_t y = 0; y < job->height; y++) {
    const uint8_t *row = image_row(job->target, job->y + y) + (size_t)job->x * 4;
    for (uint32_t i = 0; i < job->width * 4; i++) {
      double difference = to_step(expected[(size_t)y * job->width * 4 + i]) - row[i];
      squares += difference * difference;
    }
  }
  return 10.0 * log10(255.0 * 255.0 * job->width * job->height * 4 / squares);
}
