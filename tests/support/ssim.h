// Structural similarity of two pictures, for gates on quality.
#ifndef TESTS_SSIM_H
#define TESTS_SSIM_H

#include <stddef.h>
#include <stdint.h>

// One 8-bit channel.
struct ssim_plane {
  const uint8_t *samples;
  size_t step_bytes, stride_bytes;  // to the next sample, to the next row
};

// Mean SSIM as defined by Wang, Bovik, Sheikh and Simoncelli (2004): Gaussian window of 11 x 11 samples with a standard
// deviation of 1.5, K1 = 0.01, K2 = 0.03, L = 255, over all places where the window fits (sides of at least 11). 1 when
// the planes are equal.
double ssim_of(const struct ssim_plane *a, const struct ssim_plane *b, uint32_t width, uint32_t height);

// BT.601 luma of RGB pixels `step_bytes` apart, rounded, as one tightly packed plane; free() it.
uint8_t *ssim_luma(const uint8_t *pixels, size_t step_bytes, size_t stride_bytes, uint32_t width, uint32_t height);

#endif
