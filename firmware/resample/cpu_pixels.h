// Between rows of bytes and rows of floats; loops that compilers turn into vectors.
#ifndef RESAMPLE_CPU_PIXELS_H
#define RESAMPLE_CPU_PIXELS_H

#include <stddef.h>
#include <stdint.h>

// The sRGB transfer function (IEC 61966-2-1) both ways.
struct resample_light {
  float linear[256];      // 0..1 of a step
  float thresholds[257];  // the least light that is rounded to a step; the last one is out of reach
  uint8_t steps[4097];    // the step of light i / 4096
};

void resample_light_init(struct resample_light *light);

// --- `count` samples to floats ---
void resample_unpack_plane(const uint8_t *samples, size_t count, float *out);
void resample_unpack_rgb(const uint8_t *pixels, size_t count, float *r, float *g, float *b);
void resample_unpack_rgba(const uint8_t *pixels, size_t count, float *const out[4]);
void resample_unpack_light(const struct resample_light *light, const uint8_t *pixels, size_t count, unsigned channels,
                           float *const out[4]);

// --- and back: rounded to nearest, clamped; RGB gets alpha 255 ---
void resample_pack_plane(const float *samples, size_t count, float gain, float bias, uint8_t *out);
void resample_pack_rgb(const float *r, const float *g, const float *b, size_t count, uint8_t *out);
void resample_pack_rgba(const float *const in[4], size_t count, uint8_t *out);
void resample_pack_light(const struct resample_light *light, const float *const in[4], size_t count, unsigned channels,
                         uint8_t *out);

// --- moving finished samples ---
void resample_reverse(const uint8_t *samples, size_t count, size_t sample_bytes, uint8_t *out);
// rows[r] holds `count` samples; sample i of row r goes to out + i * stride_bytes + r * sample_bytes.
void resample_transpose(const uint8_t *const *rows, size_t row_count, size_t count, size_t sample_bytes, uint8_t *out,
                        ptrdiff_t stride_bytes);

#endif
