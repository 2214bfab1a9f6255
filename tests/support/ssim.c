#include "ssim.h"

#include <math.h>
#include <stdlib.h>

enum { WINDOW = 11, MOMENTS = 5 };  // of a, b, a * a, b * b, a * b

static void fill_window(double window[WINDOW]) {
  double sum = 0.0;
  for (int i = 0; i < WINDOW; i++) sum += window[i] = exp(-(i - WINDOW / 2) * (i - WINDOW / 2) / (2.0 * 1.5 * 1.5));
  for (int i = 0; i < WINDOW; i++) window[i] /= sum;
}

static uint8_t sample_at(const struct ssim_plane *plane, uint32_t x, uint32_t y) {
  return plane->samples[y * plane->stride_bytes + x * plane->step_bytes];
}

// The moments of one row, weighted along it; `out` has room for `places` times MOMENTS.
static void filter_row(const struct ssim_plane *a, const struct ssim_plane *b, uint32_t y, uint32_t places,
                       const double window[WINDOW], double *out) {
  for (uint32_t x = 0; x < places; x++, out += MOMENTS) {
    double sums[MOMENTS] = {0};
    for (uint32_t i = 0; i < WINDOW; i++) {
      const double p = sample_at(a, x + i, y), q = sample_at(b, x + i, y), weight = window[i];
      sums[0] += weight * p;
      sums[1] += weight * q;
      sums[2] += weight * p * p;
      sums[3] += weight * q * q;
      sums[4] += weight * p * q;
    }
    for (int m = 0; m < MOMENTS; m++) out[m] = sums[m];
  }
}

static double similarity(const double moments[MOMENTS]) {
  const double c1 = 0.01 * 255 * 0.01 * 255, c2 = 0.03 * 255 * 0.03 * 255;
  const double a = moments[0], b = moments[1];
  const double variances = moments[2] - a * a + moments[3] - b * b, covariance = moments[4] - a * b;
  return (2 * a * b + c1) * (2 * covariance + c2) / ((a * a + b * b + c1) * (variances + c2));
}

double ssim_of(const struct ssim_plane *a, const struct ssim_plane *b, uint32_t width, uint32_t height) {
  double window[WINDOW];
  if (width < WINDOW || height < WINDOW) return NAN;
  const uint32_t across = width - WINDOW + 1, down = height - WINDOW + 1;
  const size_t row = (size_t)across * MOMENTS;
  double *rows = calloc(row * WINDOW, sizeof(double));  // the last WINDOW rows, in turn
  double total = 0.0;
  fill_window(window);
  for (uint32_t y = 0; y < height; y++) {
    filter_row(a, b, y, across, window, rows + y % WINDOW * row);
    if (y + 1 < WINDOW) continue;
    for (uint32_t x = 0; x < across; x++) {
      double moments[MOMENTS] = {0};
      for (uint32_t i = 0; i < WINDOW; i++) {
        const double *from = rows + (y + 1 - WINDOW + i) % WINDOW * row + (size_t)x * MOMENTS;
        for (int m = 0; m < MOMENTS; m++) moments[m] += window[i] * from[m];
      }
      total += similarity(moments);
    }
  }
  free(rows);
  return total / ((double)across * down);
}

uint8_t *ssim_luma(const uint8_t *pixels, size_t step_bytes, size_t stride_bytes, uint32_t width, uint32_t height) {
  uint8_t *luma = calloc((size_t)width * height, 1);
  for (uint32_t y = 0; y < height; y++) {
    for (uint32_t x = 0; x < width; x++) {
      const uint8_t *pixel = pixels + y * stride_bytes + x * step_bytes;
      luma[(size_t)y * width + x] = (uint8_t)floor(0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2] + 0.5);
    }
  }
  return luma;
}
