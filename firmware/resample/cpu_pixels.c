#include "cpu_pixels.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "a pixel's first byte is the lowest of its word");

// Sanitizers can not run before the resolvers of cloned functions.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#if defined(__x86_64__) && defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !defined(IS_SANITIZED)
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif

static inline uint32_t load_pixel(const uint8_t *pixels, size_t i) {
  uint32_t pixel;
  memcpy(&pixel, pixels + i * 4, sizeof pixel);
  return pixel;
}

static inline void store_pixel(uint8_t *pixels, size_t i, uint32_t pixel) {
  memcpy(pixels + i * 4, &pixel, sizeof pixel);
}

// To the nearest step. Clamped as an integer: compilers make plain minima and maxima of that, whatever they may assume
// about floats. Values are far from the ends of int32_t: samples of a few hundred, divided by an alpha of at least 0.5.
static inline uint32_t to_step(float value) {
  const int32_t step = (int32_t)(value + 0.5f), low = step > 0 ? step : 0;
  return (uint32_t)(low < 255 ? low : 255);
}

WIDE void resample_unpack_plane(const uint8_t *restrict samples, size_t count, float *restrict out) {
  for (size_t i = 0; i < count; i++) out[i] = (float)(int32_t)samples[i];
}

WIDE void resample_unpack_rgb(const uint8_t *restrict pixels, size_t count, float *restrict r, float *restrict g,
                              float *restrict b) {
  for (size_t i = 0; i < count; i++) {
    const uint32_t pixel = load_pixel(pixels, i);
    r[i] = (float)(int32_t)(pixel & 255);
    g[i] = (float)(int32_t)(pixel >> 8 & 255);
    b[i] = (float)(int32_t)(pixel >> 16 & 255);
  }
}

WIDE void resample_unpack_rgba(const uint8_t *restrict pixels, size_t count, float *const out[4]) {
  float *restrict r = out[0], *restrict g = out[1], *restrict b = out[2], *restrict a = out[3];
  for (size_t i = 0; i < count; i++) {
    const uint32_t pixel = load_pixel(pixels, i);
    const float alpha = (float)(int32_t)(pixel >> 24), share = alpha * (1.0f / 255.0f);
    r[i] = (float)(int32_t)(pixel & 255) * share;
    g[i] = (float)(int32_t)(pixel >> 8 & 255) * share;
    b[i] = (float)(int32_t)(pixel >> 16 & 255) * share;
    a[i] = alpha;
  }
}

void resample_unpack_light(const struct resample_light *light, const uint8_t *pixels, size_t count, unsigned channels,
                           float *const out[4]) {
  for (size_t i = 0; i < count; i++) {
    const uint8_t *pixel = pixels + i * 4;
    const float alpha = (float)pixel[3], share = channels == 4 ? alpha * (1.0f / 255.0f) : 1.0f;
    for (unsigned c = 0; c < 3; c++) out[c][i] = light->linear[pixel[c]] * share;
    if (channels == 4) out[3][i] = alpha;
  }
}

WIDE void resample_pack_plane(const float *restrict samples, size_t count, float gain, float bias,
                              uint8_t *restrict out) {
  for (size_t i = 0; i < count; i++) out[i] = (uint8_t)to_step(samples[i] * gain + bias);
}

WIDE void resample_pack_rgb(const float *restrict r, const float *restrict g, const float *restrict b, size_t count,
                            uint8_t *restrict out) {
  for (size_t i = 0; i < count; i++) {
    store_pixel(out, i, to_step(r[i]) | to_step(g[i]) << 8 | to_step(b[i]) << 16 | 255u << 24);
  }
}

// Alpha 0 means colour 0; elsewhere the colour is divided by the alpha before it is clamped.
WIDE void resample_pack_rgba(const float *const in[4], size_t count, uint8_t *restrict out) {
  const float *restrict r = in[0], *restrict g = in[1], *restrict b = in[2], *restrict a = in[3];
  for (size_t i = 0; i < count; i++) {
    const uint32_t alpha = to_step(a[i]), mask = alpha == 0 ? 0 : 0xffffffffu;
    const float share = 255.0f / (alpha == 0 ? 1.0f : a[i]);
    const uint32_t pixel =
        to_step(r[i] * share) | to_step(g[i] * share) << 8 | to_step(b[i] * share) << 16 | alpha << 24;
    store_pixel(out, i, pixel & mask);
  }
}

// A 4096th of the light holds one threshold at most: the function's slope is below 255 * 12.92 steps.
static inline uint8_t light_step(const struct resample_light *light, float value) {
  const float low = value > 0.0f ? value : 0.0f;
  const float within = low < 1.0f ? low : 1.0f;
  const uint8_t step = light->steps[(int32_t)(within * 4096.0f)];
  return (uint8_t)(step + (within >= light->thresholds[step + 1]));
}

void resample_pack_light(const struct resample_light *light, const float *const in[4], size_t count, unsigned channels,
                         uint8_t *out) {
  for (size_t i = 0; i < count; i++) {
    uint8_t *pixel = out + i * 4;
    const uint32_t alpha = channels == 4 ? to_step(in[3][i]) : 255;
    const float share = alpha == 0 ? 0.0f : channels == 4 ? 255.0f / in[3][i] : 1.0f;
    for (unsigned c = 0; c < 3; c++) pixel[c] = light_step(light, in[c][i] * share);
    pixel[3] = (uint8_t)alpha;
  }
}

static double to_linear(double step) {
  const double value = step / 255.0;
  return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4);
}

void resample_light_init(struct resample_light *light) {
  light->thresholds[0] = 0.0f;
  light->thresholds[256] = 2.0f;
  for (unsigned i = 0; i < 256; i++) {
    light->linear[i] = (float)to_linear(i);
    if (i > 0) light->thresholds[i] = (float)to_linear(i - 0.5);
  }
  unsigned step = 0;
  for (unsigned i = 0; i <= 4096; i++) {
    while ((float)i / 4096.0f >= light->thresholds[step + 1]) step++;
    light->steps[i] = (uint8_t)step;
  }
}

void resample_reverse(const uint8_t *restrict samples, size_t count, size_t sample_bytes, uint8_t *restrict out) {
  if (sample_bytes == 1) {
    for (size_t i = 0; i < count; i++) out[i] = samples[count - 1 - i];
    return;
  }
  for (size_t i = 0; i < count; i++) store_pixel(out, i, load_pixel(samples, count - 1 - i));
}

// Bytes of `high` at the mask's places change with those of `low` beside them.
static inline void exchange(uint64_t *low, uint64_t *high, unsigned shift, uint64_t mask) {
  const uint64_t change = (*low >> shift ^ *high) & mask;
  *high ^= change;
  *low ^= change << shift;
}

// 8 x 8 bytes by three rounds of exchanges in words.
static void transpose_block(const uint8_t *const rows[8], size_t column, uint8_t *out, ptrdiff_t stride_bytes) {
  uint64_t words[8];
  for (unsigned r = 0; r < 8; r++) memcpy(&words[r], rows[r] + column, 8);
  for (unsigned r = 0; r < 4; r++) exchange(&words[r], &words[r + 4], 32, 0x00000000ffffffffu);
  for (unsigned r = 0; r < 8; r += r % 4 == 1 ? 3 : 1) exchange(&words[r], &words[r + 2], 16, 0x0000ffff0000ffffu);
  for (unsigned r = 0; r < 8; r += 2) exchange(&words[r], &words[r + 1], 8, 0x00ff00ff00ff00ffu);
  for (unsigned i = 0; i < 8; i++) memcpy(out + ((ptrdiff_t)column + i) * stride_bytes, &words[i], 8);
}

static void transpose_bytes(const uint8_t *const *rows, size_t row_count, size_t first, size_t count, uint8_t *out,
                            ptrdiff_t stride_bytes) {
  for (size_t i = first; i < count; i++) {
    uint8_t *to = out + (ptrdiff_t)i * stride_bytes;
    for (size_t r = 0; r < row_count; r++) to[r] = rows[r][i];
  }
}

void resample_transpose(const uint8_t *const *rows, size_t row_count, size_t count, size_t sample_bytes, uint8_t *out,
                        ptrdiff_t stride_bytes) {
  if (sample_bytes == 4) {
    for (size_t i = 0; i < count; i++) {
      uint8_t *to = out + (ptrdiff_t)i * stride_bytes;
      for (size_t r = 0; r < row_count; r++) store_pixel(to, r, load_pixel(rows[r], i));
    }
    return;
  }
  const size_t whole = count & ~(size_t)7;
  size_t done = 0;
  for (; row_count - done >= 8; done += 8) {
    for (size_t i = 0; i < whole; i += 8) transpose_block(rows + done, i, out + done, stride_bytes);
    transpose_bytes(rows + done, 8, whole, count, out + done, stride_bytes);
  }
  transpose_bytes(rows + done, row_count - done, 0, count, out + done, stride_bytes);
}
